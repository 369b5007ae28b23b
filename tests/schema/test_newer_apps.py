"""An app may be newer than the server: it loses nothing, no lane stops for it, and no call for help waits for an upgrade."""

from __future__ import annotations

from typing import Any

import asyncpg
import orjson
import pytest
from uuid_utils.compat import uuid7

from patrol.clips.declaring import AT_ONCE
from patrol.errors import TooLarge, by_code
from schema.planner import RequestErrors
from storage.vocabulary import IncidentCategory
from tests.phone import PUSH, Phone, ask
from tests.schema.test_quarantine import items, replay

ALERT = {"latitude": 16.7131, "longitude": 98.5708}


def _report(**more: Any) -> dict[str, Any]:
    return {"id": str(uuid7()), "category": "FIRE", "severity": "LOW", "title": "x"} | more


def newer() -> dict[str, dict[str, Any]]:
    """Changes that only a later release knows, by what is new of them."""
    return {
        "a word": {"reportIncident": _report(category="DRONE")},
        "a field": {"reportIncident": _report(witnesses=["Somchai\0"])},
        "a kind": {"countTraffic": {"id": str(uuid7()), "lorries": 12}},
        "a type": {"reportIncident": _report(title={"th": "ไฟไหม้", "en": "fire"})},
        "two members": {"reportIncident": _report(), "addNote": None, "countTraffic": {}},
        "nothing": {},
        "no uuid": {"reportIncident": _report(id="17")},
        "no object": {"reportIncident": "all of it"},
    }


