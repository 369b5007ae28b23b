"""Stations and officers as the phone's contract shows them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from schema.enums import OfficerRole
from schema.planner import one, reads
from schema.scalars import Long
from storage import tables


@reads(tables.Station)
class Station:
    """A police station."""

    id: UUID
    scope_id: UUID
    code: str
    name: str
    name_th: str
    latitude: float
    longitude: float
    rev: Long
    updated_at: datetime


@reads(tables.OfficerState, key="officer_id", scope=None)
class OfficerState:
    """Whether an officer is on duty, and where he was last seen."""

    on_duty: bool
    on_duty_since: datetime | None
    latitude: float | None
    longitude: float | None
    fix_at: datetime | None


@reads(tables.Officer, scope=None)
class Officer:
    """A colleague of the same station."""

    id: UUID
    badge: str
    role: OfficerRole
    rank: str
    name: str
    name_th: str
    active: bool
    state: OfficerState | None = one("id", "officer_id")
