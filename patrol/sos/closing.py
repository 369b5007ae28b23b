"""Closes calls for help: nobody is done with one before it is said how it ended.

closeAlert          ACKNOWLEDGED ─▶ CLOSED, with its resolution
answerAlert CLOSED  ACKNOWLEDGED ─▶ CLOSED, OTHER and unsaid: apps of earlier releases cannot say more
closeAlert, later   CLOSED and unsaid ─▶ CLOSED, with its resolution; a supervisor sees what is unsaid

Who raised an alert does not close it: whoever forces him to take it back would force him to that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from patrol.clock import PhoneTime
from patrol.errors import NotFound, NotInScope, Problem, RecordInvalid, StateNotReachable
from patrol.sos.events import Event, note, told
from storage.alerts import LOCK_ALERTS
from storage.closings import CLOSE_ALERTS, RESOLVE_ALERTS
from storage.database import Connection
from storage.statements import as_json
from storage.vocabulary import AlertEventKind, AlertResolution, AlertStatus

LONGEST_NOTE: Final = 4000


@dataclass(frozen=True, slots=True)
class Closing:
    """How somebody says that an alert ended; without a resolution he could not say it."""

    alert_id: UUID
    when: PhoneTime
    resolution: AlertResolution | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """What became of a closing: with `refusal` nothing was changed, and `status` is what stands (None if nothing does)."""

    alert_id: UUID
    status: AlertStatus | None = None
    rev: int | None = None
    scope_id: UUID | None = None
    refusal: type[Problem] | None = None


async def close_alerts(
    connection: Connection,
    officer: UUID,
    scopes: Collection[UUID],
    closings: Sequence[Closing],
    *,
    received_at: datetime,
    device: UUID | None = None,
) -> list[Closed]:
    """Closes alerts with how they ended, or adds that to closed ones of which it is unsaid; in the caller's transaction.

    An alert that nobody has answered cannot be closed; a mistake is cancelled instead. Refusals are data, in the order
    given. `RecordInvalid`: OTHER says in its note what it was, and a note has at most `LONGEST_NOTE` characters.

    Args:
        scopes: where he may. Besides he may close what he was called for.
        closings: no alert may stand twice.
    """
    ids = [one.alert_id for one in closings]
    if len(set(ids)) < len(ids):
        raise ValueError("an alert stands twice in one call")
    stored = {row["id"]: row for row in await connection.fetch(LOCK_ALERTS, ids, officer)}
    decided = {one.alert_id: _decide(one, stored.get(one.alert_id), scopes) for one in closings}
    taken = [one for one in closings if decided[one.alert_id].refusal is None]
    open_before = {key for key, row in stored.items() if row["status"] != AlertStatus.CLOSED}
    revs = await close(
        connection,
        officer,
        [one for one in taken if one.alert_id in open_before],
        received_at=received_at,
        device=device,
    )
    revs |= await _resolve(
        connection,
        officer,
        [one for one in taken if one.alert_id not in open_before],
        received_at,
        device,
    )
    return [
        Closed(key, AlertStatus.CLOSED, revs[key], decided[key].scope_id)
        if key in revs
        else decided[key]
        for key in ids
    ]


async def close(
    connection: Connection,
    officer: UUID,
    closings: Sequence[Closing],
    *,
    received_at: datetime,
    device: UUID | None = None,
) -> dict[UUID, int]:
    """Closes answered alerts that the caller has locked and decided about, and gives their versions."""
    return await _write(
        connection, CLOSE_ALERTS, AlertEventKind.CLOSED, officer, closings, received_at, device
    )


async def _resolve(
    connection: Connection,
    officer: UUID,
    closings: Sequence[Closing],
    received_at: datetime,
    device: UUID | None,
) -> dict[UUID, int]:
    return await _write(
        connection, RESOLVE_ALERTS, AlertEventKind.RESOLVED, officer, closings, received_at, device
    )


async def _write(
    connection: Connection,
    statement: str,
    kind: AlertEventKind,
    officer: UUID,
    closings: Sequence[Closing],
    received_at: datetime,
    device: UUID | None,
) -> dict[UUID, int]:
    if not closings:
        return {}
    rows = [
        {
            "id": one.alert_id,
            "at": one.when.at,
            "resolution": (one.resolution or AlertResolution.OTHER).value,
            "note": _text(one) or None,
            "missing": one.resolution is None,
        }
        for one in closings
    ]
    changed = await connection.fetch(statement, as_json(rows))
    await note(connection, [_event(one, kind, officer, received_at, device) for one in closings])
    return {row["id"]: row["rev"] for row in changed}


def _event(
    one: Closing, kind: AlertEventKind, officer: UUID, received_at: datetime, device: UUID | None
) -> Event:
    detail: dict[str, Any] = {"unsaid": True}
    if one.resolution is not None:
        detail = {"resolution": one.resolution.value}
        if text := _text(one):
            detail["note"] = text
    return told(
        one.alert_id,
        kind,
        one.when,
        received_at,
        officer_id=officer,
        device_id=device,
        detail=detail,
    )


def _decide(one: Closing, row: Mapping[str, Any] | None, scopes: Collection[UUID]) -> Closed:
    if row is None or row["deleted_at"] is not None:
        return Closed(one.alert_id, refusal=NotFound)
    if row["scope_id"] not in scopes and not row["concerns"]:
        # What stands in a scope that he may not read is not told, unless the alert concerns him.
        return Closed(one.alert_id, refusal=NotInScope)
    status = AlertStatus(row["status"])
    answer = Closed(one.alert_id, status, row["rev"], row["scope_id"])
    unsaid = status is AlertStatus.CLOSED and row["resolution_missing"]
    ends = status is AlertStatus.ACKNOWLEDGED and not row["raised"]
    if not ends and not unsaid:
        return Closed(one.alert_id, status, row["rev"], row["scope_id"], StateNotReachable)
    text = _text(one)
    if (one.resolution is AlertResolution.OTHER and not text) or len(text) > LONGEST_NOTE:
        return Closed(one.alert_id, status, row["rev"], row["scope_id"], RecordInvalid)
    return answer


def _text(one: Closing) -> str:
    return one.note.strip()
