"""Whom a call for help reaches and when: a station's policy, frozen into the alert as steps with a job for each.

The policy in force when the alert is raised holds for it to its end (`sos_alert.policy_version`). Each step is a row and a
job (`patrol.sos.calling`), both counted by the database's clock from when the alert was stored. An alert that is handed back begins the
chain anew, and one that nobody answered is called again (`patrol.sos.deadlines`), so the ledger of earlier rounds stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from patrol.sos.policy import BUILT_IN, Policy, Step, stored_policy
from storage.alerts import INSERT_STEPS, LAST_STEPS, REPLACE_STEPS
from storage.database import Connection
from storage.escalation import END_DEADLINES, READ_FROZEN_POLICIES
from storage.jobs import NewJob, enqueue, enqueue_all
from storage.statements import as_json
from storage.vocabulary import IncidentSeverity

CALL_STEP: Final = "call_step"
"""The name of a step's job; its payload is `{"step_id": …}`."""

CALL_NEXT: Final = "call_next"
"""The name of the job that makes an alert's next step due now; its payload is `{"alert_id": …}`."""

PRESS_HARDER: Final = "press_harder"
"""The name of the job that moves an alert's waiting jobs forward; its payload is `{"alert_id": …}`."""

_URGENCY: Final[Mapping[str, int]] = {
    IncidentSeverity.CRITICAL: 10,
    IncidentSeverity.HIGH: 8,
    IncidentSeverity.MEDIUM: 6,
    IncidentSeverity.LOW: 4,
}


def urgency(severity: str, drill: bool) -> int:
    """The priority of an alert's jobs: by severity, and a drill with a hundred phones never holds up a real call."""
    return 0 if drill else _URGENCY[severity]


def call_key(step_id: UUID) -> str:
    """The key under which a step's job waits."""
    return f"{CALL_STEP} {step_id}"


@dataclass(frozen=True, slots=True)
class Round:
    """One run through the escalation. `number` counts the runs since the chain last began anew; `only` are its steps
    where they are not the policy's."""

    alert_id: UUID
    scope_id: UUID
    drill: bool
    steps_before: int = 0
    number: int = 1
    only: Sequence[Step] | None = None


async def escalate(connection: Connection, rounds: Iterable[Round]) -> None:
    """Freezes the steps of alerts' policies, and enqueues their jobs, all in the caller's transaction."""
    rounds = list(rounds)
    if not rounds:
        return
    stored = await connection.fetch(READ_FROZEN_POLICIES, [one.alert_id for one in rounds])
    alerts = {row["id"]: row for row in stored}
    steps = [
        (one, uuid7(), one.steps_before + place, step)
        for one in rounds
        for place, step in enumerate(
            one.only or policy_of(alerts[one.alert_id]["content"]).steps, start=1
        )
    ]
    rows = [
        {
            "id": step_id,
            "alert_id": one.alert_id,
            "scope_id": one.scope_id,
            "number": number,
            "target": step.target.value,
            "after": step.after.total_seconds(),
            "round": one.number,
            "options": step.options(),
        }
        for one, step_id, number, step in steps
    ]
    await connection.execute(INSERT_STEPS, as_json(rows))
    await enqueue_all(
        connection,
        [
            NewJob(
                CALL_STEP,
                {"step_id": str(step_id)},
                step.after,
                urgency(alerts[one.alert_id]["severity"], one.drill),
                call_key(step_id),
            )
            for one, step_id, _, step in steps
        ],
    )


async def begin_anew(connection: Connection, scopes: Mapping[UUID, UUID]) -> None:
    """Calls from the first step on, for alerts (with their scopes) that nobody takes care of any more."""
    now = await connection.fetchval("select now()")
    await connection.execute(REPLACE_STEPS, list(scopes), now)
    await connection.execute(END_DEADLINES, list(scopes))
    rows = await connection.fetch(LAST_STEPS, list(scopes))
    await escalate(
        connection,
        [
            Round(row["alert_id"], scopes[row["alert_id"]], row["drill"], row["number"])
            for row in rows
        ],
    )


async def go_on(connection: Connection, alert_ids: Iterable[UUID]) -> None:
    """Lets the next step of open alerts be called at once, as when the one who was sent cannot go.

    Only a worker may hasten a job, so this is a job too; after the commit the caller pokes.
    """
    await enqueue_all(
        connection,
        [
            NewJob(
                CALL_NEXT,
                {"alert_id": str(alert_id)},
                priority=_URGENCY[IncidentSeverity.CRITICAL],
                dedupe_key=f"{CALL_NEXT} {alert_id}",
            )
            for alert_id in set(alert_ids)
        ],
    )


async def press_harder(connection: Connection, alert_id: UUID) -> None:
    """Lets the jobs of an alert whose severity was raised come before others; also by a job, as `go_on`."""
    await enqueue(
        connection,
        PRESS_HARDER,
        {"alert_id": str(alert_id)},
        priority=_URGENCY[IncidentSeverity.CRITICAL],
        dedupe_key=f"{PRESS_HARDER} {alert_id}",
    )


def policy_of(content: str | None) -> Policy:
    """The policy of an alert, given what `READ_FROZEN_POLICIES` found."""
    return BUILT_IN if content is None else _stored(content)


@lru_cache(maxsize=256)
def _stored(content: str) -> Policy:
    return stored_policy(orjson.loads(content))
