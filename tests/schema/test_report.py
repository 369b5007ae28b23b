"""The story of an alert must be whole, the same on paper and for a program, and handed only to those who may have it."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import orjson
import pypdfium2
import pytest
from uuid_utils.compat import uuid7

from api.trusted import OPERATIONS
from patrol.keys import KeySet
from patrol.sos.report import EVENT_TH, as_pdf
from patrol.sos.timeline import FORMAT, Timeline, as_json, read_timeline
from patrol.thai import MAY_BREAK
from schema.admin import admin_door
from schema.door import Door
from storage.buckets import ObjectStore
from storage.database import Database
from storage.principal import Role, system
from storage.vocabulary import AlertEventKind
from tests.personas import as_admin, as_officer
from tests.phone import Phone, ask, context
from tests.world import LATITUDE, LONGITUDE, World, now

TIMELINE = (OPERATIONS / "AlertTimeline.graphql").read_text()
EXPORT = (OPERATIONS / "ExportAlert.graphql").read_text()


async def sos(phone: Phone, *changes: dict[str, Any], minutes_ago: float = 0) -> None:
    when = (now() - timedelta(minutes=minutes_ago)).isoformat()
    answers = await phone.push(
        "SOS", *(phone.mutation("SOS", one) | {"capturedAt": when} for one in changes)
    )
    assert {one["outcome"] for one in answers} == {"APPLIED"}, answers


@pytest.fixture
async def alert(kanya: Phone, prasert: Phone) -> str:
    """An alert of Kanya's that Prasert answered late, went to and closed."""
    key = str(uuid7())
    place = {"latitude": LATITUDE + 0.001, "longitude": LONGITUDE + 0.001}
    await sos(kanya, {"raiseAlert": {"id": key, **place}}, minutes_ago=9)
    point = [(now() - timedelta(minutes=8)).isoformat(), *place.values(), 4.0]
    await sos(kanya, {"reportPositions": {"id": str(uuid7()), "alertId": key, "points": [point]}})
    for status, ago in (("ACKNOWLEDGED", 7), ("ON_THE_WAY", 6), ("ON_SCENE", 3)):
        await sos(prasert, {"respondToAlert": {"id": key, "status": status}}, minutes_ago=ago)
    await sos(prasert, {"closeAlert": {"id": key, "resolution": "HELPED", "note": "พาไปโรงพยาบาล"}})
    return key


async def story(database: Database, alert: str) -> Timeline:
    async with database.enter(Role.SYSTEM, system("test")) as entered:
        found = await read_timeline(entered.connection, UUID(alert))
    assert found is not None
    return found


async def test_the_story_has_every_event_in_order_with_both_clocks(
    database: Database, alert: str, owner: asyncpg.Connection
) -> None:
    told = orjson.loads(as_json(await story(database, alert)))
    assert told["format"] == FORMAT
    kinds = [event["kind"] for event in told["events"]]
    assert [kind for kind in kinds if kind != "CALLED"] == [
        "RAISED", "ACKNOWLEDGED", "ON_THE_WAY", "ON_SCENE", "CLOSED",
    ]  # fmt: skip
    assert len(kinds) == await owner.fetchval("select count(*) from sos_event")
    way = next(event for event in told["events"] if event["kind"] == "ON_THE_WAY")
    assert way["at"] < way["receivedAt"]
    assert way["capturedAtRaw"]
    assert (told["alert"]["resolution"], told["alert"]["status"]) == ("HELPED", "CLOSED")
    assert [one["status"] for one in told["responses"]] == ["ON_SCENE"]
    assert len(told["points"]) == 1
    assert told["pointsCut"] is False
    assert len(told["steps"]) == await owner.fetchval("select count(*) from sos_step")


def pages(content: bytes) -> str:
    document = pypdfium2.PdfDocument(content)
    try:
        return "".join(
            document[number].get_textpage().get_text_range() for number in range(len(document))
        ).replace(MAY_BREAK, "")
    finally:
        document.close()


async def test_the_paper_tells_the_same(database: Database, alert: str) -> None:
    told = await story(database, alert)
    text = pages(as_pdf(told))
    for event in told.events:
        assert f"{event['at'].astimezone():%S}Z" in text
    assert "HELPED" in text
    assert str(told.id) in text
    assert "WGS 84" in text
    assert "MST" in text or told.responses[0]["badge"] in text


async def test_a_drill_says_so_first(
    database: Database, alert: str, owner: asyncpg.Connection
) -> None:
    assert "A drill" not in pages(as_pdf(await story(database, alert)))
    await owner.execute("update sos_alert set drill = true where id = $1", UUID(alert))
    assert "A drill" in pages(as_pdf(await story(database, alert)))


@pytest.mark.parametrize("kind", AlertEventKind)
def test_every_kind_of_event_has_its_words(kind: AlertEventKind) -> None:
    assert EVENT_TH[kind]


async def test_who_sees_the_alert_reads_its_log(kanya: Phone, door: Door, alert: str) -> None:
    answer = await ask(door, kanya.context, TIMELINE, id=alert)
    events = answer["data"]["alert"]["events"]
    assert [one["at"] for one in events] == sorted(one["at"] for one in events)
    [closed] = [one for one in events if one["kind"] == "CLOSED"]
    assert closed["officer"]["name"]


@pytest.mark.parametrize("form", ["PDF", "JSON"])
async def test_a_supervisor_gets_the_report_as_a_file_and_is_written_down(
    form: str,
    database: Database,
    world: World,
    keys: KeySet,
    store: ObjectStore,
    door: Door,
    alert: str,
    owner: asyncpg.Connection,
) -> None:
    asked = context(database, await as_officer(world, world.prasert), keys, store=store)
    made = (await ask(door, asked, EXPORT, id=alert, form=form))["data"]["exportAlert"]
    assert made["refusal"] is None
    async with httpx.AsyncClient() as http:
        answer = await http.get(made["url"])
    assert answer.status_code == 200
    assert sha256(answer.content).hexdigest() == made["sha256"]
    assert len(answer.content) == made["sizeBytes"]
    assert made["filename"] in answer.headers["content-disposition"]
    if form == "PDF":
        assert alert in pages(answer.content)
    else:
        assert orjson.loads(answer.content)["alert"]["id"] == alert
    row = await owner.fetchrow("select * from audit_entry where act = 'alert.report'")
    assert row["subject"] == alert


async def test_others_are_refused_and_nothing_is_written(
    database: Database,
    world: World,
    keys: KeySet,
    store: ObjectStore,
    door: Door,
    alert: str,
    owner: asyncpg.Connection,
) -> None:
    officer = context(database, await as_officer(world, world.kanya), keys, store=store)
    supervisor = context(database, await as_officer(world, world.prasert), keys, store=store)
    for asked, key, code in (
        (officer, alert, "NOT_ALLOWED"),
        (supervisor, str(uuid7()), "NOT_FOUND"),
    ):
        made = (await ask(door, asked, EXPORT, id=key))["data"]["exportAlert"]
        assert made["refusal"]["code"] == code
        assert made["url"] is None
    assert await owner.fetchval("select count(*) from audit_entry where act = 'alert.report'") == 0


async def test_an_administrator_gets_it_too(
    database: Database, world: World, keys: KeySet, store: ObjectStore, alert: str
) -> None:
    asked = context(database, await as_admin(world), keys, store=store)
    text = "mutation ($id: UUID!) { exportAlert(id: $id, form: JSON) { sha256 refusal { code } } }"
    made = (await ask(admin_door(), asked, text, id=alert))["data"]["exportAlert"]
    assert made["refusal"] is None
    assert made["sha256"]
