"""What an officer recorded must be stored once, answered always, and kept even when it is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
import pytest
from uuid_utils.compat import uuid7

from storage.database import Database
from storage.faults import DatabaseUnavailable
from tests.phone import PUSH, Phone, ask
from tests.world import World

pytestmark = pytest.mark.oldest


def outcomes(answers: list[dict[str, Any]]) -> list[str]:
    return [answer["outcome"] for answer in answers]


async def test_a_report_is_stored_and_comes_back_with_the_next_pull(
    kanya: Phone, world: World
) -> None:
    report = kanya.report("รถบรรทุกจอดกีดขวาง", zoneId=str(world.market))
    [answer] = await kanya.push("RECORDS", report)
    assert answer["outcome"] == "APPLIED"
    assert answer["rev"] == 1
    page = (await kanya.pull())[0]
    row = kanya.rows["incidents"][answer["rowId"]]
    assert row["title"] == "รถบรรทุกจอดกีดขวาง"
    assert row["reportedBy"] == str(world.kanya)
    assert [(lane["lane"], lane["appliedSequence"]) for lane in page["lanes"]] == [("RECORDS", 1)]


async def test_a_repeated_push_is_answered_and_never_applied_twice(
    kanya: Phone, owner: asyncpg.Connection, world: World
) -> None:
    batch = [kanya.report(f"Report {number}") for number in range(3)]
    first = await kanya.push("RECORDS", *batch)
    again = await kanya.push("RECORDS", *batch)
    assert outcomes(again) == ["DUPLICATE"] * 3
    assert [answer["first"] for answer in again] == ["APPLIED"] * 3
    assert [answer["rowId"] for answer in again] == [answer["rowId"] for answer in first]
    assert await owner.fetchval("select count(*) from incident") == 3


async def test_a_hole_is_a_gap_that_names_the_expected_number(kanya: Phone) -> None:
    lost, second, third = (kanya.report() for _ in range(3))
    answers = await kanya.push("RECORDS", second, third)
    assert outcomes(answers) == ["GAP", "GAP"]
    assert {answer["expected"] for answer in answers} == {1}
    assert outcomes(await kanya.push("RECORDS", lost, second, third)) == ["APPLIED"] * 3


async def test_a_number_with_other_content_is_a_cloned_phone(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    await kanya.push("RECORDS", kanya.report("The first"))
    clone = kanya.report("Another") | {"sequence": 1}
    assert outcomes(await kanya.push("RECORDS", clone)) == ["SEQUENCE_REUSED"]
    assert await owner.fetchval("select count(*) from incident") == 1


async def test_the_same_number_twice_in_one_batch_is_answered_for_each(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    one = kanya.report("Once")
    other = kanya.report("Other") | {"sequence": 1}
    answers = await kanya.push("RECORDS", one, one, other)
    assert sorted(outcomes(answers)) == ["APPLIED", "DUPLICATE", "SEQUENCE_REUSED"]
    assert await owner.fetchval("select count(*) from incident") == 1


async def test_the_same_change_under_two_numbers_in_one_batch_is_stored_once_and_answered_for_each(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    """As an app sends it that counted on after a lost answer; the lane goes on behind it."""
    one = kanya.report("Once")
    again, ahead = one | {"sequence": 2}, one | {"sequence": 9}
    kanya.sequences["RECORDS"] = 2
    answers = await kanya.push("RECORDS", one, again, kanya.report("Next"), ahead)
    assert outcomes(answers) == ["APPLIED", "DUPLICATE", "APPLIED", "GAP"]
    assert [answer["sequence"] for answer in answers] == [1, 2, 3, 9]
    assert (answers[1]["first"], answers[1]["rowId"]) == ("APPLIED", answers[0]["rowId"])
    assert await owner.fetchval("select count(*) from incident") == 2
    assert outcomes(await kanya.push("RECORDS", one, again)) == ["DUPLICATE"] * 2


async def test_two_changes_of_one_row_in_one_batch_both_take_effect_in_order(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    report = kanya.report("First", zoneId=None)
    key = report["change"]["reportIncident"]["id"]
    answers = await kanya.push(
        "RECORDS",
        report,
        kanya.change(key, 1, title="Second"),
        kanya.change(key, 2, description="and a text"),
        kanya.change(key, 3, title="Third"),
    )
    # The officer reported at the station, which is not hers: the rest is refused and kept, in order.
    assert answers[0]["outcome"] == "APPLIED"
    assert outcomes(answers[1:]) == ["REJECTED"] * 3
    report = kanya.report("First", latitude=16.7151, longitude=98.5728)
    key = report["change"]["reportIncident"]["id"]
    answers = await kanya.push(
        "RECORDS",
        report,
        kanya.change(key, 1, title="Second"),
        kanya.change(key, 2, description="and a text"),
        kanya.change(key, 3, title="Third"),
    )
    assert outcomes(answers) == ["APPLIED"] * 4
    row = await owner.fetchrow("select title, description, rev from incident where id = $1", key)
    assert tuple(row) == ("Third", "and a text", 4)


async def test_the_naive_update_loses_one_of_two_changes_of_a_row(
    kanya: Phone, owner: asyncpg.Connection, world: World
) -> None:
    """The negative control of the test above: what the cut into runs is for."""
    incident = await world.add_incident(world.market)
    await owner.execute(
        """
        update incident i set title = coalesce(r.title, i.title), description = coalesce(r.description, i.description)
        from jsonb_to_recordset($1::jsonb) as r (id uuid, title text, description text) where i.id = r.id
        """,
        orjson.dumps(
            [
                {"id": str(incident), "title": "Second"},
                {"id": str(incident), "description": "and a text"},
            ]
        ).decode(),
    )
    row = await owner.fetchrow("select title, description from incident where id = $1", incident)
    assert (row["title"] == "Second") != (row["description"] == "and a text")


async def test_changes_of_different_fields_are_merged(
    kanya: Phone, prasert: Phone, world: World, owner: asyncpg.Connection
) -> None:
    incident = str(await world.add_incident(world.market))
    [first] = await prasert.push("RECORDS", prasert.change(incident, 1, severity="HIGH"))
    [second] = await kanya.push("RECORDS", kanya.change(incident, 1, title="Seen again"))
    assert (first["outcome"], second["outcome"]) == ("APPLIED", "MERGED")
    row = await owner.fetchrow("select title, severity, rev from incident where id = $1", incident)
    assert tuple(row) == ("Seen again", "HIGH", 3)


async def test_changes_of_the_same_field_conflict_and_both_values_are_kept(
    kanya: Phone, prasert: Phone, world: World, owner: asyncpg.Connection
) -> None:
    incident = str(await world.add_incident(world.market))
    await prasert.push("RECORDS", prasert.change(incident, 1, title="The supervisor's"))
    [answer] = await kanya.push(
        "RECORDS", kanya.change(incident, 1, title="The officer's", severity="HIGH")
    )
    assert answer["outcome"] == "CONFLICT"
    assert answer["code"] == "FIELD_CONFLICT"
    assert answer["detail"] == {"fields": ["title"]}
    row = await owner.fetchrow("select title, severity from incident where id = $1", incident)
    assert tuple(row) == ("The supervisor's", "HIGH")
    kept = orjson.loads(await owner.fetchval("select payload from quarantine"))
    assert kept["fields"]["title"] == "The officer's"


async def test_a_position_conflicts_as_one_value(
    kanya: Phone, prasert: Phone, world: World, owner: asyncpg.Connection
) -> None:
    incident = str(await world.add_incident(world.market))
    await prasert.push("RECORDS", prasert.change(incident, 1, latitude=16.7))
    [answer] = await kanya.push("RECORDS", kanya.change(incident, 1, longitude=98.6))
    assert answer["detail"] == {"fields": ["position"]}
    assert await owner.fetchval("select longitude from incident where id = $1", incident) != 98.6


async def test_a_late_change_of_a_row_that_left_the_scope_is_answered_and_kept(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    incident = await world.add_incident(world.market)
    await kanya.pull()
    await world.change(
        "update incident set scope_id = $2, zone_id = $2 where id = $1", incident, world.temple
    )
    [answer] = await kanya.push("RECORDS", kanya.change(str(incident), 1, title="Too late"))
    assert (answer["outcome"], answer["code"]) == ("REJECTED", "NOT_IN_SCOPE")
    kept = await owner.fetchrow("select code, payload from quarantine")
    assert kept["code"] == "NOT_IN_SCOPE"
    assert orjson.loads(kept["payload"])["fields"]["title"] == "Too late"


async def test_a_report_on_an_id_that_the_officer_cannot_see_is_answered_and_kept(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    hidden = await world.add_incident(world.temple, title="Hidden")
    [answer] = await kanya.push("RECORDS", kanya.report("Mine", id=str(hidden)))
    assert (answer["outcome"], answer["code"]) == ("REJECTED", "ALREADY_EXISTS")
    assert await owner.fetchval("select title from incident where id = $1", hidden) == "Hidden"
    assert await owner.fetchval("select count(*) from quarantine") == 1


async def test_a_step_that_the_state_does_not_allow_is_refused_and_kept(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    incident = str(await world.add_incident(world.market))
    answers = await kanya.push(
        "RECORDS",
        kanya.change(incident, 1, status="CLOSED"),
        kanya.change(incident, 2, status="OPEN"),
    )
    assert outcomes(answers) == ["APPLIED", "REJECTED"]
    assert answers[1]["code"] == "STATE_NOT_REACHABLE"
    assert answers[1]["detail"] == {"now": "CLOSED"}


async def test_one_bad_record_does_not_take_the_others_with_it(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    batch = [kanya.report(f"Report {number}") for number in range(9)]
    batch[4]["change"]["reportIncident"]["title"] = ""
    batch[7]["change"]["reportIncident"]["latitude"] = 99.5
    batch[7]["change"]["reportIncident"]["longitude"] = 98.5
    answers = await kanya.push("RECORDS", *batch)
    refused = {answer["sequence"]: answer for answer in answers if answer["outcome"] == "REJECTED"}
    assert set(refused) == {5, 8}
    assert refused[5]["code"] == "RECORD_INVALID"
    assert refused[5]["detail"] == {"field": "title"}
    assert refused[8]["detail"] == {"field": "latitude"}
    assert await owner.fetchval("select count(*) from incident") == 7
    assert await owner.fetchval("select count(*) from quarantine") == 2
    assert outcomes(await kanya.push("RECORDS", *batch)) == ["DUPLICATE"] * 9


async def test_a_report_from_any_zone_of_the_station_is_taken(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    [answer] = await kanya.push("RECORDS", kanya.report(zoneId=str(world.temple)))
    assert answer["outcome"] == "APPLIED"
    assert await owner.fetchval("select scope_id from incident") == world.temple


async def test_a_zone_of_another_station_is_refused(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    other = await world.add_zone("Elsewhere", station=await world.add_station("Tak"))
    [answer] = await kanya.push("RECORDS", kanya.report(zoneId=str(other)))
    assert (answer["outcome"], answer["code"]) == ("REJECTED", "NOT_IN_SCOPE")


async def test_a_buddhist_year_is_converted_and_the_raw_time_kept(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    report = kanya.report() | {"capturedAt": "2567-02-29T08:00:00+07:00"}
    [answer] = await kanya.push("RECORDS", report)
    assert answer["outcome"] == "APPLIED"
    row = await owner.fetchrow("select occurred_at, captured_at_raw, time_suspect from incident")
    assert row["occurred_at"].isoformat() == "2024-02-29T01:00:00+00:00"
    assert row["captured_at_raw"] == "2567-02-29T08:00:00+07:00"


async def test_a_wrong_clock_never_refuses_a_record(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    for told in ("1970-01-01T00:00:00Z", "2199-01-01T00:00:00Z", "no clock at all", ""):
        [answer] = await kanya.push("RECORDS", kanya.report() | {"capturedAt": told})
        assert answer["outcome"] == "APPLIED"
    assert await owner.fetchval("select bool_and(time_suspect) from incident")


async def test_when_the_database_goes_away_the_rest_is_retried_and_nothing_is_doubled(
    kanya: Phone, database: Database, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [kanya.report(f"Report {number}") for number in range(120)]
    real, calls = database.write, []

    @asynccontextmanager
    async def write(*given: Any, **more: Any) -> AsyncIterator[Any]:
        calls.append(1)
        async with real(*given, **more) as connection:
            yield connection
            if len(calls) == 2:
                raise DatabaseUnavailable

    monkeypatch.setattr(Database, "write", lambda _, *given, **more: write(*given, **more))
    answers = await kanya.push("RECORDS", *batch)
    assert outcomes(answers) == ["APPLIED"] * 50 + ["RETRY"] * 70
    assert await owner.fetchval("select count(*) from incident") == 50
    answers = await kanya.push("RECORDS", *batch)
    assert outcomes(answers) == ["DUPLICATE"] * 50 + ["APPLIED"] * 70
    assert await owner.fetchval("select count(*) from incident") == 120


@pytest.mark.parametrize("place", [{}, {"latitude": 16.7131, "longitude": 98.5708}])
async def test_a_push_of_100_rows_takes_as_many_statements_as_one_of_10_in_each_chunk(
    kanya: Phone,
    owner: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    place: dict[str, Any],
) -> None:
    # The outlines of the zones are read once by each process.
    await kanya.push("RECORDS", kanya.report(**place))
    counted: list[str] = []
    for name in ("fetch", "fetchrow", "fetchval", "execute"):
        real = getattr(asyncpg.Connection, name)

        def call(self: Any, query: str, *given: Any, real: Any = real, **more: Any) -> Any:
            counted.append(query)
            return real(self, query, *given, **more)

        monkeypatch.setattr(asyncpg.Connection, name, call)
    await kanya.push("RECORDS", *(kanya.report(**place) for _ in range(10)))
    of_ten = len(counted)
    counted.clear()
    await kanya.push("RECORDS", *(kanya.report(**place) for _ in range(100)))
    assert len(counted) == 2 * of_ten


@pytest.mark.parametrize(
    "mutations",
    [
        [{"sequence": 1, "capturedAt": "now", "change": {}}],
        [{"mutationId": str(uuid7()), "capturedAt": "now", "change": {}}],
        [{"sequence": "one", "mutationId": str(uuid7()), "capturedAt": "now", "change": {}}],
        ["nothing"],
        "nothing",
        None,
    ],
)
async def test_what_is_no_list_of_mutations_is_refused_whole_and_stores_nothing(
    mutations: Any, kanya: Phone, owner: asyncpg.Connection
) -> None:
    if isinstance(mutations, list):
        mutations = [*mutations, kanya.report()]
    answer = await ask(kanya.door, kanya.context, PUSH, lane="RECORDS", mutations=mutations)
    assert {one["extensions"]["code"] for one in answer["errors"]} == {"VARIABLE_INVALID"}
    assert await owner.fetchval("select count(*) from sync_outcome") == 0


async def test_lanes_do_not_wait_for_each_other(
    kanya: Phone, database: Database, owner: asyncpg.Connection
) -> None:
    await kanya.push("RECORDS", kanya.report())
    async with owner.transaction():
        await owner.execute("select from sync_lane where lane = 'RECORDS' for update")
        alert = {"raiseAlert": {"id": str(uuid7()), "latitude": 16.7151, "longitude": 98.5728}}
        [answer] = await kanya.push("SOS", kanya.mutation("SOS", alert))
    assert answer["outcome"] == "APPLIED"


@pytest.mark.parametrize("place", ["capturedAt", "title", "description"])
async def test_a_character_that_the_database_does_not_hold_stops_no_lane(
    place: str, kanya: Phone, owner: asyncpg.Connection
) -> None:
    odd, next_one = kanya.report(), kanya.report("The next")
    (odd if place == "capturedAt" else odd["change"]["reportIncident"])[place] = "a\0b"
    assert outcomes(await kanya.push("RECORDS", odd, next_one)) == ["APPLIED", "APPLIED"]
    assert outcomes(await kanya.push("RECORDS", odd)) == ["DUPLICATE"]
    assert await owner.fetchval("select count(*) from incident") == 2


async def test_a_clock_that_talks_too_much_is_cut_and_refuses_nothing(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    [answer] = await kanya.push("RECORDS", kanya.report() | {"capturedAt": "x" * 5000})
    assert answer["outcome"] == "APPLIED"
    assert len(await owner.fetchval("select captured_at_raw from incident")) == 64


async def test_two_offline_changes_of_one_field_by_one_phone_both_count(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    incident = str(await world.add_incident(world.market))
    first = kanya.change(incident, 1, title="First")
    second = kanya.change(incident, 1, title="Second thoughts")
    assert outcomes(await kanya.push("RECORDS", first)) == ["APPLIED"]
    assert outcomes(await kanya.push("RECORDS", second)) == ["APPLIED"]
    assert await owner.fetchval("select title from incident where id = $1", incident) == (
        "Second thoughts"
    )


async def test_ones_own_change_does_not_hide_somebody_elses_between(
    kanya: Phone, prasert: Phone, world: World
) -> None:
    incident = str(await world.add_incident(world.market))
    await kanya.push("RECORDS", kanya.change(incident, 1, severity="HIGH"))
    await prasert.push("RECORDS", prasert.change(incident, 2, title="The supervisor's"))
    [answer] = await kanya.push("RECORDS", kanya.change(incident, 1, title="The officer's"))
    assert (answer["outcome"], answer["detail"]) == ("CONFLICT", {"fields": ["title"]})


async def test_what_a_cloned_phone_sends_under_a_used_number_is_kept(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    await kanya.push("RECORDS", kanya.report("The first"))
    await kanya.push("RECORDS", kanya.report("Another") | {"sequence": 1})
    kept = await owner.fetchrow("select code, payload from quarantine")
    assert kept["code"] == "SEQUENCE_REUSED"
    assert orjson.loads(kept["payload"])["fields"]["title"] == "Another"


async def test_a_mutation_that_stands_twice_in_a_batch_gets_its_outcome_twice(
    kanya: Phone,
) -> None:
    one = kanya.report()
    applied, duplicate = await kanya.push("RECORDS", one, one)
    assert (duplicate["outcome"], duplicate["first"], duplicate["rev"]) == (
        "DUPLICATE",
        "APPLIED",
        applied["rev"],
    )