def nested(levels: int) -> Any:
    """Lists in lists."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "change",
    [
        {"count\0Traffic": {"id": str(uuid7())}},
        {"countTraffic": {"a\0b": ["\0"]}},
        {"countTraffic": nested(900)},
        {"reportIncident": _report(plan=nested(300))},
        {"raiseAlert": {"id": str(uuid7()), "plan\0": nested(300)}, "stream\0": "\0"},
    ],
    ids=["a name", "names below", "deep", "a deep field", "a call for help"],
)
async def test_what_cannot_be_stored_as_it_came_stops_no_call_for_help(
    change: dict[str, Any], kanya: Phone, owner: asyncpg.Connection
) -> None:
    """Neither a NUL in a name nor more levels than the encoder takes; either was answered with RETRY or INTERNAL for ever."""
    odd = kanya.mutation("SOS", change)
    after = kanya.mutation("SOS", {"raiseAlert": {"id": str(uuid7())} | ALERT})
    said = await ask(kanya.door, kanya.context, PUSH, lane="SOS", mutations=[odd, after])
    first, second = said["data"]["push"]["answers"]
    assert first["outcome"] == ("APPLIED" if "raiseAlert" in change else "REJECTED")
    assert second["outcome"] == "APPLIED"
    again = await kanya.push("SOS", odd, after)
    assert [one["outcome"] for one in again] == ["DUPLICATE"] * 2


@pytest.mark.parametrize("new", newer())
async def test_only_the_change_that_cannot_be_read_is_refused_and_it_is_kept_as_it_was_sent(
    new: str, kanya: Phone, prasert: Phone, owner: asyncpg.Connection
) -> None:
    before = kanya.report("before")
    odd = kanya.mutation("RECORDS", newer()[new])
    after = kanya.report("after")
    first, answer, last = await kanya.push("RECORDS", before, odd, after)
    assert first["outcome"] == last["outcome"] == "APPLIED"
    assert (answer["outcome"], answer["code"]) == ("REJECTED", "CHANGE_UNREADABLE")
    assert answer["mutationId"] == odd["mutationId"]
    assert await owner.fetchval("select count(*) from incident") == 2
    [item] = await items(prasert)
    problem = by_code("CHANGE_UNREADABLE")
    assert (item["reason"], item["reasonTh"]) == (problem.default_message(), problem.message_th)
    kept = orjson.loads(await owner.fetchval("select payload from quarantine"))
    assert kept["kind"] == "unreadable"
    assert kept["raw"] == orjson.loads(orjson.dumps(odd).replace(b"\\u0000", "\ufffd".encode()))
    # Its answer was lost: the same is answered, and nothing is kept twice.
    again = await kanya.push("RECORDS", before, odd, after)
    assert [one["outcome"] for one in again] == ["DUPLICATE"] * 3
    assert again[1]["first"] == "REJECTED"
    assert len(await items(prasert)) == 1
    # The lane goes on.
    assert (await kanya.push("RECORDS", kanya.report()))[0]["outcome"] == "APPLIED"


async def test_coercing_a_push_as_a_whole_would_refuse_what_came_beside_it(kanya: Phone) -> None:
    """The negative control: without the sieve, one new word stops the lane."""
    odd = kanya.mutation("RECORDS", newer()["a word"])
    operation = kanya.door.operations.get(PUSH)
    with pytest.raises(RequestErrors) as refused:
        operation.variables({"lane": "RECORDS", "mutations": [kanya.report(), odd]})
    assert "DRONE" in refused.value.errors[0]["message"]


async def test_a_batch_of_which_nothing_can_be_read_is_answered_too(kanya: Phone) -> None:
    odd = [kanya.mutation("RECORDS", change) for change in newer().values()]
    answers = await kanya.push("RECORDS", *odd)
    assert {one["code"] for one in answers} == {"CHANGE_UNREADABLE"}
    assert [one["sequence"] for one in answers] == list(range(1, len(odd) + 1))


async def test_what_only_the_stock_way_reads_is_applied_beside_what_nobody_reads(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    odd = kanya.mutation("RECORDS", newer()["a word"])
    spelled = kanya.report()
    spelled["change"]["reportIncident"]["id"] = f"urn:uuid:{uuid7()}"
    answers = await kanya.push("RECORDS", odd, spelled)
    assert [one["outcome"] for one in answers] == ["REJECTED", "APPLIED"]


async def test_after_an_upgrade_the_change_is_replayed_and_repeats_are_still_known(
    kanya: Phone,
    prasert: Phone,
    owner: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server of before did not know FIRE; the one of today does."""
    report = kanya.report("Smoke", category="FIRE")
    with monkeypatch.context() as older:
        older.setattr("schema.mutations.short.Sieve.fits", lambda *_: False)
        older.setattr("schema.mutations.short.Short.arguments", _only_empty)
        [answer] = await kanya.push("RECORDS", report)
    assert answer["code"] == "CHANGE_UNREADABLE"
    assert answer["rowId"] == report["change"]["reportIncident"]["id"]
    [again] = await kanya.push("RECORDS", report)
    assert (again["outcome"], again["first"]) == ("DUPLICATE", "REJECTED")
    [item] = await items(prasert)
    assert (item["summary"], item["rowId"]) == ("Smoke", answer["rowId"])
    told = await replay(prasert, item["id"])
    assert told["item"]["state"] == "REPLAYED"
    assert await owner.fetchval("select category from incident") == IncidentCategory.FIRE


def _only_empty(self: Any, variables: dict[str, Any]) -> dict[str, Any] | None:
    """What the short way made of a push before the upgrade: nothing of its mutations can be read."""
    if variables["mutations"]:
        return None
    return {"lane": variables["lane"], "mutations": []}


async def test_what_still_cannot_be_read_stays_kept(kanya: Phone, prasert: Phone) -> None:
    await kanya.push("RECORDS", kanya.mutation("RECORDS", newer()["a kind"]))
    [item] = await items(prasert)
    assert item["summary"] == "countTraffic"
    told = await replay(prasert, item["id"])
    assert (told["item"]["state"], told["item"]["code"]) == ("KEPT", "CHANGE_UNREADABLE")


