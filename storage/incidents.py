"""Incidents: what officers record, with or without signal."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from storage.base import Synced, known, position_checks, synced_index
from storage.vocabulary import IncidentCategory, IncidentSeverity, IncidentStatus

_STANDING = text("deleted_at is null")


def _finds(name: str, *columns: str, last: tuple[str, ...] = ()) -> Index:
    """An index that finds rows by equality and reads them in order; see `docs/decisions/0014-filters-are-branches.md`."""
    return Index(
        f"incident_{name}_idx", "scope_id", *columns, "occurred_at", "id", *last,
        postgresql_where=_STANDING,
    )  # fmt: skip


class Incident(Synced, table=True):
    """Something that happened in a zone.

    `occurred_at` is the plausible time; `captured_at_raw` what the phone's clock said, `time_suspect` whether the two
    had to differ. `field_revs` maps a field to the `rev` that last changed it and by whom, which a three-way merge needs.
    `cell` and `area` number the squares of 0.001 and 0.032 degrees that the position, rounded to three decimals, is in;
    the trigger `place` sets them. The index of the texts is made by migration 0007 alone, because its expression cannot be
    compared with what the database prints of it.
    """

    __tablename__ = "incident"
    __table_args__ = (
        synced_index("incident"),
        Index("incident_occurred_idx", "scope_id", "occurred_at", "id"),
        Index("incident_updated_idx", "scope_id", "updated_at", "id"),
        _finds("status", "status", "severity"),
        _finds("category", "category", "status", "severity"),
        _finds("cell", "cell", last=("latitude", "longitude")),
        _finds("area", "area", last=("latitude", "longitude")),
        known("category", IncidentCategory),
        known("severity", IncidentSeverity),
        known("status", IncidentStatus),
        *position_checks(optional=True),
        CheckConstraint("accuracy_m >= 0", name="accuracy_m"),
        CheckConstraint("length(title) between 1 and 200", name="title"),
        CheckConstraint("length(description) <= 10000", name="description"),
    )

    station_id: UUID = Field(foreign_key="station.id", index=True)
    zone_id: UUID | None = Field(default=None, foreign_key="zone.id")
    category: str
    severity: str
    status: str
    title: str
    description: str = Field(sa_column_kwargs={"server_default": text("''")})
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    cell: int | None = Field(default=None, sa_type=BigInteger)
    area: int | None = Field(default=None, sa_type=BigInteger)
    occurred_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    reported_by: UUID = Field(foreign_key="officer.id")
    device_id: UUID = Field(foreign_key="device.id")
    field_revs: dict[str, Any] = Field(
        sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")}
    )


INSERT_INCIDENTS = """
insert into incident
    (id, scope_id, station_id, zone_id, category, severity, status, title, description, latitude, longitude,
     accuracy_m, occurred_at, captured_at_raw, received_at, time_suspect, reported_by, device_id)
select r.id, r.scope_id, r.station_id, r.zone_id, r.category, r.severity, r.status, r.title,
       coalesce(r.description, ''), r.latitude, r.longitude, r.accuracy_m, r.occurred_at, r.captured_at_raw,
       r.received_at, r.time_suspect, r.reported_by, r.device_id
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, scope_id uuid, station_id uuid, zone_id uuid, category text, severity text, status text, title text,
    description text, latitude float8, longitude float8, accuracy_m float8, occurred_at timestamptz,
    captured_at_raw text, received_at timestamptz, time_suspect boolean, reported_by uuid, device_id uuid)
on conflict (id) do nothing
returning id, rev
"""
"""Adds incidents; an id that is taken returns no row."""

LOCK_INCIDENTS = """
select id, scope_id, rev, deleted_at, field_revs, zone_id, category, severity, status, title, description,
       latitude, longitude, accuracy_m, occurred_at
from incident where id = any ($1::uuid[]) order by id for update
"""
"""Incidents as they stand, locked in one order so that two pushes never wait for each other in a circle."""

UPDATE_INCIDENTS = """
update incident i
set scope_id = r.scope_id, zone_id = r.zone_id, category = r.category, severity = r.severity, status = r.status,
    title = r.title, description = r.description, latitude = r.latitude, longitude = r.longitude,
    accuracy_m = r.accuracy_m, occurred_at = r.occurred_at, field_revs = r.field_revs
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, scope_id uuid, zone_id uuid, category text, severity text, status text, title text, description text,
    latitude float8, longitude float8, accuracy_m float8, occurred_at timestamptz, field_revs jsonb)
where i.id = r.id
returning i.id, i.rev
"""
"""Writes merged incidents. No id may stand twice: PostgreSQL would silently keep one of the two."""
