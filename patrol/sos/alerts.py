"""Raises and answers calls for help; the transaction that stores an alert also fixes whom to call and when.

An answer ends the escalation (`patrol.sos.escalation`); an alert that is handed back begins it anew. The functions return
whom to poke. The caller does that after its commit, and wakes the workers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from patrol.clock import PhoneTime
from patrol.errors import NotFound, NotInScope, Problem, StateNotReachable
from patrol.sos.cancelling import Cancel, cancel_alerts
from patrol.sos.closing import Closing, close
from patrol.sos.pressing import Pressed as Pressed
from patrol.sos.pressing import press_button as press_button
from patrol.sos.pressing import see_post as see_post
from patrol.sos.raising import NewAlert as NewAlert
from patrol.sos.raising import Raised as Raised
from patrol.sos.raising import raise_alerts as raise_alerts
from patrol.sos.responses import Response, reopen, respond
from patrol.transitions import alert_may_become
from storage.alerts import LOCK_ALERTS
from storage.database import Connection
from storage.vocabulary import AlertStatus, ResponseStatus


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of one answer: with `refusal` nothing was changed, and `status` is what stands (None if nothing does)."""

    alert_id: UUID
    status: AlertStatus | None = None
    rev: int | None = None
    scope_id: UUID | None = None
    refusal: type[Problem] | None = None


async def answer_alerts(
    connection: Connection,
    officer: UUID,
    scopes: Collection[UUID],
    answers: Sequence[tuple[UUID, AlertStatus, datetime | PhoneTime]],
    *,
    received_at: datetime | None = None,
    device: UUID | None = None,
) -> list[Answered]:
    """Moves alerts on in the caller's transaction; refusals are data, in the order given.

    ACKNOWLEDGED is the officer's response (`patrol.sos.responses`): the first one takes the alert, all are kept. OPEN
    hands it back, and he declines with that. CANCELLED is a wish (`patrol.sos.cancelling`), which may have to wait. Who
    raised an alert neither acknowledges nor closes it: alone he takes it back within seconds, or not.

    Args:
        officer: who answers.
        scopes: where he may answer. Besides he may answer what he raised or was called for.
        answers: alert, wanted status and when it was decided, by his phone's clock or ours; no alert may stand twice.
        received_at: when we learned of them; now.
        device: the phone that told.
    """
    ids = [alert_id for alert_id, _, _ in answers]
    if len(set(ids)) < len(ids):
        raise ValueError("an alert stands twice in one call")
    arrived = received_at or datetime.now(UTC)
    times = {alert_id: _time(at) for alert_id, _, at in answers}
    wishes = [
        Cancel(key, times[key].at, times[key].raw, arrived, times[key].suspect, device)
        for key, wanted, _ in answers
        if wanted is AlertStatus.CANCELLED
    ]
    cancelled = {
        one.alert_id: Answered(one.alert_id, one.status, one.rev, one.scope_id, one.refusal)
        for one in await cancel_alerts(connection, officer, scopes, wishes)
    }
    answers = [answer for answer in answers if answer[0] not in cancelled]
    stored = {row["id"]: row for row in await connection.fetch(LOCK_ALERTS, ids, officer)}
    decided = {
        alert_id: _decide(alert_id, stored.get(alert_id), wanted, scopes)
        for alert_id, wanted, _ in answers
    }
    accepted = {
        wanted: [key for key, asked, _ in answers if asked is wanted and not decided[key].refusal]
        for wanted in AlertStatus
    }
    # An app that answers so cannot say how it ended; a person is asked for it.
    closings = [Closing(key, times[key], None) for key in accepted[AlertStatus.CLOSED]]
    revs = await close(connection, officer, closings, received_at=arrived, device=device)
    # Both are what the officer himself does about it.
    said = [
        Response(key, ResponseStatus.ACKNOWLEDGED, times[key])
        for key in accepted[AlertStatus.ACKNOWLEDGED]
    ] + [
        Response(key, ResponseStatus.DECLINED, times[key])
        for key in accepted[AlertStatus.OPEN]
        if stored[key]["responds"]
    ]
    responded = await respond(connection, officer, scopes, said, received_at=arrived, device=device)
    revs |= {one.alert_id: one.rev for one in responded if one.rev is not None}
    opened = {one.alert_id for one in responded if one.status is AlertStatus.OPEN}
    # Whoever else is under way stays so, but the alert was handed back: people are called anew, as the app is told.
    back = {key: stored[key]["scope_id"] for key in accepted[AlertStatus.OPEN] if key not in opened}
    revs |= await reopen(connection, back, arrived, why="HANDED_BACK", officer=officer)
    decided |= cancelled
    return [
        decided[key]
        if decided[key].refusal is not None or key in cancelled
        else Answered(key, decided[key].status, revs[key], decided[key].scope_id)
        for key in ids
    ]


def _time(at: datetime | PhoneTime) -> PhoneTime:
    return at if isinstance(at, PhoneTime) else PhoneTime(at, at.isoformat(), False)


def _decide(
    alert_id: UUID, row: Mapping[str, Any] | None, wanted: AlertStatus, scopes: Collection[UUID]
) -> Answered:
    if row is None or row["deleted_at"] is not None:
        return Answered(alert_id, refusal=NotFound)
    if row["scope_id"] not in scopes and not row["concerns"]:
        # What stands in a scope that he may not read is not told, unless the alert concerns him.
        return Answered(alert_id, refusal=NotInScope)
    now = AlertStatus(row["status"])
    another = now is wanted is AlertStatus.ACKNOWLEDGED  # somebody leads already, and he comes too
    if not another and not alert_may_become(now, wanted):
        return Answered(alert_id, now, row["rev"], row["scope_id"], StateNotReachable)
    if row["raised"] and wanted in (AlertStatus.ACKNOWLEDGED, AlertStatus.CLOSED):
        return Answered(alert_id, now, row["rev"], row["scope_id"], StateNotReachable)
    return Answered(alert_id, wanted, None, row["scope_id"])
