"""Officers' phones in the phone's contract: what each still holds to send, as it says itself, and when it was heard."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from patrol.sync.backlog import LaneHeld, report_backlog
from schema.context import Context
from schema.enums import Lane
from schema.mutations import short_way
from schema.paging import PageInfo
from schema.planner import (
    Columns,
    Conditions,
    Order,
    all_scopes,
    column,
    computed,
    one,
    page,
    reads,
)
from schema.scalars import PhoneTime
from schema.stations import Officer, age_seconds
from storage import tables

LAST_HEARD_FIRST = {"HEARD": Order("heard_at", descending=True)}


@reads(tables.Device, scope=None)
class PhoneDevice:
    """A phone as a thing; several officers may use it."""

    id: UUID
    platform: str
    model: str
    revoked_at: datetime | None
    wipe_ordered_at: datetime | None
    wiped_at: datetime | None = column(
        "wiped_at", description="When it said that it has erased its copy."
    )


@reads(tables.OfficerPhone, scope=None)
class OfficerPhone:
    """An officer's outbox on a phone, as it last reported. `held` are records that are yet to be sent."""

    id: UUID
    heard_at: datetime = column("heard_at", description="At its last refresh or report.")
    heard_age_seconds: int = computed("heard_at", by=age_seconds)
    reported_at: datetime | None = column(
        "reported_at", description="When it said what it holds; null: it never did."
    )
    app_version: str | None
    contract_version: str | None
    battery_percent: int | None
    sos_held: int
    sos_oldest_at: datetime | None
    records_held: int
    records_oldest_at: datetime | None
    tracks_held: int
    tracks_oldest_at: datetime | None
    officer: Officer | None = one("officer_id")
    device: PhoneDevice | None = one("device_id")


@strawberry.type
class OfficerPhoneEdge:
    cursor: str
    node: OfficerPhone


@strawberry.type(description="Officers' phones, page by page.")
class OfficerPhoneConnection:
    nodes: list[OfficerPhone]
    edges: list[OfficerPhoneEdge]
    page_info: PageInfo
    total_count: int


@strawberry.type
class CustodyQuery:
    @page(
        returns=OfficerPhoneConnection,
        order=LAST_HEARD_FIRST,
        limit=200,
        admit=all_scopes,
        description="The phones of an officer, and for a supervisor those of the station's officers; last heard first.",
    )
    def phones(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        officer_id: UUID | None = None,
        holding: bool | None = None,
    ) -> Conditions:
        if officer_id is not None:
            yield row.officer_id == officer_id
        if holding is not None:
            yield (row.sos_held + row.records_held + row.tracks_held > 0) == holding


@strawberry.input(description="What waits in one lane.")
class LaneBacklogInput:
    lane: Lane
    held: int = strawberry.field(description="Mutations without an answer.")
    oldest_captured_at: PhoneTime | None = strawberry.field(
        default=None, description="The `capturedAt` of the oldest of them."
    )


@strawberry.type
class CustodyMutation:
    @short_way(
        description="Says what this phone still holds for its officer, for supervisors to see. "
        "A lane that is not named holds nothing."
    )
    async def report_backlog(
        context: Context,
        lanes: list[LaneBacklogInput],
        app_version: str | None = None,
        contract_version: str | None = None,
        battery_percent: int | None = None,
    ) -> bool:
        principal = context.principal
        assert isinstance(principal.id, UUID)  # the phone door admits officers only
        assert principal.device_id is not None
        held = [LaneHeld(Lane(one.lane), one.held, one.oldest_captured_at) for one in lanes]
        async with context.database.write(principal) as connection:
            await report_backlog(
                connection,
                principal.device_id,
                principal.id,
                held,
                app_version=app_version,
                contract_version=contract_version,
                battery_percent=battery_percent,
            )
        return True
