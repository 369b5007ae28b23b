"""Stations and officers as the phone's contract shows them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from schema.enums import OfficerRole
from schema.planner import Reading, computed, one, reads
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


def age_seconds(reading: Reading, at: datetime | None) -> int | None:
    """Whole seconds since then."""
    return None if at is None else max(0, int((reading.now - at).total_seconds()))


@reads(tables.OfficerState, key="officer_id", scope=None)
class OfficerState:
    """Whether an officer is on duty, and where he was last seen."""

    on_duty: bool
    on_duty_since: datetime | None
    latitude: float | None
    longitude: float | None
    accuracy_m: float | None
    fix_at: datetime | None
    fix_suspect: bool
    fix_age_seconds: int | None = computed(
        "fix_at", by=age_seconds, description="How old the position is now; null without one."
    )


@reads(tables.Officer, scope=None)
class Officer:
    """A colleague of the same station: the public profile. Its scope is the station's staff."""

    id: UUID
    scope_id: UUID
    station_id: UUID
    badge: str
    role: OfficerRole
    rank: str
    name: str
    name_th: str
    active: bool
    rev: Long
    updated_at: datetime
    state: OfficerState | None = one("id", "officer_id")
