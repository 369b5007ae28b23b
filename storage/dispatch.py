"""What supervisors do with calls for help while they last."""

from __future__ import annotations

from storage.reachability import JOIN_REACH, WHY_UNREACHABLE

LOCK_STEERED = """
select id, scope_id, station_id, officer_id, status, drill, severity, duplicate_of, rev from sos_alert
where id = any ($1::uuid[]) and station_id = $2 and deleted_at is null order by id for update
"""
"""Alerts of a station; locked in the order of their ids, as by those who answer."""

LOCK_OFFICER = (
    "select pg_advisory_xact_lock(hashtextextended('send officer ' || $1::uuid::text, 0))"
)
"""Lets two supervisors who send one officer to two alerts come one after the other."""

READ_SENT = """
select officer.id, officer.active, response.status as response, response.lead,
       response.received_at as since,
       officer.station_id = $3
       or exists (select from sos_recipient where alert_id = $2 and officer_id = officer.id)
       or exists (select from access.officer_scopes(officer.id) as held (id) where held.id = $4) as near,
       (select other.id from sos_response elsewhere join sos_alert other on other.id = elsewhere.alert_id
        where elsewhere.officer_id = officer.id and other.id <> $2 and elsewhere.deleted_at is null
          and other.status in ('OPEN', 'ACKNOWLEDGED') and other.deleted_at is null and (not other.drill or $5)
          and (elsewhere.status in ('ACKNOWLEDGED', 'ON_THE_WAY', 'ON_SCENE')
               or elsewhere.status = 'ASSIGNED' and elsewhere.received_at > now() - $6::interval)
        order by other.id limit 1) as engaged_by
from officer
left join sos_response response
    on response.alert_id = $2 and response.officer_id = officer.id and response.deleted_at is null
where officer.id = $1
"""
"""An officer who is to be sent to an alert, given the alert, its station and scope, whether it is a drill, and how long an
assignment elsewhere waits: what he does about it, whether he may be sent there, and what else he takes care of."""

LOCK_LINKS = "select pg_advisory_xact_lock(hashtextextended('link alerts ' || $1::uuid::text, 0))"
"""Lets those who link alerts of a station come one after the other: two links may close a ring that neither sees."""

HEARS = f"""
select exists (
    select from installation
    join session on session.id = installation.session_id
                and session.revoked_at is null and session.expires_at > now()
    join device on device.id = session.device_id and device.revoked_at is null
    {JOIN_REACH}
    where session.officer_id = $1 and installation.retired_at is null and {WHY_UNREACHABLE} is null)
"""  # noqa: S608  # both are constants of this house
"""Whether an officer has a phone on which he would be heard of."""

LINK_ALERT = "update sos_alert set duplicate_of = $2 where id = $1 returning rev"
"""Says of which other alert one is a duplicate."""

LINKED_ABOVE = """
with recursive above (id) as (
    select $1::uuid
    union
    select sos_alert.duplicate_of from above join sos_alert on sos_alert.id = above.id
    where sos_alert.duplicate_of is not null
)
select id from above
"""
"""An alert and all that it is a duplicate of."""

RAISE_SEVERITY = "update sos_alert set severity = $2 where id = $1 returning rev"
"""Says that an alert presses more."""

WAITING_STEPS = "select id from sos_step where alert_id = $1 and done_at is null order by number"
"""The steps of an alert that are still to be run."""
