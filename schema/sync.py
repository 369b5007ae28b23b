"""Pull in the phone's contract: the rules of `patrol.sync.pull` under typed lists."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import strawberry

from patrol.errors import (
    OperationInvalid,
    RetryLater,
)
from patrol.keys import KeySet
from patrol.sync import receipts as receipting
from patrol.sync.held import Holding
from patrol.sync.history import HistoryMoved, heed_cursor, heed_restore
from patrol.sync.page import PAGE_BYTES, PAGE_ROWS, PulledPage
from patrol.sync.pull import Pull
from patrol.sync.sets import SetBook
from schema.alerts import Alert, AlertStep
from schema.cameras import Camera, SosPost
from schema.clips import Clip
from schema.context import Context
from schema.enums import Lane
from schema.incidents import Incident
from schema.media import Media
from schema.notes import Note
from schema.notices import Notice
from schema.patrols import (
    Checkin,
    Checkpoint,
    DutyChange,
    Patrol,
)
from schema.planner import Reading, Selection, composed
from schema.responses import AlertResponse
from schema.scalars import Long
from schema.stations import Officer, Station
from schema.verify import (
    RangeInput,
    RepairInput,
    SyncDigest,
    SyncSubject,
    check_of,
    check_size,
    subject_name,
)
from schema.zones import Community, Zone
from storage.database import Database
from storage.principal import Role, system


@strawberry.enum
class RemovalReason(Enum):
    """Why a phone must drop a row."""

    DELETED = "DELETED"
    LEFT_SCOPE = "LEFT_SCOPE"
    EXPIRED = "EXPIRED"
    NOT_HELD = "NOT_HELD"


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
    receipt: str = strawberry.field(
        description="Signed: all up to this number was stored at `serverTime`. For the officer to show."
    )


@strawberry.type
class PullPage:
    """One page of what is new.

    Apply in this order: `reset` (drop your copy, never the outbox), `resetSubjects` (drop all rows of them),
    `revokedScopes` (drop all rows of them), `removals`, the lists, and what has expired at `serverTime`. Keep `cursor` only once the page is stored. Not `complete`: ask on at once.
    """

    alerts: list[Alert]
    steps: list[AlertStep]
    responses: list[AlertResponse]
    clips: list[Clip]
    stations: list[Station]
    zones: list[Zone]
    posts: list[SosPost]
    checkpoints: list[Checkpoint]
    communities: list[Community]
    cameras: list[Camera]
    officers: list[Officer]
    notices: list[Notice]
    incidents: list[Incident]
    notes: list[Note]
    media: list[Media]
    patrols: list[Patrol]
    checkins: list[Checkin]
    duty: list[DutyChange]
    removals: list[Removal]
    revoked_scopes: list[UUID]
    reset: str | None = strawberry.field(description="Why the copy must be dropped; null: keep it.")
    reset_subjects: list[str] = strawberry.field(
        description="Lists that are given anew: drop all rows of them first."
    )
    cursor: str
    complete: bool
    digests: list[SyncDigest] | None = strawberry.field(
        description="What the copy must add up to, once this page is applied. Parts without rows are left out; null: not taken."
    )
    repaired: bool | None = strawberry.field(
        description="Whether all that was to be repaired is in this page; null: nothing was, or the page is not complete."
    )
    scopes: list[UUID]
    lanes: list[LaneState]
    server_time: datetime
    epoch: UUID = strawberry.field(
        description="The history that this is of. Another one than before: push again all that you still hold."
    )
    durable_through: datetime | None = strawberry.field(
        description="What was answered before this time is in a backup and need not be held; null: none is known."
    )


_shelves: WeakKeyDictionary[Database, dict[bytes, list[Any]]] = WeakKeyDictionary()
"""The sets that this process has seen stored, by database."""


async def pull_page(
    reading: Reading,
    selections: Mapping[str, Selection],
    cursor: str | None = None,
    first: int = PAGE_ROWS,
    max_bytes: int = PAGE_BYTES,
    subjects: list[SyncSubject] | None = None,
    verify: bool | None = None,
    ranges: list[RangeInput] | None = None,
    repair: list[RepairInput] | None = None,
) -> dict[str, Any]:
    """The page of `Query.pull`."""
    check_size(first, max_bytes)
    only = None if subjects is None else sorted({subject_name(one) for one in subjects})
    wanted = {name: one for name, one in selections.items() if only is None or name in only}
    check = check_of(wanted, verify, ranges or (), repair or ())
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
    pull = Pull(
        reading.connection,
        principal.id,
        principal.device_id,
        wanted,
        context.keys,
        sets,
        "" if only is None else " ".join(["only", *only]),
    )
    try:
        page = await pull.page(cursor, first, max_bytes, check)
    except HistoryMoved:
        reading.afterwards.append(partial(heed_restore, context.database, context.store))
        raise RetryLater("The database was restored; a new epoch begins.") from None
    if page.reset == "CURSOR_AHEAD":
        _end_epoch(reading, page, cursor)
    elif page.holding is not None:
        reading.afterwards.append(partial(_keep, context, page.holding, sets))
    page.rows = {name: page.rows.get(name, []) for name in selections}
    return _as_answer(page, context.keys, (principal.device_id, principal.id))


def _end_epoch(reading: Reading, page: PulledPage, cursor: str | None) -> None:
    """A cursor of ours that is ahead proves that the history went back for everybody, so a new epoch begins before the
    answer is given. The phone comes again with the same cursor: a copy begun now would be thrown away by that epoch.
    """
    assert page.epoch is not None  # the cursor was of this epoch
    reading.afterwards.append(partial(heed_cursor, reading.context.database, page.epoch))
    page.rows = {name: [] for name in page.rows}
    page.cursor, page.complete, page.lanes = cursor or "", False, []
    # Nor may it be checked: what was counted is not in these rows.
    page.removals, page.digests, page.repaired = [], None, None


async def _keep(context: Context, holding: Holding, sets: SetBook) -> None:
    async with context.database.write(system("sync"), Role.SYSTEM) as connection:
        await holding.keep(connection, sets)


def _as_answer(page: PulledPage, keys: KeySet, holder: tuple[UUID, UUID]) -> dict[str, Any]:
    assert page.epoch is not None  # a migrated database has one
    receipts = [
        receipting.sign(
            receipting.Receipt(
                *holder, Lane(one.lane), one.applied_sequence, page.server_time, page.epoch
            ),
            keys,
        )
        for one in page.lanes
    ]
    return {
        **page.rows,
        "removals": page.removals,
        "revoked_scopes": page.revoked,
        "reset": page.reset,
        "cursor": page.cursor,
        "complete": page.complete,
        "reset_subjects": page.reset_subjects,
        "digests": page.digests,
        "repaired": page.repaired,
        "scopes": list(page.scopes),
        "lanes": [
            {"lane": one.lane, "applied_sequence": one.applied_sequence, "receipt": receipt}
            for one, receipt in zip(page.lanes, receipts, strict=True)
        ],
        "server_time": page.server_time,
        "epoch": page.epoch,
        "durable_through": page.durable_through,
    }


@strawberry.type
class SyncQuery:
    pull = composed(
        PullPage,
        pull_page,
        rows=PAGE_ROWS,
        description="What is new since a cursor; without one everything. Copy data by this, never by lists.",
    )
