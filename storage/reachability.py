"""What is known of whether a push would be heard: what phones said of themselves, and the test push of going on duty."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel

from storage.base import known
from storage.vocabulary import DeliveryOutcome


class InstallationState(SQLModel, table=True):
    """What one installation of the app said of itself, and what became of its test push. Never synced.

    A column that is none was never told. `silent` means that an SOS would make no sound. `last_push_at` is by the
    phone's clock; `proven_at` is by ours, when the phone last told that a push had come.
    """

    __tablename__ = "installation_state"
    __table_args__ = (
        CheckConstraint("battery_percent between 0 and 100", name="battery_percent"),
        known("test_outcome", DeliveryOutcome, optional=True),
    )

    installation_id: UUID = Field(primary_key=True, foreign_key="installation.id")
    notifications_allowed: bool | None = None
    full_screen_allowed: bool | None = None
    silent: bool | None = None
    battery_exempt: bool | None = None
    battery_percent: int | None = None
    charging: bool | None = None
    last_push_at: datetime | None = None
    reported_at: datetime | None = None
    proven_at: datetime | None = None
    sync_asked_at: datetime | None = None
    test_id: UUID | None = None
    test_sent_at: datetime | None = None
    test_outcome: str | None = None
    test_reason: str | None = None
    test_received_at: datetime | None = None


class StationReach(SQLModel, table=True):
    """Whether anybody on duty at a station can be reached, as last checked, and since when it is so."""

    __tablename__ = "station_reach"

    station_id: UUID = Field(primary_key=True, foreign_key="station.id")
    reachable: bool
    since: datetime
    on_duty: int
    reached: int
    checked_at: datetime


KEEP_REACHABILITY = """
insert into installation_state as kept (
    installation_id, reported_at, notifications_allowed, full_screen_allowed, silent, battery_exempt, battery_percent,
    charging, last_push_at)
select id, $2, $3, $4, $5, $6, $7, $8, $9 from installation where session_id = $1 and retired_at is null
on conflict (installation_id) do update
set reported_at = $2, notifications_allowed = coalesce($3, kept.notifications_allowed),
    full_screen_allowed = coalesce($4, kept.full_screen_allowed), silent = coalesce($5, kept.silent),
    battery_exempt = coalesce($6, kept.battery_exempt), battery_percent = coalesce($7, kept.battery_percent),
    charging = coalesce($8, kept.charging), last_push_at = greatest($9, kept.last_push_at),
    -- Only the test that was sent proves anything: a phone's clock does not.
    proven_at = case when kept.test_id = $10 then $2 else kept.proven_at end,
    test_received_at = case when kept.test_id = $10 then coalesce(kept.test_received_at, $2) else kept.test_received_at end
returning installation_id
"""
"""Keeps what the phone of a session says of itself; no row where it has no push address."""

READ_DUTY_OF_SESSION = """
select officer_id from session join officer_state using (officer_id) where session.id = $1 and on_duty
"""
"""The officer of a session, if he is on duty."""

BEGIN_TESTS = """
insert into installation_state (installation_id, test_id, test_sent_at)
select id, $2, $3 from unnest($1::uuid[]) as phone (id)
on conflict (installation_id) do update
set test_id = $2, test_sent_at = $3, test_outcome = null, test_reason = null, test_received_at = null
"""
"""Notes that phones are sent a test push."""

END_TESTS = """
update installation_state state set test_outcome = r.outcome, test_reason = r.reason
from jsonb_to_recordset($1::jsonb) as r (id uuid, outcome text, reason text)
where state.installation_id = r.id and state.test_id = $2
"""
"""Notes what the push service said of test pushes."""

FORGET_TEST = """
update installation_state state
set proven_at = null, test_id = null, test_sent_at = null, test_outcome = null, test_reason = null, test_received_at = null
from installation
where installation.id = state.installation_id and installation.session_id = $1
  and (installation.kind <> $2 or installation.address <> $3 or installation.retired_at is not null)
"""
"""Forgets what a session's old address proved, before it is given another one."""

CHECK_STATIONS = """
with found as (
    select station.id as station_id, count(distinct officer.id) as on_duty,
           count(distinct officer.id) filter (
               where installation.id is not null and why_unreachable(reach) is null) as reached
    from station
    left join (officer join officer_state duty on duty.officer_id = officer.id and duty.on_duty)
        on officer.station_id = station.id and officer.active
    left join (session join device on device.id = session.device_id and device.revoked_at is null)
        on session.officer_id = officer.id and session.revoked_at is null and session.expires_at > now()
    left join installation on installation.session_id = session.id and installation.retired_at is null
    left join installation_state reach on reach.installation_id = installation.id
    where station.deleted_at is null and exists (select from officer own where own.station_id = station.id and own.active)
    group by station.id
)
insert into station_reach as kept (station_id, reachable, since, on_duty, reached, checked_at)
select station_id, reached > 0, $1, on_duty, reached, $1 from found order by station_id
on conflict (station_id) do update
set reachable = excluded.reachable, on_duty = excluded.on_duty, reached = excluded.reached, checked_at = $1,
    since = case when kept.reachable = excluded.reachable then kept.since else $1 end
returning station_id, reachable, on_duty, since = $1 as changed, xmax = 0 as first
"""
"""Notes for each station that has officers whether anybody on duty can be reached, and whether that is news."""

COUNT_SILENT = """
select count(*) filter (where not reachable) as silent,
       coalesce(sum(on_duty), 0) as on_duty, coalesce(sum(reached), 0) as reached
from station_reach
"""
"""How many stations reach nobody, and how many officers on duty can be reached."""

READ_REACH = """
select reach.*, officer.badge, officer.rank, officer.name, officer.name_th
from access.reach($1) reach join officer on officer.id = reach.officer_id
order by officer.badge, reach.officer_id, reach.installation_id
"""
"""Who of the stations that an officer leads is on duty, a row for each phone of his."""

READ_STATION_REACH = "select * from station_reach order by station_id"
"""The stations that one leads, and whether anybody on duty there can be reached."""

PROVE_REACH = """
insert into installation_state (installation_id, proven_at)
select installation.id, $3 from installation join session on session.id = installation.session_id
where session.officer_id = $1 and session.device_id = $2 and session.revoked_at is null
  and installation.retired_at is null
on conflict (installation_id) do update
set proven_at = greatest(installation_state.proven_at, excluded.proven_at)
"""
"""Notes that a push has come to an officer's phone."""

WHY_UNREACHABLE = "why_unreachable(reach)"
"""Why an installation would not be heard: a member of `ReachProblem`, none where nothing speaks against it.

It needs the row of `JOIN_REACH`. The function stands in the database, so that whoever calls and whoever is shown it
cannot differ."""

JOIN_REACH = "left join installation_state reach on reach.installation_id = installation.id"
"""Joins what `WHY_UNREACHABLE` needs to a statement that has the table `installation`."""
