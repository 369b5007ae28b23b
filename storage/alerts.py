"""SOS alerts, the steps of their escalation, and what became of each person who was called."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from storage.base import Kept, Synced, known, position_checks, synced_index
from storage.vocabulary import (
    AlertResolution,
    AlertSource,
    AlertStatus,
    DeliveryOutcome,
    IncidentSeverity,
    StepOutcome,
    StepTarget,
)


class SosAlert(Synced, table=True):
    """A call for help by an officer, a post's button or a citizen."""

    __tablename__ = "sos_alert"
    __table_args__ = (
        synced_index("sos_alert"),
        Index(
            "sos_alert_open_idx", "scope_id", "raised_at", postgresql_where=text("status = 'OPEN'")
        ),
        Index(
            "sos_alert_unfinished_idx",
            "received_at",
            postgresql_where=text("status in ('OPEN', 'ACKNOWLEDGED') and deleted_at is null"),
        ),
        Index(
            "sos_alert_open_post_key",
            "post_id",
            "drill",
            unique=True,
            postgresql_where=text("status in ('OPEN', 'ACKNOWLEDGED') and deleted_at is null"),
        ),
        known("source", AlertSource),
        known("status", AlertStatus),
        *position_checks(optional=True),
        CheckConstraint("accuracy_m >= 0", name="accuracy_m"),
        CheckConstraint("(source = 'OFFICER') = (officer_id is not null)", name="officer"),
        CheckConstraint(
            "case source when 'POST' then post_id is not null when 'OFFICER' then post_id is null else true end",
            name="post",
        ),
        known("severity", IncidentSeverity),
        known("resolution", AlertResolution, optional=True),
        CheckConstraint("length(resolution_note) <= 4000", name="resolution_note"),
        CheckConstraint("duplicate_of <> id", name="duplicate_of"),
        Index(
            "sos_alert_duplicate_of_idx",
            "duplicate_of",
            postgresql_where=text("duplicate_of is not null"),
        ),
        Index(
            "sos_alert_resolution_missing_idx",
            "station_id",
            "closed_at",
            postgresql_where=text("resolution_missing"),
        ),
    )

    station_id: UUID = Field(foreign_key="station.id", index=True)
    zone_id: UUID | None = Field(default=None, foreign_key="zone.id")
    source: str
    status: str
    drill: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    officer_id: UUID | None = Field(default=None, foreign_key="officer.id")
    post_id: UUID | None = Field(default=None, foreign_key="sos_post.id")
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    raised_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    presses: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})
    acknowledged_by: UUID | None = Field(default=None, foreign_key="officer.id")
    acknowledged_at: datetime | None = None
    closed_at: datetime | None = None
    silent: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    late: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    severity: str = Field(
        default="CRITICAL", sa_column_kwargs={"server_default": text("'CRITICAL'")}
    )
    cancel_asked_by: UUID | None = Field(default=None, foreign_key="officer.id")
    cancel_asked_at: datetime | None = None
    texted_at: datetime | None = None
    policy_version: int | None = None
    """The version of its station's policy that it is escalated by; None for the built-in one."""
    resolution: str | None = None
    resolution_note: str | None = None
    resolution_missing: bool = Field(
        default=False, sa_column_kwargs={"server_default": text("false")}
    )
    """Closed by an app that cannot say how it ended: a person is to add it."""
    duplicate_of: UUID | None = Field(default=None, foreign_key="sos_alert.id")


class SosCancel(Kept, table=True):
    """An officer's wish that an alert was none. It may be here before its alert, and then waits for it."""

    __tablename__ = "sos_cancel"
    __table_args__ = (UniqueConstraint("alert_id", "officer_id"),)

    alert_id: UUID
    officer_id: UUID = Field(foreign_key="officer.id")
    device_id: UUID | None = Field(default=None, foreign_key="device.id")
    asked_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    applied_at: datetime | None = None


class SosStep(Synced, table=True):
    """One step of an alert's escalation: whom to call, and when it is due. Frozen when the alert is raised.

    Triggers keep it in its alert's scope.
    """

    __tablename__ = "sos_step"
    __table_args__ = (
        synced_index("sos_step"),
        UniqueConstraint("alert_id", "number"),
        known("target", StepTarget),
        known("outcome", StepOutcome, optional=True),
        Index("sos_step_due_idx", "due_at", postgresql_where=text("done_at is null")),
    )

    alert_id: UUID = Field(foreign_key="sos_alert.id")
    number: int
    target: str
    due_at: datetime
    done_at: datetime | None = None
    outcome: str | None = None
    round: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})
    options: dict[str, Any] = Field(
        sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")}
    )
    """What the policy says of this step beside its target, such as how many neighbours."""


