"""Fallback channels of a station: what they are told of an alert, once each, and that a broken one is found before it counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import orjson
import pytest
from uuid_utils.compat import uuid7

from api.telling import AppriseTeller
from patrol.errors import AlreadyExists, ChannelAddressInvalid, NotFound, VariableInvalid
from patrol.sos.channels import (
    add_channel,
    call_channels,
    remove_channel,
    try_channel,
    try_channels,
)
from storage.database import Database
from storage.principal import system
from storage.vocabulary import AlertSource, ChannelLanguage, ChannelOutcome
from tests.conftest import SECRET
from tests.listeners import Listener, webhook
from tests.patrol.sos import an_alert, raise_one, steps
from tests.world import World, now

PAGE = "https://control.example/alerts/{alert}"


@pytest.fixture
def hook() -> Iterator[Listener]:
    with webhook() as listener:
        yield listener


@pytest.fixture
def other() -> Iterator[Listener]:
    with webhook() as listener:
        yield listener


@pytest.fixture
def teller() -> AppriseTeller:
    return AppriseTeller(SECRET, alert_page=PAGE, time_limit=5)


async def add(
    database: Database,
    world: World,
    teller: AppriseTeller,
    listener: Listener,
    label: str = "Duty room",
    language: ChannelLanguage = ChannelLanguage.BOTH,
    station: UUID | None = None,
) -> UUID:
    async with database.write(system("test")) as connection:
        return await add_channel(
            connection,
            teller,
            station or world.station,
            label,
            listener.address,
            language=language,
            by="test",
        )


async def calls(owner: asyncpg.Connection) -> list[tuple[str, str | None, int]]:
    rows = await owner.fetch(
        "select outcome, reason, attempts from sos_channel_call order by created_at, id"
    )
    return [(row["outcome"], row["reason"], row["attempts"]) for row in rows]


async def test_a_call_names_place_time_link_alert_and_step_in_both_languages_and_no_person(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    teller: AppriseTeller,
    hook: Listener,
    alert: UUID,
) -> None:
    await add(database, world, teller, hook)
    [step, *_] = await steps(owner, alert)

    assert await call_channels(database, teller, step)

    [text] = hook.texts
    station = await owner.fetchrow("select name, name_th from station where id = $1", world.station)
    zone = await owner.fetchrow("select name, name_th from zone where id = $1", world.market)
    for expected in (*station, *zone, str(alert), str(step), PAGE.format(alert=alert)):
        assert expected in text
    assert "เจ้าหน้าที่ขอความช่วยเหลือ" in text
    assert "An officer calls for help" in text
    for person in await owner.fetch("select name from officer"):
        assert person["name"] not in text
    assert "16.7" not in text
    assert await calls(owner) == [("TOLD", None, 1)]
    kinds = await owner.fetch("select kind from sos_event where kind like 'CHANNEL%'")
    assert [row["kind"] for row in kinds] == ["CHANNEL_TOLD"]


async def test_a_drill_says_so_first_and_a_language_can_be_chosen(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    teller: AppriseTeller,
    hook: Listener,
    other: Listener,
) -> None:
    await add(database, world, teller, hook, "Thai", ChannelLanguage.THAI)
    await add(database, world, teller, other, "English", ChannelLanguage.ENGLISH)
    drill = await raise_one(database, an_alert(world, drill=True))
    [step, *_] = await steps(owner, drill.alert_id)

    await call_channels(database, teller, step)

    [thai], [english] = hook.told, other.told
    assert thai["title"].startswith("[ฝึกซ้อม]")
    assert thai["message"].startswith("[ฝึกซ้อม]")
    assert english["title"].startswith("[DRILL]")
    assert english["message"].startswith("[DRILL]")
    assert not any("ก" <= letter <= "๛" for letter in english["title"])
    assert "An officer" not in thai["message"]


async def test_a_press_of_a_pole_names_the_pole(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    teller: AppriseTeller,
    hook: Listener,
) -> None:
    await add(database, world, teller, hook)
    pressed = await raise_one(
        database,
        an_alert(world, source=AlertSource.POST, officer_id=None, post_id=world.post),
    )
    [step, *_] = await steps(owner, pressed.alert_id)

    await call_channels(database, teller, step)

    assert (
        await owner.fetchval("select name from sos_post where id = $1", world.post) in hook.texts[0]
    )


async def test_only_channels_of_the_station_that_stand_are_called(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    teller: AppriseTeller,
    hook: Listener,
    other: Listener,
    alert: UUID,
) -> None:
    elsewhere = await world.add_station("Tak")
    await add(database, world, teller, other, station=elsewhere)
    removed = await add(database, world, teller, hook)
    async with database.write(system("test")) as connection:
        await remove_channel(connection, removed, by="test")
    [step, *_] = await steps(owner, alert)

    assert not await call_channels(database, teller, step)
    assert not await call_channels(database, teller, uuid7())

    assert (hook.told, other.told) == ([], [])
    assert await owner.fetchval("select sealed from sos_channel where id = $1", removed) == b""


async def test_a_repeat_tells_only_who_was_not_told_and_carries_the_same_step(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    teller: AppriseTeller,
    hook: Listener,
    other: Listener,
    alert: UUID,
) -> None:
    await add(database, world, teller, hook, "one")
    await add(database, world, teller, other, "two")
    other.status = 503
    [step, *_] = await steps(owner, alert)
    assert await call_channels(database, teller, step)
    assert await calls(owner) == [("TOLD", None, 1), ("FAILED", "HTTP_503", 1)]
    # A worker that died after telling, before it could write so down.
    await owner.execute("update sos_channel_call set outcome = 'CALLING' where reason is null")
    other.status = 200

    assert await call_channels(database, teller, step)
    assert await call_channels(database, teller, step)

    assert (len(hook.told), len(other.told)) == (2, 2)
    assert len({*hook.texts, *other.texts}) == 1
    assert await calls(owner) == [("TOLD", None, 2), ("TOLD", None, 2)]


async def test_one_channel_that_hangs_costs_the_others_nothing(
    database: Database, world: World, owner: asyncpg.Connection, hook: Listener, alert: UUID
) -> None:
    teller = AppriseTeller(SECRET, time_limit=0.3)
    with webhook() as slow:
        slow.released.clear()
        await add(database, world, teller, slow, "slow")
        await add(database, world, teller, hook, "good")
        [step, *_] = await steps(owner, alert)

        assert await call_channels(database, teller, step)

        assert await calls(owner) == [("TIMEOUT", "TIMEOUT", 1), ("TOLD", None, 1)]


async def test_what_cannot_be_a_channel_is_refused(
    database: Database, world: World, teller: AppriseTeller, hook: Listener
) -> None:
    await add(database, world, teller, hook, "Duty room")
    with pytest.raises(AlreadyExists):
        await add(database, world, teller, hook, " Duty  room ")
    for label in ("", "x" * 61, hook.address):
        with pytest.raises(VariableInvalid):
            await add(database, world, teller, hook, label)
    with pytest.raises(NotFound):
        async with database.write(system("test")) as connection:
            await remove_channel(connection, uuid7(), by="test")
    with pytest.raises(NotFound):
        await try_channel(database, teller, uuid7())
    hook.port = 0
    with pytest.raises(ChannelAddressInvalid):
        async with database.write(system("test")) as connection:
            await add_channel(connection, teller, world.station, "x", "nosuch://x", by="test")


async def test_nothing_that_staff_can_read_holds_the_address(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    teller: AppriseTeller,
    hook: Listener,
    alert: UUID,
) -> None:
    await add(database, world, teller, hook)
    [step, *_] = await steps(owner, alert)
    hook.status = 500
    await call_channels(database, teller, step)
    await try_channels(database, teller, now())

    for table in ("sos_channel", "sos_channel_call", "sos_event", "audit_entry"):
        rows = await owner.fetchval(f"select string_agg(t::text, ' ') from {table} t")
        assert rows
        assert "s3cr3t" not in rows
        assert b"s3cr3t".hex() not in rows


async def test_each_channel_is_tested_weekly_and_a_failing_one_daily_and_told_of(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    teller: AppriseTeller,
    hook: Listener,
    other: Listener,
) -> None:
    works = await add(database, world, teller, hook, "works")
    fails = await add(database, world, teller, other, "fails")
    other.status = 401

    told = await try_channels(database, teller, now())

    assert {one.channel_id: one.outcome for one in told} == {
        works: ChannelOutcome.TOLD,
        fails: ChannelOutcome.FAILED,
    }
    test, alarm = hook.texts
    assert "works" in test
    assert "There is nothing to do" in test
    assert "fails" in alarm
    stored = await owner.fetchrow("select * from sos_channel where id = $1", fails)
    assert (stored["test_outcome"], stored["test_reason"]) == ("FAILED", "HTTP_401")
    pushed = await owner.fetch(
        "select convert_from(payload, 'utf8')::jsonb as told from pgqueuer where entrypoint = 'send_push'"
    )
    assert [orjson.loads(row["told"]) for row in pushed] == [
        {"kind": "CHANNEL_FAILS", "officer_ids": [str(world.prasert)]}
    ]
    since = stored["failing_since"]
    assert since is not None

    assert await try_channels(database, teller, now()) == []
    await owner.execute("update sos_channel set tested_at = tested_at - interval '25 hours'")
    [again] = await try_channels(database, teller, now())
    assert again.channel_id == fails
    assert since == await owner.fetchval(
        "select failing_since from sos_channel where id = $1", fails
    )
    other.status = 200
    mended = await try_channel(database, teller, fails)
    assert mended.outcome is ChannelOutcome.TOLD
    assert await owner.fetchval("select count(failing_since) from sos_channel") == 0
    assert len(await try_channels(database, teller, now() + timedelta(days=8))) == 2