@pytest.mark.parametrize(
    ("more", "unread"),
    [
        ({"severity": "APOCALYPTIC"}, {"severity": "APOCALYPTIC"}),
        ({"trigger": {"kind": "FALL"}}, {"trigger": {"kind": "FALL"}}),
        ({"drill": "no"}, {"drill": "no"}),
        ({"latitude": "north"}, {"latitude": "north"}),
        ({"id": "mine"}, {"id": "mine"}),
    ],
)
async def test_a_call_for_help_of_a_newer_app_calls_for_help(
    more: dict[str, Any], unread: dict[str, Any], kanya: Phone, owner: asyncpg.Connection
) -> None:
    called = {"raiseAlert": {"id": str(uuid7())} | ALERT | more}
    odd = kanya.mutation("SOS", called)
    [answer] = await kanya.push("SOS", odd)
    assert answer["outcome"] == "APPLIED"
    assert answer["detail"]["unread"] == unread
    row = await owner.fetchrow("select * from sos_alert")
    assert str(row["id"]) == answer["rowId"]
    assert (row["status"], row["drill"]) == ("OPEN", False)
    assert (row["latitude"] is None) is ("latitude" in more)
    assert kanya.context.live.alerts == [row["id"]]  # type: ignore[attr-defined] # it remembers
    [again] = await kanya.push("SOS", odd)
    assert (again["outcome"], again["first"]) == ("DUPLICATE", "APPLIED")
    assert await owner.fetchval("select count(*) from sos_alert") == 1


