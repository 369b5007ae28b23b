"""Officers, what is assigned to them, and where they were last seen."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from storage.base import NOW, Kept, known, position_checks
from storage.vocabulary import OfficerRole


class Officer(Kept, table=True):
    """A person of a station who signs in on a phone or in the control room."""

    __tablename__ = "officer"
    __table_args__ = (UniqueConstraint("station_id", "badge"), known("role", OfficerRole))

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
    """What beats often about an officer: duty and last position. Never synced, so that a fix stamps nothing."""

    __tablename__ = "officer_state"
    __table_args__ = position_checks(optional=True)

    officer_id: UUID = Field(primary_key=True, foreign_key="officer.id")
    on_duty: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    on_duty_since: datetime | None = None
    latitude: float | None = None
    longitude: float | None = None
    fix_at: datetime | None = None


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

SET_DUTY = """
insert into officer_state (officer_id, on_duty, on_duty_since) values ($1, $2, case when $2 then now() end)
on conflict (officer_id) do update
set on_duty = excluded.on_duty, on_duty_since = excluded.on_duty_since
where officer_state.on_duty <> excluded.on_duty
"""
"""An officer goes on duty or off; saying it twice changes nothing."""

OFF_DUTY_UNLESS_SIGNED_IN = """
update officer_state set on_duty = false, on_duty_since = null
where officer_id = any ($1::uuid[]) and on_duty and not exists (
    select from session join device on device.id = session.device_id and device.revoked_at is null
    where session.officer_id = officer_state.officer_id and session.revoked_at is null and session.expires_at > now())
"""
"""Nobody is on duty whom no phone can reach: officers whose last session has ended go off duty."""

READ_RANK = "select role, station_id from officer where id = $1 and active"
"""What an officer may do, and where."""

READ_STATION_OF = "select station_id from officer where id = $1 and active"
"""The station of an active officer."""

NOTE_FIX = """
insert into officer_state (officer_id, latitude, longitude, fix_at) values ($1, $2, $3, now())
on conflict (officer_id) do update
set latitude = excluded.latitude, longitude = excluded.longitude, fix_at = excluded.fix_at
"""
"""Keeps an officer's last position."""

READ_ME = """
select officer.id, station_id, badge, role, rank, name, name_th, coalesce(state.on_duty, false) as on_duty
from officer left join officer_state state on state.officer_id = officer.id
where officer.id = $1
"""
"""The officer who is signed in."""
