"""Incidents: what officers record, with or without signal."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from storage.base import Synced, known, position_checks, synced_index
from storage.vocabulary import IncidentCategory, IncidentSeverity, IncidentStatus


class Incident(Synced, table=True):
    """Something that happened in a zone.

    `occurred_at` is the plausible time; `captured_at_raw` what the phone's clock said, `time_suspect` whether the two
    had to differ. `field_revs` maps a field to the `rev` that last changed it, which is what a three-way merge needs.
    """

    __tablename__ = "incident"
    __table_args__ = (
        synced_index("incident"),
        Index("incident_occurred_idx", "scope_id", "occurred_at", "id"),
        Index("incident_updated_idx", "scope_id", "updated_at", "id"),
        known("category", IncidentCategory),
        known("severity", IncidentSeverity),
        known("status", IncidentStatus),
        *position_checks(optional=True),
        CheckConstraint("accuracy_m >= 0", name="accuracy_m"),
        CheckConstraint("length(title) between 1 and 200", name="title"),
        CheckConstraint("length(description) <= 10000", name="description"),
    )

    station_id: UUID = Field(foreign_key="station.id", index=True)
    zone_id: UUID | None = Field(default=None, foreign_key="zone.id", index=True)
    category: str
    severity: str
    status: str
    title: str
    description: str = Field(sa_column_kwargs={"server_default": text("''")})
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    occurred_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    reported_by: UUID = Field(foreign_key="officer.id")
    device_id: UUID = Field(foreign_key="device.id")
    field_revs: dict[str, Any] = Field(
        sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")}
    )
