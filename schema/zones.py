"""Zones and communities in the contracts of phones and partners."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from schema.enums import CameraKind, ZoneKind
from schema.paging import PageInfo, PartnerPageInfo
from schema.planner import Columns, Conditions, Order, many, reads
from schema.scalars import JSON, Long
from storage import tables
from storage.partner import PARTNER_ZONE
from storage.vocabulary import Term

if TYPE_CHECKING:
    from schema.cameras import Camera, PartnerCamera

BY_NAME = {"NAME": Order("name")}


@reads(tables.Zone)
class Zone:
    """An area of the station, with its outline as GeoJSON (WGS 84, longitude before latitude)."""

    id: UUID
    scope_id: UUID
    station_id: UUID
    parent_id: UUID | None
    code: str
    kind: ZoneKind
    name: str
    name_th: str
    boundary: JSON
    area_km2: float
    rev: Long
    updated_at: datetime

    @many(
        "zone_id",
        returns=list[Annotated["Camera", strawberry.lazy("schema.cameras")]],
        order=BY_NAME,
        description="The cameras of the zone, by name.",
    )
    def cameras(row: Columns, first: int = 50, kind: CameraKind | None = None) -> Conditions:
        yield row.deleted_at.is_(None)
        if kind is not None:
            yield row.kind == kind


@reads(tables.Community)
class Community:
    """A community that lives in a zone."""

    id: UUID
    scope_id: UUID
    zone_id: UUID
    name: str
    name_th: str
    leader: str | None
    phone: str | None
    rev: Long
    updated_at: datetime


@strawberry.type
class ZoneEdge:
    cursor: str
    node: Zone


@strawberry.type(description="Zones, page by page.")
class ZoneConnection:
    nodes: list[Zone]
    edges: list[ZoneEdge]
    page_info: PageInfo
    total_count: int


@reads(PARTNER_ZONE, name="Zone")
class PartnerZone:
    """A zone that an agreement grants, with its outline as GeoJSON (WGS 84, longitude before latitude)."""

    id: UUID
    code: str
    kind: ZoneKind
    name: str
    name_th: str
    boundary: JSON
    area_km2: float
    updated_at: datetime

    @many(
        "zone_id",
        returns=list[Annotated["PartnerCamera", strawberry.lazy("schema.cameras")]],
        order=BY_NAME,
        description="Cameras of the zone that are granted, by name.",
    )
    def cameras(row: Columns, first: int = 50, kind: CameraKind | None = None) -> Conditions:
        if kind is not None:
            yield row.kind == kind


@strawberry.type(name="ZoneEdge")
class PartnerZoneEdge:
    cursor: str
    node: PartnerZone


@strawberry.type(name="ZoneConnection", description="Zones, page by page.")
class PartnerZoneConnection:
    nodes: list[PartnerZone]
    edges: list[PartnerZoneEdge]
    page_info: PartnerPageInfo
    total_count: int


def of_kind(row: Columns, kind: Term | None) -> Conditions:
    """The filter that both doors have."""
    if kind is not None:
        yield row.kind == kind