class SosRecipient(Kept, table=True):
    """What became of one push to one installation in one step.

    Accepted is what the push service said. That it was received and displayed only the phone can say: when it happened
    (as far as its clock can be true), what its clock said, and when we were told.
    """

    __tablename__ = "sos_recipient"
    __table_args__ = (
        UniqueConstraint("step_id", "installation_id"),
        Index("sos_recipient_officer_idx", "officer_id", "attempted_at"),
        known("outcome", DeliveryOutcome),
    )

    alert_id: UUID = Field(foreign_key="sos_alert.id", index=True)
    step_id: UUID = Field(foreign_key="sos_step.id")
    scope_id: UUID
    officer_id: UUID = Field(foreign_key="officer.id")
    installation_id: UUID = Field(foreign_key="installation.id")
    outcome: str
    reason: str | None = None
    message_id: str | None = None
    attempts: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})
    attempted_at: datetime
    received_at: datetime | None = None
    received_at_raw: str | None = None
    received_told_at: datetime | None = None
    displayed_at: datetime | None = None
    displayed_at_raw: str | None = None
    displayed_told_at: datetime | None = None


INSERT_ALERTS = """
insert into sos_alert (
    id, scope_id, station_id, zone_id, source, status, drill, officer_id, post_id, latitude, longitude, accuracy_m,
    raised_at, captured_at_raw, received_at, time_suspect, silent, late, severity, texted_at, policy_version)
select r.id, r.scope_id, r.station_id, r.zone_id, r.source, 'OPEN', r.drill, r.officer_id, r.post_id, r.latitude,
       r.longitude, r.accuracy_m, r.raised_at, r.captured_at_raw, now(), r.time_suspect, r.silent, r.late,
       r.severity, r.texted_at,
       (select max(version) from escalation_policy policy where policy.station_id = r.station_id)
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, scope_id uuid, station_id uuid, zone_id uuid, source text, drill boolean, officer_id uuid, post_id uuid,
    latitude float8, longitude float8, accuracy_m float8, raised_at timestamptz, captured_at_raw text,
    time_suspect boolean, silent boolean, late boolean, severity text, texted_at timestamptz)
on conflict do nothing
returning id, rev
"""
"""Adds alerts. One whose id is taken, or whose post has an unfinished alert, is left out.

They are received by the clock that all their due times follow: that of a process may be an hour off."""

JOIN_TEXTED = """
update sos_alert alert
set latitude = coalesce(r.latitude, alert.latitude), longitude = coalesce(r.longitude, alert.longitude),
    accuracy_m = case when r.latitude is null then alert.accuracy_m else r.accuracy_m end
from jsonb_to_recordset($1::jsonb) as r (id uuid, latitude float8, longitude float8, accuracy_m float8)
where alert.id = r.id and alert.officer_id = $2 and alert.texted_at is not null and alert.deleted_at is null
returning alert.id, alert.rev
"""
"""Gives alerts that an officer sent as text messages the position that came over data."""

READ_STANDING = """
select id, scope_id, post_id, drill, status, rev from sos_alert
where id = any ($1::uuid[])
   or (post_id = any ($2::uuid[]) and status in ('OPEN', 'ACKNOWLEDGED') and deleted_at is null)
"""
"""The alerts with these ids, and the unfinished ones of these posts."""

JOIN_ALERT = """
update sos_alert set presses = presses + 1
where post_id = $1 and drill = $2 and status in ('OPEN', 'ACKNOWLEDGED') and deleted_at is null
returning id, scope_id, status, acknowledged_at,
          exists (select from sos_step where alert_id = sos_alert.id and done_at is null) as calling
"""
"""Counts one more press on a post's unfinished alert or drill, and says whether steps of it are still to be called."""

LOCK_ALERTS = """
select id, scope_id, status, deleted_at, rev, resolution_missing, officer_id is not distinct from $2 as raised,
       officer_id is not distinct from $2
       or exists (select from sos_recipient where alert_id = sos_alert.id and officer_id = $2)
       or exists (select from sos_response where alert_id = sos_alert.id and officer_id = $2) as concerns,
       exists (select from sos_response where alert_id = sos_alert.id and officer_id = $2
               and status in ('ASSIGNED', 'ACKNOWLEDGED', 'ON_THE_WAY', 'ON_SCENE')) as responds
from sos_alert where id = any ($1::uuid[]) order by id for update
"""
"""Alerts, whether an officer raised them or was called or sent for them, and whether he does something about them.

They are locked in the order of their ids, so that two who answer many never wait for each other in a circle.
"""

