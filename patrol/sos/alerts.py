"""Raises and answers calls for help; the transaction that stores an alert also fixes whom to call and when.

An answer ends the escalation (`patrol.sos.escalation`); an alert that is handed back begins it anew. The functions return
whom to poke. The caller does that after its commit, and wakes the workers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from patrol.errors import NotFound, NotInScope, PostUnknown, Problem, StateNotReachable
from patrol.sos.escalation import Round, begin_anew, escalate
from patrol.transitions import alert_may_become
from storage.alerts import (
    ANSWER_ALERTS,
    INSERT_ALERTS,
    JOIN_ALERT,
    LOCK_ALERTS,
    READ_STANDING,
)
from storage.database import Connection, Database
from storage.posts import BEAT_POST, READ_PRESSED_POST, REMEMBER_PRESS
from storage.principal import Principal, PrincipalKind
from storage.statements import as_json
from storage.vocabulary import AlertSource, AlertStatus

LONGEST_PRESS_ID = 100

ANSWER_HOLDS = timedelta(minutes=10)
"""How long somebody is believed to be on his way: a later press of the pole calls anew."""


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


async def raise_alerts(connection: Connection, alerts: Sequence[NewAlert]) -> list[Raised]:
    """Stores alerts with their escalation and its jobs in the caller's transaction; answers in the order given.

    No id and no post may stand twice in one call.
    """
    if not alerts:
        return []
    added = {
        row["id"]: row["rev"]
        for row in await connection.fetch(INSERT_ALERTS, as_json([_row(one) for one in alerts]))
    }
    created = [one for one in alerts if one.id in added]
    await escalate(
        connection, [Round(one.id, one.scope_id, one.received_at, one.drill) for one in created]
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

    Whoever presses is always called for: an unfinished alert for which nobody is called any more, or whose answer is
    older than `ANSWER_HOLDS`, is handed back and called anew.

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
            status = AlertStatus(open_alert["status"])
            if not _is_cared_for(open_alert, now):
                status = AlertStatus.OPEN
                back = {"id": open_alert["id"], "status": status.value, "at": now}
                await connection.execute(ANSWER_ALERTS, as_json([back]), None)
                await begin_anew(connection, {open_alert["id"]: open_alert["scope_id"]})
            pressed = Pressed(open_alert["id"], open_alert["scope_id"], status, True)
        else:
            [raised] = await raise_alerts(connection, [_alert_of(post_id, post, now)])
            pressed = Pressed(raised.alert_id, raised.scope_id, raised.status, not raised.created)
        await connection.execute(REMEMBER_PRESS, post_id, press, pressed.alert_id, pressed.joined)
        return pressed


def _is_cared_for(alert: Mapping[str, Any], now: datetime) -> bool:
    """Whether people are still being called for an unfinished alert, or one of them answered a short while ago."""
    if alert["status"] == AlertStatus.OPEN.value:
        return bool(alert["calling"])
    return bool(now - alert["acknowledged_at"] < ANSWER_HOLDS)


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
        scopes: where he may answer. Besides he may answer what he raised or was called for.
        answers: alert, wanted status and when it was decided; no alert may stand twice.
    """
    ids = [alert_id for alert_id, _, _ in answers]
    if len(set(ids)) < len(ids):
        raise ValueError("an alert stands twice in one call")
    stored = {row["id"]: row for row in await connection.fetch(LOCK_ALERTS, ids, officer)}
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
        rows = await connection.fetch(ANSWER_ALERTS, as_json(moved), officer)
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
        await begin_anew(connection, {key: stored[key]["scope_id"] for key in handed_back})
    return [decided[alert_id] for alert_id in ids]


def _decide(
    alert_id: UUID, row: Mapping[str, Any] | None, wanted: AlertStatus, scopes: Collection[UUID]
) -> Answered:
    if row is None or row["deleted_at"] is not None:
        return Answered(alert_id, refusal=NotFound)
    if row["scope_id"] not in scopes and not row["concerns"]:
        # What stands in a scope that he may not read is not told, unless the alert concerns him.
        return Answered(alert_id, refusal=NotInScope)
    now = AlertStatus(row["status"])
    if not alert_may_become(now, wanted):
        return Answered(alert_id, now, row["rev"], row["scope_id"], StateNotReachable)
    return Answered(alert_id, wanted, None, row["scope_id"])


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
        row = by_id.get(one.id) or by_post.get(one.post_id)
        if row is None:
            # Its id is one that was deleted and compacted away.
            found[one.id] = Raised(one.id, one.scope_id, AlertStatus.CLOSED, 0, created=False)
            continue
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
