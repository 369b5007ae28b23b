"""What is known of each officer's phone: what it still holds to send, when it was heard, and what a lost one had copied."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint, text
from sqlmodel import Field

from storage.base import NOW, Kept


class OfficerPhone(Kept, table=True):
    """An officer's outbox on a phone, as it last reported. Never synced; a trigger makes it with the first session.

    `*_held` are mutations that wait in a lane, `*_oldest_at` is when the oldest of them was recorded. `reported_at` is none
    for a phone that never said.
    """

    __tablename__ = "officer_phone"
    __table_args__ = (
        UniqueConstraint("device_id", "officer_id"),
        CheckConstraint("battery_percent between 0 and 100", name="battery_percent"),
        CheckConstraint("sos_held >= 0 and records_held >= 0 and tracks_held >= 0", name="held"),
    )

    id: UUID = Field(
        primary_key=True, sa_column_kwargs={"server_default": text("gen_random_uuid()")}
    )
    device_id: UUID = Field(foreign_key="device.id")
    officer_id: UUID = Field(foreign_key="officer.id", index=True)
    heard_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    reported_at: datetime | None = None
    app_version: str | None = None
    contract_version: str | None = None
    battery_percent: int | None = None
    sos_held: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    sos_oldest_at: datetime | None = None
    records_held: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    records_oldest_at: datetime | None = None
    tracks_held: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    tracks_oldest_at: datetime | None = None


HEAR_PHONE = """
insert into officer_phone (device_id, officer_id, app_version) values ($1, $2, $3)
on conflict (device_id, officer_id) do update
set heard_at = now(), app_version = coalesce(excluded.app_version, officer_phone.app_version)
"""
"""Notes that an officer's phone was heard of."""

KEEP_BACKLOG = """
insert into officer_phone
    (device_id, officer_id, heard_at, reported_at, app_version, contract_version, battery_percent,
     sos_held, sos_oldest_at, records_held, records_oldest_at, tracks_held, tracks_oldest_at)
values ($1, $2, now(), now(), $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict (device_id, officer_id) do update
set heard_at = now(), reported_at = now(), app_version = coalesce(excluded.app_version, officer_phone.app_version),
    contract_version = coalesce(excluded.contract_version, officer_phone.contract_version),
    battery_percent = excluded.battery_percent,
    sos_held = excluded.sos_held, sos_oldest_at = excluded.sos_oldest_at,
    records_held = excluded.records_held, records_oldest_at = excluded.records_oldest_at,
    tracks_held = excluded.tracks_held, tracks_oldest_at = excluded.tracks_oldest_at
"""
"""Keeps what a phone says that it still holds for an officer."""

READ_LOST = """
select device.id, device.platform, device.model, device.revoked_at, state.app_version, state.last_seen_at,
       array(select officer.badge from officer_phone phone join officer on officer.id = phone.officer_id
             where phone.device_id = device.id order by officer.badge) as officers,
       (select max(seen_at) from held_snapshot where device_id = device.id) as last_pull_at,
       coalesce(device.revoked_at, now()) as until
from device left join device_state state on state.device_id = device.id
where device.id = $1
for no key update of device
"""
"""A phone that is lost: who used it, and until when it could copy anything."""

COPIED_SCOPES = """
select scope.id, coalesce(zone.name, station.name, staffed.name) as name
from access.copied_scopes($1) as scope (id)
left join zone on zone.id = scope.id
left join station on station.id = scope.id
left join station staffed on access.staff_scope(staffed.id) = scope.id
order by 2, 1
"""
"""The scopes that a phone may have copies of, with their names; the staff's scope has the name of its station."""

ORDER_WIPE = """
update device set wipe_ordered_at = coalesce(wipe_ordered_at, now()) where id = $1
"""
"""Has a phone erase its copy when it is next heard of."""

CONFIRM_WIPE = """
update device set wiped_at = coalesce(wiped_at, now()) where id = $1 and wipe_ordered_at is not null returning id
"""
"""Notes that a phone has erased its copy, as it was ordered to; none where it was not."""
