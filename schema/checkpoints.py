"""Checkpoints in the administrator's contract: where patrols must have been, and the codes to print for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

import strawberry

from patrol.checkpoints import (
    add_checkpoint,
    content_of,
    reissue_code,
    scope_of,
    set_checkpoint_active,
)
from patrol.errors import NotFound
from schema.acts import AdminDone, AdminInfo, administrators, done
from schema.mutations import planned
from schema.paging import AdminPageInfo
from schema.places import AdminStation, AdminZone
from schema.planner import Columns, Conditions, Order, Reading, computed, one, page, reads
from storage import tables
from storage.database import Connection

BY_CODE = {"CODE": Order("code")}


def _content(reading: Reading, key: str, number: int, kid: str) -> str | None:
    try:
        return content_of(reading.context.keys, UUID(key), number, kid)
    except NotFound:
        return None


@reads(tables.Checkpoint, name="Checkpoint")
class AdminCheckpoint:
    """A point that patrols visit."""

    id: UUID
    code: str
    name: str
    name_th: str
    latitude: float
    longitude: float
    active: bool
    code_number: int
    created_at: datetime
    updated_at: datetime
    station: AdminStation = one("station_id")
    zone: AdminZone | None = one("zone_id")
    code_content: str | None = computed(
        "id",
        "code_number",
        "code_kid",
        by=_content,
        description="What to print as a QR code; null where it must be issued anew first.",
    )


@strawberry.type(name="CheckpointConnection", description="Checkpoints, page by page.")
class AdminCheckpointConnection:
    nodes: list[AdminCheckpoint]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type
class CheckpointsQuery:
    @page(
        returns=AdminCheckpointConnection,
        order=BY_CODE,
        admit=administrators,
        description="Checkpoints, by code.",
    )
    def checkpoints(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        station_id: UUID | None = None,
        active: bool | None = None,
    ) -> Conditions:
        yield row.deleted_at.is_(None)
        if station_id is not None:
            yield row.station_id == station_id
        if active is not None:
            yield row.active == active


@strawberry.input(name="AddCheckpointInput")
class AdminAddCheckpointInput:
    """A new point that patrols visit. Its position decides its zone."""

    station_id: UUID
    code: str = strawberry.field(description="1 to 40 letters, digits, `_`, `.` or `-`.")
    name: str
    name_th: str
    latitude: float = strawberry.field(description="Degrees, WGS 84.")
    longitude: float = strawberry.field(description="Degrees, WGS 84.")


@strawberry.type(
    name="CheckpointDone", description="The checkpoint as it stands now, or a refusal."
)
class AdminCheckpointDone(AdminDone):
    checkpoint: AdminCheckpoint | None = planned("id")


async def _done_and_told(
    info: AdminInfo, rule: Callable[[Connection], Awaitable[object]], id: UUID | None = None
) -> AdminCheckpointDone:
    """As `done`; the phones of the place where it hangs learn of it at once."""
    scopes: list[UUID] = []

    async def and_where(connection: Connection) -> object:
        outcome = await rule(connection)
        about = outcome if isinstance(outcome, UUID) else id
        scope = None if about is None else await scope_of(connection, about)
        scopes.extend([] if scope is None else [scope])
        return outcome

    told = await done(AdminCheckpointDone, info, and_where, id)
    if told.refusal is None:
        info.context.live.poke(scopes, ["checkpoints"])
    return told


@strawberry.type
class CheckpointsMutation:
    @strawberry.mutation(description="Adds a point that patrols visit; `codeContent` is its code.")
    async def add_checkpoint(
        self, info: AdminInfo, checkpoint: AdminAddCheckpointInput
    ) -> AdminCheckpointDone:
        return await _done_and_told(
            info,
            lambda connection: add_checkpoint(
                connection,
                info.context.keys,
                checkpoint.station_id,
                code=checkpoint.code,
                name=checkpoint.name,
                name_th=checkpoint.name_th,
                latitude=checkpoint.latitude,
                longitude=checkpoint.longitude,
            ),
        )

    @strawberry.mutation(
        description="Issues a checkpoint's code anew, as when the old one was photographed. Check-ins by codes that were "
        "printed before are kept and flagged."
    )
    async def reissue_checkpoint_code(self, info: AdminInfo, id: UUID) -> AdminCheckpointDone:
        return await _done_and_told(
            info,
            lambda connection: reissue_code(connection, info.context.keys, id),
            id,
        )

    @strawberry.mutation(description="Takes a checkpoint out of use. Its check-ins stay.")
    async def retire_checkpoint(self, info: AdminInfo, id: UUID) -> AdminCheckpointDone:
        return await _done_and_told(
            info,
            lambda connection: set_checkpoint_active(connection, id, False),
            id,
        )

    @strawberry.mutation(description="Takes a checkpoint back into use.")
    async def restore_checkpoint(self, info: AdminInfo, id: UUID) -> AdminCheckpointDone:
        return await _done_and_told(
            info,
            lambda connection: set_checkpoint_active(connection, id, True),
            id,
        )
