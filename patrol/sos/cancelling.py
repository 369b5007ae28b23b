"""Takes back calls for help: each wish is kept, also one that is here before its alert, and the rule decides what it does."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from patrol.errors import NotFound, NotInScope, Problem, StateNotReachable
from patrol.sos.waiting import Cancellable, apply_cancels, hold
from patrol.transitions import alert_may_become
from storage.cancels import KEEP_CANCELS, READ_FOR_CANCEL
from storage.database import Connection
from storage.statements import as_json
from storage.vocabulary import AlertStatus


@dataclass(frozen=True, slots=True)
class Cancel:
    """One officer's wish, as it arrived; `at` is his phone's time as far as it can be true."""

    alert_id: UUID
    at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool = False
    device_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What became of one wish.

    `status` is what stands now: CANCELLED, or what it was while a second person is awaited; None while the alert itself
    has not come, or where nothing of it may be told. With `refusal` nothing was changed.
    """

    alert_id: UUID
    status: AlertStatus | None = None
    rev: int | None = None
    scope_id: UUID | None = None
    refusal: type[Problem] | None = None


async def cancel_alerts(
    connection: Connection, officer: UUID, scopes: Collection[UUID], cancels: Sequence[Cancel]
) -> list[Cancelled]:
    """Applies an officer's cancels in the caller's transaction; refusals are data, in the order given.

    An alert that has not arrived is waited for: its cancel is kept, and applied when it is raised.

    Args:
        scopes: where he may cancel. Besides he may where he raised the alert, was called or goes.
        cancels: no alert may stand twice.
    """
    if not cancels:
        return []
    ids = [one.alert_id for one in cancels]
    await hold(connection, ids)
    stored = {row["id"]: row for row in await connection.fetch(READ_FOR_CANCEL, ids, officer)}
    decided = {one: _refusal(one, stored.get(one), scopes) for one in ids}
    allowed = [one for one in cancels if decided[one.alert_id].refusal is None]
    if allowed:
        await connection.execute(KEEP_CANCELS, as_json([_row(one, officer) for one in allowed]))
        moved = await apply_cancels(
            connection,
            [
                Cancellable(row["id"], row["officer_id"], row["raised_at"], row["time_suspect"])
                for one in allowed
                if (row := stored.get(one.alert_id)) is not None
            ],
            allowed[0].received_at,
        )
        for alert_id, now in moved.items():
            decided[alert_id] = Cancelled(
                alert_id, now.status, now.rev, stored[alert_id]["scope_id"]
            )
    return [decided[one] for one in ids]


def _refusal(alert_id: UUID, row: Mapping[str, Any] | None, scopes: Collection[UUID]) -> Cancelled:
    if row is None:
        return Cancelled(alert_id)
    if row["deleted_at"] is not None:
        return Cancelled(alert_id, refusal=NotFound)
    if row["scope_id"] not in scopes and not row["concerns"]:
        return Cancelled(alert_id, refusal=NotInScope)
    now = AlertStatus(row["status"])
    if not alert_may_become(now, AlertStatus.CANCELLED):
        return Cancelled(alert_id, now, row["rev"], row["scope_id"], StateNotReachable)
    return Cancelled(alert_id, now, row["rev"], row["scope_id"])


def _row(one: Cancel, officer: UUID) -> dict[str, Any]:
    fields = {name: getattr(one, name) for name in Cancel.__dataclass_fields__}
    return fields | {"id": uuid7(), "officer_id": officer}
