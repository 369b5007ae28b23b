"""No order of answers leaves a call for help to itself: whoever holds it up is watched, or people are called."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from api.push import SilentNotifier
from patrol.clock import PhoneTime
from patrol.errors import StateNotReachable
from patrol.sos.calling import call_step
from patrol.sos.closing import Closing, close_alerts
from patrol.sos.deadlines import meet_deadline
from patrol.sos.dispatch import assign
from patrol.sos.responses import Response, respond
from storage.database import Database
from storage.principal import system
from storage.vocabulary import AlertResolution, AlertStatus, OfficerRole, ResponseStatus
from tests.patrol.sos import add_phone, answer, steps
from tests.patrol.test_deadlines import does, pass_time
from tests.world import World, now

pytestmark = pytest.mark.usefixtures("alert")

ALONE = "select count(*) from sos_deadline where done_at is null"


async def status(owner: asyncpg.Connection) -> str:
    return str(await owner.fetchval("select status from sos_alert"))


async def meet_waiting(database: Database, owner: asyncpg.Connection) -> None:
    for row in await owner.fetch("select id from sos_deadline where done_at is null"):
        await meet_deadline(database, row["id"])


@pytest.mark.parametrize("said", [ResponseStatus.ACKNOWLEDGED, ResponseStatus.ON_THE_WAY])
async def test_who_says_again_that_he_comes_is_given_his_time_again_and_no_more(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID, said: ResponseStatus
) -> None:
    await does(database, world, alert, world.prasert, said)
    await pass_time(world, 1000)
    await meet_waiting(database, owner)
    assert await status(owner) == "OPEN"

    await does(database, world, alert, world.prasert, said)

    assert await status(owner) == "ACKNOWLEDGED"
    assert await owner.fetchval(ALONE) == 1
    await meet_waiting(database, owner)
    assert await status(owner) == "ACKNOWLEDGED"
    await pass_time(world, 1000)
    await meet_waiting(database, owner)
    assert await status(owner) == "OPEN"


async def test_late_word_of_what_he_did_before_does_not_take_an_alert_that_was_opened_again(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    before = now() - timedelta(minutes=5)
    await does(database, world, alert, world.prasert, ResponseStatus.ON_THE_WAY)
    await pass_time(world, 1000)
    await meet_waiting(database, owner)

    async with database.write(system("test")) as connection:
        [late] = await respond(
            connection,
            world.prasert,
            {world.market},
            [
                Response(
                    alert, ResponseStatus.ACKNOWLEDGED, PhoneTime(before, "five minutes ago", False)
                )
            ],
            received_at=now(),
        )

    assert (late.refusal, late.history) == (None, True)
    assert await status(owner) == "OPEN"
    assert await owner.fetchval("select acknowledged_at from sos_response") == before


async def test_when_the_one_on_the_scene_leaves_whoever_is_left_is_watched(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    await does(database, world, alert, world.somkid, ResponseStatus.ACKNOWLEDGED)
    await does(database, world, alert, world.prasert, ResponseStatus.ON_SCENE)
    await pass_time(world, 1000)
    await meet_waiting(database, owner)  # kept: somebody is there
    assert await owner.fetchval(ALONE) == 0

    await answer(database, world, alert, AlertStatus.OPEN, officer=world.kanya)
    await does(database, world, alert, world.prasert, ResponseStatus.ON_SCENE)
    await does(database, world, alert, world.prasert, ResponseStatus.DECLINED)

    assert await status(owner) == "ACKNOWLEDGED"  # somkid leads, who never set out
    assert await owner.fetchval(ALONE) == 1
    await meet_waiting(database, owner)
    assert await status(owner) == "OPEN"


async def test_two_who_leave_at_once_leave_nobody_in_the_lead(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    for _ in range(8):
        await does(database, world, alert, world.prasert, ResponseStatus.ON_SCENE)
        await does(database, world, alert, world.somkid, ResponseStatus.ON_SCENE)

        await asyncio.gather(
            *(
                does(database, world, alert, officer, ResponseStatus.DECLINED)
                for officer in (world.prasert, world.somkid)
            )
        )

        assert await owner.fetchval("select count(*) from sos_response where lead") == 0
        assert await status(owner) == "OPEN"


async def test_who_is_sent_while_the_next_round_waits_does_not_stop_it(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    await world.change("update officer set role = 'SUPERVISOR' where id = $1", world.prasert)
    await add_phone(world, world.somkid, "somkid")
    for step in await steps(owner, alert):
        await call_step(database, SilentNotifier(), step)
    await world.change("update sos_deadline set due_at = now() + interval '1 second'")
    await owner.execute(
        "update pgqueuer set execute_after = now() + interval '1 second' where entrypoint = 'meet_deadline'"
    )

    async with database.write(system("test")) as connection:
        await assign(connection, world.prasert, alert, world.somkid)

    waits = await owner.fetchrow("select * from sos_deadline where kind = 'AGAIN'")
    jobs = await owner.fetchval(
        "select count(*) from pgqueuer where starts_with(dedupe_key, 'meet_deadline ' || $1) "
        "and execute_after >= $2",
        str(waits["id"]),
        waits["due_at"],
    )
    assert waits["due_at"] > now() + timedelta(seconds=50)
    assert jobs > 0


@pytest.mark.parametrize(
    "said", [ResponseStatus.ACKNOWLEDGED, ResponseStatus.ON_THE_WAY, ResponseStatus.ON_SCENE]
)
async def test_who_called_for_help_does_not_answer_himself(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID, said: ResponseStatus
) -> None:
    at = now()
    async with database.write(system("test")) as connection:
        [answered] = await respond(
            connection,
            world.kanya,
            {world.market},
            [Response(alert, said, PhoneTime(at, at.isoformat(), False))],
            received_at=at,
        )
    older = await answer(database, world, alert, AlertStatus.ACKNOWLEDGED, officer=world.kanya)

    assert (answered.refusal, older.refusal) == (StateNotReachable, StateNotReachable)
    assert await status(owner) == "OPEN"
    assert await owner.fetchval("select count(*) from sos_response") == 0
    # Anybody else may.
    await does(database, world, alert, world.prasert, said)
    assert await status(owner) == "ACKNOWLEDGED"


async def test_who_called_for_help_does_not_end_it_alone(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    await does(database, world, alert, world.prasert, ResponseStatus.ACKNOWLEDGED)
    older = await answer(database, world, alert, AlertStatus.CLOSED, officer=world.kanya)
    at = now()
    closing = Closing(alert, PhoneTime(at, at.isoformat(), False), AlertResolution.HELPED)

    async def close(officer: UUID) -> type[Exception] | None:
        async with database.write(system("test")) as connection:
            [closed] = await close_alerts(
                connection, officer, {world.market}, [closing], received_at=at
            )
        return closed.refusal

    assert (older.refusal, await close(world.kanya)) == (StateNotReachable, StateNotReachable)
    assert await status(owner) == "ACKNOWLEDGED"
    assert await close(world.prasert) is None
    assert await status(owner) == "CLOSED"


async def test_who_called_for_help_is_not_sent_to_himself(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    await world.change(
        "update officer set role = $2 where id = $1", world.kanya, OfficerRole.SUPERVISOR.value
    )
    with pytest.raises(StateNotReachable):
        async with database.write(system("test")) as connection:
            await assign(connection, world.kanya, alert, world.kanya)
