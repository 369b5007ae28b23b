"""Pull and push in the phone's contract: the rules of `patrol.sync` under typed lists and inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields as fields_of
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import strawberry
from strawberry import UNSET
from strawberry.types import Info

from patrol.errors import OperationInvalid, PageSizeInvalid, TooLarge, VariableInvalid
from patrol.sync import push as pushing
from patrol.sync.kinds import KINDS
from patrol.sync.mutation import Mutation as PushedMutation
from patrol.sync.pull import PAGE_ROWS, Pull, PulledPage
from patrol.sync.sets import SetBook
from schema.alerts import Alert, AnswerAlertInput, RaiseAlertInput
from schema.cameras import Camera, SosPost
from schema.context import Context
from schema.enums import ErrorCode, Lane, MutationOutcome
from schema.incidents import ChangeIncidentInput, Incident, ReportIncidentInput
from schema.planner import Reading, Selection, composed
from schema.scalars import JSON, Long, PhoneTime
from schema.stations import Station
from schema.zones import Community, Zone
from storage.database import Database
from storage.principal import system


@strawberry.enum
class RemovalReason(Enum):
    """Why a phone must drop a row."""

    DELETED = "DELETED"
    LEFT_SCOPE = "LEFT_SCOPE"


@strawberry.type
class Removal:
    """A row that the phone must drop. Removals are applied before the rows of the same page."""

    subject: str
    id: UUID
    reason: RemovalReason


@strawberry.type
class LaneState:
    """How far the phone's outbox was applied. Only a complete page tells it: then optimistic copies up to here can go."""

    lane: Lane
    applied_sequence: Long


@strawberry.type
class PullPage:
    """One page of what is new.

    Apply in this order: `reset` (drop your copy, never the outbox), `revokedScopes` (drop all rows of them),
    `removals`, then the lists. Keep `cursor` only once the page is stored. Not `complete`: ask on at once.
    """

    alerts: list[Alert]
    stations: list[Station]
    zones: list[Zone]
    posts: list[SosPost]
    communities: list[Community]
    cameras: list[Camera]
    incidents: list[Incident]
    removals: list[Removal]
    revoked_scopes: list[UUID]
    reset: str | None = strawberry.field(description="Why the copy must be dropped; null: keep it.")
    cursor: str
    complete: bool
    scopes: list[UUID]
    lanes: list[LaneState]
    server_time: datetime


_shelves: WeakKeyDictionary[Database, dict[bytes, list[Any]]] = WeakKeyDictionary()
"""The sets that this process has seen stored, by database."""


async def pull_page(
    reading: Reading,
    selections: Mapping[str, Selection],
    cursor: str | None = None,
    first: int = PAGE_ROWS,
) -> dict[str, Any]:
    """The page of `Query.pull`."""
    if not 1 <= first <= PAGE_ROWS:
        raise PageSizeInvalid(
            f"`first` must be between 1 and {PAGE_ROWS}, not {first}.", limit=PAGE_ROWS
        )
    for name, selection in selections.items():
        if selection.joins or selection.children:
            # A related row can change without the row that was asked for, and the phone would keep the old one.
            raise OperationInvalid(
                f"`{name}` of a pull carries rows, not relations: join by id on the phone."
            )
    context, principal = reading.context, reading.context.principal
    assert isinstance(principal.id, UUID)  # the phone door admits officers only
    assert principal.device_id is not None
    sets = SetBook(reading.connection, _shelves.setdefault(context.database, {}))
    page = await Pull(
        reading.connection,
        principal.id,
        principal.device_id,
        selections,
        context.keys,
        sets,
    ).page(cursor, first)
    if sets.new:
        reading.afterwards.append(partial(_keep, context, sets))
    return _as_answer(page)


async def _keep(context: Context, sets: SetBook) -> None:
    async with context.database.write(system("sync")) as connection:
        await sets.keep(connection)


