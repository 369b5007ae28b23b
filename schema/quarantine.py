"""Refused records in the phone's contract: an officer sees what became of his own, supervisors decide about the station's."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry
from strawberry.types import Info

from patrol.sync.quarantine import Replayed, discard, replay, station_led_by
from schema import kept
from schema.context import Context
from schema.custody import PhoneDevice
from schema.enums import ErrorCode, Lane, MutationOutcome, QuarantineState
from schema.mutations import planned
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
from schema.reading import read_kept
from schema.refusals import Done, Refusal, act
from schema.scalars import JSON, Long
from schema.stations import Officer, age_seconds
from storage import tables
from storage.database import Connection

OLDEST_FIRST = {"KEPT": Order("created_at")}


@reads(tables.Quarantine, scope=None)
class QuarantineItem:
    """A record that was refused and is kept whole, with the supervisor of the officer who made it."""

    id: UUID
    state: QuarantineState
    lane: Lane
    sequence: Long
    mutation_id: UUID
    subject: str | None = computed(
        "payload",
        by=kept.subject,
        description="The list that it is of; null where it cannot be read.",
    )
    row_id: UUID | None = computed(
        "payload", by=kept.row_id, description="The row that it would have made or changed."
    )
    summary: str = computed(
        "payload", by=kept.summary, description="A title, the beginning of a text, or a step."
    )
    code: ErrorCode
    reason: str = computed("code", by=kept.reason, description="Why it was refused.")
    reason_th: str | None = computed("code", by=kept.reason_th, description="The same in Thai.")
    detail: JSON
    payload: JSON
    surrendered: bool = column("surrendered", description="Handed in by a phone that was revoked.")
    created_at: datetime
    age_seconds: int = computed("created_at", by=age_seconds, description="How long it is kept.")
    overdue: bool = computed(
        "state", "lane", "created_at", by=kept.overdue,
        description="Whether it waits for longer than a shift; a call for help at once.",
    )  # fmt: skip
    attempts: int
    outcome: MutationOutcome | None = column("outcome", description="Of the last replay.")
    resolved_at: datetime | None
    resolved_by: str | None
    decision: str | None = column("reason", description="Why it was replayed or discarded.")
    officer: Officer | None = one("officer_id")
    device: PhoneDevice | None = one("device_id")


@strawberry.type
class QuarantineEdge:
    cursor: str
    node: QuarantineItem


@strawberry.type(description="Refused records, page by page.")
class QuarantineConnection:
    nodes: list[QuarantineItem]
    edges: list[QuarantineEdge]
    page_info: PageInfo
    total_count: int


@strawberry.type
class QuarantineQuery:
    @page(
        returns=QuarantineConnection,
        order=OLDEST_FIRST,
        limit=200,
        admit=all_scopes,
        description="Refused records, the oldest first: an officer's own, and for a supervisor those of the station.",
    )
    def quarantine(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        state: QuarantineState | None = None,
        officer_id: UUID | None = None,
        code: ErrorCode | None = None,
    ) -> Conditions:
        if state is not None:
            yield row.state == state
        if officer_id is not None:
            yield row.officer_id == officer_id
        if code is not None:
            yield row.code == code


@strawberry.type(
    description="The item as it stands now, or a refusal. A replay that was refused again is KEPT, with the code of this time."
)
class QuarantineDone(Done):
    item: QuarantineItem | None = planned("id")


@strawberry.type
class QuarantineMutation:
    @strawberry.mutation(
        description="Applies a refused record of the station after all, as the officer who made it; twice applies it once. "
        "`overrule` lets its values win over what others wrote since. For supervisors."
    )
    async def replay_quarantined(
        self, info: Info[Context, None], id: UUID, reason: str, overrule: bool = False
    ) -> QuarantineDone:
        context = info.context

        async def again(connection: Connection) -> Replayed:
            station = await station_led_by(connection, _officer(context))
            return await replay(
                connection, id, by=str(context.principal), reason=reason, read=read_kept, station=station, overrule=overrule
            )  # fmt: skip

        outcome = await act(info, again)
        if isinstance(outcome, Refusal):
            return QuarantineDone(refusal=outcome)
        poke(context, outcome)
        return QuarantineDone(id=id)

    @strawberry.mutation(
        description="Sets a refused record of the station aside; it stays, with who did it and why. For supervisors."
    )
    async def discard_quarantined(
        self, info: Info[Context, None], id: UUID, reason: str
    ) -> QuarantineDone:
        context = info.context

        async def aside(connection: Connection) -> None:
            station = await station_led_by(connection, _officer(context))
            await discard(connection, id, by=str(context.principal), reason=reason, station=station)

        outcome = await act(info, aside)
        return (
            QuarantineDone(refusal=outcome)
            if isinstance(outcome, Refusal)
            else QuarantineDone(id=id)
        )


def poke(context: Context, outcome: Replayed) -> None:
    """Tells phones of what a replay has changed."""
    if outcome.scopes or outcome.alerts:
        context.live.poke(
            outcome.scopes, [outcome.subject] if outcome.subject else [], outcome.alerts
        )


def _officer(context: Context) -> UUID:
    assert isinstance(context.principal.id, UUID)  # the phone door admits officers only
    return context.principal.id
