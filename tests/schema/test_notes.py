"""A note must be stored with its incident, once, and go wherever the incident goes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import asyncpg
import orjson
import pytest

from patrol.keys import KeySet
from patrol.sync import push as pushing
from patrol.sync.mutation import Mutation
from schema.door import Door
from storage.database import Database
from tests.personas import as_officer
from tests.phone import Phone, context
from tests.schema.test_planner import counting
from tests.schema.test_push import outcomes
from tests.world import World

pytestmark = pytest.mark.oldest


@pytest.fixture
async def somkid(door: Door, database: Database, world: World, keys: KeySet) -> Phone:
    """The phone of the officer who patrols the temple."""
    return Phone(door, context(database, await as_officer(world, world.somkid), keys))


def batch_of(kanya: Phone, world: World) -> list[dict[str, Any]]:
    """A note of an old incident, a report, a note of it, a change of it, and another note and a picture of it."""
    old = kanya.report("Old", zoneId=str(world.market))
    first = old["change"]["reportIncident"]["id"]
    note = kanya.note(first, "Of the old one")
    new = kanya.report("New", zoneId=str(world.market))
    second = new["change"]["reportIncident"]["id"]
    return [
        old,
        note,
        new,
        kanya.note(second, "Of the new one"),
        kanya.change(second, 1, title="Newer"),
        kanya.note(second, "Once more"),
        kanya.attach(incident=second),
    ]


async def test_a_report_and_its_notes_in_one_batch_all_take_effect_in_order(
    kanya: Phone, world: World
) -> None:
    answers = await kanya.push("RECORDS", *batch_of(kanya, world))
    assert outcomes(answers) == ["APPLIED"] * 7
    await kanya.pull()
    texts = {row["text"]: row["incidentId"] for row in kanya.rows["notes"].values()}
    assert texts == {
        "Of the old one": answers[0]["rowId"],
        "Of the new one": answers[2]["rowId"],
        "Once more": answers[2]["rowId"],
    }
    assert kanya.rows["incidents"][answers[2]["rowId"]]["title"] == "Newer"
    [file] = kanya.rows["media"].values()
    assert file["incidentId"] == answers[2]["rowId"]


async def test_a_batch_that_is_cut_at_repeated_rows_only_loses_the_note_of_a_new_incident(
    kanya: Phone, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of the test above: what the cut at parents is for."""

    def naive(mutations: Iterable[Mutation]) -> list[list[Mutation]]:
        cut: list[list[Mutation]] = [[]]
        for one in mutations:
            if one.row_id in {other.row_id for other in cut[-1]}:
                cut.append([])
            cut[-1].append(one)
        return cut

    monkeypatch.setattr(pushing, "runs", naive)
    note = kanya.note(str(await world.add_incident(world.market)))
    report = kanya.report("New", zoneId=str(world.market))
    # A note stood first, so all notes of the run are stored first.
    answers = await kanya.push(
        "RECORDS", note, report, kanya.note(report["change"]["reportIncident"]["id"])
    )
    assert outcomes(answers) == ["APPLIED", "APPLIED", "REJECTED"]
    assert answers[2]["code"] == "NOT_FOUND"


async def test_many_notes_of_one_incident_take_as_many_statements_as_few(
    kanya: Phone, world: World
) -> None:
    incident = str(await world.add_incident(world.market))
    counts = []
    for size in (2, 50):
        with counting() as sent:
            answers = await kanya.push("RECORDS", *(kanya.note(incident) for _ in range(size)))
        assert outcomes(answers) == ["APPLIED"] * size
        counts.append(len(sent))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(("where", "code"), [("nowhere", "NOT_FOUND"), ("temple", "NOT_IN_SCOPE"), ("deleted", "NOT_FOUND")])  # fmt: skip
