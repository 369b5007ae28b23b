"""Takes the presses of a pole's button: the first raises an alert, the others join it, and a repeated one hears the first answer.

A press that is marked as a drill, or that comes while a test is armed, takes the same path and is marked everywhere; it
never stands in the way of a real one. While a person has muted the button, its presses are kept and counted, and call
nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from patrol.errors import PostUnknown
from patrol.sos.care import frozen_policy
from patrol.sos.events import Event, note
from patrol.sos.post_log import tested
from patrol.sos.raising import NewAlert, raise_alerts
from patrol.sos.responses import reopen
from storage.alerts import JOIN_ALERT
from storage.database import Connection, Database
from storage.posts import BEAT_POST, REMEMBER_PRESS
from storage.presses import COUNT_MUTED, KEEP_PRESS, READ_LAMP, READ_PRESSED_POST
from storage.principal import Principal, PrincipalKind
from storage.vocabulary import AlertEventKind, AlertSource, AlertStatus, PostLamp

LONGEST_PRESS_ID = 100

MOST_KEPT = 200
"""Nameless presses of one post that are kept one by one in ten minutes; a stuck button's others are only counted."""


@dataclass(frozen=True, slots=True)
class Pressed:
    """What a press of a pole's button did; `joined` when it belongs to an alert that was open before.

    While the button is muted a press may belong to no alert: then `alert_id` and `status` are None. `lamp` is what the
    pole's lamp shows, at the time of this answer.
    """

    alert_id: UUID | None
    scope_id: UUID
    status: AlertStatus | None
    joined: bool
    muted: bool = False
    drill: bool = False
    lamp: PostLamp = field(default=PostLamp.OPEN, compare=False)


@dataclass(frozen=True, slots=True)
class Lamp:
    """What a pole shows the one who stands before it."""

    state: PostLamp
    alert_id: UUID | None = None
    drill: bool = False


async def press_button(
    database: Database,
    principal: Principal,
    post_id: UUID,
    press_id: str | None,
    now: datetime,
    *,
    drill: bool = False,
) -> Pressed:
    """Raises an alert for a pole, or joins its unfinished one.

    Whoever presses is always called for: an unfinished alert for which nobody is called any more, or whose answer is
    older than the policy's `answer_holds`, is handed back and called anew.

    Args:
        press_id: the pole's own name for this press, so that it may be repeated until it is answered; the same press
            is never counted twice, also when its alert is closed by then.
        drill: the pole itself says that this is a test.

    Raises:
        PostUnknown: the key is not this pole's, or the pole stands no more.
    """
    require_own(principal, post_id)
    async with database.write(principal) as connection:
        return await take_press(connection, post_id, press_id, now, drill=drill)


async def take_press(
    connection: Connection,
    post_id: UUID,
    press_id: str | None,
    now: datetime,
    *,
    drill: bool = False,
    at_pole: bool = True,
) -> Pressed:
    """A press in the caller's transaction; without `at_pole` it comes from an administrator's desk.

    Raises:
        PostUnknown: the pole stands no more.
    """
    # This also locks the pole's row: presses of one pole are taken one after the other, across all processes.
    if await connection.fetchval(BEAT_POST, post_id, now if at_pole else None) is None:
        raise PostUnknown
    press = _press_key(press_id)
    post = await connection.fetchrow(READ_PRESSED_POST, post_id, press, now)
    if post["told"]:
        return _told(post)
    # A test is armed for the next press only as long as nobody has called for help in earnest.
    drill = drill or (at_pole and post["armed"] and not post["in_earnest"])
    pressed = (
        await _count_muted(connection, post_id, post, now)
        if post["mute_id"] is not None and not drill
        else await join_or_raise(
            connection,
            post_id,
            _alert_of(post_id, post, now, drill),
            quiet=post["recent"] >= MOST_KEPT,
        )
    )
    if press is not None or post["recent"] < MOST_KEPT:
        await connection.execute(
            KEEP_PRESS, uuid7(), post_id, post["scope_id"], press, pressed.alert_id, pressed.joined,
            pressed.drill, pressed.muted, now,
        )  # fmt: skip
    if pressed.alert_id is not None:
        await connection.execute(REMEMBER_PRESS, post_id, press, pressed.alert_id, pressed.joined)
    if drill and not pressed.joined:
        await tested(connection, post_id, now, at_pole=at_pole, alert_id=pressed.alert_id)
    return pressed


