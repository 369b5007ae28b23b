"""Incidents in the contracts of phones and partners, and the inputs by which phones record them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from sqlalchemy import Text, Uuid, any_, cast, func
from sqlalchemy.dialects.postgresql import ARRAY
from strawberry import UNSET

from schema.enums import DetailLevel, IncidentCategory, IncidentSeverity, IncidentStatus
from schema.finding import inside, written
from schema.media import Media
from schema.notes import Note
from schema.paging import PageInfo, PartnerPageInfo
from schema.planner import Columns, Conditions, Order, computed, many, one, reads
from schema.planner.branches import Among, Beside, Condition, Finder
from schema.points import HOW_FAR, HOW_OLD, age_seconds, distance_from
from schema.scalars import Long, PhoneTime
from schema.stations import Officer
from storage import tables
from storage.partner import PARTNER_INCIDENT
from storage.vocabulary import Term

if TYPE_CHECKING:
    from schema.zones import PartnerZone, Zone

LATEST_FIRST = {
    "OCCURRED": Order("occurred_at", descending=True),
    "UPDATED": Order("updated_at", descending=True),
}
IN_TURN = {"OCCURRED": Order("occurred_at")}
AS_TAKEN = {"TAKEN": Order("taken_at")}

_ALONG = "occurred_at"


def matching(
    row: Columns,
    *,
    zone_id: Any = None,
    category: Any = None,
    severity: Any = None,
    status: Any = None,
    since: Any = None,
    until: Any = None,
    text: Any = None,
    within: Any = None,
    near: Any = None,
) -> Iterator[Condition]:
    """The filters that all doors have, each on its column; `docs/decisions/0014-filters-are-branches.md` says by which index."""
    if zone_id is not None:
        # A row with a zone has it as its scope, so all other scopes are left out at once. The scope of a station is no
        # zone, which is asked beside: PostgreSQL would take the two columns for independent and expect next to no row.
        yield Beside(row.zone_id == zone_id)
        yield row.scope_id == zone_id
    given = {"category": category, "status": status, "severity": severity}
    forms = {one.form for one in (within, near) if one is not None}
    worded = any(words is not None for words in given.values())
    form = next((one for one in ("cell", "area") if one in forms), None)
    if form == "area" and worded:
        form = None
    yield from inside(row, within, near, form=form)
    if form == "cell":
        yield from _words(row, given)
    elif category is not None:
        yield from _branches(row, given)
    elif worded:
        yield from _branches(row, {"status": status, "severity": severity})
    if since is not None:
        yield row.occurred_at >= since
    if until is not None:
        yield row.occurred_at < until
    yield from written(text, row.title, row.description, finder=_finder(text))


def _words(row: Columns, given: Mapping[str, Any]) -> Iterator[Condition]:
    for name, words in given.items():
        if words is not None:
            yield getattr(row, name) == any_(cast(words, ARRAY(Text)))


def _branches(row: Columns, given: Mapping[str, Any]) -> Iterator[Condition]:
    """The columns that an index begins with: one that was not asked for has each of its values."""
    for name, words in given.items():
        every = [word.value for word in _VOCABULARY[name]] if words is None else words
        yield Among(getattr(row, name), cast(every, ARRAY(Text)), _ALONG, every=words is None)


def _finder(text: Any) -> Finder:
    return lambda scopes, at, by_update: func.access.incidents_with(
        cast(text, Text), scopes, at, by_update, type_=ARRAY(Uuid)
    )


_VOCABULARY: Mapping[str, type[Term]] = {
    "category": IncidentCategory,
    "status": IncidentStatus,
    "severity": IncidentSeverity,
}


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
    distance_m: float | None = computed(
        "latitude", "longitude", by=distance_from, description=HOW_FAR
    )
    age_seconds: float = computed("occurred_at", by=age_seconds, description=HOW_OLD)
    zone: Annotated[Zone, strawberry.lazy("schema.zones")] | None = one("zone_id")
    reporter: Officer | None = one("reported_by")

    @many(
        "incident_id",
        returns=list[Note],
        order=IN_TURN,
        description="What officers added, in turn.",
    )
    def notes(row: Columns, first: int = 50) -> Conditions:
        yield row.deleted_at.is_(None)

    @many(
        "incident_id",
        returns=list[Media],
        order=AS_TAKEN,
        description="Photographs, films and papers, as they were taken.",
    )
    def media(row: Columns, first: int = 50) -> Conditions:
        yield row.deleted_at.is_(None)


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
    distance_m: float | None = computed(
        "latitude", "longitude", by=distance_from, description=HOW_FAR
    )
    age_seconds: float = computed("occurred_at", by=age_seconds, description=HOW_OLD)
    zone: Annotated[PartnerZone, strawberry.lazy("schema.zones")] | None = one("zone_id")


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
