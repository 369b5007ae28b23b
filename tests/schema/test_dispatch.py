"""Supervisors steer calls for help, and nothing that they do silences one; nobody is sent to two, and closing says how it ended."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from uuid_utils.compat import uuid7

from api.push import SilentNotifier
from api.trusted import OPERATIONS
from patrol.keys import KeySet
from patrol.sos.calling import call_next, call_step, raise_urgency
from patrol.sos.deadlines import meet_deadline
from schema.door import Door
from storage.database import Database
from storage.jobs import Retry
from storage.vocabulary import AlertStatus, OfficerRole
from tests.patrol.sos import add_phone, an_alert, answer, raise_of_another, raise_one, steps
from tests.personas import as_officer
from tests.phone import Heard, Phone, ask, context
from tests.world import World

NAMES = {
    "assignAlert": "AssignAlert",
    "reassignAlert": "ReassignAlert",
    "standDown": "StandDown",
    "linkDuplicate": "LinkDuplicate",
    "raiseSeverity": "RaiseSeverity",
    "resolveAlert": "ResolveAlert",
}


@pytest.fixture
async def alert(database: Database, world: World) -> UUID:
    """Somebody has raised an alert in the market, whom all others may answer."""
    return await raise_of_another(database, world)


async def steer(phone: Phone, act: str, **variables: Any) -> dict[str, Any]:
    """What a supervisor's screen is told."""
    text = (OPERATIONS / f"{NAMES[act]}.graphql").read_text()
    given = {name: str(v) if isinstance(v, UUID) else v for name, v in variables.items()}
    answered = await ask(phone.door, phone.context, text, **given)
    assert "errors" not in answered, answered
    told: dict[str, Any] = answered["data"][act]
    return told


async def ok(phone: Phone, act: str, **variables: Any) -> dict[str, Any]:
    told = await steer(phone, act, **variables)
    assert told["refusal"] is None, told
    return told


async def refused(phone: Phone, act: str, **variables: Any) -> str:
    told = await steer(phone, act, **variables)
    assert told["id"] is None
    return str(told["refusal"]["code"])


async def standing(owner: asyncpg.Connection, alert: UUID) -> dict[UUID, tuple[str, bool]]:
    rows = await owner.fetch("select * from sos_response where alert_id = $1", alert)
    return {row["officer_id"]: (row["status"], row["lead"]) for row in rows}


async def told(owner: asyncpg.Connection, alert: UUID) -> list[tuple[str, dict[str, Any]]]:
    """The log of an alert, but for its raising."""
    rows = await owner.fetch(
        "select kind, detail from sos_event where alert_id = $1 and kind <> 'RAISED' order by id",
        alert,
    )
    return [(row["kind"], orjson.loads(row["detail"])) for row in rows]


async def pushed(owner: asyncpg.Connection) -> list[set[str]]:
    """Whom the jobs of ordinary pushes are for."""
    rows = await owner.fetch(
        "select convert_from(payload, 'utf8') as payload from pgqueuer where entrypoint = 'send_push' order by id"
    )
    return [set(orjson.loads(row["payload"])["officer_ids"]) for row in rows]


async def state_of(owner: asyncpg.Connection, alert: UUID) -> tuple[str, UUID | None]:
    row = await owner.fetchrow("select status, acknowledged_by from sos_alert where id = $1", alert)
    return row["status"], row["acknowledged_by"]


# Sending