async def test_a_call_for_help_is_taken_beside_a_member_and_at_a_time_that_nobody_knows(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    odd = kanya.mutation("SOS", {"raiseAlert": {"id": str(uuid7())}, "startStream": {"a": 1}})
    timeless = kanya.mutation("SOS", {"raiseAlert": {"id": str(uuid7())}}, capturedAt=None)
    answers = await kanya.push("SOS", odd, timeless)
    assert [one["outcome"] for one in answers] == ["APPLIED"] * 2
    assert answers[0]["detail"]["unread"] == {"startStream": {"a": 1}}
    assert await owner.fetchval("select count(*) from sos_alert where time_suspect") == 1


async def test_a_change_in_a_lane_that_is_not_its_own_stops_no_lane(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    report = kanya.mutation("SOS", {"reportIncident": _report()})
    alert = kanya.mutation("SOS", {"raiseAlert": {"id": str(uuid7())} | ALERT})
    answers = await kanya.push("SOS", report, alert)
    assert [one["outcome"] for one in answers] == ["REJECTED", "APPLIED"]
    assert (answers[0]["code"], answers[0]["detail"]) == ("VARIABLE_INVALID", {"lane": "RECORDS"})
    # A call for help is taken wherever it comes.
    astray = kanya.mutation("RECORDS", {"raiseAlert": {"id": str(uuid7())} | ALERT})
    [answer] = await kanya.push("RECORDS", astray)
    assert answer["outcome"] == "APPLIED"
    assert await owner.fetchval("select count(*) from sos_alert") == 2


async def test_too_many_are_too_many_whether_they_can_be_read_or_not(kanya: Phone) -> None:
    odd = kanya.mutation("RECORDS", newer()["a kind"])
    many = [odd | {"sequence": number} for number in range(501)]
    with pytest.raises(TooLarge):
        await ask(kanya.door, kanya.context, PUSH, lane="RECORDS", mutations=many)


@pytest.mark.parametrize("second", ["countTraffic", "reportIncident"])
@pytest.mark.parametrize("whose", ["another's", "another lane's", "her own"])
async def test_another_change_under_an_id_that_is_taken_is_no_repeat_of_it_and_is_kept(
    second: str, whose: str, kanya: Phone, prasert: Phone, owner: asyncpg.Connection
) -> None:
    first = kanya.mutation("RECORDS", newer()["a kind"])
    await kanya.push("RECORDS", first)
    phone = prasert if whose == "another's" else kanya
    lane = "TRACKS" if whose == "another lane's" else "RECORDS"
    change = {second: _report() | ({"lorries": 7} if second == "countTraffic" else {})}
    other = phone.mutation(lane, change, mutationId=first["mutationId"])
    [answer] = await phone.push(lane, other)
    if (whose, second) == ("her own", "reportIncident"):
        # It may be what an earlier release could not read: nobody can tell.
        assert answer["outcome"] == "DUPLICATE"
        return
    assert (answer["outcome"], answer["code"]) == ("SEQUENCE_REUSED", "SEQUENCE_REUSED")
    assert (await phone.push(lane, other))[0]["outcome"] == "SEQUENCE_REUSED"
    rows = await owner.fetch("select code, mutation_id, payload from quarantine order by code")
    assert [row["code"] for row in rows] == ["CHANGE_UNREADABLE", "SEQUENCE_REUSED"]
    assert str(rows[0]["mutation_id"]) == first["mutationId"]
    row = change[second]["id"]
    assert row in rows[1]["payload"]
    assert row not in rows[0]["payload"]
    if second == "reportIncident" and lane == "RECORDS":
        # What became of the first does not stand for it, either.
        kept = next(one for one in await items(prasert) if one["code"] == "SEQUENCE_REUSED")
        assert (await replay(prasert, kept["id"]))["item"]["state"] == "REPLAYED"
        assert await owner.fetchval("select id::text from incident") == row


async def test_the_same_id_twice_in_one_batch_with_different_content_is_kept_twice(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    first = kanya.mutation("RECORDS", newer()["a kind"])
    other = kanya.mutation("RECORDS", newer()["a kind"], mutationId=first["mutationId"])
    answers = await kanya.push("RECORDS", first, other)
    assert [one["outcome"] for one in answers] == ["REJECTED", "SEQUENCE_REUSED"]
    assert await owner.fetchval("select count(*) from quarantine") == 2


SEGMENT = {"sequence": 0, "sha256": "ab" * 32, "sizeBytes": 9}


@pytest.mark.parametrize("one_of_two", [True, False])
async def test_a_list_that_is_too_long_inside_of_a_change_refuses_that_change_alone(
    one_of_two: bool, kanya: Phone, owner: asyncpg.Connection
) -> None:
    segments = [SEGMENT | {"sequence": number} for number in range(AT_ONCE + 1)]
    long = kanya.mutation("SOS", {"declareSegments": {"id": str(uuid7()), "segments": segments}})
    after = kanya.mutation("SOS", {"raiseAlert": {"id": str(uuid7())} | ALERT})
    if one_of_two:
        # A change that only the stock way reads beside it.
        after["change"]["raiseAlert"]["id"] = f"urn:uuid:{uuid7()}"
    answers = await kanya.push("SOS", long, after)
    assert [one["outcome"] for one in answers] == ["REJECTED", "APPLIED"]
    assert answers[0]["code"] == "CHANGE_UNREADABLE"
    kept = orjson.loads(await owner.fetchval("select payload from quarantine"))
    assert kept["raw"] == long
    again = await kanya.push("SOS", long, after)
    assert [one["outcome"] for one in again] == ["DUPLICATE"] * 2


async def test_a_list_that_is_as_long_as_it_may_be_is_read(kanya: Phone) -> None:
    """The negative control: it is judged by its rule, for there is no such clip."""
    segments = [SEGMENT | {"sequence": number} for number in range(AT_ONCE)]
    full = kanya.mutation("SOS", {"declareSegments": {"id": str(uuid7()), "segments": segments}})
    [answer] = await kanya.push("SOS", full)
    assert answer["code"] != "CHANGE_UNREADABLE"


async def test_what_is_too_long_and_names_no_mutation_refuses_the_request(kanya: Phone) -> None:
    segments = [SEGMENT] * (AT_ONCE + 1)
    long = kanya.mutation("SOS", {"declareSegments": {"id": str(uuid7()), "segments": segments}})
    for odd in (long | {"mutationId": f"urn:uuid:{uuid7()}"}, long | {"mutationId": 1}):
        for mutations in ([odd], odd):
            with pytest.raises(TooLarge):
                await ask(kanya.door, kanya.context, PUSH, lane="SOS", mutations=mutations)
