"""Calls for help: one alert for each need, its escalation written down with it, and answers by allowed steps only."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from patrol.alerts import Answered, Pressed, answer_alerts, press_button, raise_alerts, see_post
from patrol.errors import NotFound, NotInScope, PostUnknown, StateNotReachable
from storage.database import Database
from storage.faults import PrincipalRevoked
from storage.principal import Principal, system
from storage.vocabulary import AlertSource, AlertStatus
from tests import personas
from tests.patrol.sos import an_alert, raise_one, steps, waiting
from tests.world import LATITUDE, SIDE, World

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


@pytest.fixture
async def pole(world: World) -> Principal:
    return await personas.as_post(world, world.post)


async def press(
    database: Database, pole: Principal, press_id: str | None = None, now: datetime = NOW
) -> Pressed:
    assert isinstance(pole.id, UUID)
    return await press_button(database, pole, pole.id, press_id, now)


async def answer(
    database: Database, world: World, alert: UUID, wanted: AlertStatus, *, officer: UUID
) -> Answered:
    async with database.write(system("test")) as connection:
        scopes = await connection.fetch("select access.officer_scopes($1) as id", officer)
        [answered] = await answer_alerts(
            connection, officer, {row["id"] for row in scopes}, [(alert, wanted, NOW)]
        )
    return answered


async def test_an_alert_is_stored_with_its_escalation_and_the_jobs_of_it(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    alert = an_alert(world)

    raised = await raise_one(database, alert)

    assert raised.created
    assert (raised.alert_id, raised.scope_id, raised.rev) == (alert.id, world.market, 1)
    stored = await owner.fetchrow("select * from sos_alert")
    assert stored["status"] == "OPEN"
    assert stored["raised_at"] == alert.raised_at
    found = await owner.fetch(
        "select number, target, due_at, scope_id from sos_step order by number"
    )
    assert [(row["number"], row["target"]) for row in found] == [
        (1, "ON_DUTY"),
        (2, "STATION"),
        (3, "SUPERVISORS"),
    ]
    assert [(row["due_at"] - alert.received_at).total_seconds() for row in found] == [0, 60, 180]
    assert {row["scope_id"] for row in found} == {world.market}
    jobs = await waiting(owner)
    assert [step for step, _ in jobs] == await steps(owner, alert.id)
    assert [round(seconds, -1) for _, seconds in jobs] == [0, 60, 180]


async def test_many_alerts_are_answered_in_the_order_in_which_they_came(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    old, new, drill = an_alert(world), an_alert(world), an_alert(world, drill=True)
    await raise_one(database, old)

    async with database.write(system("test")) as connection:
        raised = await raise_alerts(connection, [new, old, drill])
        assert await raise_alerts(connection, []) == []

    assert [one.alert_id for one in raised] == [new.id, old.id, drill.id]
    assert [one.created for one in raised] == [True, False, True]
    assert await owner.fetchval("select count(*) from sos_step") == 9
    urgency = await owner.fetch("select priority from pgqueuer order by id")
    assert [row["priority"] for row in urgency] == [10] * 6 + [0] * 3


async def test_a_repeated_alert_changes_nothing_even_when_it_is_closed_by_then(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    alert = an_alert(world)
    await raise_one(database, alert)
    await world.change("update sos_alert set status = 'CLOSED'")
    before = await owner.fetchval("select sos_alert::text from sos_alert")

    again = await raise_one(database, alert)

    assert (again.created, again.status) == (False, AlertStatus.CLOSED)
    assert await owner.fetchval("select sos_alert::text from sos_alert") == before
    assert await owner.fetchval("select count(*) from sos_step") == 3


async def test_an_alert_of_a_transaction_that_fails_calls_nobody(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await raise_one(database, an_alert(world, latitude=91.0))

    async def raise_and_fail() -> None:
        async with database.write(system("test")) as connection:
            await raise_alerts(connection, [an_alert(world)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await raise_and_fail()

    assert await owner.fetchval("select count(*) from sos_alert") == 0
    assert await waiting(owner) == []


# The pole's button


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
    assert stored["raised_at"] == stored["received_at"] == NOW
    assert len(await waiting(owner)) == 3
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
    assert await owner.fetchval("select count(*) from sos_step") == 6


async def test_a_press_that_is_sent_again_is_told_the_same_and_counted_once(
    database: Database, world: World, pole: Principal, owner: asyncpg.Connection
) -> None:
    first = await press(database, pole, "press 17")
    again = await press(database, pole, "press 17")
    await answer(database, world, first.alert_id, AlertStatus.CANCELLED, officer=world.kanya)
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
    assert await owner.fetchval("select count(*) from sos_step") == 3


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
    assert await owner.fetchval("select count(*) from sos_step") == 3


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


# Answers


async def test_an_answer_moves_the_alert_and_says_who_gave_it(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    alert = an_alert(world)
    await raise_one(database, alert)

    taken = await answer(database, world, alert.id, AlertStatus.ACKNOWLEDGED, officer=world.prasert)

    assert taken == Answered(alert.id, AlertStatus.ACKNOWLEDGED, 2, world.market)
    stored = await owner.fetchrow("select * from sos_alert")
    assert (stored["acknowledged_by"], stored["acknowledged_at"]) == (world.prasert, NOW)
    assert stored["closed_at"] is None

    closed = await answer(database, world, alert.id, AlertStatus.CLOSED, officer=world.kanya)

    assert (closed.status, closed.rev) == (AlertStatus.CLOSED, 3)
    stored = await owner.fetchrow("select * from sos_alert")
    assert (stored["acknowledged_by"], stored["closed_at"]) == (world.prasert, NOW)


async def test_refused_answers_are_data_and_spoil_no_others(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    mine, elsewhere, gone = (
        an_alert(world),
        an_alert(world, scope_id=world.temple, zone_id=world.temple),
        an_alert(world),
    )
    for alert in (mine, elsewhere, gone):
        await raise_one(database, alert)
    await world.change("update sos_alert set deleted_at = now() where id = $1", gone.id)
    nowhere = uuid7()
    ids = [elsewhere.id, nowhere, gone.id, mine.id]

    async with database.write(system("test")) as connection:
        answered = await answer_alerts(
            connection,
            world.kanya,
            {world.market},
            [(alert, AlertStatus.ACKNOWLEDGED, NOW) for alert in ids],
        )

    assert [one.alert_id for one in answered] == ids
    assert [one.refusal for one in answered] == [NotInScope, NotFound, NotFound, None]
    assert answered[0].status is None
    standing = await owner.fetch("select id from sos_alert where status <> 'OPEN'")
    assert [row["id"] for row in standing] == [mine.id]


async def test_an_open_alert_cannot_be_closed_unanswered_and_a_final_one_never_moves(
    database: Database, world: World
) -> None:
    alert = an_alert(world)
    await raise_one(database, alert)

    early = await answer(database, world, alert.id, AlertStatus.CLOSED, officer=world.kanya)
    await answer(database, world, alert.id, AlertStatus.CANCELLED, officer=world.kanya)
    late = await answer(database, world, alert.id, AlertStatus.ACKNOWLEDGED, officer=world.kanya)

    assert (early.refusal, early.status) == (StateNotReachable, AlertStatus.OPEN)
    assert (late.refusal, late.status) == (StateNotReachable, AlertStatus.CANCELLED)


async def test_two_who_answer_at_once_do_not_both_have_it(database: Database, world: World) -> None:
    alert = an_alert(world)
    await raise_one(database, alert)

    answered = await asyncio.gather(
        *(
            answer(database, world, alert.id, AlertStatus.ACKNOWLEDGED, officer=officer)
            for officer in (world.kanya, world.prasert)
        )
    )

    assert sorted(one.refusal is None for one in answered) == [False, True]


async def test_an_alert_that_is_handed_back_is_called_anew_from_the_first_step(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    alert = an_alert(world, drill=True)
    await raise_one(database, alert)
    await answer(database, world, alert.id, AlertStatus.ACKNOWLEDGED, officer=world.kanya)

    back = await answer(database, world, alert.id, AlertStatus.OPEN, officer=world.kanya)

    assert back.refusal is None
    stored = await owner.fetchrow("select * from sos_alert")
    assert (stored["status"], stored["acknowledged_by"]) == ("OPEN", None)
    found = await owner.fetch("select number, target, outcome from sos_step order by number")
    assert [tuple(row) for row in found] == [
        (1, "ON_DUTY", "REPLACED"),
        (2, "STATION", "REPLACED"),
        (3, "SUPERVISORS", "REPLACED"),
        (4, "ON_DUTY", None),
        (5, "STATION", None),
        (6, "SUPERVISORS", None),
    ]
    due = dict(await waiting(owner))
    assert [round(due[step], -1) for step in (await steps(owner, alert.id))[3:]] == [0, 60, 180]


async def test_an_alert_stands_once_in_a_call(database: Database, world: World) -> None:
    alert = uuid7()
    async with database.write(system("test")) as connection:
        with pytest.raises(ValueError, match="twice"):
            await answer_alerts(
                connection,
                world.kanya,
                set(),
                [(alert, AlertStatus.CLOSED, NOW), (alert, AlertStatus.OPEN, NOW)],
            )
