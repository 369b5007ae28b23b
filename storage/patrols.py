"""Patrols: an officer goes out, rests and comes back, with or without signal."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from storage.base import Synced, known, position_checks, synced_index
from storage.vocabulary import PatrolStatus


class Patrol(Synced, table=True):
    """One round of one officer on one device.

    `latitude`, `longitude` and `accuracy_m` are its last fix: that of its end once it has ended. `steps` is the history:
    status, time, what the clock said, when it arrived, whether the time is in doubt. `overlaps_id` is a patrol of the same
    officer that was still open when this one began.
    """

    __tablename__ = "patrol"
    __table_args__ = (
        synced_index("patrol"),
        Index("patrol_started_idx", "scope_id", "started_at", "id"),
        Index(
            "patrol_open_idx",
            "officer_id",
            "started_at",
            postgresql_where=text("status <> 'ENDED'"),
        ),
        known("status", PatrolStatus),
        *position_checks(optional=True),
        CheckConstraint("accuracy_m >= 0", name="accuracy_m"),
        CheckConstraint("length(note) <= 10000", name="note"),
        CheckConstraint("(status = 'ENDED') = (ended_at is not null)", name="ended_at"),
        CheckConstraint("(status = 'PAUSED') = (paused_at is not null)", name="paused_at"),
    )

    station_id: UUID = Field(foreign_key="station.id", index=True)
    zone_id: UUID | None = Field(default=None, foreign_key="zone.id", index=True)
    officer_id: UUID = Field(foreign_key="officer.id")
    device_id: UUID = Field(foreign_key="device.id")
    status: str
    started_at: datetime
    paused_at: datetime | None = None
    ended_at: datetime | None = None
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    note: str = Field(sa_column_kwargs={"server_default": text("''")})
    overlaps_id: UUID | None = Field(default=None, foreign_key="patrol.id")
    steps: list[dict[str, Any]] = Field(sa_type=JSONB)


OPEN_PATROLS = """
select id from patrol
where officer_id = $1 and status <> 'ENDED' and deleted_at is null order by started_at desc limit 1
"""
"""The patrol of an officer that began last among those that have not ended."""

INSERT_PATROLS = """
insert into patrol
    (id, scope_id, station_id, zone_id, officer_id, device_id, status, started_at, captured_at_raw, received_at,
     time_suspect, latitude, longitude, accuracy_m, note, overlaps_id, steps)
select r.id, r.scope_id, r.station_id, r.zone_id, r.officer_id, r.device_id, 'ACTIVE', r.started_at, r.captured_at_raw,
       r.received_at, r.time_suspect, r.latitude, r.longitude, r.accuracy_m, coalesce(r.note, ''), r.overlaps_id, r.steps
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, scope_id uuid, station_id uuid, zone_id uuid, officer_id uuid, device_id uuid, started_at timestamptz,
    captured_at_raw text, received_at timestamptz, time_suspect boolean, latitude float8, longitude float8,
    accuracy_m float8, note text, overlaps_id uuid, steps jsonb)
on conflict (id) do nothing
returning id, rev
"""
"""Adds patrols that are under way; an id that is taken returns no row."""

LOCK_PATROLS = """
select id, scope_id, rev, deleted_at, officer_id, status, started_at, paused_at, ended_at, time_suspect, latitude,
       longitude, accuracy_m, note, steps
from patrol where id = any ($1::uuid[]) order by id for update
"""
"""Patrols as they stand, locked in one order so that two pushes never wait for each other in a circle."""

UPDATE_PATROLS = """
update patrol p
set status = r.status, paused_at = r.paused_at, ended_at = r.ended_at, time_suspect = r.time_suspect,
    latitude = r.latitude, longitude = r.longitude, accuracy_m = r.accuracy_m, note = r.note, steps = r.steps
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, status text, paused_at timestamptz, ended_at timestamptz, time_suspect boolean, latitude float8,
    longitude float8, accuracy_m float8, note text, steps jsonb)
where p.id = r.id
returning p.id, p.rev
"""
"""Moves patrols on. No id may stand twice: PostgreSQL would silently keep one of the two."""
