"""A patrol and who is on duty must survive hours without signal: in order, once, and never undone by what is older."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import asyncpg
import orjson
import pytest
from uuid_utils.compat import uuid7

from patrol.keys import KeySet
from schema.door import Door
from storage.database import Database
from tests.personas import as_officer
from tests.phone import Phone, ask, context
from tests.world import LATITUDE, LONGITUDE, SIDE, World, now

HERE = {"latitude": LATITUDE + SIDE / 2, "longitude": LONGITUDE + SIDE / 2, "accuracyM": 8.0}
THERE = {"latitude": LATITUDE + SIDE / 2, "longitude": LONGITUDE + SIDE * 1.5, "accuracyM": 9.0}
NONSENSE = {"latitude": 123.0, "longitude": 98.5}


def at(minutes_ago: float) -> str:
    return (now() - timedelta(minutes=minutes_ago)).isoformat()


def started(phone: Phone, minutes_ago: float = 60, **more: Any) -> dict[str, Any]:
    patrol = {"id": str(uuid7())} | more
    return phone.mutation("RECORDS", {"startPatrol": patrol}, capturedAt=at(minutes_ago))


def moved(
    phone: Phone, patrol: str, status: str, minutes_ago: float = 0, **more: Any
) -> dict[str, Any]:
    change = {"id": patrol, "status": status} | more
    return phone.mutation("RECORDS", {"changePatrol": change}, capturedAt=at(minutes_ago))


def duty(phone: Phone, on: bool, minutes_ago: float = 0, **more: Any) -> dict[str, Any]:
    change = {"id": str(uuid7()), "onDuty": on} | more
    return phone.mutation("RECORDS", {"changeDuty": change}, capturedAt=at(minutes_ago))


def id_of(mutation: dict[str, Any]) -> str:
    [change] = mutation["change"].values()
    return str(change["id"])


def outcomes(answers: list[dict[str, Any]]) -> list[str]:
    return [answer["outcome"] for answer in answers]


async def state(owner: asyncpg.Connection, world: World) -> Any:
    return await owner.fetchrow("select * from officer_state where officer_id = $1", world.kanya)


@pytest.fixture
async def second(door: Door, database: Database, world: World, keys: KeySet) -> Phone:
    """Another phone of Kanya."""
    return Phone(door, context(database, await as_officer(world, world.kanya), keys))


# Patrols


async def test_a_patrol_of_hours_without_signal_arrives_as_it_was(
    kanya: Phone, prasert: Phone, world: World, owner: asyncpg.Connection
) -> None:
    start = started(kanya, 240, **HERE, note="ตลาดเช้า")
    patrol = id_of(start)
    batch = [
        start,
        moved(kanya, patrol, "PAUSED", 180),
        moved(kanya, patrol, "ACTIVE", 150),
        moved(kanya, patrol, "PAUSED", 60),
        moved(kanya, patrol, "ENDED", 30, **THERE),
    ]
    answers = await kanya.push("RECORDS", *batch)
    assert outcomes(answers) == ["APPLIED"] * 5
    assert [answer["rev"] for answer in answers] == [1, 2, 3, 4, 5]
    await prasert.pull()
    row = prasert.rows["patrols"][patrol]
    assert (row["status"], row["scopeId"], row["note"]) == ("ENDED", str(world.market), "ตลาดเช้า")
    assert (row["latitude"], row["longitude"]) == (THERE["latitude"], THERE["longitude"])
    assert row["pausedAt"] is None
    assert not row["timeSuspect"]
    assert row["overlapsId"] is None
    assert [step["status"] for step in row["steps"]] == [
        "ACTIVE", "PAUSED", "ACTIVE", "PAUSED", "ENDED",
    ]  # fmt: skip
    assert datetime.fromisoformat(row["endedAt"]) - datetime.fromisoformat(
        row["startedAt"]
    ) > timedelta(hours=3, minutes=29)
    again = await kanya.push("RECORDS", *batch)
    assert outcomes(again) == ["DUPLICATE"] * 5
    assert await owner.fetchval("select rev from patrol") == 5


async def test_only_allowed_steps_are_taken_and_the_others_are_kept(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    start = started(kanya)
    patrol = id_of(start)
    answers = await kanya.push(
        "RECORDS",
        start,
        moved(kanya, patrol, "ACTIVE"),
        moved(kanya, patrol, "ENDED"),
        moved(kanya, patrol, "ACTIVE"),
        moved(kanya, str(uuid7()), "ENDED"),
    )
    assert [(one["outcome"], one["code"]) for one in answers] == [
        ("APPLIED", None),
        ("REJECTED", "STATE_NOT_REACHABLE"),
        ("APPLIED", None),
        ("REJECTED", "STATE_NOT_REACHABLE"),
        ("REJECTED", "NOT_FOUND"),
    ]
    assert answers[3]["detail"] == {"now": "ENDED"}
    assert await owner.fetchval("select status from patrol") == "ENDED"
    assert await owner.fetchval("select count(*) from quarantine") == 3


async def test_a_second_patrol_ends_nothing_and_says_that_it_overlaps(
    kanya: Phone, second: Phone, owner: asyncpg.Connection
) -> None:
    first, other, third = started(kanya, 90), started(second, 60), started(second, 50)
    await kanya.push("RECORDS", first)
    assert outcomes(await second.push("RECORDS", other, third)) == ["APPLIED"] * 2
    rows = await owner.fetch("select id, status, overlaps_id from patrol order by started_at")
    assert [row["status"] for row in rows] == ["ACTIVE"] * 3
    assert [row["overlaps_id"] and str(row["overlaps_id"]) for row in rows] == [
        None, id_of(first), id_of(other),
    ]  # fmt: skip


async def test_a_patrol_is_moved_by_its_officer_from_any_phone_and_by_a_supervisor_alone(
    kanya: Phone, second: Phone, prasert: Phone, door: Door, database: Database, world: World,
    keys: KeySet, owner: asyncpg.Connection,
) -> None:  # fmt: skip
    somkid = Phone(door, context(database, await as_officer(world, world.somkid), keys))
    await world.assign(world.somkid, world.market)
    one, two = started(kanya, **HERE), started(kanya, **HERE)
    await kanya.push("RECORDS", one, two)
    [refused] = await somkid.push("RECORDS", moved(somkid, id_of(one), "ENDED"))
    assert (refused["outcome"], refused["code"]) == ("REJECTED", "NOT_IN_SCOPE")
    # Her zone was taken from her meanwhile: what she began she may end.
    await world.change(
        "update assignment set valid_until = now() where officer_id = $1", world.kanya
    )
    assert outcomes(await second.push("RECORDS", moved(second, id_of(one), "ENDED"))) == ["APPLIED"]
    forgotten = moved(prasert, id_of(two), "ENDED", **THERE)
    assert outcomes(await prasert.push("RECORDS", forgotten)) == ["APPLIED"]
    # The supervisor's desk is not where the officer is.
    assert (await state(owner, world))["longitude"] == HERE["longitude"]
    assert await owner.fetchval("select count(*) from officer_state") == 1


async def test_a_zone_of_another_station_is_refused_and_no_zone_is_the_station(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    other = await world.add_zone("Elsewhere", station=await world.add_station("Tak"))
    answers = await kanya.push("RECORDS", started(kanya, zoneId=str(other)), started(kanya))
    assert [(one["outcome"], one["code"]) for one in answers] == [
        ("REJECTED", "NOT_IN_SCOPE"),
        ("APPLIED", None),
    ]
    assert await owner.fetchval("select scope_id from patrol") == world.station


async def test_a_position_that_cannot_be_true_costs_the_position_alone(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    start = started(kanya, **NONSENSE)
    answers = await kanya.push(
        "RECORDS", start, moved(kanya, id_of(start), "ENDED", **NONSENSE), duty(kanya, True, **NONSENSE)
    )  # fmt: skip
    assert [(one["outcome"], one["detail"]) for one in answers] == [
        ("APPLIED", {"dropped": ["position"]})
    ] * 3
    assert await owner.fetchval("select latitude from patrol") is None
    assert await owner.fetchval("select latitude from officer_state") is None


async def test_a_buddhist_year_is_converted_and_a_clock_that_is_set_back_keeps_the_order(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    start = started(kanya) | {"capturedAt": "2567-02-29T08:00:00+07:00"}
    answers = await kanya.push(
        "RECORDS",
        start,
        moved(kanya, id_of(start), "ENDED") | {"capturedAt": "2024-02-29T00:30:00Z"},
    )
    assert outcomes(answers) == ["APPLIED"] * 2
    row = await owner.fetchrow("select * from patrol")
    assert row["started_at"].isoformat() == "2024-02-29T01:00:00+00:00"
    assert row["captured_at_raw"] == "2567-02-29T08:00:00+07:00"
    assert row["ended_at"] == row["started_at"]
    assert row["time_suspect"]
    last = orjson.loads(row["steps"])[-1]
    assert (last["raw"], last["suspect"]) == ("2024-02-29T00:30:00Z", True)


async def test_a_patrol_is_shown_in_its_scope_alone(
    kanya: Phone, door: Door, database: Database, world: World, keys: KeySet
) -> None:
    start = started(kanya, **HERE)
    await kanya.push("RECORDS", start)
    somkid = Phone(door, context(database, await as_officer(world, world.somkid), keys))
    await somkid.pull()
    assert not somkid.rows["patrols"]
    # A negative control: with the zone he sees it.
    await world.assign(world.somkid, world.market)
    await somkid.pull()
    assert set(somkid.rows["patrols"]) == {id_of(start)}


# Duty


async def test_what_is_older_does_not_undo_what_was_said_since(
    kanya: Phone, second: Phone, world: World, owner: asyncpg.Connection
) -> None:
    queued = duty(kanya, False, 60)
    await second.push("RECORDS", duty(second, True, 30))
    assert outcomes(await kanya.push("RECORDS", queued)) == ["APPLIED"]
    assert (await state(owner, world))["on_duty"]
    # A negative control: what is newer than that does switch him off.
    await kanya.push("RECORDS", duty(kanya, False, 10))
    assert not (await state(owner, world))["on_duty"]
    # All three are in the log.
    rows = await owner.fetch("select on_duty, scope_id from duty_change order by changed_at")
    assert [row["on_duty"] for row in rows] == [False, True, False]
    assert {row["scope_id"] for row in rows} == {world.station}


async def test_the_naive_upsert_is_undone_by_what_is_older(
    world: World, owner: asyncpg.Connection
) -> None:
    """The negative control of the test above: what the comparison of times is for."""
    naive = (
        "insert into officer_state (officer_id, on_duty) values ($1, $2) "
        "on conflict (officer_id) do update set on_duty = excluded.on_duty"
    )
    await owner.execute(naive, world.kanya, True)
    await owner.execute(naive, world.kanya, False)
    assert not (await state(owner, world))["on_duty"]


async def test_what_was_said_live_is_newer_than_what_the_same_phone_had_queued(
    kanya: Phone, door: Door, world: World, owner: asyncpg.Connection
) -> None:
    queued = duty(kanya, False, 45)
    answer = await ask(door, kanya.context, "mutation { goOnDuty }")
    assert answer["data"]["goOnDuty"]
    await kanya.push("RECORDS", queued)
    assert (await state(owner, world))["on_duty"]
    await ask(door, kanya.context, "mutation { goOffDuty }")
    assert not (await state(owner, world))["on_duty"]


async def test_within_a_lane_the_order_counts_and_not_the_clock(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    """The clock was a day ahead when she went on duty, so that the time of arrival stands in, and was set right since."""
    await kanya.push("RECORDS", duty(kanya, True, -24 * 60), duty(kanya, False, 30))
    assert not (await state(owner, world))["on_duty"]
    await kanya.push("RECORDS", duty(kanya, True, -24 * 60))
    assert (await state(owner, world))["on_duty"]
    await kanya.push("RECORDS", duty(kanya, False, 20))
    assert not (await state(owner, world))["on_duty"]


async def test_a_change_that_fills_a_hole_of_its_lane_is_no_news(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    """After a restore a phone may offer numbers again that are below those which were stored meanwhile."""
    on = duty(kanya, True, 60)
    await kanya.push("RECORDS", on, duty(kanya, False, 30))
    await owner.execute("update officer_state set duty_sequence = 5, on_duty = true")
    await kanya.push("RECORDS", duty(kanya, False, 10))
    assert (await state(owner, world))["on_duty"]
    # A negative control: the number above it is news.
    await owner.execute("update officer_state set duty_sequence = 3")
    await kanya.push("RECORDS", duty(kanya, False, 20))
    assert not (await state(owner, world))["on_duty"]


async def test_saying_it_again_adds_nothing_to_the_log_and_keeps_since_when(
    kanya: Phone, door: Door, world: World, owner: asyncpg.Connection
) -> None:
    on = f"mutation {{ goOnDuty(fix: {{latitude: {LATITUDE}, longitude: {LONGITUDE}}}) }}"
    await ask(door, kanya.context, on)
    began = (await state(owner, world))["on_duty_since"]
    await ask(door, kanya.context, on)
    after = await state(owner, world)
    assert after["on_duty_since"] == began
    assert after["latitude"] == LATITUDE
    assert await owner.fetchval("select count(*) from duty_change") == 1
    assert kanya.context.live.scopes == [world.station]  # type: ignore[attr-defined]


async def test_the_log_of_duty_reaches_supervisors_and_no_colleague(
    kanya: Phone, prasert: Phone, world: World
) -> None:
    change = duty(kanya, True, 5, **HERE)
    await kanya.push("RECORDS", change)
    await prasert.pull()
    row = prasert.rows["duty"][id_of(change)]
    assert (row["officerId"], row["onDuty"]) == (str(world.kanya), True)
    await kanya.pull()
    assert not kanya.rows["duty"]


# The last fix


async def test_the_last_fix_is_the_newest_whatever_comes_late(
    kanya: Phone, prasert: Phone, door: Door, world: World, owner: asyncpg.Connection
) -> None:
    start = started(kanya, 90, **HERE)
    late = duty(kanya, True, 120, **THERE)
    await kanya.push("RECORDS", start)
    first = await state(owner, world)
    await kanya.push("RECORDS", late)
    assert (await state(owner, world))["fix_at"] == first["fix_at"]
    assert (await state(owner, world))["longitude"] == HERE["longitude"]
    await kanya.push("RECORDS", moved(kanya, id_of(start), "ENDED", 3, **THERE))
    assert (await state(owner, world))["longitude"] == THERE["longitude"]
    incident = await world.add_incident(world.market, world.kanya)
    text = "query ($id: UUID!) { incident(id: $id) { reporter { state { longitude accuracyM fixAgeSeconds fixSuspect } } } }"
    answer = await ask(door, prasert.context, text, id=str(incident))
    told = answer["data"]["incident"]["reporter"]["state"]
    assert told["longitude"] == THERE["longitude"]
    assert told["accuracyM"] == 9.0
    assert 170 <= told["fixAgeSeconds"] <= 240
    assert told["fixSuspect"] is False


async def test_a_time_in_doubt_counts_as_an_hour_older(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    await kanya.push("RECORDS", duty(kanya, True, 20, **HERE))
    # The phone was reset to 1970: its time is that of the arrival, and may be of yesterday.
    doubted = duty(kanya, True, **THERE) | {"capturedAt": "1970-01-01T00:00:00Z"}
    await kanya.push("RECORDS", doubted)
    assert (await state(owner, world))["longitude"] == HERE["longitude"]
    await owner.execute("update officer_state set fix_at = now() - interval '2 hours'")
    doubted = duty(kanya, True, **THERE) | {"capturedAt": "1970-01-01T00:00:00Z"}
    await kanya.push("RECORDS", doubted)
    row = await state(owner, world)
    assert (row["longitude"], row["fix_suspect"]) == (THERE["longitude"], True)
    # One that is trusted takes its place although the doubted one claims to be newer.
    await kanya.push("RECORDS", duty(kanya, True, 10, **HERE))
    row = await state(owner, world)
    assert (row["longitude"], row["fix_suspect"]) == (HERE["longitude"], False)
