"""The contract of partner agencies, `/partner/graphql`: exactly what their agreements grant, through redacted views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry

from patrol.errors import NotGranted
from schema import incidents as incident_types
from schema.cameras import PartnerCameraConnection
from schema.door import Door
from schema.enums import (
    CameraKind,
    DetailLevel,
    ErrorCode,
    IncidentCategory,
    IncidentSeverity,
    IncidentStatus,
    Sector,
    SharingSubject,
    ZoneKind,
)
from schema.incidents import PartnerIncidentConnection
from schema.planner import Columns, Conditions, Reading, Selection, composed, page
from schema.planner.reads import Admit
from schema.scalars import config
from schema.zones import BY_NAME, PartnerZoneConnection, of_kind
from storage.partner import READ_GRANTED
from storage.principal import Role
from storage.sharing import READ_OWN_AGREEMENTS, READ_OWN_ORGANISATION


@strawberry.type(
    description="The list was refused. `whatToDo` says what would help; the code is stable."
)
class Refusal:
    code: ErrorCode
    message: str
    what_to_do: str


ZonesAnswer = Annotated[
    PartnerZoneConnection | Refusal,
    strawberry.union("ZonesAnswer", description="The zones, or why they are refused."),
]
CamerasAnswer = Annotated[
    PartnerCameraConnection | Refusal,
    strawberry.union("CamerasAnswer", description="The cameras, or why they are refused."),
]
IncidentsAnswer = Annotated[
    PartnerIncidentConnection | Refusal,
    strawberry.union("IncidentsAnswer", description="The incidents, or why they are refused."),
]


def granted(subject: SharingSubject) -> Admit:
    """Admits an organisation to the zones that it was granted for a subject.

    What was not granted is refused by name: an empty page would look like "nothing happened there".
    """

    async def admit(reading: Reading, arguments: Mapping[str, Any]) -> Sequence[UUID]:
        rows = await reading.connection.fetch(
            READ_GRANTED, reading.context.principal.id, subject.value
        )
        zones = [row["zone_id"] for row in rows]
        if not zones:
            raise NotGranted(f"No agreement grants {subject.value.lower()} to your organisation.")
        wanted = arguments.get("zone_id")
        if wanted is None:
            return zones
        if wanted not in zones:
            raise NotGranted(f"No agreement grants {subject.value.lower()} of this zone.")
        return [wanted]

    return admit


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
        order=BY_NAME,
        limit=200,
        admit=granted(SharingSubject.ZONES),
        description="The zones that are granted, by name.",
    )
    def zones(
        row: Columns, first: int = 50, after: str | None = None, kind: ZoneKind | None = None
    ) -> Conditions:
        yield from of_kind(row, kind)

    @page(
        returns=CamerasAnswer,
        order=BY_NAME,
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
    ) -> Conditions:
        if zone_id is not None:
            yield row.zone_id == zone_id
        yield from of_kind(row, kind)

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
    ) -> Conditions:
        if zone_id is not None:
            yield row.zone_id == zone_id
        yield from incident_types.matching(
            row, category=category, severity=severity, status=status, since=since, until=until
        )


def partner_door(**options: Any) -> Door:
    """The door of partners; `options` go to `Door.of`."""
    return Door.of(
        "partner", Role.PARTNER, strawberry.Schema(query=Query, config=config()), **options
    )
