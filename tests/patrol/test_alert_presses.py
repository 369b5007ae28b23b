"""A pole's button: one unfinished alert for each pole, and somebody is always called for who presses it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from patrol.errors import PostUnknown
from patrol.sos.alerts import Pressed, press_button, see_post
from patrol.sos.policy import BUILT_IN
from storage.database import Database
from storage.faults import PrincipalRevoked
from storage.principal import Principal
from storage.vocabulary import AlertSource, AlertStatus
from tests import personas
from tests.patrol.sos import ANSWERED_AT, an_alert, answer, raise_one, steps, waiting
from tests.world import LATITUDE, SIDE, World

NOW = ANSWERED_AT


@pytest.fixture
async def pole(world: World) -> Principal:
    return await personas.as_post(world, world.post)


async def press(
    database: Database, pole: Principal, press_id: str | None = None, now: datetime = NOW
) -> Pressed:
    assert isinstance(pole.id, UUID)
    return await press_button(database, pole, pole.id, press_id, now)


async def test_a_press_raises_an_alert_at_the_poles_place(
    database: Database, world: World, pole: Principal, owner: asyncpg.Connection
) -> None:
    pressed = await press(database, pole)

    assert (pressed.status, pressed.joined, pressed.scope_id) == (
        AlertStatus.OPEN,
        False,
        world.market,
    )
    stored = await owner.fetchrow("select * from sos_alert")
    assert stored["id"] == pressed.alert_id
    assert (stored["source"], stored["post_id"], stored["officer_id"]) == ("POST", world.post, None)
    assert (stored["zone_id"], stored["latitude"]) == (world.market, LATITUDE + SIDE / 2)
    assert stored["raised_at"] == NOW
    assert len(await waiting(owner)) == 5
    assert await owner.fetchval("select last_seen_at from sos_post_state") == NOW


async def test_further_presses_join_the_alert_until_it_is_closed(
    database: Database, world: World, pole: Principal, owner: asyncpg.Connection
) -> None:
    first = await press(database, pole)
    second = await press(database, pole)
    await answer(database, world, first.alert_id, AlertStatus.ACKNOWLEDGED, officer=world.kanya)
    third = await press(database, pole)
    await answer(database, world, first.alert_id, AlertStatus.CLOSED, officer=world.kanya)
    fourth = await press(database, pole)

    assert [one.joined for one in (first, second, third, fourth)] == [False, True, True, False]
    assert first.alert_id == second.alert_id == third.alert_id != fourth.alert_id
    assert third.status is AlertStatus.ACKNOWLEDGED
    assert await owner.fetchval("select presses from sos_alert order by id limit 1") == 3
    assert await owner.fetchval("select count(*) from sos_step") == 10


async def test_a_press_on_an_answer_that_was_forgotten_calls_anew(
    database: Database, world: World, pole: Principal, owner: asyncpg.Connection
) -> None:
    first = await press(database, pole)
    await answer(database, world, first.alert_id, AlertStatus.ACKNOWLEDGED, officer=world.kanya)

    early = await press(database, pole, now=NOW + timedelta(minutes=10, seconds=-1))
    late = await press(database, pole, "press 17", now=NOW + timedelta(minutes=10))
    again = await press(database, pole, "press 17", now=NOW + timedelta(minutes=11))

    assert early == Pressed(first.alert_id, world.market, AlertStatus.ACKNOWLEDGED, True)
    assert late == again == Pressed(first.alert_id, world.market, AlertStatus.OPEN, True)
    stored = await owner.fetchrow("select * from sos_alert")
    assert (stored["status"], stored["presses"]) == ("OPEN", 3)
    assert (stored["acknowledged_by"], stored["acknowledged_at"]) == (None, None)
    outcomes = await owner.fetch("select outcome from sos_step order by number")
    assert [row["outcome"] for row in outcomes] == ["REPLACED"] * 5 + [None] * 5
    assert {step for step, _ in await waiting(owner)} >= set(
        (await steps(owner, first.alert_id))[5:]
    )


async def test_a_press_on_an_alert_whose_steps_have_run_out_calls_anew_and_once(
    database: Database, world: World, pole: Principal, owner: asyncpg.Connection
) -> None:
    first = await press(database, pole)
    await world.change("update sos_step set done_at = now(), outcome = 'NOBODY' where number < 5")
    still_calling = await press(database, pole)
    assert await owner.fetchval("select count(*) from sos_step") == 5
    await world.change("update sos_step set done_at = now(), outcome = 'NOBODY' where number = 5")

    run_out = await press(database, pole)
    calling_anew = await press(database, pole)

    assert still_calling == run_out == calling_anew
    assert run_out == Pressed(first.alert_id, world.market, AlertStatus.OPEN, True)
    found = await owner.fetch(
        "select number, target from sos_step where done_at is null order by 1"
    )
    assert [tuple(row) for row in found] == [
        (number, step.target.value) for number, step in enumerate(BUILT_IN.steps, start=6)
    ]
    assert len(await waiting(owner)) == 10


async def test_a_press_that_is_sent_again_is_told_the_same_and_counted_once(
    database: Database, world: World, pole: Principal, owner: asyncpg.Connection
) -> None:
    first = await press(database, pole, "press 17")
    again = await press(database, pole, "press 17")
    for officer in (world.kanya, world.prasert):
        await answer(database, world, first.alert_id, AlertStatus.CANCELLED, officer=officer)
    late = await press(database, pole, "press 17")
    new = await press(database, pole, "press 18")

    assert again == first
    assert (late.alert_id, late.status, late.joined) == (
        first.alert_id,
        AlertStatus.CANCELLED,
        False,
    )
    assert new.alert_id != first.alert_id
    assert [row["presses"] for row in await owner.fetch("select presses from sos_alert")] == [1, 1]


@pytest.mark.parametrize("press_id", ["x" * 10_000, "nul \0", "\udcff", " "])
async def test_a_strange_press_id_never_costs_the_alarm(
    database: Database, pole: Principal, press_id: str
) -> None:
    first = await press(database, pole, press_id)

    assert await press(database, pole, press_id) == first


async def test_presses_at_the_same_moment_make_one_alert(
    database: Database, pole: Principal, owner: asyncpg.Connection
) -> None:
    pressed = await asyncio.gather(*(press(database, pole, f"press {n}") for n in range(6)))

    assert len({one.alert_id for one in pressed}) == 1
    assert sorted(one.joined for one in pressed) == [False] + [True] * 5
    assert await owner.fetchval("select count(*) from sos_alert") == 1
    assert await owner.fetchval("select presses from sos_alert") == 6
    assert await owner.fetchval("select count(*) from sos_step") == 5


async def test_without_the_poles_lock_the_database_still_keeps_one_alert_for_a_pole(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    """The second guard, for a writer that does not come through `press_button`."""
    by_post = {"source": AlertSource.POST, "officer_id": None, "post_id": world.post}

    raised = await asyncio.gather(
        *(raise_one(database, an_alert(world, **by_post)) for _ in range(4))
    )

    assert sorted(one.created for one in raised) == [False, False, False, True]
    assert len({one.alert_id for one in raised}) == 1
    assert await owner.fetchval("select count(*) from sos_step") == 5


async def test_a_key_presses_its_own_button_only(
    database: Database, world: World, pole: Principal, owner: asyncpg.Connection
) -> None:
    camera = await personas.as_camera(world, world.market_camera)
    other = await world.add_post(world.temple)
    with pytest.raises(PostUnknown):
        await press_button(database, pole, other, None, NOW)
    with pytest.raises(PostUnknown):
        await press_button(database, camera, world.market_camera, None, NOW)
    with pytest.raises(PostUnknown):
        await see_post(database, camera, world.post, NOW)
    await world.change("update sos_post set deleted_at = now()")
    with pytest.raises(PostUnknown):
        await press(database, pole)
    with pytest.raises(PostUnknown):
        await see_post(database, pole, world.post, NOW)
    await world.change("update device_key set revoked_at = now()")
    with pytest.raises(PrincipalRevoked):
        await press(database, pole)

    assert await owner.fetchval("select count(*) from sos_alert") == 0


async def test_a_heartbeat_sends_nothing_to_phones(
    database: Database, world: World, pole: Principal, owner: asyncpg.Connection
) -> None:
    stamp = "select (rev, sync_xid)::text from sos_post"
    before = await owner.fetchval(stamp)

    await see_post(database, pole, world.post, NOW)
    await see_post(database, pole, world.post, NOW - timedelta(minutes=1))

    assert await owner.fetchval(stamp) == before
    assert await owner.fetchval("select last_seen_at from sos_post_state") == NOW