def _as_answer(page: PulledPage) -> dict[str, Any]:
    return {
        **page.rows,
        "removals": page.removals,
        "revoked_scopes": page.revoked,
        "reset": page.reset,
        "cursor": page.cursor,
        "complete": page.complete,
        "scopes": list(page.scopes),
        "lanes": page.lanes,
        "server_time": page.server_time,
    }


@strawberry.type
class SyncQuery:
    pull = composed(
        PullPage,
        pull_page,
        description="What is new since a cursor; without one everything. Copy data by this, never by lists.",
    )


@strawberry.input(one_of=True)
class ChangeInput:
    """Exactly one kind of change."""

    report_incident: ReportIncidentInput | None = UNSET
    change_incident: ChangeIncidentInput | None = UNSET
    raise_alert: RaiseAlertInput | None = UNSET
    answer_alert: AnswerAlertInput | None = UNSET


@strawberry.input
class MutationInput:
    """One change in a lane of the phone's outbox."""

    sequence: Long = strawberry.field(
        description="Contiguous per device, officer and lane, from 1."
    )
    mutation_id: UUID = strawberry.field(
        description="UUIDv7, made once and kept through all retries."
    )
    captured_at: PhoneTime = strawberry.field(description="The phone's clock when it was recorded.")
    change: ChangeInput


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


@strawberry.type
class PushResult:
    """The answers, in the order of their numbers."""

    answers: list[MutationAnswer]
    applied_sequence: Long


@strawberry.type
class SyncMutation:
    @strawberry.mutation(
        description="Stores changes of one lane: in order, once, each with its answer."
    )
    async def push(
        self, info: Info[Context, None], lane: Lane, mutations: list[MutationInput]
    ) -> PushResult:
        context = info.context
        if len(mutations) > pushing.BATCH:
            raise TooLarge(f"A push takes at most {pushing.BATCH} mutations.", limit=pushing.BATCH)
        lane = Lane(lane)
        changes = [decoded(one) for one in mutations]
        for one in changes:
            if KINDS[one.kind].lane is not lane:
                raise VariableInvalid(
                    f"Mutation {one.sequence} belongs to the lane {KINDS[one.kind].lane.value}."
                )
        pushed = await pushing.push(
            context.database,
            context.principal,
            lane,
            changes,
            committed=lambda done: context.live.poke(done.scopes, done.subjects, done.alerts),
        )
        return PushResult(
            answers=[
                MutationAnswer(
                    sequence=Long(one.sequence),
                    mutation_id=one.mutation_id,
                    outcome=one.outcome,
                    row_id=one.row_id,
                    rev=None if one.rev is None else Long(one.rev),
                    code=None if one.code is None else ErrorCode[one.code],
                    first=one.first,
                    expected=None if one.expected is None else Long(one.expected),
                    detail=JSON(one.detail),
                )
                for one in pushed.answers
            ],
            applied_sequence=Long(pushed.applied_sequence),
        )


def decoded(one: MutationInput) -> PushedMutation:
    """A mutation as the rules take it: its kind, and only the fields that the phone set."""
    kind, change = next(
        (field.name, value)
        for field in fields_of(one.change)
        if (value := getattr(one.change, field.name)) is not UNSET and value is not None
    )
    given = {
        field.name: _json(value)
        for field in fields_of(change)
        if (value := getattr(change, field.name)) is not UNSET
    }
    row_id = UUID(given.pop("id"))
    return PushedMutation(
        int(one.sequence),
        one.mutation_id,
        kind,
        row_id,
        _json(str(one.captured_at)),
        given.pop("base_rev", None),
        given,
    )


def _json(value: Any) -> Any:
    if isinstance(value, Enum):
        value = value.value
    # PostgreSQL holds every character but this one; a record must not be lost, nor its lane stopped, for it.
    return str(value).replace("\0", "\ufffd") if isinstance(value, str | UUID) else value