async def join_or_raise(
    connection: Connection, post_id: UUID, alert: NewAlert, *, quiet: bool = False
) -> Pressed:
    """Lets a call join its post's unfinished alert, which calls anew where nobody cares for it any more, or raises it.

    The caller holds the post's row. With `quiet` the story of the alert is spared one more line.
    """
    now = alert.received_at
    joined = await connection.fetchrow(JOIN_ALERT, post_id, alert.drill)
    if joined is None:
        [raised] = await raise_alerts(connection, [alert])
        return Pressed(
            raised.alert_id, raised.scope_id, raised.status, not raised.created, drill=alert.drill
        )
    status = AlertStatus(joined["status"])
    if not quiet:
        pressed = Event(
            joined["id"], AlertEventKind.PRESSED, now, now, detail={"source": alert.source.value}
        )
        await note(connection, [pressed])
    policy = await frozen_policy(connection, joined["id"])
    if not _is_cared_for(joined, now, policy.answer_holds):
        status = AlertStatus.OPEN
        mine = {joined["id"]: joined["scope_id"]}
        await reopen(connection, mine, now, why="PRESSED_AGAIN")
    lamp = await connection.fetchrow(READ_LAMP, post_id, joined["id"])
    return Pressed(
        joined["id"],
        joined["scope_id"],
        status,
        joined=True,
        drill=alert.drill,
        lamp=PostLamp(lamp["state"]),
    )


async def see_post(database: Database, principal: Principal, post_id: UUID, now: datetime) -> None:
    """Notes that a pole lives.

    Raises:
        PostUnknown: the key is not this pole's, or the pole stands no more.
    """
    require_own(principal, post_id)
    async with database.write(principal) as connection:
        if await connection.fetchval(BEAT_POST, post_id, now) is None:
            raise PostUnknown


async def read_lamp(database: Database, principal: Principal, post_id: UUID) -> Lamp:
    """What the lamp of a pole shows now.

    Raises:
        PostUnknown: the key is not this pole's.
    """
    require_own(principal, post_id)
    async with database.write(principal) as connection:
        return await lamp_of(connection, post_id)


async def lamp_of(connection: Connection, post_id: UUID, alert_id: UUID | None = None) -> Lamp:
    """What the lamp of a pole shows about its unfinished alert, or about one that is named."""
    row = await connection.fetchrow(READ_LAMP, post_id, alert_id)
    if row is None:
        return Lamp(PostLamp.NONE)
    return Lamp(PostLamp(row["state"]), row["id"], row["drill"])


def require_own(principal: Principal, post_id: UUID) -> None:
    """Refuses every key but this pole's. Raises PostUnknown."""
    if principal.kind is not PrincipalKind.POST or principal.id != post_id:
        raise PostUnknown


def _told(post: Mapping[str, Any]) -> Pressed:
    """The first answer to a press that is repeated, with what became of its alert since."""
    return Pressed(
        post["told_alert_id"],
        post["scope_id"],
        AlertStatus(post["told_status"]) if post["told_status"] else None,
        post["told_joined"],
        post["told_muted"],
        post["told_drill"],
        PostLamp(post["told_lamp"] or PostLamp.MUTED),
    )


async def _count_muted(
    connection: Connection, post_id: UUID, post: Mapping[str, Any], now: datetime
) -> Pressed:
    """Counts a press that calls nobody; it still belongs to the alert that was open before the button was muted."""
    await connection.execute(COUNT_MUTED, post["mute_id"], now)
    joined = await connection.fetchrow(JOIN_ALERT, post_id, False)
    if joined is None:
        return Pressed(None, post["scope_id"], None, joined=False, muted=True, lamp=PostLamp.MUTED)
    lamp = await connection.fetchrow(READ_LAMP, post_id, joined["id"])
    return Pressed(
        joined["id"],
        joined["scope_id"],
        AlertStatus(joined["status"]),
        joined=True,
        muted=True,
        lamp=PostLamp(lamp["state"]),
    )


def _is_cared_for(alert: Mapping[str, Any], now: datetime, answer_holds: timedelta) -> bool:
    """Whether people are still being called for an unfinished alert, or one of them answered a short while ago."""
    if alert["status"] == AlertStatus.OPEN.value:
        return bool(alert["calling"])
    return bool(now - alert["acknowledged_at"] < answer_holds)


def _alert_of(post_id: UUID, post: Mapping[str, Any], now: datetime, drill: bool) -> NewAlert:
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
        drill=drill,
    )


def _press_key(press_id: str | None) -> str | None:
    """A name that any database takes; a strange one must not cost the alarm."""
    if not press_id:
        return None
    if len(press_id) <= LONGEST_PRESS_ID and press_id.isprintable():
        return press_id
    return sha256(press_id.encode("utf-8", "surrogatepass")).hexdigest()
