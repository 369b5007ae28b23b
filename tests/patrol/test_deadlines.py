"""An answer is not yet help and an open alert is never left to itself: when nobody does in time what helps, people are called again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import asyncpg
import orjson
import pytest

from api.fake_firebase import FakeFirebase
from api.push import FirebaseNotifier, SilentNotifier
from patrol.clock import PhoneTime
from patrol.sos.calling import call_step
from patrol.sos.deadlines import meet_deadline
from patrol.sos.policies import set_policy
from patrol.sos.policy import BUILT_IN
from patrol.sos.responses import Response, respond
from storage.database import Database
from storage.principal import system
from storage.vocabulary import AlertStatus, ResponseStatus
from tests.patrol.sos import (
    add_phone,
    an_alert,
    answer,
    on_duty,
    outcomes,
    raise_of_another,
    raise_one,
    steps,
)
from tests.world import World, now

STEPS = len(BUILT_IN.steps)


@pytest.fixture
async def alert(database: Database, world: World) -> UUID:
    """Somebody has raised an alert in the market, whom all others may answer."""
    return await raise_of_another(database, world)


async def does(
    database: Database, world: World, alert: UUID, officer: UUID, status: ResponseStatus
) -> None:
    """What an officer of the station says that he does."""
    at = now()
    async with database.write(system("test")) as connection:
        [done] = await respond(
            connection,
            officer,
            {world.market},
            [Response(alert, status, PhoneTime(at, at.isoformat(), False))],
            received_at=at,
        )
    assert done.refusal is None


async def pass_time(world: World, seconds: float) -> None:
    """Lets all that waits, and all that was said, be older."""
    span = timedelta(seconds=seconds)
    await world.change(
        "update sos_deadline set due_at = due_at - $1::interval where done_at is null", span
    )
    await world.change("update sos_response set received_at = received_at - $1::interval", span)


async def deadlines(owner: asyncpg.Connection) -> list[tuple[str, str | None]]:
    rows = await owner.fetch("select kind, outcome from sos_deadline order by id")
    return [(row["kind"], row["outcome"]) for row in rows]


async def due_in(owner: asyncpg.Connection) -> float:
    """Seconds until the only deadline that waits."""
    [row] = await owner.fetch(
        "select extract(epoch from due_at - now())::float8 as seconds from sos_deadline where done_at is null"
    )
    return float(row["seconds"])


async def meet_all(database: Database, owner: asyncpg.Connection) -> list[object]:
    """Runs the jobs of all deadlines, also of those that are over, as a worker that lost count would."""
    rows = await owner.fetch("select id from sos_deadline order by id")
    return [await meet_deadline(database, row["id"]) for row in rows]


async def kinds(owner: asyncpg.Connection, *wanted: str) -> list[tuple[str, dict[str, object]]]:
    rows = await owner.fetch(
        "select kind, detail from sos_event where kind = any ($1) order by id", list(wanted)
    )
    return [(row["kind"], orjson.loads(row["detail"])) for row in rows]


async def run_all(
    database: Database, owner: asyncpg.Connection, alert: UUID, notifier: FirebaseNotifier
) -> None:
    for step in await steps(owner, alert):
        await call_step(database, notifier, step)


# Who answered has to do what follows


@pytest.mark.parametrize(
    ("said", "seconds", "why"),
    [
        ([ResponseStatus.ACKNOWLEDGED], 120, "NOT_ON_THE_WAY"),
        ([ResponseStatus.ACKNOWLEDGED, ResponseStatus.ON_THE_WAY], 900, "NOT_ON_SCENE"),
    ],
)
async def test_an_answer_that_nothing_follows_opens_the_alert_again(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    alert: UUID,
    said: list[ResponseStatus],
    seconds: float,
    why: str,
) -> None:
    for status in said:
        await does(database, world, alert, world.prasert, status)
    assert await due_in(owner) == pytest.approx(seconds, abs=5)
    await pass_time(world, seconds - 10)
    assert await meet_all(database, owner) == [None]
    assert await owner.fetchval("select status from sos_alert") == "ACKNOWLEDGED"

    await pass_time(world, 11)
    assert await meet_all(database, owner) == [(alert, world.market)]
    assert await meet_all(database, owner) == [None]

    row = await owner.fetchrow("select status, acknowledged_by from sos_alert")
    assert tuple(row) == ("OPEN", None)
    assert await outcomes(owner, alert) == ["REPLACED"] * STEPS + [None] * STEPS
    assert await kinds(owner, "REOPENED") == [("REOPENED", {"why": why})]
    assert await deadlines(owner) == [("CARE", "REOPENED")]
    # He may still come: then it is his again.
    await does(database, world, alert, world.prasert, ResponseStatus.ON_SCENE)
    row = await owner.fetchrow("select status, acknowledged_by from sos_alert")
    assert tuple(row) == ("ACKNOWLEDGED", world.prasert)


async def test_with_somebody_on_the_scene_nothing_is_opened_again(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    await does(database, world, alert, world.prasert, ResponseStatus.ACKNOWLEDGED)
    await does(database, world, alert, world.prasert, ResponseStatus.ON_SCENE)
    await pass_time(world, 100_000)

    await meet_all(database, owner)

    assert await deadlines(owner) == [("CARE", "KEPT")]
    assert await owner.fetchval("select status from sos_alert") == "ACKNOWLEDGED"


async def test_as_long_as_one_of_them_is_within_his_time_the_alert_is_cared_for(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    await does(database, world, alert, world.prasert, ResponseStatus.ACKNOWLEDGED)
    await pass_time(world, 121)
    await does(database, world, alert, world.kanya, ResponseStatus.ON_THE_WAY)
    await world.change("update sos_deadline set due_at = now()")

    assert await meet_all(database, owner) == [None]

    assert await owner.fetchval("select status from sos_alert") == "ACKNOWLEDGED"
    assert await due_in(owner) == pytest.approx(900, abs=5)


async def test_what_comes_late_from_a_phone_without_signal_opens_nothing_at_once(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    hour_ago = now() - timedelta(hours=1)
    async with database.write(system("test")) as connection:
        await respond(
            connection,
            world.prasert,
            {world.market},
            [
                Response(
                    alert, ResponseStatus.ACKNOWLEDGED, PhoneTime(hour_ago, "an hour ago", False)
                )
            ],
            received_at=now(),
        )
    assert await due_in(owner) == pytest.approx(120, abs=5)


async def test_a_finished_alert_needs_no_deadline_any_more(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    await does(database, world, alert, world.prasert, ResponseStatus.ACKNOWLEDGED)
    await answer(database, world, alert, AlertStatus.CLOSED, officer=world.prasert)
    await pass_time(world, 1000)

    await meet_all(database, owner)

    assert await deadlines(owner) == [("CARE", "NOT_NEEDED")]
    assert await owner.fetchval("select status from sos_alert") == "CLOSED"


# Nobody answered


async def test_an_alert_that_nobody_answers_is_called_again_and_again(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    await add_phone(world, world.prasert, "prasert")
    for number in range(1, 6):
        await run_all(database, owner, alert, notifier)
        assert await due_in(owner) == pytest.approx(180, abs=5)
        assert await meet_all(database, owner) == [None] * number
        await pass_time(world, 181)
        assert [one for one in await meet_all(database, owner) if one] == [(alert, world.market)]

    begun = await kinds(owner, "CALLED_AGAIN")
    assert [(detail["round"], detail["whole"]) for _, detail in begun] == [
        (2, True), (3, True), (4, False), (5, False), (6, False),
    ]  # fmt: skip
    targets = await owner.fetch("select target, round from sos_step order by number")
    assert [tuple(row) for row in targets][3 * STEPS :] == [
        ("SUPERVISORS", 4), ("SUPERVISORS", 5), ("SUPERVISORS", 6),
    ]  # fmt: skip
    assert await owner.fetchval("select status from sos_alert") == "OPEN"


async def test_a_round_that_rings_nobody_is_followed_by_a_whole_one(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    for _ in range(4):
        await run_all(database, owner, alert, notifier)
        await pass_time(world, 181)
        await meet_all(database, owner)

    assert [detail["whole"] for _, detail in await kinds(owner, "CALLED_AGAIN")] == [True] * 4


async def test_without_a_push_service_an_open_alert_is_still_followed(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    await add_phone(world, world.prasert, "prasert")
    for step in await steps(owner, alert):
        await call_step(database, SilentNotifier(), step)
    assert [kind for kind, _ in await deadlines(owner)] == ["AGAIN"]


async def test_two_last_steps_that_end_together_set_one_deadline_and_never_none(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    notifier: FirebaseNotifier,
) -> None:
    await add_phone(world, world.prasert, "prasert")
    for _ in range(8):
        alert = (await raise_one(database, an_alert(world))).alert_id
        *others, last_but_one, last = await steps(owner, alert)
        for step in others:
            await call_step(database, notifier, step)
        await asyncio.gather(
            call_step(database, notifier, last_but_one), call_step(database, notifier, last)
        )
        waiting = "select count(*) from sos_deadline where alert_id = $1 and done_at is null"
        assert await owner.fetchval(waiting, alert) == 1


async def test_who_begins_the_chain_anew_ends_what_waited(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    await run_all(database, owner, alert, notifier)
    await answer(database, world, alert, AlertStatus.ACKNOWLEDGED, officer=world.prasert)
    await answer(database, world, alert, AlertStatus.OPEN, officer=world.prasert)
    await pass_time(world, 100_000)

    assert [one for one in await meet_all(database, owner) if one] == []

    assert {outcome for _, outcome in await deadlines(owner)} == {"NOT_NEEDED"}
    assert len(await steps(owner, alert)) == 2 * STEPS


async def test_the_policys_own_times_count(
    database: Database, world: World, owner: asyncpg.Connection, notifier: FirebaseNotifier
) -> None:
    document = {
        "steps": [{"target": "STATION", "after": 0}],
        "onTheWayWithin": 45,
        "againAfter": 30,
        "wholeRounds": 1,
    }
    async with database.write(system("test")) as connection:
        await set_policy(connection, world.station, document, by="test")
    alert = (await raise_one(database, an_alert(world))).alert_id
    await add_phone(world, world.prasert, "prasert")
    await on_duty(world, world.prasert)
    await run_all(database, owner, alert, notifier)
    assert await due_in(owner) == pytest.approx(30, abs=5)
    await pass_time(world, 31)
    await meet_all(database, owner)
    targets = await owner.fetch("select target from sos_step order by number")
    assert [row["target"] for row in targets] == ["STATION", "SUPERVISORS"]
    await does(database, world, alert, world.prasert, ResponseStatus.ACKNOWLEDGED)
    assert await due_in(owner) == pytest.approx(45, abs=5)


# A worker may die anywhere, and two may run one job


@pytest.mark.parametrize("kind", ["CARE", "AGAIN"])
async def test_two_workers_that_meet_one_deadline_begin_one_round(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    notifier: FirebaseNotifier,
    alert: UUID,
    kind: str,
) -> None:
    if kind == "CARE":
        await does(database, world, alert, world.prasert, ResponseStatus.ACKNOWLEDGED)
    else:
        await run_all(database, owner, alert, notifier)
    await pass_time(world, 1000)
    deadline = await owner.fetchval("select id from sos_deadline")

    met = await asyncio.gather(*(meet_deadline(database, deadline) for _ in range(4)))

    assert sorted(one is None for one in met) == [False, True, True, True]
    assert len(await steps(owner, alert)) == 2 * STEPS


@pytest.mark.parametrize("kind", ["CARE", "AGAIN"])
@pytest.mark.parametrize(
    "where",
    [
        "insert on sos_step",
        "insert on pgqueuer",
        "insert on sos_event",
        "update on sos_deadline",
        "update on sos_alert",
        "update on sos_step",
    ],
)
async def test_a_worker_that_dies_anywhere_on_the_way_has_done_nothing_and_the_next_one_all(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    notifier: FirebaseNotifier,
    alert: UUID,
    kind: str,
    where: str,
) -> None:
    if kind == "CARE":
        await does(database, world, alert, world.prasert, ResponseStatus.ACKNOWLEDGED)
    else:
        await run_all(database, owner, alert, notifier)
    await pass_time(world, 1000)
    deadline = await owner.fetchval("select id from sos_deadline")
    before = await owner.fetchval("select sos_alert::text from sos_alert")
    await owner.execute(
        "create function die() returns trigger language plpgsql as "
        "$$ begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$"
    )
    await owner.execute(
        f"create trigger die after {where} for each statement execute function die()"
    )
    on_the_way = not (kind == "AGAIN" and where in ("update on sos_alert", "update on sos_step"))

    if on_the_way:
        with pytest.raises(Exception):  # noqa: B017,PT011  # whatever a cut connection is told as
            await meet_deadline(database, deadline)
        assert await owner.fetchval("select sos_alert::text from sos_alert") == before
        assert len(await steps(owner, alert)) == STEPS
        assert [outcome for _, outcome in await deadlines(owner)] == [None]
    await owner.execute(f"drop trigger die on {where.split()[-1]}")

    assert await meet_deadline(database, deadline) == (alert, world.market)
    assert await meet_deadline(database, deadline) is None
    assert len(await steps(owner, alert)) == 2 * STEPS
