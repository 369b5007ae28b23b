"""How a step of an escalation ends, and what follows: the next step at once, or, after the last one, another round."""

from __future__ import annotations

from uuid import UUID

from patrol.sos.care import Watch, arm, frozen_policy
from patrol.sos.escalation import CALL_STEP, call_key, urgency
from storage.alerts import FINISH_STEP
from storage.database import Connection
from storage.escalation import LOCK_CHAIN, NEXT_STEP, STEPS_LEFT
from storage.jobs import enqueue, hasten
from storage.vocabulary import AlertStatus, DeadlineKind, StepOutcome


async def finish_step(
    connection: Connection, alert_id: UUID, step_id: UUID, outcome: StepOutcome
) -> None:
    """Ends a step in the caller's transaction. With the last one of an alert that is still open a deadline is set, after
    which people are called again: an open alert is never left to itself."""
    # Of two steps that end together each would see the other as still to come.
    alert = await connection.fetchrow(LOCK_CHAIN, alert_id)
    await connection.execute(FINISH_STEP, step_id, outcome.value)
    if alert["status"] != AlertStatus.OPEN.value or await connection.fetchval(STEPS_LEFT, alert_id):
        return
    policy = await frozen_policy(connection, alert_id)
    pressing = urgency(alert["severity"], alert["drill"])
    await arm(connection, [Watch(alert_id, DeadlineKind.AGAIN, policy.again_after, pressing)])


async def hasten_next(connection: Connection, alert_id: UUID, priority: int) -> bool:
    """Makes an alert's next step due now, for a worker; False when no step is left."""
    next_step = await connection.fetchval(NEXT_STEP, alert_id)
    if next_step is None:
        return False
    if not await hasten(connection, call_key(next_step)):
        # Its job was given up, or runs just now and may have looked before this one ended.
        await enqueue(
            connection,
            CALL_STEP,
            {"step_id": str(next_step)},
            priority=priority,
            dedupe_key=call_key(next_step),
        )
    return True
