"""The contract of partner agencies, `/partner/graphql`: exactly what their agreements grant, through redacted views."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from schema import incidents as incident_types
from schema.cameras import found_cameras
from schema.door import Door
from schema.enums import (
    CameraKind,
    DetailLevel,
    IncidentCategory,
    IncidentSeverity,
    IncidentStatus,
    Sector,
    SharingSubject,
    ZoneKind,
)
from schema.finding import BY_NAME_OR_UPDATE, BoundsInput, IncidentOrder, NearInput, PlaceOrder
from schema.grants import CamerasAnswer, IncidentsAnswer, ZonesAnswer, granted
from schema.planner import Columns, Conditions, Reading, Selection, composed, page
from schema.scalars import SearchText, config
from schema.zones import placed
from storage.principal import Role
from storage.sharing import READ_OWN_AGREEMENTS, READ_OWN_ORGANISATION


@strawberry.type(description="What one sharing agreement grants to your organisation.")
class OwnAgreement:
    id: UUID
    subjects: list[SharingSubject]
    detail: DetailLevel
    delay_seconds: int
    zone_ids: list[UUID]
    valid_from: datetime
    valid_until: datetime | None


@strawberry.type(description="Your organisation, as the station knows it.")
class OwnOrganisation:
    id: UUID
    code: str
    name: str
    name_th: str
    sector: Sector
    agreements: list[OwnAgreement]


async def own_organisation(reading: Reading, _: Mapping[str, Selection]) -> dict[str, Any]:
    """The value of `Query.organisation`."""
    row = await reading.connection.fetchrow(READ_OWN_ORGANISATION)
    agreements = await reading.connection.fetch(READ_OWN_AGREEMENTS)
    return {**dict(row), "agreements": [dict(one) for one in agreements]}


@strawberry.type
class Query:
    organisation = composed(
        OwnOrganisation,
        own_organisation,
        description="Who you are here, and the agreements that are in force.",
    )

    @page(
        returns=ZonesAnswer,
        order=BY_NAME_OR_UPDATE,
        limit=200,
        admit=granted(SharingSubject.ZONES),
        description="The zones that are granted, by name.",
    )
    def zones(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        kind: ZoneKind | None = None,
        text: SearchText | None = None,
        order: PlaceOrder = PlaceOrder.NAME,
    ) -> Conditions:
        yield from placed(row, kind, text)

    @page(
        returns=CamerasAnswer,
        order=BY_NAME_OR_UPDATE,
        limit=200,
        admit=granted(SharingSubject.CAMERAS),
        description="The cameras that are granted, by name.",
    )
    def cameras(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        zone_id: UUID | None = None,
        kind: CameraKind | None = None,
        text: SearchText | None = None,
        within: BoundsInput | None = None,
        near: NearInput | None = None,
        order: PlaceOrder = PlaceOrder.NAME,
    ) -> Conditions:
        yield from found_cameras(row, zone_id, kind, text, within, near)

    @page(
        returns=IncidentsAnswer,
        order=incident_types.LATEST_FIRST,
        limit=200,
        admit=granted(SharingSubject.INCIDENTS),
        description="The incidents that are granted, latest first.",
    )
    def incidents(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        zone_id: UUID | None = None,
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
            row, zone_id=zone_id, category=category, severity=severity, status=status, since=since,
            until=until, text=text, within=within, near=near,
        )  # fmt: skip


def partner_door(**options: Any) -> Door:
    """The door of partners; `options` go to `Door.of`."""
    return Door.of(
        "partner", Role.PARTNER, strawberry.Schema(query=Query, config=config()), **options
    )
