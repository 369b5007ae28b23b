"""Incidents in the contracts of phones and partners, and the inputs by which phones record them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from sqlalchemy import Text, any_, cast
from sqlalchemy.dialects.postgresql import ARRAY
from strawberry import UNSET

from schema.enums import DetailLevel, IncidentCategory, IncidentSeverity, IncidentStatus
from schema.paging import PageInfo, PartnerPageInfo
from schema.planner import Columns, Order, one, reads
from schema.scalars import Long, PhoneTime
from schema.stations import Officer
from schema.zones import PartnerZone, Zone
from storage import tables
from storage.partner import PARTNER_INCIDENT

LATEST_FIRST = {"OCCURRED": Order("occurred_at", descending=True)}


def matching(
    row: Columns,
    *,
    category: Any = None,
    severity: Any = None,
    status: Any = None,
    since: Any = None,
    until: Any = None,
) -> Iterator[Any]:
    """The filters that both doors have, each on its column."""
    for column, words in ((row.category, category), (row.severity, severity), (row.status, status)):
        if words is not None:
            yield column == any_(cast(words, ARRAY(Text)))
    if since is not None:
        yield row.occurred_at >= since
    if until is not None:
        yield row.occurred_at < until


@reads(tables.Incident)
class Incident:
    """Something that happened in a zone of the station."""

    id: UUID
    scope_id: UUID
    station_id: UUID
    zone_id: UUID | None
    category: IncidentCategory
    severity: IncidentSeverity
    status: IncidentStatus
    title: str
    description: str
    latitude: float | None
    longitude: float | None
    accuracy_m: float | None
    occurred_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool
    reported_by: UUID
    device_id: UUID
    rev: Long
    created_at: datetime
    updated_at: datetime
    zone: Zone | None = one("zone_id")
    reporter: Officer | None = one("reported_by")


@strawberry.type
class IncidentEdge:
    cursor: str
    node: Incident


@strawberry.type(description="Incidents, page by page.")
class IncidentConnection:
    nodes: list[Incident]
    edges: list[IncidentEdge]
    page_info: PageInfo
    total_count: int


@reads(PARTNER_INCIDENT, name="Incident")
class PartnerIncident:
    """An incident that an agreement grants. With COARSE detail it has no text and a rounded position."""

    id: UUID
    zone_id: UUID | None
    category: IncidentCategory
    severity: IncidentSeverity
    status: IncidentStatus
    detail: DetailLevel
    title: str | None
    description: str | None
    latitude: float | None
    longitude: float | None
    occurred_at: datetime
    updated_at: datetime
    zone: PartnerZone | None = one("zone_id")


@strawberry.type(name="IncidentEdge")
class PartnerIncidentEdge:
    cursor: str
    node: PartnerIncident


@strawberry.type(name="IncidentConnection", description="Incidents, page by page.")
class PartnerIncidentConnection:
    nodes: list[PartnerIncident]
    edges: list[PartnerIncidentEdge]
    page_info: PartnerPageInfo
    total_count: int


@strawberry.input
class ReportIncidentInput:
    """A new incident. Without `zoneId` the position decides the zone, without a position the station keeps it."""

    id: UUID = strawberry.field(description="UUIDv7, made on the phone: the incident's final id.")
    category: IncidentCategory
    severity: IncidentSeverity
    title: str = strawberry.field(description="1 to 200 characters, in Thai or English.")
    description: str | None = UNSET
    zone_id: UUID | None = UNSET
    latitude: float | None = strawberry.field(default=UNSET, description="Degrees, WGS 84.")
    longitude: float | None = strawberry.field(default=UNSET, description="Degrees, WGS 84.")
    accuracy_m: float | None = strawberry.field(default=UNSET, description="Metres.")
    occurred_at: PhoneTime | None = strawberry.field(
        default=UNSET, description="When it happened, where that is not the capture time."
    )


@strawberry.input
class ChangeIncidentInput:
    """A change of an incident: a field that is left out stays as it is, null clears it."""

    id: UUID
    base_rev: Long = strawberry.field(
        description="The `rev` that the phone had when it was changed."
    )
    category: IncidentCategory | None = UNSET
    severity: IncidentSeverity | None = UNSET
    status: IncidentStatus | None = UNSET
    title: str | None = UNSET
    description: str | None = UNSET
    zone_id: UUID | None = UNSET
    latitude: float | None = UNSET
    longitude: float | None = UNSET
    accuracy_m: float | None = UNSET
    occurred_at: PhoneTime | None = UNSET
