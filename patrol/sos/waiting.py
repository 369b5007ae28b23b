"""Applies the cancels of an alert: the raiser's own within seconds, later only with a second person, in whatever order they come.

    asked by the raiser within 15 s of raising      cancelled
    asked by one person otherwise                   asked; people are called on
    asked by a second person                        cancelled

The fifteen seconds are counted by the clock of the raiser's phone, on which both were done, so that they also hold where
there is no signal. Whoever forces an officer to take his alarm back needs a second officer who agrees.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from patrol.sos.events import Event, note
from storage.cancels import APPLY_CANCELS, LOCK_ALERT_IDS, MARK_APPLIED, READ_CANCELS
from storage.database import Connection
from storage.statements import as_json
from storage.vocabulary import AlertEventKind, AlertStatus

ALONE = timedelta(seconds=15)
"""How long the raiser may take an alert back by himself: a slip of the hand is noticed within it."""


@dataclass(frozen=True, slots=True)
class Cancellable:
    """What decides about cancelling an alert. `officer_id` is who raised it, None for a pole or a citizen."""

    id: UUID
    officer_id: UUID | None
    raised_at: datetime
    time_suspect: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """An alert after its cancels were applied."""

    status: AlertStatus
    rev: int


async def hold(connection: Connection, alerts: Collection[UUID]) -> None:
    """Keeps every other transaction from raising or cancelling these alerts until this one ends."""
    await connection.execute(LOCK_ALERT_IDS, list(alerts))


async def apply_cancels(
    connection: Connection, alerts: Sequence[Cancellable], now: datetime
) -> dict[UUID, Moved]:
    """Does what the kept cancels of these unfinished alerts ask for; only alerts with a cancel are in the answer.

    The caller holds the alerts (`hold`).
    """
    wishes = await connection.fetch(READ_CANCELS, [one.id for one in alerts])
    if not wishes:
        return {}
    rows, events = [], []
    for alert in alerts:
        asked = [wish for wish in wishes if wish["alert_id"] == alert.id]
        if not asked:
            continue
        last = _decided(alert, asked)
        rows.append(
            {
                "id": alert.id,
                "cancelled": last is not None,
                "at": last["asked_at"] if last else None,
                "asked_by": asked[0]["officer_id"],
                "asked_at": asked[0]["asked_at"],
            }
        )
        fresh = [wish for wish in asked if wish["applied_at"] is None]
        events += [_event(wish, AlertEventKind.CANCEL_ASKED) for wish in fresh if wish is not last]
        if last is not None:
            events.append(_event(last, AlertEventKind.CANCELLED))
    moved = await connection.fetch(APPLY_CANCELS, as_json(rows))
    await connection.execute(MARK_APPLIED, [row["id"] for row in rows], now)
    await note(connection, events)
    return {row["id"]: Moved(AlertStatus(row["status"]), row["rev"]) for row in moved}


def _decided(alert: Cancellable, asked: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The wish that cancels the alert: the raiser's own in time, else the first of a second person."""
    for wish in asked:
        if _alone(alert, wish):
            return wish
    return next((wish for wish in asked if wish["officer_id"] != asked[0]["officer_id"]), None)


def _alone(alert: Cancellable, wish: Mapping[str, Any]) -> bool:
    doubtful = alert.time_suspect or wish["time_suspect"]
    return (
        wish["officer_id"] == alert.officer_id
        and not doubtful
        and abs(wish["asked_at"] - alert.raised_at) <= ALONE
    )


def _event(wish: Mapping[str, Any], kind: AlertEventKind) -> Event:
    return Event(
        wish["alert_id"],
        kind,
        wish["asked_at"],
        wish["received_at"],
        captured_at_raw=wish["captured_at_raw"],
        time_suspect=wish["time_suspect"],
        officer_id=wish["officer_id"],
        device_id=wish["device_id"],
    )
