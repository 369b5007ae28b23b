"""Poles in trouble: what begins and what ends reaches the staff of the station, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from patrol.errors import NotFound, VariableInvalid
from patrol.sos.beats import Beat, beat_post
from patrol.sos.post_watch import watch_posts
from patrol.sos.posts import mute_post, set_post, unmute_post
from storage.database import Database
from storage.principal import Principal, system
from storage.vocabulary import PostButton, PostPower
from tests import personas
from tests.world import World

NOW = datetime.now(UTC)


@pytest.fixture
async def pole(world: World) -> Principal:
    return await personas.as_post(world, world.post)


async def beat(
    database: Database, world: World, pole: Principal, at: datetime, **said: object
) -> None:
    await beat_post(database, pole, world.post, Beat(**said), at)  # type: ignore[arg-type] # as given


async def notices(owner: asyncpg.Connection) -> list[tuple[str, str]]:
    rows = await owner.fetch("select severity, title from notice order by id")
    return [(row["severity"], row["title"]) for row in rows]


async def story(owner: asyncpg.Connection) -> list[str]:
    return [row["kind"] for row in await owner.fetch("select kind from sos_post_event order by id")]


async def test_three_silent_intervals_are_told_once_and_so_is_the_end_of_it(
    database: Database, world: World, pole: Principal, owner: asyncpg.Connection
) -> None:
    await beat(database, world, pole, NOW)

    assert await watch_posts(database, NOW + timedelta(seconds=180)) == []
    [news] = await watch_posts(database, NOW + timedelta(seconds=181))
    assert await watch_posts(database, NOW + timedelta(minutes=9)) == []

    assert news.station_id == world.station
    [(severity, title)] = await notices(owner)
    assert (severity, "silent" in title) == ("URGENT", True)
    told = await owner.fetchrow("select * from notice")
    code = await owner.fetchval("select code from sos_post where id = $1", world.post)
    assert code in told["body"]
    assert code in told["body_th"]

    await beat(database, world, pole, NOW + timedelta(minutes=10))
    assert len(await watch_posts(database, NOW + timedelta(minutes=10))) == 1
    assert await story(owner) == ["SILENT", "BACK"]


async def test_a_pole_that_never_sent_heartbeats_is_watched_when_somebody_asks_for_it(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    assert await watch_posts(database, NOW + timedelta(hours=1)) == []
    async with database.write(system("test")) as connection:
        await set_post(connection, world.post, heartbeat_seconds=600)

    asked_at = datetime.now(UTC)  # the setting counts from now; NOW is when this file was read
    assert await watch_posts(database, asked_at + timedelta(minutes=29)) == []
    assert len(await watch_posts(database, asked_at + timedelta(minutes=31))) == 1


@pytest.mark.parametrize(
    ("said", "begins", "better", "ends"),
    [
        ({"power": PostPower.BATTERY}, "POWER_LOST", {"power": PostPower.MAINS}, "POWER_BACK"),
        ({"battery_percent": 20}, "POWER_LOST", {"battery_percent": 21}, "POWER_BACK"),
        ({"tampered": True}, "TAMPERED", {"tampered": False}, "TAMPER_OVER"),
        ({"button": PostButton.FAULT}, "BUTTON_STUCK", {"button": PostButton.OK}, "BUTTON_FREE"),
    ],
)
async def test_what_a_pole_says_of_itself_reaches_a_person(
    database: Database, world: World, pole: Principal, owner: asyncpg.Connection,
    said: dict[str, object], begins: str, better: dict[str, object], ends: str,
) -> None:  # fmt: skip
    await beat(database, world, pole, NOW, **said)
    for _ in range(2):
        await watch_posts(database, NOW)
    await beat(database, world, pole, NOW)  # says nothing: what was said stands
    await watch_posts(database, NOW)
    assert await story(owner) == [begins]

    await beat(database, world, pole, NOW, **better)
    for _ in range(2):
        await watch_posts(database, NOW)

    assert await story(owner) == [begins, ends]
    assert len(await notices(owner)) == 2


async def test_a_button_that_stays_pressed_is_stuck_after_a_minute(
    database: Database, world: World, pole: Principal, owner: asyncpg.Connection
) -> None:
    for seconds in (0, 30, 59):
        at = NOW + timedelta(seconds=seconds)
        await beat(database, world, pole, at, button=PostButton.PRESSED)
        await watch_posts(database, at)
    assert await story(owner) == []

    await watch_posts(database, NOW + timedelta(seconds=61))
    assert await story(owner) == ["BUTTON_STUCK"]


@pytest.mark.parametrize(("presses", "stuck"), [(29, False), (30, True)])
async def test_a_button_that_is_pressed_far_too_often_is_stuck(
    database: Database, world: World, owner: asyncpg.Connection, presses: int, stuck: bool
) -> None:
    for _ in range(presses):
        await world.store(
            "sos_post_press", post_id=world.post, scope_id=world.market, pressed_at=NOW
        )

    await watch_posts(database, NOW + timedelta(minutes=1))

    assert await story(owner) == (["BUTTON_STUCK"] if stuck else [])


async def test_a_cut_line_that_silences_many_poles_is_one_notice(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    for number in range(3):
        other = await world.add_post(world.temple)
        pole = await personas.as_post(world, other)
        await beat_post(database, pole, other, Beat(), NOW + timedelta(seconds=number))

    assert len(await watch_posts(database, NOW + timedelta(minutes=5))) == 1

    assert await story(owner) == ["SILENT"] * 3
    assert len(await notices(owner)) == 1


async def test_an_untested_pole_is_told_of_each_week(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    async with database.write(system("test")) as connection:
        await set_post(connection, world.post, test_days=7)
    days = [6, 8, 9, 14, 16]

    told = [len(await watch_posts(database, NOW + timedelta(days=day))) for day in days]

    assert told == [0, 1, 0, 0, 1]
    assert await story(owner) == ["SETTING_CHANGED", "TEST_OVERDUE", "TEST_OVERDUE"]


async def test_a_mute_needs_a_reason_and_a_near_end_and_its_end_is_told(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    async with database.write(system("test")) as connection:
        for reason, hours in (("", 1), ("x" * 501, 1), ("stuck", -1), ("stuck", 24 * 8)):
            until = NOW + timedelta(hours=hours)
            with pytest.raises(VariableInvalid):
                await mute_post(connection, world.post, reason=reason, until=until, now=NOW)
        with pytest.raises(NotFound):
            await unmute_post(connection, world.post, NOW)
        until = NOW + timedelta(hours=1)
        for _ in range(2):
            await mute_post(connection, world.post, reason="stuck", until=until, now=NOW)
        await unmute_post(connection, world.post, NOW)
        await mute_post(connection, world.post, reason="stuck", until=until, now=NOW)

    await watch_posts(database, NOW + timedelta(minutes=59))
    [news] = await watch_posts(database, NOW + timedelta(minutes=60))

    assert news.station_id == world.station
    assert await story(owner) == ["MUTED", "MUTED", "UNMUTED", "MUTED", "UNMUTED"]
    ends = await owner.fetch("select ended_at, ended_by, muted_by from sos_post_mute order by id")
    assert ends[-1]["ended_at"] == until
    assert {row["muted_by"] for row in ends} == {"system:test"}
