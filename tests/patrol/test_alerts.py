"""Calls for help: one alert for each need, its escalation written down with it, and answers by allowed steps only."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from patrol.errors import NotFound, NotInScope, StateNotReachable
from patrol.sos.alerts import Answered, answer_alerts, raise_alerts
from patrol.sos.policy import BUILT_IN
from storage.database import Database
from storage.principal import system
from storage.vocabulary import AlertStatus
from tests.patrol.sos import ANSWERED_AT, add_phone, an_alert, answer, raise_one, steps, waiting
from tests.world import World

NOW = ANSWERED_AT
DUE = [step.after.total_seconds() for step in BUILT_IN.steps]


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
        (4, "NEIGHBOURS"),
        (5, "CHANNELS"),
    ]
    assert [(row["due_at"] - stored["received_at"]).total_seconds() for row in found] == DUE
    assert {row["scope_id"] for row in found} == {world.market}
    jobs = await waiting(owner)
    assert [step for step, _ in jobs] == await steps(owner, alert.id)
    assert [round(seconds, -1) for _, seconds in jobs] == DUE


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
    assert await owner.fetchval("select count(*) from sos_step") == 15
    urgency = await owner.fetch("select priority from pgqueuer order by id")
    assert [row["priority"] for row in urgency] == [10] * 10 + [0] * 5


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
    assert await owner.fetchval("select count(*) from sos_step") == 5


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

    closed = await answer(database, world, alert.id, AlertStatus.CLOSED, officer=world.prasert)

    assert (closed.status, closed.rev) == (AlertStatus.CLOSED, 3)
    stored = await owner.fetchrow("select * from sos_alert")
    assert (stored["acknowledged_by"], stored["closed_at"]) == (world.prasert, NOW)


async def test_refused_answers_are_data_and_spoil_no_others(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    mine, elsewhere, gone = (
        an_alert(world, officer_id=world.prasert),
        an_alert(world, scope_id=world.temple, zone_id=world.temple, officer_id=world.somkid),
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


async def test_who_raised_an_alert_or_was_called_for_it_answers_without_its_scope(
    database: Database, world: World
) -> None:
    phone = await add_phone(world, world.somkid, "somkid's")
    away = {"scope_id": world.temple, "zone_id": world.temple}
    own, called = an_alert(world, **away), an_alert(world)
    for alert in (own, called):
        await raise_one(database, alert)

    uncalled = await answer(
        database, world, called.id, AlertStatus.ACKNOWLEDGED, officer=world.somkid
    )
    step = await world.row("select id from sos_step where alert_id = $1 limit 1", called.id)
    await world.store(
        "sos_recipient",
        alert_id=called.id,
        step_id=step["id"],
        scope_id=world.market,
        officer_id=world.somkid,
        installation_id=phone,
        outcome="ACCEPTED",
        attempted_at=NOW,
    )

    raiser = await answer(database, world, own.id, AlertStatus.CANCELLED, officer=world.kanya)
    helper = await answer(
        database, world, called.id, AlertStatus.ACKNOWLEDGED, officer=world.somkid
    )

    assert (uncalled.refusal, uncalled.status) == (NotInScope, None)
    assert (raiser.refusal, raiser.status) == (None, AlertStatus.CANCELLED)
    assert (helper.refusal, helper.status) == (None, AlertStatus.ACKNOWLEDGED)


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


async def test_two_who_answer_at_once_are_both_kept_and_one_has_it(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    alert = an_alert(world, officer_id=world.somkid)
    await raise_one(database, alert)

    answered = await asyncio.gather(
        *(
            answer(database, world, alert.id, AlertStatus.ACKNOWLEDGED, officer=officer)
            for officer in (world.kanya, world.prasert)
        )
    )

    assert [one.refusal for one in answered] == [None, None]
    leads = await owner.fetch("select officer_id, lead from sos_response order by lead")
    assert [row["lead"] for row in leads] == [False, True]
    assert await owner.fetchval("select acknowledged_by from sos_alert") == leads[1]["officer_id"]


async def test_an_alert_that_is_handed_back_is_called_anew_from_the_first_step(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    alert = an_alert(world, drill=True, officer_id=world.somkid)
    await raise_one(database, alert)
    await answer(database, world, alert.id, AlertStatus.ACKNOWLEDGED, officer=world.kanya)

    back = await answer(database, world, alert.id, AlertStatus.OPEN, officer=world.kanya)

    assert back.refusal is None
    stored = await owner.fetchrow("select * from sos_alert")
    assert (stored["status"], stored["acknowledged_by"]) == ("OPEN", None)
    found = await owner.fetch("select number, target, outcome from sos_step order by number")
    assert [tuple(row) for row in found] == [
        (number + 5 * late, target.value, None if late else "REPLACED")
        for late in (False, True)
        for number, target in enumerate((step.target for step in BUILT_IN.steps), start=1)
    ]
    due = dict(await waiting(owner))
    assert [round(due[step], -1) for step in (await steps(owner, alert.id))[5:]] == DUE


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
