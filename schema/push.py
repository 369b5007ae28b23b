"""Push in the phone's contract: the rules of `patrol.sync.push` under typed inputs, and what each change became."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, cast
from uuid import UUID

import strawberry
from sqlalchemy import ColumnElement

from patrol.errors import ReceiptInvalid, TooLarge
from patrol.sync import push as pushing
from patrol.sync import receipts as receipting
from patrol.sync.adoption import Held
from patrol.sync.answers import Answer
from schema.alerts import Alert
from schema.changes import MutationInput, decoded
from schema.context import Context
from schema.enums import ErrorCode, Lane, MutationOutcome
from schema.incidents import Incident
from schema.mutations import Sift, planned, short_way
from schema.planner import Columns
from schema.planner.reads import at_most
from schema.reading import names, unreadable
from schema.scalars import JSON, Long
from storage.principal import Principal

_OTHERWISE = (MutationOutcome.MERGED, MutationOutcome.CONFLICT, MutationOutcome.REJECTED)


def _stored_otherwise(answer: Answer) -> UUID | None:
    """The row of an answer that says: what is stored is not what you sent."""
    return answer.row_id if (answer.first or answer.outcome) in _OTHERWISE else None


def _not_deleted(row: Columns) -> ColumnElement[bool]:
    kept: ColumnElement[bool] = row.deleted_at.is_(None)
    return kept


@strawberry.type
class MutationAnswer:
    """What became of one change. Only RETRY and GAP stop a queue; all else is settled."""

    sequence: Long
    mutation_id: UUID
    outcome: MutationOutcome
    row_id: UUID
    rev: Long | None
    code: ErrorCode | None
    first: MutationOutcome | None = strawberry.field(
        description="The first outcome of a DUPLICATE."
    )
    expected: Long | None = strawberry.field(description="After a GAP: the number to send from.")
    detail: JSON
    reason: str | None = strawberry.field(
        description="Why it was not stored as it was sent, for the officer; null where it was."
    )
    reason_th: str | None = strawberry.field(description="The same in Thai.")
    incident: Incident | None = planned(
        _stored_otherwise,
        where=_not_deleted,
        description="After MERGED, CONFLICT or REJECTED: the incident as it stands now, if the officer may see it.",
    )
    alert: Alert | None = planned(
        _stored_otherwise,
        where=_not_deleted,
        description="After MERGED, CONFLICT or REJECTED: the alert as it stands now, if the officer may see it.",
    )


@strawberry.type
class PushResult:
    """The answers, in the order of their numbers."""

    answers: list[MutationAnswer] = strawberry.field(metadata=at_most(pushing.BATCH))
    applied_sequence: Long
    epoch: UUID | None = strawberry.field(
        description="The history that these were stored in; null when nothing could be asked. Another one than before: "
        "push again all that you still hold, from the lowest number on."
    )
    durable_through: datetime | None = strawberry.field(
        description="What was answered before this time is in a backup and need not be held; null: none is known."
    )
    server_time: datetime = strawberry.field(
        description="When this was answered, to be compared with a later `durableThrough`."
    )
    receipt: str | None = strawberry.field(
        description="Signed: all up to `appliedSequence` is stored. For the officer to show; null while nothing is."
    )


@strawberry.type
class PushMutation:
    @short_way(
        sift=Sift("mutations", names),
        description="Stores changes of one lane: in order, once, each with its answer. A change that this release cannot "
        "read is REJECTED by itself and kept.",
    )
    async def push(
        context: Context,
        lane: Lane,
        mutations: list[MutationInput],
        epoch: Annotated[
            UUID | None,
            strawberry.argument(
                description="The `epoch` of the last answer for this lane; null before the first."
            ),
        ] = None,
        lowest_held: Annotated[
            Long | None,
            strawberry.argument(
                description="The lowest number that is still held in this lane, settled or not."
            ),
        ] = None,
        receipt: Annotated[
            str | None,
            strawberry.argument(description="The newest receipt of this lane."),
        ] = None,
    ) -> PushResult:
        if len(mutations) + len(context.unread) > pushing.BATCH:
            raise TooLarge(f"A push takes at most {pushing.BATCH} mutations.", limit=pushing.BATCH)
        lane = Lane(lane)
        changes = [decoded(one) for one in mutations]
        changes += [unreadable(one) for one in context.unread]
        pushed = await pushing.push(
            context.database,
            context.principal,
            lane,
            changes,
            held=_held(context, lane, epoch, lowest_held, receipt),
            committed=lambda done: _poke(context, done),
        )
        return PushResult(
            # An answer of the rules has what the contract's type has, by the same names.
            answers=cast("list[MutationAnswer]", pushed.answers),
            applied_sequence=Long(pushed.applied_sequence),
            epoch=pushed.epoch,
            durable_through=pushed.durable_through,
            server_time=(now := datetime.now(UTC)),
            receipt=_receipt(context, lane, pushed, now),
        )


def _poke(context: Context, done: pushing.Pushed) -> None:
    for (scopes, subject), alerts in done.news.items():
        context.live.poke(scopes, [subject], alerts)


def _held(
    context: Context, lane: Lane, epoch: UUID | None, lowest: int | None, receipt: str | None
) -> Held:
    """What the phone says of the lane; a receipt that is not ours, or of another lane, says nothing."""
    kept = None
    if receipt is not None:
        with suppress(ReceiptInvalid):
            kept = receipting.read(receipt, context.keys)
    if kept is not None and (kept.device, kept.officer) != _holder(context.principal):
        kept = None
    if kept is not None and kept.lane is not lane:
        kept = None
    return Held(epoch, None if lowest is None else int(lowest), kept)


def _receipt(context: Context, lane: Lane, pushed: pushing.Pushed, now: datetime) -> str | None:
    if pushed.epoch is None or not pushed.applied_sequence:
        return None
    return receipting.sign(
        receipting.Receipt(
            *_holder(context.principal), lane, pushed.applied_sequence, now, pushed.epoch
        ),
        context.keys,
    )


def _holder(principal: Principal) -> tuple[UUID, UUID]:
    assert isinstance(principal.id, UUID)  # only officers push
    assert principal.device_id is not None
    return principal.device_id, principal.id
