"""Whom a call for help reaches and when: the policy of today, frozen as steps with a job for each.

    step 1   ON_DUTY       at once
    step 2   STATION       after 60 s
    step 3   SUPERVISORS   after 180 s

Each step is a row and a job (`patrol.sos.calling`), counted from the time at which we received the alert. An alert that is
handed back begins a new round of steps, so the ledger of the first one stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from storage.alerts import INSERT_STEPS, LAST_STEPS, REPLACE_STEPS
from storage.database import Connection
from storage.jobs import enqueue
from storage.statements import as_json
from storage.vocabulary import StepTarget

CALL_STEP = "call_step"
"""The name of a step's job; its payload is `{"step_id": …}`."""

ESCALATION: Sequence[tuple[StepTarget, timedelta]] = (
    (StepTarget.ON_DUTY, timedelta(0)),
    (StepTarget.STATION, timedelta(seconds=60)),
    (StepTarget.SUPERVISORS, timedelta(seconds=180)),
)


def call_key(step_id: UUID) -> str:
    """The key under which a step's job waits."""
    return f"{CALL_STEP} {step_id}"


@dataclass(frozen=True, slots=True)
class Round:
    """One run through the escalation."""

    alert_id: UUID
    scope_id: UUID
    begins: datetime
    drill: bool
    steps_before: int = 0


async def escalate(connection: Connection, rounds: Iterable[Round]) -> None:
    """Freezes the policy of today as steps, and enqueues their jobs."""
    steps = [
        (one, uuid7(), one.steps_before + place, target, delay)
        for one in rounds
        for place, (target, delay) in enumerate(ESCALATION, start=1)
    ]
    if not steps:
        return
    rows = [
        {
            "id": step_id,
            "alert_id": one.alert_id,
            "scope_id": one.scope_id,
            "number": number,
            "target": target.value,
            "due_at": one.begins + delay,
        }
        for one, step_id, number, target, delay in steps
    ]
    await connection.execute(INSERT_STEPS, as_json(rows))
    for one, step_id, _, _, delay in steps:
        await enqueue(
            connection,
            CALL_STEP,
            {"step_id": str(step_id)},
            run_after=delay,
            # A drill with a hundred phones never holds up a real call.
            priority=0 if one.drill else 10,
            dedupe_key=call_key(step_id),
        )


async def begin_anew(connection: Connection, scopes: Mapping[UUID, UUID]) -> None:
    """A second round for alerts that were handed back."""
    now = await connection.fetchval("select now()")
    await connection.execute(REPLACE_STEPS, list(scopes), now)
    rows = await connection.fetch(LAST_STEPS, list(scopes))
    await escalate(
        connection,
        [
            Round(row["alert_id"], scopes[row["alert_id"]], now, row["drill"], row["number"])
            for row in rows
        ],
    )