async def test_a_note_of_an_incident_that_one_may_not_write_to_is_answered_and_kept(
    where: str, code: str, kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    incident = await world.add_incident(world.temple, world.somkid)
    if where == "nowhere":
        incident = world.station
    elif where == "deleted":
        incident = await world.add_incident(world.market)
        await world.change("update incident set deleted_at = now() where id = $1", incident)
    good = await world.add_incident(world.market)
    answers = await kanya.push(
        "RECORDS", kanya.note(str(incident), "ข้อความ"), kanya.note(str(good))
    )
    assert outcomes(answers) == ["REJECTED", "APPLIED"]
    assert answers[0]["code"] == code
    kept = await owner.fetchrow("select code, payload from quarantine")
    assert kept["code"] == code
    assert orjson.loads(kept["payload"])["fields"]["text"] == "ข้อความ"
    assert await owner.fetchval("select count(*) from incident_note") == 1


async def test_who_reported_from_elsewhere_may_add_to_it(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    report = kanya.report(zoneId=str(world.temple))
    key = report["change"]["reportIncident"]["id"]
    answers = await kanya.push("RECORDS", report, kanya.note(key), kanya.attach(incident=key))
    assert outcomes(answers) == ["APPLIED"] * 3
    assert await owner.fetchval("select scope_id from incident_note") == world.temple
    await kanya.pull()
    assert not kanya.rows["notes"]
    assert not kanya.rows["media"]


@pytest.mark.parametrize(("text", "outcome"), [("", "REJECTED"), ("x" * 4001, "REJECTED"), ("ก" * 4000, "APPLIED")])  # fmt: skip
async def test_a_note_has_between_one_and_4000_characters(
    text: str, outcome: str, kanya: Phone, world: World
) -> None:
    incident = str(await world.add_incident(world.market))
    odd, next_one = kanya.note(incident, text), kanya.note(incident)
    answers = await kanya.push("RECORDS", odd, next_one)
    assert outcomes(answers) == [outcome, "APPLIED"]
    if outcome == "REJECTED":
        assert (answers[0]["code"], answers[0]["detail"]) == ("RECORD_INVALID", {"field": "text"})


async def test_times_of_a_note_are_read_as_those_of_an_incident(kanya: Phone, world: World) -> None:
    incident = str(await world.add_incident(world.market))
    await kanya.push(
        "RECORDS",
        kanya.note(incident, "Thai") | {"capturedAt": "2567-02-29T08:00:00+07:00"},
        kanya.note(incident, "Asleep") | {"capturedAt": "1970-01-01T00:00:00Z"},
        kanya.note(incident, "Earlier", occurredAt="2567-02-28T08:00:00+07:00"),
    )
    await kanya.pull()
    told = {row["text"]: row for row in kanya.rows["notes"].values()}
    assert told["Thai"]["occurredAt"] == "2024-02-29T01:00:00Z"
    assert told["Thai"]["capturedAtRaw"] == "2567-02-29T08:00:00+07:00"
    assert not told["Thai"]["timeSuspect"]
    assert told["Asleep"]["timeSuspect"]
    assert told["Earlier"]["occurredAt"] == "2024-02-28T01:00:00Z"


async def test_a_note_that_is_told_again_under_another_number_is_stored_once(
    kanya: Phone, prasert: Phone, world: World, owner: asyncpg.Connection
) -> None:
    incident = str(await world.add_incident(world.market))
    note = kanya.note(incident, "Once")
    key = note["change"]["addNote"]["id"]
    answers = await kanya.push(
        "RECORDS", note, kanya.note(incident, "Once", id=key), kanya.note(incident, "Other", id=key)
    )
    assert outcomes(answers) == ["APPLIED", "APPLIED", "REJECTED"]
    assert answers[2]["code"] == "ALREADY_EXISTS"
    [answer] = await prasert.push("RECORDS", prasert.note(incident, "Once", id=key))
    assert answer["code"] == "ALREADY_EXISTS"
    assert await owner.fetchval("select count(*) from incident_note") == 1


async def test_notes_and_media_go_with_their_incident_to_another_zone_and_back(
    kanya: Phone, somkid: Phone, prasert: Phone, world: World
) -> None:
    incident = str(await world.add_incident(world.market))
    note, file = kanya.note(incident), kanya.attach(incident=incident)
    await kanya.push("RECORDS", note, file)
    phones = (kanya, somkid, prasert)
    for phone in phones:
        await phone.pull()
    gone = {
        ("incidents", incident),
        ("notes", note["change"]["addNote"]["id"]),
        ("media", file["change"]["attachMedia"]["id"]),
    }

    def held(phone: Phone) -> set[tuple[str, str]]:
        return {(name, key) for name in ("incidents", "notes", "media") for key in phone.rows[name]}

    rev = 1
    for zone, leaves, enters in (
        (world.temple, kanya, somkid),
        (world.market, somkid, kanya),
    ):
        await prasert.push("RECORDS", prasert.change(incident, rev, zoneId=str(zone)))
        rev += 1
        [page] = await leaves.pull()
        assert {
            (one["subject"], one["id"]) for one in page["removals"] if one["reason"] == "LEFT_SCOPE"
        } == gone
        assert held(leaves) == set()
        await enters.pull()
        assert held(enters) == gone
        [page] = await prasert.pull()
        assert not page["removals"]
        assert prasert.rows["notes"].popitem()[1]["scopeId"] == str(zone)


async def test_notes_and_media_are_deleted_with_their_incident(kanya: Phone, world: World) -> None:
    incident = await world.add_incident(world.market)
    await kanya.push("RECORDS", kanya.note(str(incident)), kanya.attach(incident=str(incident)))
    await kanya.pull()
    await world.change("update incident set deleted_at = now() where id = $1", incident)
    [page] = await kanya.pull()
    assert {(one["subject"], one["reason"]) for one in page["removals"]} == {
        ("incidents", "DELETED"), ("notes", "DELETED"), ("media", "DELETED"),
    }  # fmt: skip
    assert not kanya.rows["notes"]
    await world.change("update incident set deleted_at = null where id = $1", incident)
    await kanya.pull()
    assert len(kanya.rows["notes"]) == len(kanya.rows["media"]) == 1


async def test_an_empty_pull_asks_about_all_subjects_in_one_statement(
    kanya: Phone, world: World
) -> None:
    incident = str(await world.add_incident(world.market))
    await kanya.push("RECORDS", *(kanya.note(incident) for _ in range(20)))
    await kanya.pull()
    with counting() as sent:
        page = await kanya.pull_page()
    assert page["complete"]
    assert not any(page[name] for name in kanya.rows)
    assert sum("incident_note" in one for one in sent) == 1
    assert sum("'notices'" in one for one in sent) == 1
