"""Watches over those who said that they take care of an alert: an answer is not yet help.

For each alert that somebody answered, or was sent to, a row says by when it must be looked at again: by then who answered
has set out, who set out has arrived, and who was sent has answered (the policy says how long each may take). As long as
one of its people is within his time, the alert is cared for; with somebody on the scene it needs no watch. What happens
when the time is over stands in `patrol.sos.deadlines`.

Counted is from when we learned of a step, not from the phone's own time: what comes late from a phone without signal must
not open an alert again at the moment in which it arrives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from patrol.sos.escalation import policy_of, urgency
from patrol.sos.policy import Policy
from storage.database import Connection
from storage.escalation import ARM_DEADLINES, READ_CARE, READ_FROZEN_POLICIES
from storage.jobs import NewJob, enqueue_all
from storage.statements import as_json
from storage.vocabulary import AlertStatus, DeadlineKind, ResponseStatus

MEET_DEADLINE: Final = "meet_deadline"
"""The name of a deadline's job; its payload is `{"deadline_id": …}`."""


@dataclass(frozen=True, slots=True)
class Care:
    """How things stand with one alert: until when somebody is believed to come, and whose time is over.

    `until` is None when nobody is believed to; somebody on the scene makes it `settled`. Times are the database's.
    """

    alert_id: UUID
    scope_id: UUID
    status: AlertStatus
    urgency: int
    now: datetime
    until: datetime | None
    settled: bool
    late: Sequence[tuple[UUID, ResponseStatus]]


async def read_care(connection: Connection, alert_ids: Sequence[UUID]) -> list[Care]:
    """How things stand with alerts; those that were deleted are left out."""
    return [_care(row) for row in await connection.fetch(READ_CARE, alert_ids)]


async def watch_over(connection: Connection, alert_ids: Iterable[UUID]) -> None:
    """Sets by when alerts must be looked at again, in the transaction that changed what somebody does about them.

    An answered alert of which everybody is late already is looked at now: the one on the scene may have left it to them.
    After the commit the caller pokes.
    """
    watches = []
    for care in await read_care(connection, sorted(set(alert_ids))):
        answered = care.status is AlertStatus.ACKNOWLEDGED
        until = care.now if care.until is None and answered and not care.settled else care.until
        if until is not None and (answered or care.status is AlertStatus.OPEN):
            watches.append(Watch(care.alert_id, DeadlineKind.CARE, until - care.now, care.urgency))
    await arm(connection, watches)


@dataclass(frozen=True, slots=True)
class Watch:
    """An alert is to be looked at `after` a time, counted from the start of the transaction."""

    alert_id: UUID
    kind: DeadlineKind
    after: timedelta
    urgency: int


async def arm(connection: Connection, watches: Sequence[Watch]) -> None:
    """Sets deadlines; of each kind one waits for an alert, and a new time takes the place of the old one.

    No alert may stand twice with one kind.
    """
    if not watches:
        return
    now = await connection.fetchval("select now()")
    rows = [
        {
            "id": uuid7(),
            "alert_id": one.alert_id,
            "kind": one.kind.value,
            "due_at": now + one.after,
        }
        for one in watches
    ]
    armed = await connection.fetch(ARM_DEADLINES, as_json(rows))
    ids = {(row["alert_id"], row["kind"]): row["id"] for row in armed}
    # A job for each time: only a worker could move one that waits. Those of earlier times find nothing to do.
    await enqueue_all(
        connection,
        [
            NewJob(
                MEET_DEADLINE,
                {"deadline_id": str(deadline)},
                one.after,
                one.urgency,
                f"{MEET_DEADLINE} {deadline} {(now + one.after).isoformat()}",
            )
            for one in watches
            if (deadline := ids[one.alert_id, one.kind.value])
        ],
    )


async def frozen_policy(connection: Connection, alert_id: UUID) -> Policy:
    """The policy that an alert was raised under."""
    row = await connection.fetchrow(READ_FROZEN_POLICIES, [alert_id])
    return policy_of(row["content"])


def _care(row: Mapping[str, Any]) -> Care:
    policy = policy_of(row["content"])
    now = row["now"]
    allowed = {
        ResponseStatus.ASSIGNED: policy.answer_within,
        ResponseStatus.ACKNOWLEDGED: policy.on_the_way_within,
        ResponseStatus.ON_THE_WAY: policy.on_scene_within,
    }
    until: list[datetime] = []
    late: list[tuple[UUID, ResponseStatus]] = []
    settled = False
    for response in orjson.loads(row["responses"]):
        status = ResponseStatus(response["status"])
        if status is ResponseStatus.ON_SCENE:
            settled = True
            continue
        ends = datetime.fromisoformat(response["since"]) + allowed[status]
        if ends > now:
            until.append(ends)
        else:
            late.append((UUID(response["officer"]), status))
    return Care(
        row["id"],
        row["scope_id"],
        AlertStatus(row["status"]),
        urgency(row["severity"], row["drill"]),
        now,
        max(until, default=None),
        settled,
        late,
    )
