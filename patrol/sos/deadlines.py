"""What happens when nobody does in time what helps: an alert is opened again, or people are called once more.

A deadline is a row and a job. The job looks at how things stand now, so that it may run late, twice, or after the alert
went on without it. Everything it leads to is in one transaction with its own end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog

from patrol.sos.care import Care, Watch, arm, frozen_policy, read_care
from patrol.sos.escalation import Round, escalate
from patrol.sos.events import Event, note
from patrol.sos.policy import AGAIN
from patrol.sos.responses import reopen
from patrol.sos.steps import hasten_next
from storage.alerts import LAST_STEPS
from storage.database import Connection, Database
from storage.escalation import (
    END_DEADLINE,
    LOCK_CHAIN,
    READ_DEADLINE,
    ROUND_REACHED,
    STEPS_LEFT,
)
from storage.principal import Role, system
from storage.vocabulary import (
    AlertEventKind,
    AlertStatus,
    DeadlineKind,
    DeadlineOutcome,
    ResponseStatus,
)

log = structlog.get_logger(__name__)

_WORKER = system("deadlines")

_WHY: Mapping[ResponseStatus, str] = {
    ResponseStatus.ACKNOWLEDGED: "NOT_ON_THE_WAY",
    ResponseStatus.ON_THE_WAY: "NOT_ON_SCENE",
    ResponseStatus.ASSIGNED: "NOT_ANSWERED",
}


async def meet_deadline(database: Database, deadline_id: UUID) -> tuple[UUID, UUID] | None:
    """Runs the job `MEET_DEADLINE`; harmless when the deadline was moved or is over.

    Returns:
        The alert that was opened again or is called again, and its scope, so that the caller tells those who watch.
    """
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        found = await connection.fetchrow(READ_DEADLINE, deadline_id)
        if found is None:
            return None
        # Also those who answer lock the alert first.
        await connection.fetchrow(LOCK_CHAIN, found["alert_id"])
        deadline = await connection.fetchrow(READ_DEADLINE, deadline_id)
        if deadline["done_at"] is not None or deadline["due_in"] > 0:
            return None
        cares = await read_care(connection, [deadline["alert_id"]])
        if not cares:
            await _end(connection, deadline_id, DeadlineOutcome.NOT_NEEDED)
            return None
        [care] = cares
        if deadline["kind"] == DeadlineKind.AGAIN:
            outcome = await _call_again(connection, deadline_id, care)
        else:
            outcome = await _look_after(connection, deadline_id, care)
        moved = outcome in (DeadlineOutcome.REOPENED, DeadlineOutcome.CALLED_AGAIN)
        return (care.alert_id, care.scope_id) if moved else None


async def _look_after(
    connection: Connection, deadline_id: UUID, care: Care
) -> DeadlineOutcome | None:
    """Opens an alert again whose people did not do in time what they said; None when somebody still has time."""
    if care.status in (AlertStatus.CLOSED, AlertStatus.CANCELLED):
        return await _end(connection, deadline_id, DeadlineOutcome.NOT_NEEDED)
    if care.settled:
        return await _end(connection, deadline_id, DeadlineOutcome.KEPT)
    if care.until is not None:
        watch = Watch(care.alert_id, DeadlineKind.CARE, care.until - care.now, care.urgency)
        await arm(connection, [watch])
        return None
    if care.status is AlertStatus.ACKNOWLEDGED:
        await _end(connection, deadline_id, DeadlineOutcome.REOPENED)
        await reopen(connection, {care.alert_id: care.scope_id}, care.now, why=_why(care))
        log.warning("sos_reopened", alert_id=str(care.alert_id), why=_why(care))
        return DeadlineOutcome.REOPENED
    # Who was sent to an open alert has not answered: the steps that waited for him go on by themselves.
    unanswered = [officer for officer, status in care.late if status is ResponseStatus.ASSIGNED]
    await note(
        connection,
        [
            Event(
                care.alert_id, AlertEventKind.NOT_ANSWERED, care.now, care.now, officer_id=officer
            )
            for officer in unanswered
        ],
    )
    await hasten_next(connection, care.alert_id, care.urgency)
    return await _end(connection, deadline_id, DeadlineOutcome.NOT_NEEDED)


async def _call_again(
    connection: Connection, deadline_id: UUID, care: Care
) -> DeadlineOutcome | None:
    """Begins another round for an alert whose steps are all over and that nobody answered."""
    if care.status is not AlertStatus.OPEN or await connection.fetchval(STEPS_LEFT, care.alert_id):
        return await _end(connection, deadline_id, DeadlineOutcome.NOT_NEEDED)
    policy = await frozen_policy(connection, care.alert_id)
    [last] = await connection.fetch(LAST_STEPS, [care.alert_id])
    number = last["round"] + 1
    # A round that rang nobody is no reason to go on with fewer.
    whole = number <= policy.whole_rounds or not await connection.fetchval(
        ROUND_REACHED, care.alert_id, last["round"]
    )
    await escalate(
        connection,
        [
            Round(
                care.alert_id,
                care.scope_id,
                last["drill"],
                last["number"],
                number,
                None if whole else AGAIN.steps,
            )
        ],
    )
    detail: dict[str, Any] = {"round": number, "whole": whole}
    event = Event(care.alert_id, AlertEventKind.CALLED_AGAIN, care.now, care.now, detail=detail)
    await note(connection, [event])
    return await _end(connection, deadline_id, DeadlineOutcome.CALLED_AGAIN)


async def _end(
    connection: Connection, deadline_id: UUID, outcome: DeadlineOutcome
) -> DeadlineOutcome:
    await connection.execute(END_DEADLINE, deadline_id, outcome.value)
    return outcome


def _why(care: Care) -> str:
    """The step furthest on that was not made in time; with nobody left the one who answered is gone."""
    late = {status for _, status in care.late}
    for status in (ResponseStatus.ON_THE_WAY, ResponseStatus.ACKNOWLEDGED, ResponseStatus.ASSIGNED):
        if status in late:
            return _WHY[status]
    return "NOBODY_LEFT"