ANSWER_ALERTS = """
update sos_alert alert
set status = r.status,
    acknowledged_by = case r.status when 'ACKNOWLEDGED' then $2 when 'OPEN' then null
                      else alert.acknowledged_by end,
    acknowledged_at = case r.status when 'ACKNOWLEDGED' then r.at when 'OPEN' then null
                      else alert.acknowledged_at end,
    closed_at = case when r.status in ('CLOSED', 'CANCELLED') then r.at end
from jsonb_to_recordset($1::jsonb) as r (id uuid, status text, at timestamptz)
where alert.id = r.id
returning alert.id, alert.rev
"""
"""Moves alerts to their new status, answered by one officer."""

INSERT_STEPS = """
insert into sos_step (id, alert_id, scope_id, number, target, due_at, round, options)
select r.id, r.alert_id, r.scope_id, r.number, r.target, now() + make_interval(secs => r.after), r.round, r.options
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, alert_id uuid, scope_id uuid, number integer, target text, after float8, round integer, options jsonb)
"""
"""Writes down whom to call, and in how many seconds from the start of the transaction, as `storage.jobs` counts."""

REPLACE_STEPS = """
update sos_step set done_at = $2, outcome = 'REPLACED' where alert_id = any ($1::uuid[]) and done_at is null
"""
"""Ends what is left of an escalation that begins anew."""

LAST_STEPS = """
select distinct on (step.alert_id) step.alert_id, step.scope_id, step.number, step.round, alert.drill
from sos_step step join sos_alert alert on alert.id = step.alert_id
where step.alert_id = any ($1::uuid[]) order by step.alert_id, step.number desc
"""
"""The last step that alerts have so far."""

READ_STEP = """
select step.alert_id, step.scope_id, step.number, step.target, step.done_at, step.options, alert.status,
       alert.station_id, alert.officer_id, alert.latitude, alert.longitude, alert.drill, alert.silent, alert.severity,
       policy.content as policy,
       now() - (select max(response.received_at) from sos_response response
                where response.alert_id = alert.id and response.status = 'ASSIGNED' and response.deleted_at is null
                  and exists (
                    select from session
                    join installation on installation.session_id = session.id and installation.retired_at is null
                    left join installation_state reach on reach.installation_id = installation.id
                    where session.officer_id = response.officer_id and session.revoked_at is null
                      and session.expires_at > now() and why_unreachable(reach) is null)) as sent_ago
from sos_step step join sos_alert alert on alert.id = step.alert_id
left join escalation_policy policy
    on policy.station_id = alert.station_id and policy.version = alert.policy_version
where step.id = $1
"""
"""A step with what a call must know of its alert, and the policy that this was raised under (none is the built-in one)."""

ANNOUNCE_RECIPIENTS = """
insert into sos_recipient (
    id, alert_id, step_id, scope_id, officer_id, installation_id, outcome, reason, attempts, attempted_at)
select r.id, $1, $2, $3, r.officer_id, r.installation_id, 'RETRY', 'SENDING', 0, $5
from jsonb_to_recordset($4::jsonb) as r (id uuid, officer_id uuid, installation_id uuid)
on conflict (step_id, installation_id) do nothing
"""
"""Writes down whom a step is about to call: a phone that rings may ask and tell before the last one was sent to."""

_OPEN_FOR = """
select officer.id as officer_id,
       array(select other.id from (
                 select alert_id from sos_recipient
                 where officer_id = officer.id and attempted_at > now() - interval '1 day' and alert_id <> $1
                 union
                 select alert_id from sos_response
                 where officer_id = officer.id and alert_id <> $1
                   and status in ('ASSIGNED', 'ACKNOWLEDGED', 'ON_THE_WAY', 'ON_SCENE')) concerned
             join sos_alert other on other.id = concerned.alert_id and other.status = 'OPEN' and other.deleted_at is null
             where not exists (
                 select from sos_response said where said.alert_id = other.id and said.officer_id = officer.id
                 and said.status in ('DECLINED', 'STOOD_DOWN'))
               -- A silent alert is never named on the phone that raised it, whoever else is signed in there.
               and not (other.silent and exists (
                   select from sos_event raised join session mine on mine.device_id = raised.device_id
                   where raised.alert_id = other.id and raised.kind = 'RAISED' and mine.officer_id = officer.id
                     and mine.revoked_at is null))
             order by array_position(array['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'], other.severity::text),
                      other.raised_at desc limit 199) as others
from unnest($6::uuid[]) as officer (id)
-- Mostly nothing else is open, and then nobody is asked about.
where exists (select from sos_alert where status = 'OPEN' and deleted_at is null and id <> $1)
"""

