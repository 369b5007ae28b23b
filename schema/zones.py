"""Zones and communities in the contracts of phones and partners."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry

from schema import incidents as incident_types
from schema.enums import (
    CameraKind,
    IncidentCategory,
    IncidentSeverity,
    IncidentStatus,
    SharingSubject,
    ZoneKind,
)
from schema.finding import BoundsInput, IncidentOrder, NearInput, written
from schema.grants import CamerasAnswer, IncidentsAnswer, granted_below
from schema.incidents import IncidentConnection
from schema.paging import PageInfo, PartnerPageInfo
from schema.planner import Columns, Conditions, Order, many, reads
from schema.scalars import JSON, Long, SearchText
from storage import tables
from storage.partner import PARTNER_ZONE
from storage.vocabulary import Term

if TYPE_CHECKING:
    from schema.cameras import Camera, SosPost

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

    # A row with a zone has it as its scope, which the indexes of incidents begin with.
    @many(
        "scope_id",
        returns=IncidentConnection,
        order=incident_types.LATEST_FIRST,
        description="The incidents of the zone, latest first.",
    )
    def incidents(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        category: list[IncidentCategory] | None = None,
        severity: list[IncidentSeverity] | None = None,
        status: list[IncidentStatus] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        text: SearchText | None = None,
        within: BoundsInput | None = None,
        near: NearInput | None = None,
        order: IncidentOrder = IncidentOrder.OCCURRED,
    ) -> Conditions:
        yield row.deleted_at.is_(None)
        yield from incident_types.matching(
            row, category=category, severity=severity, status=status, since=since, until=until, text=text,
            within=within, near=near,
        )  # fmt: skip

    @many(
        "zone_id",
        returns=list[Annotated["SosPost", strawberry.lazy("schema.cameras")]],
        order=BY_NAME,
        description="The SOS posts of the zone, by name.",
    )
    def posts(row: Columns, first: int = 50) -> Conditions:
        yield row.deleted_at.is_(None)

    @many(
        "zone_id",
        returns=list[Annotated["Community", strawberry.lazy("schema.zones")]],
        order=BY_NAME,
        description="The communities that live in the zone, by name.",
    )
    def communities(row: Columns, first: int = 50) -> Conditions:
        yield row.deleted_at.is_(None)


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
        returns=CamerasAnswer,
        order=BY_NAME,
        admit=granted_below(SharingSubject.CAMERAS),
        description="The cameras of the zone by name, or why they are refused.",
    )
    def cameras(
        row: Columns, first: int = 50, after: str | None = None, kind: CameraKind | None = None
    ) -> Conditions:
        if kind is not None:
            yield row.kind == kind

    @many(
        "scope_id",
        returns=IncidentsAnswer,
        order=incident_types.LATEST_FIRST,
        admit=granted_below(SharingSubject.INCIDENTS),
        description="The incidents of the zone, latest first, or why they are refused.",
    )
    def incidents(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        category: list[IncidentCategory] | None = None,
        severity: list[IncidentSeverity] | None = None,
        status: list[IncidentStatus] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        text: SearchText | None = None,
        within: BoundsInput | None = None,
        near: NearInput | None = None,
        order: IncidentOrder = IncidentOrder.OCCURRED,
    ) -> Conditions:
        yield from incident_types.matching(
            row, category=category, severity=severity, status=status, since=since, until=until, text=text,
            within=within, near=near,
        )  # fmt: skip


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
    """The filter by kind that all doors have."""
    if kind is not None:
        yield row.kind == kind


def placed(row: Columns, kind: Term | None, text: Any) -> Conditions:
    """The filters of zones and cameras that all doors have."""
    yield from of_kind(row, kind)
    yield from written(text, row.name, row.name_th, row.code)
