"""Raises and answers calls for help; the one transaction that stores an alert also fixes whom to call and when.

    step 1   ON_DUTY       at once
    step 2   STATION       after 60 s
    step 3   SUPERVISORS   after 180 s

Each step is a row and a job (`patrol.calling`), counted from the time at which we received the alert. An answer ends the
escalation; an alert that is handed back begins a new round of steps, so the ledger of the first one stays.

The functions return whom to poke. The caller does that after its commit, and wakes the workers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from patrol.errors import NotFound, NotInScope, PostUnknown, Problem, StateNotReachable
from patrol.transitions import alert_may_become
from storage.alerts import (
    ANSWER_ALERTS,
    INSERT_ALERTS,
    INSERT_STEPS,
    JOIN_ALERT,
    LAST_STEPS,
    LOCK_ALERTS,
    READ_STANDING,
    REPLACE_STEPS,
)
from storage.database import Connection, Database
from storage.jobs import enqueue
from storage.posts import BEAT_POST, READ_PRESSED_POST, REMEMBER_PRESS
from storage.principal import Principal, PrincipalKind
from storage.vocabulary import AlertSource, AlertStatus, StepTarget

CALL_STEP = "call_step"
"""The name of a step's job; its payload is `{"step_id": …}`."""

ESCALATION: Sequence[tuple[StepTarget, timedelta]] = (
    (StepTarget.ON_DUTY, timedelta(0)),
    (StepTarget.STATION, timedelta(seconds=60)),
    (StepTarget.SUPERVISORS, timedelta(seconds=180)),
)

LONGEST_PRESS_ID = 100


@dataclass(frozen=True, slots=True)
class NewAlert:
    """A call for help as it arrived. A position is WGS 84 degrees, its accuracy metres; times are aware."""

    id: UUID
    scope_id: UUID
    station_id: UUID
    source: AlertSource
    raised_at: datetime
    captured_at_raw: str
    received_at: datetime
    zone_id: UUID | None = None
    officer_id: UUID | None = None
    post_id: UUID | None = None
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    time_suspect: bool = False
    drill: bool = False


@dataclass(frozen=True, slots=True)
class Raised:
    """What became of a new alert. When it was not `created`, `alert_id` is the one that stands in its place: the alert
    with the same id, or the post's unfinished one; nothing of the new one was stored then."""

    alert_id: UUID
    scope_id: UUID
    status: AlertStatus
    rev: int
    created: bool


@dataclass(frozen=True, slots=True)
class Pressed:
    """What a press of a pole's button did; `joined` when it belongs to an alert that was open before."""

    alert_id: UUID
    scope_id: UUID
    status: AlertStatus
    joined: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of one answer: with `refusal` nothing was changed, and `status` is what stands (None if nothing does)."""

    alert_id: UUID
    status: AlertStatus | None = None
    rev: int | None = None
    scope_id: UUID | None = None
    refusal: type[Problem] | None = None


def call_key(step_id: UUID) -> str:
    """The key under which a step's job waits."""
    return f"{CALL_STEP} {step_id}"


async def raise_alerts(connection: Connection, alerts: Sequence[NewAlert]) -> list[Raised]:
    """Stores alerts with their escalation and its jobs in the caller's transaction; answers in the order given.

    No id and no post may stand twice in one call.
    """
    if not alerts:
        return []
    added = {
        row["id"]: row["rev"]
        for row in await connection.fetch(INSERT_ALERTS, _json([_row(one) for one in alerts]))
    }
    created = [one for one in alerts if one.id in added]
    await _escalate(
        connection, [_Round(one.id, one.scope_id, one.received_at, one.drill) for one in created]
    )
    standing = await _standing(connection, [one for one in alerts if one.id not in added])
    return [
        Raised(one.id, one.scope_id, AlertStatus.OPEN, added[one.id], created=True)
        if one.id in added
        else standing[one.id]
        for one in alerts
    ]


async def press_button(
    database: Database, principal: Principal, post_id: UUID, press_id: str | None, now: datetime
) -> Pressed:
    """Raises an alert for a pole, or joins its unfinished one.

    Args:
        press_id: the pole's own name for this press, so that it may be repeated until it is answered; the same press
            is never counted twice, also when its alert is closed by then.

    Raises:
        PostUnknown: the key is not this pole's, or the pole stands no more.
    """
    if principal.kind is not PrincipalKind.POST or principal.id != post_id:
        raise PostUnknown
    press = _press_key(press_id)
    async with database.write(principal) as connection:
        # This also locks the pole's row: presses of one pole are taken one after the other, across all processes.
        if await connection.fetchval(BEAT_POST, post_id, now) is None:
            raise PostUnknown
        post = await connection.fetchrow(READ_PRESSED_POST, post_id)
        if press is not None and press == post["last_press_id"]:
            return Pressed(
                post["last_press_alert_id"],
                post["scope_id"],
                AlertStatus(post["last_press_status"]),
                post["last_press_joined"],
            )
        open_alert = await connection.fetchrow(JOIN_ALERT, post_id)
        if open_alert is not None:
            pressed = Pressed(
                open_alert["id"], open_alert["scope_id"], AlertStatus(open_alert["status"]), True
            )
        else:
            [raised] = await raise_alerts(connection, [_alert_of(post_id, post, now)])
            pressed = Pressed(raised.alert_id, raised.scope_id, raised.status, not raised.created)
        await connection.execute(REMEMBER_PRESS, post_id, press, pressed.alert_id, pressed.joined)
        return pressed


