"""What people order about poles: how they are served, that a stuck button be muted for a while, and tests of the whole chain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from patrol.audit import audit
from patrol.errors import NotFound, VariableInvalid
from patrol.sos.post_log import PostEvent, note_posts
from patrol.sos.pressing import Pressed, take_press
from storage.database import Connection, Database
from storage.post_health import ARM_TEST, END_MUTE, MUTE_POST, REPLACE_MUTE, SET_POST, TAKES_GET
from storage.principal import Principal
from storage.vocabulary import PostEventKind

LONGEST_MUTE = timedelta(days=7)
"""A button that is out of order for longer is decided about anew, by somebody who looks at it."""

LONGEST_ARMED = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PostSettings:
    """How a pole is served."""

    get_allowed: bool
    heartbeat_seconds: int
    test_days: int


async def takes_get(database: Database, principal: Principal, post_id: UUID) -> bool:
    """Whether a pole may raise alarms by GET."""
    async with database.write(principal) as connection:
        return bool(await connection.fetchval(TAKES_GET, post_id))


async def set_post(
    connection: Connection,
    post_id: UUID,
    *,
    get_allowed: bool | None = None,
    heartbeat_seconds: int | None = None,
    test_days: int | None = None,
) -> PostSettings:
    """Changes how a pole is served; None leaves what stands.

    Raises:
        VariableInvalid: a number out of its range (10 to 86,400 seconds, 1 to 366 days).
        NotFound: there is no such post.
    """
    if heartbeat_seconds is not None and not 10 <= heartbeat_seconds <= 86_400:
        raise VariableInvalid("Heartbeats come every 10 to 86400 seconds.", path="heartbeatSeconds")
    if test_days is not None and not 1 <= test_days <= 366:
        raise VariableInvalid("A post is tested every 1 to 366 days.", path="testDays")
    row = await connection.fetchrow(SET_POST, post_id, get_allowed, heartbeat_seconds, test_days)
    if row is None:
        raise NotFound("There is no such SOS post.")
    settings = PostSettings(row["get_allowed"], row["heartbeat_seconds"], row["test_days"])
    await _log(
        connection,
        post_id,
        PostEventKind.SETTING_CHANGED,
        get_allowed=settings.get_allowed,
        heartbeat_seconds=settings.heartbeat_seconds,
        test_days=settings.test_days,
    )
    return settings


async def mute_post(
    connection: Connection, post_id: UUID, *, reason: str, until: datetime, now: datetime
) -> UUID:
    """Lets a pole's presses call nobody until a time; they are kept and counted. Returns the scope of the pole.

    Citizens who scan the pole's code are still heard.

    Raises:
        VariableInvalid: no reason, or an end that is past or too far away.
        NotFound: there is no such post.
    """
    if not 1 <= len(reason.strip()) <= 500:
        raise VariableInvalid("Say in 1 to 500 characters why the button is muted.", path="reason")
    if not now < until <= now + LONGEST_MUTE:
        raise VariableInvalid(
            f"A mute ends within {LONGEST_MUTE.days} days, and not in the past.", path="until"
        )
    await connection.execute(REPLACE_MUTE, post_id, now)
    scope = await connection.fetchval(MUTE_POST, uuid7(), post_id, reason.strip(), until)
    if scope is None:
        raise NotFound("There is no such SOS post.")
    await _log(connection, post_id, PostEventKind.MUTED, until=until.isoformat())
    return UUID(str(scope))


async def unmute_post(connection: Connection, post_id: UUID, now: datetime) -> UUID:
    """Ends a pole's mute before its time. Returns the scope of the pole.

    Raises:
        NotFound: the post is not muted.
    """
    row = await connection.fetchrow(END_MUTE, post_id, now)
    if row is None:
        raise NotFound("The post is not muted.")
    await _log(connection, post_id, PostEventKind.UNMUTED, presses=row["presses"])
    return UUID(str(row["scope_id"]))


async def arm_test(
    connection: Connection, post_id: UUID, now: datetime, *, window: timedelta
) -> datetime:
    """Makes the next press of a pole a test, a drill that runs the whole chain. Returns until when.

    Raises:
        VariableInvalid: a window above an hour, in which somebody may really need help.
        NotFound: there is no such post.
    """
    if not timedelta(0) < window <= LONGEST_ARMED:
        raise VariableInvalid("A test is armed for at most an hour.", path="minutes")
    until = now + window
    if await connection.fetchval(ARM_TEST, post_id, until) is None:
        raise NotFound("There is no such SOS post.")
    await _log(connection, post_id, PostEventKind.TEST_ARMED, until=until.isoformat())
    return until


async def press_test(connection: Connection, post_id: UUID, now: datetime) -> Pressed:
    """A test press from the desk: the whole chain but for the pole itself.

    Raises:
        PostUnknown: the pole stands no more.
    """
    await audit(connection, "post.test", post_id)
    return await take_press(connection, post_id, None, now, drill=True, at_pole=False)


async def _log(
    connection: Connection, post_id: UUID, kind: PostEventKind, **detail: str | int | bool
) -> None:
    """In the pole's own story, and in the log of who did what."""
    await note_posts(connection, [PostEvent(post_id, kind, datetime.now(UTC), detail)])
    await audit(connection, f"post.{kind.value.lower()}", post_id, **detail)
