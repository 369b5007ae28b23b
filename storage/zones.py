"""Zones: polygons of a station, the scope that most records belong to; and the communities within them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from storage.base import Synced, known, synced_index
from storage.vocabulary import ZoneKind


class Zone(Synced, table=True):
    """An area of a station. `boundary` is a GeoJSON Polygon or MultiPolygon (WGS 84); its own id is its scope."""

    __tablename__ = "zone"
    __table_args__ = (
        synced_index("zone"),
        UniqueConstraint("station_id", "code"),
        known("kind", ZoneKind),
        CheckConstraint("scope_id = id", name="own_scope"),
        CheckConstraint("parent_id <> id", name="parent"),
    )

    station_id: UUID = Field(foreign_key="station.id", index=True)
    parent_id: UUID | None = Field(default=None, foreign_key="zone.id", index=True)
    code: str
    kind: str
    name: str
    name_th: str
    boundary: dict[str, Any] = Field(sa_type=JSONB)
    area_km2: float
    min_latitude: float
    min_longitude: float
    max_latitude: float
    max_longitude: float


class Community(Synced, table=True):
    """A community that lives in a zone, with the person to call."""

    __tablename__ = "community"
    __table_args__ = (synced_index("community"), UniqueConstraint("zone_id"))

    zone_id: UUID = Field(foreign_key="zone.id")
    name: str
    name_th: str
    leader: str | None = None
    phone: str | None = None
