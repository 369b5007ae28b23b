"""Calling off: alone within seconds, later only with a second person, and in whatever order the two arrive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from patrol.errors import NotInScope, StateNotReachable
from patrol.sos.cancelling import Cancel, Cancelled, cancel_alerts
from patrol.sos.raising import NewAlert
from storage.database import Database
from storage.principal import system
from storage.vocabulary import AlertSource, AlertStatus
from tests.patrol.sos import an_alert, raise_one, waiting
from tests.world import World


async def cancel(
    database: Database,
    world: World,
    alert: UUID,
    officer: UUID,
    at: datetime | None = None,
    *,
    suspect: bool = False,
    scopes: set[UUID] | None = None,
) -> Cancelled:
    """A wish of an officer, who holds the market unless it is said otherwise."""
    at = at or datetime.now(UTC)
    wish = Cancel(alert, at, at.isoformat(), datetime.now(UTC), suspect)
    async with database.write(system("test")) as connection:
        held = {world.market} if scopes is None else scopes
        [cancelled] = await cancel_alerts(connection, officer, held, [wish])
    return cancelled


async def kinds(owner: asyncpg.Connection, alert: UUID) -> list[str]:
    rows = await owner.fetch("select kind from sos_event where alert_id = $1 order by id", alert)
    return [row["kind"] for row in rows]


@pytest.mark.parametrize("seconds", [0, 15])
async def test_the_raiser_cancels_alone_within_seconds(
    database: Database, world: World, owner: asyncpg.Connection, seconds: int
) -> None:
    alert = an_alert(world)
    await raise_one(database, alert)

    at = alert.raised_at + timedelta(seconds=seconds)
    done = await cancel(database, world, alert.id, world.kanya, at)

    assert (done.status, done.refusal) == (AlertStatus.CANCELLED, None)
    stored = await owner.fetchrow("select * from sos_alert")
    assert (stored["status"], stored["cancel_asked_by"]) == ("CANCELLED", world.kanya)
    assert stored["closed_at"] == at
    assert await kinds(owner, alert.id) == ["RAISED", "CANCELLED"]


@pytest.mark.parametrize(
    ("seconds", "suspect"), [(15.1, False), (600, False), (-16, False), (1, True)]
)
async def test_later_or_by_a_doubtful_clock_it_takes_a_second_person_and_people_are_called_on(
    database: Database, world: World, owner: asyncpg.Connection, seconds: float, suspect: bool
) -> None:
    alert = an_alert(world)
    await raise_one(database, alert)
    calls = await waiting(owner)
    at = alert.raised_at + timedelta(seconds=seconds)

    asked = await cancel(database, world, alert.id, world.kanya, at, suspect=suspect)
    again = await cancel(database, world, alert.id, world.kanya, alert.raised_at)

    assert asked.status is again.status is AlertStatus.OPEN
    assert len(await waiting(owner)) == len(calls)
    stored = await owner.fetchrow("select * from sos_alert")
    assert (stored["status"], stored["cancel_asked_by"]) == ("OPEN", world.kanya)

    agreed = await cancel(database, world, alert.id, world.prasert)

    assert agreed.status is AlertStatus.CANCELLED
    assert await owner.fetchval("select cancel_asked_by from sos_alert") == world.kanya
    assert await kinds(owner, alert.id) == ["RAISED", "CANCEL_ASKED", "CANCELLED"]


async def test_nobody_cancels_a_poles_alert_alone(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    by_post = {"source": AlertSource.POST, "officer_id": None, "post_id": world.post}
    alert = an_alert(world, **by_post)
    await raise_one(database, alert)

    first = await cancel(database, world, alert.id, world.prasert, alert.raised_at)
    second = await cancel(database, world, alert.id, world.kanya, alert.raised_at)

    assert (first.status, second.status) == (AlertStatus.OPEN, AlertStatus.CANCELLED)


@pytest.mark.parametrize("seconds", [3, 300])
async def test_a_cancel_that_arrives_first_waits_for_its_alert(
    database: Database, world: World, owner: asyncpg.Connection, seconds: int
) -> None:
    alert = an_alert(world)
    at = alert.raised_at + timedelta(seconds=seconds)

    early = await cancel(database, world, alert.id, world.kanya, at)
    raised = await raise_one(database, alert)

    assert (early.status, early.refusal) == (None, None)
    in_time = seconds <= 15
    assert raised.created
    assert raised.status is (AlertStatus.CANCELLED if in_time else AlertStatus.OPEN)
    assert bool(await waiting(owner)) is not in_time
    stored = await owner.fetchrow("select * from sos_alert")
    assert (stored["status"], stored["rev"]) == (raised.status.value, raised.rev)
    assert stored["cancel_asked_by"] == world.kanya
    assert await owner.fetchval("select applied_at is not null from sos_cancel")


async def test_a_stranger_who_cancels_first_does_not_call_off_what_he_cannot_know(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    alert = an_alert(world)

    await cancel(database, world, alert.id, world.somkid, alert.raised_at)
    raised = await raise_one(database, alert)

    assert raised.status is AlertStatus.OPEN
    assert await waiting(owner)


async def test_what_is_no_ones_business_or_over_is_refused_and_keeps_nothing(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    alert, over = an_alert(world), an_alert(world)
    for one in (alert, over):
        await raise_one(database, one)
    await world.change("update sos_alert set status = 'CLOSED' where id = $1", over.id)

    foreign = await cancel(database, world, alert.id, world.somkid, scopes=set())
    late = await cancel(database, world, over.id, world.kanya, over.raised_at)

    assert (foreign.refusal, foreign.status) == (NotInScope, None)
    assert (late.refusal, late.status) == (StateNotReachable, AlertStatus.CLOSED)
    assert await owner.fetchval("select count(*) from sos_cancel") == 0


# Late, silent and practised alarms


def long_ago(world: World, **changes: object) -> NewAlert:
    now = datetime.now(UTC)
    return an_alert(world, id=uuid7(), raised_at=now - timedelta(minutes=11), **changes)


async def asked(owner: asyncpg.Connection) -> list[str]:
    rows = await owner.fetch(
        "select convert_from(payload, 'utf8')::jsonb ->> 'kind' as kind from pgqueuer "
        "where entrypoint = 'send_push'"
    )
    return [row["kind"] for row in rows]


async def test_an_old_alert_is_marked_late_called_for_and_its_raiser_is_asked(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    alert = long_ago(world)
    await raise_one(database, alert)

    assert await owner.fetchval("select late from sos_alert")
    assert await waiting(owner)
    assert await asked(owner) == ["ASK"]
    assert await kinds(owner, alert.id) == ["RAISED", "RAISER_ASKED"]


async def test_the_raiser_of_a_fresh_or_a_silent_alert_is_asked_nothing(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    fresh, silent = an_alert(world), long_ago(world, silent=True)
    for one in (fresh, silent):
        await raise_one(database, one)

    rows = await owner.fetch("select silent, late from sos_alert order by id")
    assert [tuple(row) for row in rows] == [(False, False), (True, True)]
    assert await asked(owner) == []


async def test_a_drill_presses_little_and_a_call_for_help_presses_most(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    await raise_one(database, an_alert(world))
    await raise_one(database, an_alert(world, drill=True))

    rows = await owner.fetch("select drill, severity from sos_alert order by id")
    assert [tuple(row) for row in rows] == [(False, "CRITICAL"), (True, "LOW")]
