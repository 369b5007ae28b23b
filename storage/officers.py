"""Officers, what is assigned to them, and where they were last seen."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from storage.base import NOW, Kept, Synced, known, position_checks, synced_index
from storage.vocabulary import OfficerRole


class Officer(Synced, table=True):
    """A person of a station who signs in on a phone or in the control room.

    The row is his public profile, which colleagues hold copies of; the scope is the station's staff
    (`access.staff_scope`), set by a trigger. What beats often stands in `OfficerState`.
    """

    __tablename__ = "officer"
    __table_args__ = (
        synced_index("officer"),
        UniqueConstraint("station_id", "badge"),
        known("role", OfficerRole),
    )

    station_id: UUID = Field(foreign_key="station.id", index=True)
    badge: str
    role: str
    rank: str
    name: str
    name_th: str
    active: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})


class Assignment(Kept, table=True):
    """Gives an officer a scope for a time: a zone, or a station with all its zones."""

    __tablename__ = "assignment"
    __table_args__ = (
        CheckConstraint("valid_until is null or valid_until > valid_from", name="period"),
        Index("assignment_officer_id_idx", "officer_id", "scope_id"),
    )

    officer_id: UUID = Field(foreign_key="officer.id")
    scope_id: UUID
    valid_from: datetime = Field(sa_column_kwargs={"server_default": NOW})
    valid_until: datetime | None = None


class OfficerState(SQLModel, table=True):
    """What beats often about an officer: duty and last position. Never synced, so that a fix stamps nothing.

    `duty_at` is when he said so himself, `duty_device_id` the device whose lane said it and
    `duty_sequence` its number there; both are none where it was said live.
    """

    __tablename__ = "officer_state"
    __table_args__ = (
        *position_checks(optional=True),
        CheckConstraint("accuracy_m >= 0", name="accuracy_m"),
    )

    officer_id: UUID = Field(primary_key=True, foreign_key="officer.id")
    on_duty: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    on_duty_since: datetime | None = None
    duty_at: datetime | None = None
    duty_device_id: UUID | None = None
    duty_sequence: int | None = Field(default=None, sa_type=BigInteger)
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    fix_at: datetime | None = None
    fix_suspect: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})


INSERT_OFFICER = """
insert into officer (id, station_id, badge, role, rank, name, name_th)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (station_id, badge) do nothing returning id
"""
"""Adds an officer unless the station has that badge already."""

INSERT_ASSIGNMENTS = """
insert into assignment (id, officer_id, scope_id)
select * from unnest($1::uuid[], $2::uuid[], $3::uuid[])
"""
"""Assigns zones or stations to officers from now on."""

END_ASSIGNMENTS = """
update assignment set valid_until = greatest(now(), valid_from + interval '1 microsecond')
where officer_id = $1 and (valid_until is null or valid_until > now()) and scope_id <> all ($2::uuid[])
returning scope_id
"""
"""Ends what is assigned to an officer, but for the given scopes."""

READ_ASSIGNMENTS = """
select scope_id from assignment
where officer_id = $1 and valid_from <= now() and (valid_until is null or valid_until > now())
"""
"""The scopes that are assigned to an officer now."""

KNOWN_SCOPES = """
select id from zone where id = any ($1::uuid[]) and deleted_at is null
union all
select id from station where id = any ($1::uuid[]) and deleted_at is null
"""
"""Of some ids, those of zones and stations that stand."""

FIND_OFFICER = """
select id, station_id, badge, role, rank, name, name_th, active from officer where station_id = $1 and badge = $2
"""
"""An officer by badge."""

STORED_OFFICERS = """
select officer.id, officer.badge, officer.role, officer.rank, officer.name, officer.name_th, officer.active,
       array(select coalesce(zone.code, station.code) from assignment
             left join zone on zone.id = assignment.scope_id
             left join station on station.id = assignment.scope_id
             where assignment.officer_id = officer.id and assignment.valid_from <= now()
               and (assignment.valid_until is null or assignment.valid_until > now())
             order by 1) as scopes,
       (select count(*) from session join device on device.id = session.device_id and device.revoked_at is null
        where session.officer_id = officer.id and session.revoked_at is null and session.expires_at > now()) as phones
from officer where officer.station_id = $1 order by officer.badge
"""
"""The officers of a station with what is assigned to them and how many phones they are signed in on."""

SET_OFFICER_ACTIVE = "update officer set active = $2 where id = $1 and active <> $2 returning id"
"""Takes an officer off, which ends all his sessions at once, or back."""

OFF_DUTY_UNLESS_SIGNED_IN = """
with off as (
    update officer_state set on_duty = false, on_duty_since = null, duty_at = now(), duty_device_id = null,
        duty_sequence = null
    where officer_id = any ($1::uuid[]) and on_duty and not exists (
        select from session join device on device.id = session.device_id and device.revoked_at is null
        where session.officer_id = officer_state.officer_id and session.revoked_at is null
          and session.expires_at > now())
    returning officer_id
)
insert into duty_change
    (id, scope_id, station_id, officer_id, on_duty, changed_at, captured_at_raw, received_at)
select gen_random_uuid(), station_id, station_id, officer.id, false, now(), now()::text, now()
from off join officer on officer.id = off.officer_id
"""
"""Nobody is on duty whom no phone can reach: officers whose last session has ended go off duty, and the log says so."""

READ_RANK = "select role, station_id from officer where id = $1 and active"
"""What an officer may do, and where."""

READ_STAFF = """
select distinct scope_id from officer
where id = $1 or id in (select officer_id from session where session.id = $1 or device_id = $1)
"""
"""The scopes of the staff that an officer belongs to, or the officers of a session or phone."""

READ_STATION_OF = "select station_id from officer where id = $1 and active"
"""The station of an active officer."""

NOTE_FIX = """
insert into officer_state as state (officer_id, latitude, longitude, accuracy_m, fix_at, fix_suspect)
values ($1, $2, $3, $4, $5, $6)
on conflict (officer_id) do update
set latitude = excluded.latitude, longitude = excluded.longitude, accuracy_m = excluded.accuracy_m,
    fix_at = excluded.fix_at, fix_suspect = excluded.fix_suspect
where state.fix_at is null
   or excluded.fix_at - case when excluded.fix_suspect then interval '1 hour' else interval '0' end
      >= state.fix_at - case when state.fix_suspect then interval '1 hour' else interval '0' end
"""
"""Keeps an officer's last position unless a newer one stands. A time in doubt counts as an hour older than it says."""

READ_ME = """
select officer.id, station_id, badge, role, rank, name, name_th, coalesce(state.on_duty, false) as on_duty
from officer left join officer_state state on state.officer_id = officer.id
where officer.id = $1
"""
"""The officer who is signed in."""