BEGIN_CALL = f"with announced as ({ANNOUNCE_RECIPIENTS}) {_OPEN_FOR}"
"""Writes down whom a step is about to call first, and reads what else is open that officers ($6) were called for or sent
to, the most pressing first: one statement, because the nearest phone waits for its answer."""

STORE_RECIPIENTS = """
insert into sos_recipient as kept (
    id, alert_id, step_id, scope_id, officer_id, installation_id, outcome, reason, message_id, attempted_at)
select r.id, $1, $2, $3, r.officer_id, r.installation_id, r.outcome, r.reason, r.message_id, r.at
from jsonb_to_recordset($4::jsonb) as r (
    id uuid, officer_id uuid, installation_id uuid, outcome text, reason text, message_id text, at timestamptz)
on conflict (step_id, installation_id) do update
set outcome = excluded.outcome, reason = excluded.reason, message_id = excluded.message_id,
    attempts = kept.attempts + 1, attempted_at = excluded.attempted_at
where kept.outcome <> 'ACCEPTED'
"""
"""Writes down what became of each call; what was accepted once stays so."""

READ_REPORTED = """
select r.place, r.step_id, alert.scope_id,
       alert.officer_id is not distinct from $2
       or exists (select from sos_recipient where alert_id = alert.id and officer_id = $2)
       or exists (select from sos_response where alert_id = alert.id and officer_id = $2) as concerns,
       exists (select from sos_recipient where alert_id = alert.id and step_id = r.step_id and officer_id = $2) as called,
       (select installation.id from installation join session on session.id = installation.session_id
        where session.device_id = $3 and session.officer_id = $2
        order by installation.retired_at desc nulls first, installation.id desc limit 1) as installation_id
from jsonb_to_recordset($1::jsonb) as r (place integer, alert_id uuid, step_id uuid)
join sos_alert alert on alert.id = r.alert_id and alert.deleted_at is null
"""
"""The alerts that a phone tells of, given its officer and device: whether they, and the named steps, concern him."""

STORE_REPORTS = """
update sos_recipient kept
set received_at = least(kept.received_at, r.at),
    received_at_raw = coalesce(kept.received_at_raw, r.raw),
    received_told_at = coalesce(kept.received_told_at, $4),
    displayed_at = case when r.displayed then least(kept.displayed_at, r.at) else kept.displayed_at end,
    displayed_at_raw = case when r.displayed then coalesce(kept.displayed_at_raw, r.raw) else kept.displayed_at_raw end,
    displayed_told_at = case when r.displayed then coalesce(kept.displayed_told_at, $4) else kept.displayed_told_at end
from jsonb_to_recordset($1::jsonb) as r (alert_id uuid, step_id uuid, displayed boolean, at timestamptz, raw text),
     installation, session
where kept.alert_id = r.alert_id and kept.officer_id = $2
  and (kept.step_id = r.step_id or (r.step_id is null and (kept.received_at is null or (r.displayed and kept.displayed_at is null))))
  and installation.id = kept.installation_id and session.id = installation.session_id and session.device_id = $3
"""
"""Writes into the ledger that an officer's phone received calls, and displayed them.

Without a step it was no push that told the phone, which answers every call of the alert that was not heard of yet."""

RETIRE_ADDRESSES = """
update installation set retired_at = $2, retired_reason = r.reason
from jsonb_to_recordset($1::jsonb) as r (kind text, address text, reason text)
where installation.kind = r.kind and installation.address = r.address and installation.retired_at is null
"""
"""Retires addresses for every officer who shares the phone."""

STEP_REACHED = """
select exists (
    select from sos_recipient
    where step_id = $1 and outcome = 'ACCEPTED' and installation_id <> all ($2::uuid[]))
"""
"""Whether a step reached anybody, but for phones that are believed to be unreachable."""

FINISH_STEP = "update sos_step set done_at = now(), outcome = $2 where id = $1 and done_at is null"
"""Ends a step."""
