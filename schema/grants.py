"""The lists of partners: what an agreement grants, or a refusal by name, at the root and below a zone alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry

from patrol.errors import NotGranted, Problem
from schema.enums import ErrorCode, SharingSubject
from schema.planner import Reading
from schema.planner.reads import Admit, AdmitParents
from storage.partner import READ_GRANTED

if TYPE_CHECKING:
    from schema.cameras import PartnerCameraConnection
    from schema.incidents import PartnerIncidentConnection
    from schema.zones import PartnerZoneConnection


@strawberry.type(
    description="The list was refused. `whatToDo` says what would help; the code is stable."
)
class Refusal:
    code: ErrorCode
    message: str
    what_to_do: str


ZonesAnswer = Annotated[
    Annotated["PartnerZoneConnection", strawberry.lazy("schema.zones")] | Refusal,
    strawberry.union("ZonesAnswer", description="The zones, or why they are refused."),
]
CamerasAnswer = Annotated[
    Annotated["PartnerCameraConnection", strawberry.lazy("schema.cameras")] | Refusal,
    strawberry.union("CamerasAnswer", description="The cameras, or why they are refused."),
]
IncidentsAnswer = Annotated[
    Annotated["PartnerIncidentConnection", strawberry.lazy("schema.incidents")] | Refusal,
    strawberry.union("IncidentsAnswer", description="The incidents, or why they are refused."),
]


def granted(subject: SharingSubject) -> Admit:
    """Admits an organisation to the zones that it was granted for a subject.

    What was not granted is refused by name: an empty page would look like "nothing happened there".
    """

    async def admit(reading: Reading, arguments: Mapping[str, Any]) -> Sequence[UUID]:
        zones = await _zones(reading, subject)
        wanted = arguments.get("zone_id")
        if not zones or (wanted is not None and wanted not in zones):
            raise _refused(subject, zones)
        return zones if wanted is None else [wanted]

    return admit


def granted_below(subject: SharingSubject) -> AdmitParents:
    """Refuses the same below each zone that was not granted for a subject."""

    async def admit(
        reading: Reading, parents: Sequence[str], _: Mapping[str, Any]
    ) -> Mapping[str, Problem]:
        zones = await _zones(reading, subject)
        held = {str(zone) for zone in zones}
        return {one: _refused(subject, zones) for one in parents if one not in held}

    return admit


async def _zones(reading: Reading, subject: SharingSubject) -> Sequence[UUID]:
    rows = await reading.connection.fetch(READ_GRANTED, reading.context.principal.id, subject.value)
    return [row["zone_id"] for row in rows]


def _refused(subject: SharingSubject, zones: Sequence[UUID]) -> NotGranted:
    of = "of this zone" if zones else "to your organisation"
    return NotGranted(f"No agreement grants {subject.value.lower()} {of}.")