async def see_post(database: Database, principal: Principal, post_id: UUID, now: datetime) -> None:
    """Notes that a pole lives.

    Raises:
        PostUnknown: the key is not this pole's, or the pole stands no more.
    """
    if principal.kind is not PrincipalKind.POST or principal.id != post_id:
        raise PostUnknown
    async with database.write(principal) as connection:
        if await connection.fetchval(BEAT_POST, post_id, now) is None:
            raise PostUnknown


async def answer_alerts(
    connection: Connection,
    officer: UUID,
    scopes: Collection[UUID],
    answers: Sequence[tuple[UUID, AlertStatus, datetime]],
) -> list[Answered]:
    """Moves alerts on in the caller's transaction; refusals are data, in the order given.

    Args:
        officer: who answers.
        scopes: where he may answer.
        answers: alert, wanted status and when it was decided; no alert may stand twice.
    """
    ids = [alert_id for alert_id, _, _ in answers]
    if len(set(ids)) < len(ids):
        raise ValueError("an alert stands twice in one call")
    stored = {row["id"]: row for row in await connection.fetch(LOCK_ALERTS, ids)}
    decided = {
        alert_id: _decide(alert_id, stored.get(alert_id), wanted, scopes)
        for alert_id, wanted, _ in answers
    }
    moved = [
        {"id": alert_id, "status": wanted.value, "at": at}
        for alert_id, wanted, at in answers
        if decided[alert_id].refusal is None
    ]
    if moved:
        rows = await connection.fetch(ANSWER_ALERTS, _json(moved), officer)
        revs = {row["id"]: row["rev"] for row in rows}
        for alert_id, rev in revs.items():
            before = decided[alert_id]
            decided[alert_id] = Answered(alert_id, before.status, rev, before.scope_id)
    handed_back = [
        alert_id
        for alert_id, wanted, _ in answers
        if wanted is AlertStatus.OPEN and decided[alert_id].refusal is None
    ]
    if handed_back:
        await _begin_anew(connection, {key: stored[key]["scope_id"] for key in handed_back})
    return [decided[alert_id] for alert_id in ids]


def _decide(
    alert_id: UUID, row: Mapping[str, Any] | None, wanted: AlertStatus, scopes: Collection[UUID]
) -> Answered:
    if row is None or row["deleted_at"] is not None:
        return Answered(alert_id, refusal=NotFound)
    if row["scope_id"] not in scopes:
        # What stands in a scope that he may not read is not told.
        return Answered(alert_id, refusal=NotInScope)
    now = AlertStatus(row["status"])
    if not alert_may_become(now, wanted):
        return Answered(alert_id, now, row["rev"], row["scope_id"], StateNotReachable)
    return Answered(alert_id, wanted, None, row["scope_id"])


@dataclass(frozen=True, slots=True)
class _Round:
    """One run through the escalation."""

    alert_id: UUID
    scope_id: UUID
    begins: datetime
    drill: bool
    steps_before: int = 0


async def _escalate(connection: Connection, rounds: Iterable[_Round]) -> None:
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
    await connection.execute(INSERT_STEPS, _json(rows))
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


async def _begin_anew(connection: Connection, scopes: Mapping[UUID, UUID]) -> None:
    """A second round for alerts that were handed back."""
    now = await connection.fetchval("select now()")
    await connection.execute(REPLACE_STEPS, list(scopes), now)
    rows = await connection.fetch(LAST_STEPS, list(scopes))
    await _escalate(
        connection,
        [
            _Round(row["alert_id"], scopes[row["alert_id"]], now, row["drill"], row["number"])
            for row in rows
        ],
    )


async def _standing(connection: Connection, refused: Sequence[NewAlert]) -> dict[UUID, Raised]:
    """The alerts that stand in the place of those that were not created."""
    if not refused:
        return {}
    posts = [one.post_id for one in refused if one.post_id is not None]
    rows = await connection.fetch(READ_STANDING, [one.id for one in refused], posts)
    by_id = {row["id"]: row for row in rows}
    by_post = {row["post_id"]: row for row in rows if row["post_id"] is not None}
    found = {}
    for one in refused:
        row = by_id.get(one.id) or by_post[one.post_id]
        found[one.id] = Raised(
            row["id"], row["scope_id"], AlertStatus(row["status"]), row["rev"], created=False
        )
    return found


def _alert_of(post_id: UUID, post: Mapping[str, Any], now: datetime) -> NewAlert:
    return NewAlert(
        id=uuid7(),
        scope_id=post["scope_id"],
        station_id=post["station_id"],
        zone_id=post["zone_id"],
        source=AlertSource.POST,
        post_id=post_id,
        latitude=post["latitude"],
        longitude=post["longitude"],
        raised_at=now,
        captured_at_raw=now.isoformat(),
        received_at=now,
    )


def _press_key(press_id: str | None) -> str | None:
    """A name that any database takes; a strange one must not cost the alarm."""
    if not press_id:
        return None
    if len(press_id) <= LONGEST_PRESS_ID and press_id.isprintable():
        return press_id
    return sha256(press_id.encode("utf-8", "surrogatepass")).hexdigest()


def _row(alert: NewAlert) -> dict[str, Any]:
    return {name: getattr(alert, name) for name in NewAlert.__dataclass_fields__}


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    # asyncpg's UUIDs are a subclass, which orjson takes only by way of `default`.
    return orjson.dumps(rows, default=str).decode()
