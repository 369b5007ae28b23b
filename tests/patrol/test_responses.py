"""What officers do about a call for help: the first leads, all are kept, nobody is moved back, and each step is told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from patrol.clock import PhoneTime
from patrol.errors import NotFound, NotInScope, StateNotReachable
from patrol.sos.responses import Responded, Response, respond
from storage.database import Database
from storage.principal import system
from storage.vocabulary import AlertStatus, ResponseStatus
from tests.patrol.sos import ANSWERED_AT, answer, raise_of_another
from tests.world import World

pytestmark = pytest.mark.usefixtures("alert")


@pytest.fixture
async def alert(database: Database, world: World) -> UUID:
    """Somebody has raised an alert in the market, whom all others may answer."""
    return await raise_of_another(database, world)


async def do(
    database: Database,
    officer: UUID,
    alert: UUID,
    status: ResponseStatus,
    *,
    scopes: set[UUID] | None = None,
    at: datetime = ANSWERED_AT,
    reason: str | None = None,
) -> Responded:
    """An officer says what he does about an alert."""
    async with database.write(system("test")) as connection:
        if scopes is None:
            rows = await connection.fetch("select access.officer_scopes($1) as id", officer)
            scopes = {row["id"] for row in rows}
        when = PhoneTime(at, at.isoformat(), False)
        [result] = await respond(
            connection,
            officer,
            scopes,
            [Response(alert, status, when, reason)],
            received_at=datetime.now(UTC),
        )
    return result


async def kept(owner: asyncpg.Connection, alert: UUID) -> dict[UUID, tuple[str, bool]]:
    """Status and lead of each responder."""
    rows = await owner.fetch("select * from sos_response where alert_id = $1", alert)
    return {row["officer_id"]: (row["status"], row["lead"]) for row in rows}


async def told(owner: asyncpg.Connection, alert: UUID) -> list[str]:
    rows = await owner.fetch("select kind from sos_event where alert_id = $1 order by id", alert)
    return [row["kind"] for row in rows if row["kind"] != "RAISED"]


async def state(owner: asyncpg.Connection, alert: UUID) -> tuple[str, UUID | None]:
    row = await owner.fetchrow("select status, acknowledged_by from sos_alert where id = $1", alert)
    assert row is not None
    return row["status"], row["acknowledged_by"]


async def test_the_first_answer_takes_the_lead_and_all_are_kept(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    first = await do(database, world.prasert, alert, ResponseStatus.ACKNOWLEDGED)
    second = await do(database, world.kanya, alert, ResponseStatus.ON_THE_WAY)

    assert (first.refusal, first.status) == (None, AlertStatus.ACKNOWLEDGED)
    assert second.refusal is None
    assert await state(owner, alert) == ("ACKNOWLEDGED", world.prasert)
    assert await kept(owner, alert) == {
        world.prasert: ("ACKNOWLEDGED", True),
        world.kanya: ("ON_THE_WAY", False),
    }
    assert await told(owner, alert) == ["ACKNOWLEDGED", "ON_THE_WAY"]


async def test_of_two_who_answer_at_once_one_leads(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    answered = await asyncio.gather(
        *(
            do(database, officer, alert, ResponseStatus.ACKNOWLEDGED)
            for officer in (world.kanya, world.prasert)
        )
    )

    assert [one.refusal for one in answered] == [None, None]
    assert sorted(lead for _, lead in (await kept(owner, alert)).values()) == [False, True]


async def test_whoever_sets_out_has_heard_it_and_every_step_keeps_its_time(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    minutes = [ANSWERED_AT + timedelta(minutes=number) for number in range(3)]
    await do(database, world.prasert, alert, ResponseStatus.ON_THE_WAY, at=minutes[1])
    await do(database, world.prasert, alert, ResponseStatus.ON_SCENE, at=minutes[2])
    late = await do(database, world.prasert, alert, ResponseStatus.ACKNOWLEDGED, at=minutes[0])

    row = await owner.fetchrow("select * from sos_response")
    assert (late.refusal, late.history) == (None, True)
    assert row["status"] == "ON_SCENE"
    assert [row["acknowledged_at"], row["on_the_way_at"], row["on_scene_at"]] == minutes


async def test_when_the_lead_declines_the_nearest_to_the_scene_leads(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    await do(database, world.prasert, alert, ResponseStatus.ACKNOWLEDGED)
    await do(database, world.kanya, alert, ResponseStatus.ACKNOWLEDGED)
    await do(database, world.somkid, alert, ResponseStatus.ON_THE_WAY, scopes={world.market})

    left = await do(database, world.prasert, alert, ResponseStatus.DECLINED, reason="Flat tyre")

    assert left.status is AlertStatus.ACKNOWLEDGED
    assert await state(owner, alert) == ("ACKNOWLEDGED", world.somkid)
    assert (await kept(owner, alert))[world.prasert] == ("DECLINED", False)
    assert await owner.fetchval("select reason from sos_response where reason <> ''") == "Flat tyre"
    assert (await told(owner, alert))[-2:] == ["LEAD_CHANGED", "DECLINED"]


async def test_when_nobody_is_left_the_alert_is_open_and_people_are_called_anew(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    await do(database, world.prasert, alert, ResponseStatus.ACKNOWLEDGED)
    steps = await owner.fetchval("select count(*) from sos_step")

    left = await do(database, world.prasert, alert, ResponseStatus.DECLINED)

    assert left.status is AlertStatus.OPEN
    assert await state(owner, alert) == ("OPEN", None)
    assert await owner.fetchval("select count(*) from sos_step") > steps
    assert "REOPENED" in await told(owner, alert)
    # He may think again.
    assert (await do(database, world.prasert, alert, ResponseStatus.ON_THE_WAY)).refusal is None
    assert await state(owner, alert) == ("ACKNOWLEDGED", world.prasert)


async def test_what_is_told_of_a_finished_alert_is_kept_and_changes_nothing_else(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    await do(database, world.prasert, alert, ResponseStatus.ACKNOWLEDGED)
    await world.change("update sos_alert set status = 'CLOSED', closed_at = now()")

    late = await do(database, world.kanya, alert, ResponseStatus.ON_SCENE)

    assert (late.refusal, late.history, late.status) == (None, True, AlertStatus.CLOSED)
    assert await state(owner, alert) == ("CLOSED", world.prasert)
    assert (await kept(owner, alert))[world.kanya] == ("ON_SCENE", False)


async def test_an_alert_that_does_not_concern_him_is_not_his_to_answer(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    stranger = await do(database, world.somkid, alert, ResponseStatus.ACKNOWLEDGED)
    nothing = await do(database, world.somkid, world.market, ResponseStatus.ACKNOWLEDGED)

    assert (stranger.refusal, nothing.refusal) == (NotInScope, NotFound)
    assert await kept(owner, alert) == {}
    # Once a supervisor has sent him, it concerns him.
    await world.store(
        "sos_response", alert_id=alert, scope_id=world.market, officer_id=world.somkid, status="ASSIGNED",
        assigned_by=world.prasert, changed_at=ANSWERED_AT, captured_at_raw="", received_at=ANSWERED_AT,
    )  # fmt: skip
    assert (await do(database, world.somkid, alert, ResponseStatus.ACKNOWLEDGED)).refusal is None
    assert await state(owner, alert) == ("ACKNOWLEDGED", world.somkid)


async def test_an_officer_does_not_assign_himself_and_steps_back_are_refused_by_none(
    database: Database, world: World, alert: UUID
) -> None:
    await do(database, world.prasert, alert, ResponseStatus.ON_SCENE)

    assigned = await do(database, world.prasert, alert, ResponseStatus.ASSIGNED)
    stood_down = await do(database, world.prasert, alert, ResponseStatus.STOOD_DOWN)
    declined = await do(database, world.prasert, alert, ResponseStatus.DECLINED)

    assert assigned.history
    assert stood_down.refusal is None
    assert declined.refusal is StateNotReachable


async def test_an_answer_by_the_older_operation_is_a_response(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    await answer(database, world, alert, AlertStatus.ACKNOWLEDGED, officer=world.prasert)
    also = await answer(database, world, alert, AlertStatus.ACKNOWLEDGED, officer=world.kanya)

    assert also.refusal is None
    assert await kept(owner, alert) == {
        world.prasert: ("ACKNOWLEDGED", True),
        world.kanya: ("ACKNOWLEDGED", False),
    }
    back = await answer(database, world, alert, AlertStatus.OPEN, officer=world.prasert)

    assert (back.refusal, back.status) == (None, AlertStatus.OPEN)
    assert await state(owner, alert) == ("OPEN", None)
    assert not any(lead for _, lead in (await kept(owner, alert)).values())


async def test_the_log_of_an_alert_is_only_added_to_and_follows_its_scope(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    await do(database, world.prasert, alert, ResponseStatus.ACKNOWLEDGED)
    statements: list[tuple[str, Any]] = [
        ("update sos_event set at = now()", asyncpg.RestrictViolationError),
        ("delete from sos_event", asyncpg.RestrictViolationError),
        ("truncate sos_event", asyncpg.RestrictViolationError),
    ]
    for statement, error in statements:
        with pytest.raises(error, match="append-only"):
            await owner.execute(statement)

    await world.change("update sos_alert set scope_id = $2 where id = $1", alert, world.temple)

    for table in ("sos_event", "sos_response"):
        assert await owner.fetch(f"select distinct scope_id from {table}") == [(world.temple,)]