async def test_who_is_sent_has_time_to_answer_and_then_the_steps_go_on(
    prasert: Phone, database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    await add_phone(world, world.somkid, "somkid")
    [first, *_] = await steps(owner, alert)

    done = await ok(
        prasert, "assignAlert", id=alert, officerId=world.somkid, reason="nearest by car"
    )
    again = await ok(prasert, "assignAlert", id=alert, officerId=world.somkid)

    assert (done["heard"], again["heard"]) == (True, True)
    assert await standing(owner, alert) == {world.somkid: ("ASSIGNED", False)}
    assert await told(owner, alert) == [
        ("ASSIGNED", {"by": str(world.prasert), "reason": "nearest by car"})
    ]
    assert await pushed(owner) == [{str(world.somkid)}]
    live = prasert.context.live
    assert isinstance(live, Heard)
    assert world.market in live.scopes
    with pytest.raises(Retry, match="sent") as waits:
        await call_step(database, SilentNotifier(), first)
    assert timedelta(seconds=50) < waits.value.after <= timedelta(seconds=60)
    due = await owner.fetchval("select min(due_at) - now() from sos_step where done_at is null")
    assert timedelta(seconds=50) < due <= timedelta(seconds=60)

    await world.change("update sos_response set received_at = received_at - interval '61 seconds'")
    await world.change("update sos_deadline set due_at = now()")
    await meet_deadline(database, await owner.fetchval("select id from sos_deadline"))
    await call_step(database, SilentNotifier(), first)

    assert (await told(owner, alert))[1:] == [("NOT_ANSWERED", {})]
    assert await owner.fetchval("select done_at from sos_step where id = $1", first) is not None
    assert (await state_of(owner, alert))[0] == "OPEN"
    # He has let it pass: sending him again rings him again.
    await ok(prasert, "assignAlert", id=alert, officerId=world.somkid)
    assert len(await pushed(owner)) == 2


async def test_who_cannot_be_heard_is_sent_but_nobody_waits_for_him(
    prasert: Phone, database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    [first, *_] = await steps(owner, alert)

    done = await ok(prasert, "assignAlert", id=alert, officerId=world.somkid)

    assert done["heard"] is False
    await call_step(database, SilentNotifier(), first)
    assert await owner.fetchval("select done_at from sos_step where id = $1", first) is not None


async def test_when_the_one_who_was_sent_declines_the_next_step_comes_at_once(
    prasert: Phone,
    door: Door,
    database: Database,
    world: World,
    keys: KeySet,
    owner: asyncpg.Connection,
    alert: UUID,
) -> None:
    await add_phone(world, world.somkid, "somkid")
    await ok(prasert, "assignAlert", id=alert, officerId=world.somkid)
    somkid = Phone(door, context(database, await as_officer(world, world.somkid), keys))
    say_no = {"respondToAlert": {"id": str(alert), "status": "DECLINED", "reason": "in court"}}
    [said] = await somkid.push("SOS", somkid.mutation("SOS", say_no))
    assert said["outcome"] == "APPLIED"

    assert await owner.fetchval("select count(*) from pgqueuer where entrypoint = 'call_next'") == 1
    await call_next(database, alert)

    [first, *_] = await steps(owner, alert)
    late = "select due_at <= now() from sos_step where id = $1"
    assert await owner.fetchval(late, first) is True
    await call_step(database, SilentNotifier(), first)


async def test_of_two_who_send_one_officer_to_two_alerts_at_once_one_is_told_that_he_is_engaged(
    prasert: Phone, database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    other = (await raise_one(database, an_alert(world))).alert_id
    for _ in range(5):
        codes = await asyncio.gather(
            *(
                steer(prasert, "assignAlert", id=one, officerId=world.somkid)
                for one in (alert, other)
            )
        )
        assert sorted(one["refusal"]["code"] if one["refusal"] else "" for one in codes) == [
            "", "OFFICER_ENGAGED",
        ]  # fmt: skip
        await world.change("update sos_response set status = 'STOOD_DOWN'")
    await ok(prasert, "assignAlert", id=alert, officerId=world.somkid)
    await ok(prasert, "assignAlert", id=other, officerId=world.somkid, evenIfEngaged=True)
    assert await owner.fetchval("select count(*) from sos_response where status = 'ASSIGNED'") == 2


async def test_an_engaged_officer_may_be_sent_when_the_other_alert_is_a_drill(
    prasert: Phone, database: Database, world: World, alert: UUID
) -> None:
    drill = await raise_of_another(database, world, drill=True)
    await answer(database, world, drill, AlertStatus.ACKNOWLEDGED, officer=world.kanya)
    await ok(prasert, "assignAlert", id=alert, officerId=world.kanya)


# Freeing


async def test_freeing_the_lead_gives_it_to_the_next_and_without_one_calls_anew(
    prasert: Phone, database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    for officer in (world.kanya, world.prasert):
        await answer(database, world, alert, AlertStatus.ACKNOWLEDGED, officer=officer)
    assert await state_of(owner, alert) == ("ACKNOWLEDGED", world.kanya)

    await ok(prasert, "standDown", id=alert, officerId=world.kanya)
    assert await state_of(owner, alert) == ("ACKNOWLEDGED", world.prasert)
    assert (
        await refused(prasert, "standDown", id=alert, officerId=world.kanya)
        == "STATE_NOT_REACHABLE"
    )

    await ok(prasert, "standDown", id=alert, officerId=world.prasert, reason="enough are there")
    assert await state_of(owner, alert) == ("OPEN", None)
    assert len(await steps(owner, alert)) == 10
    assert await pushed(owner) == [{str(world.kanya)}, {str(world.prasert)}]
    assert [kind for kind, _ in await told(owner, alert)][-2:] == ["STOOD_DOWN", "REOPENED"]


async def test_another_takes_the_place_of_one_or_nothing_happens(
    prasert: Phone, database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    await add_phone(world, world.somkid, "somkid")
    await answer(database, world, alert, AlertStatus.ACKNOWLEDGED, officer=world.kanya)
    other = (await raise_one(database, an_alert(world))).alert_id
    await answer(database, world, other, AlertStatus.ACKNOWLEDGED, officer=world.prasert)

    change = {"id": alert, "insteadOf": world.kanya}
    assert (
        await refused(prasert, "reassignAlert", **change, officerId=world.prasert)
        == "OFFICER_ENGAGED"
    )
    assert await standing(owner, alert) == {world.kanya: ("ACKNOWLEDGED", True)}

    await ok(prasert, "reassignAlert", **change, officerId=world.somkid)
    assert await standing(owner, alert) == {
        world.kanya: ("STOOD_DOWN", False),
        world.somkid: ("ASSIGNED", False),
    }
    # People are called anew, after the moment that he has to answer.
    assert await state_of(owner, alert) == ("OPEN", None)
    first = (await steps(owner, alert))[5]
    with pytest.raises(Retry):
        await call_step(database, SilentNotifier(), first)


# Duplicates and severity


async def test_linking_duplicates_stops_no_chain(
    prasert: Phone, database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    other = (await raise_one(database, an_alert(world))).alert_id
    third = (await raise_one(database, an_alert(world))).alert_id

    await ok(prasert, "linkDuplicate", id=other, duplicateOf=alert)
    await ok(prasert, "linkDuplicate", id=third, duplicateOf=other)

    assert (
        await refused(prasert, "linkDuplicate", id=alert, duplicateOf=third) == "VARIABLE_INVALID"
    )
    assert (
        await refused(prasert, "linkDuplicate", id=alert, duplicateOf=alert) == "VARIABLE_INVALID"
    )
    assert await owner.fetchval("select count(*) from sos_step where done_at is null") == 15
    await answer(database, world, alert, AlertStatus.ACKNOWLEDGED, officer=world.prasert)
    [first, *_] = await steps(owner, other)
    await call_step(database, SilentNotifier(), first)
    assert await owner.fetchval("select outcome from sos_step where id = $1", first) != "ANSWERED"
    await ok(prasert, "linkDuplicate", id=other, duplicateOf=None)
    assert await owner.fetchval("select duplicate_of from sos_alert where id = $1", other) is None
    kinds = [kind for kind, _ in await told(owner, other)]
    assert (kinds[0], kinds[-1]) == ("LINKED", "UNLINKED")


async def test_severity_is_only_raised_and_moves_the_jobs_that_wait(
    prasert: Phone, database: Database, world: World, owner: asyncpg.Connection
) -> None:
    low = {"severity": "LOW"}
    raised = await raise_one(database, an_alert(world))
    alert = raised.alert_id
    await world.change("update sos_alert set severity = 'LOW'")
    await owner.execute("update pgqueuer set priority = 4")

    await ok(prasert, "raiseSeverity", id=alert, severity="HIGH")
    await ok(prasert, "raiseSeverity", id=alert, severity="HIGH")
    await raise_urgency(database, alert)

    assert await refused(prasert, "raiseSeverity", id=alert, **low) == "STATE_NOT_REACHABLE"
    priorities = await owner.fetch(
        "select distinct priority from pgqueuer where entrypoint = 'call_step'"
    )
    assert [row["priority"] for row in priorities] == [8]
    assert await told(owner, alert) == [("SEVERITY_RAISED", {"before": "LOW", "now": "HIGH"})]


# Who may


async def test_only_supervisors_of_the_station_steer_and_only_what_is_unfinished(
    prasert: Phone,
    kanya: Phone,
    door: Door,
    database: Database,
    world: World,
    keys: KeySet,
    alert: UUID,
) -> None:
    tak = await world.add_station("Tak")
    boss = await world.add_officer("Boss", station=tak, role=OfficerRole.SUPERVISOR)
    stranger = await world.add_officer("Stranger", station=tak)
    foreign = Phone(door, context(database, await as_officer(world, boss), keys))
    send = {"id": alert, "officerId": world.somkid}
    assert await refused(kanya, "assignAlert", **send) == "NOT_ALLOWED"
    assert await refused(foreign, "assignAlert", **send) == "NOT_FOUND"
    assert await refused(prasert, "assignAlert", id=alert, officerId=stranger) == "NOT_FOUND"
    assert await refused(prasert, "assignAlert", id=uuid7(), officerId=world.somkid) == "NOT_FOUND"
    assert await refused(prasert, "standDown", id=alert, officerId=world.somkid) == "NOT_FOUND"
    for act, more in (
        ("reassignAlert", {"insteadOf": world.kanya, "officerId": world.somkid}),
        ("standDown", {"officerId": world.somkid}),
        ("linkDuplicate", {"duplicateOf": None}),
        ("raiseSeverity", {"severity": "CRITICAL"}),
        ("resolveAlert", {"resolution": "HELPED"}),
    ):
        assert await refused(kanya, act, id=alert, **more) == "NOT_ALLOWED"
        assert await refused(foreign, act, id=alert, **more) == "NOT_FOUND"
    await world.change("update sos_alert set status = 'CANCELLED'")
    assert await refused(prasert, "assignAlert", **send) == "STATE_NOT_REACHABLE"


# Closing


def closing(alert: UUID, resolution: str, **more: Any) -> dict[str, Any]:
    return {"closeAlert": {"id": str(alert), "resolution": resolution} | more}


async def test_closing_says_how_it_ended(
    kanya: Phone, database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    early = kanya.mutation("SOS", closing(alert, "HELPED"))
    assert (await kanya.push("SOS", early))[0]["code"] == "STATE_NOT_REACHABLE"
    await answer(database, world, alert, AlertStatus.ACKNOWLEDGED, officer=world.prasert)
    empty = kanya.mutation("SOS", closing(alert, "OTHER", note="  "))
    assert (await kanya.push("SOS", empty))[0]["code"] == "RECORD_INVALID"

    done = kanya.mutation("SOS", closing(alert, "HANDED_OVER", note="รถพยาบาลรับไปแล้ว"))
    assert (await kanya.push("SOS", done))[0]["outcome"] == "APPLIED"

    row = await owner.fetchrow("select * from sos_alert")
    assert (row["status"], row["resolution"], row["resolution_missing"]) == (
        "CLOSED",
        "HANDED_OVER",
        False,
    )
    assert row["closed_at"] is not None
    await kanya.pull()
    held = kanya.rows["alerts"][str(alert)]
    assert (held["resolution"], held["resolutionNote"]) == ("HANDED_OVER", "รถพยาบาลรับไปแล้ว")
    assert (await told(owner, alert))[-1][0] == "CLOSED"
    again = kanya.mutation("SOS", closing(alert, "HELPED"))
    assert (await kanya.push("SOS", again))[0]["code"] == "STATE_NOT_REACHABLE"


async def test_an_app_that_cannot_say_how_it_ended_closes_all_the_same_and_a_person_adds_it(
    kanya: Phone,
    prasert: Phone,
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    alert: UUID,
) -> None:
    await answer(database, world, alert, AlertStatus.ACKNOWLEDGED, officer=world.prasert)
    old = kanya.mutation("SOS", {"answerAlert": {"id": str(alert), "status": "CLOSED"}})
    assert (await kanya.push("SOS", old))[0]["outcome"] == "APPLIED"
    row = await owner.fetchrow(
        "select resolution, resolution_note, resolution_missing from sos_alert"
    )
    assert tuple(row) == ("OTHER", None, True)
    unsaid = (OPERATIONS / "UnsaidEndings.graphql").read_text()
    listed = await ask(prasert.door, prasert.context, unsaid)
    assert [one["id"] for one in listed["data"]["alerts"]["nodes"]] == [str(alert)]

    assert await refused(prasert, "resolveAlert", id=alert, resolution="OTHER") == "RECORD_INVALID"
    await ok(prasert, "resolveAlert", id=alert, resolution="FALSE_ALARM", note="a child")

    row = await owner.fetchrow("select status, resolution, resolution_missing from sos_alert")
    assert tuple(row) == ("CLOSED", "FALSE_ALARM", False)
    assert (await told(owner, alert))[-1] == (
        "RESOLVED",
        {"resolution": "FALSE_ALARM", "note": "a child"},
    )
    listed = await ask(prasert.door, prasert.context, unsaid)
    assert listed["data"]["alerts"]["nodes"] == []
    assert (
        await refused(prasert, "resolveAlert", id=alert, resolution="HELPED")
        == "STATE_NOT_REACHABLE"
    )
