"""A supervisor knows what each phone still holds, as it says itself, and when it was last heard."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from api.trusted import OPERATIONS
from patrol.keys import KeySet
from patrol.sync.lost import lose_device
from schema.admin import admin_door
from schema.door import Door
from storage.database import Database
from storage.principal import system
from storage.vocabulary import OfficerRole
from tests.personas import as_admin, as_officer
from tests.phone import Phone, ask, context
from tests.world import World

pytestmark = pytest.mark.oldest

REPORT = (OPERATIONS / "ReportBacklog.graphql").read_text()
PHONES = (OPERATIONS / "Phones.graphql").read_text()


async def report(phone: Phone, *lanes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return await ask(phone.door, phone.context, REPORT, lanes=list(lanes), **more)


async def phones(phone: Phone, **more: Any) -> list[dict[str, Any]]:
    answer = await ask(phone.door, phone.context, PHONES, **more)
    assert "errors" not in answer, answer
    nodes: list[dict[str, Any]] = answer["data"]["phones"]["nodes"]
    return nodes


async def test_a_supervisor_sees_what_a_phone_holds(kanya: Phone, prasert: Phone) -> None:
    told = await report(
        kanya,
        {"lane": "RECORDS", "held": 3, "oldestCapturedAt": "2569-11-23T08:00:00+07:00"},
        {"lane": "TRACKS", "held": 40},
        appVersion="1.4.0",
        contractVersion="7",
        batteryPercent=12,
    )
    assert told == {"data": {"reportBacklog": True}}
    [row] = await phones(prasert, holding=True)
    assert (row["recordsHeld"], row["tracksHeld"], row["sosHeld"]) == (3, 40, 0)
    # A phone's calendar may be the Buddhist one.
    assert row["recordsOldestAt"].startswith("2026-11-23T01:00:00")
    assert (row["appVersion"], row["contractVersion"], row["batteryPercent"]) == ("1.4.0", "7", 12)
    assert row["officer"]["name"] == "Kanya"
    assert row["device"]["revokedAt"] is None
    assert row["heardAgeSeconds"] < 60
    await report(kanya)
    assert await phones(prasert, holding=True) == []


async def test_phones_that_never_reported_are_listed_too(kanya: Phone, prasert: Phone) -> None:
    rows = await phones(prasert)
    assert {row["officer"]["name"] for row in rows} == {"Kanya", "Prasert"}
    assert [row["reportedAt"] for row in rows] == [None, None]


async def test_an_officer_sees_his_own_phones_and_no_stranger_any_of_the_station(
    kanya: Phone, prasert: Phone, door: Door, database: Database, world: World, keys: KeySet
) -> None:
    tak = await world.add_station("Tak")
    officer = await world.add_officer("Boss", station=tak, role=OfficerRole.SUPERVISOR)
    await world.assign(officer, world.station)
    boss = Phone(door, context(database, await as_officer(world, officer), keys))
    assert [row["officer"]["name"] for row in await phones(kanya)] == ["Kanya"]
    assert [row["officer"]["name"] for row in await phones(boss)] == ["Boss"]
    assert len(await phones(prasert)) == 2


@pytest.mark.parametrize(
    "lanes",
    [
        [{"lane": "SOS", "held": 1}, {"lane": "SOS", "held": 2}],
        [{"lane": "SOS", "held": -1}],
    ],
)
async def test_a_report_that_cannot_be_is_refused(lanes: list[Any], kanya: Phone) -> None:
    answer = await report(kanya, *lanes)
    assert answer["errors"][0]["extensions"]["code"] == "VARIABLE_INVALID"


async def test_a_broken_gauge_or_clock_costs_no_report(kanya: Phone, prasert: Phone) -> None:
    lane = {"lane": "SOS", "held": 1, "oldestCapturedAt": "no clock"}
    await report(kanya, lane, batteryPercent=400, appVersion="1\0\n")
    [row] = await phones(prasert, holding=True)
    assert row["batteryPercent"] is None
    assert row["sosHeld"] == 1
    assert row["sosOldestAt"] is not None


async def test_an_administrator_sees_the_backlog_below_the_phone(
    kanya: Phone, database: Database, world: World
) -> None:
    await report(kanya, {"lane": "SOS", "held": 2})
    answer = await ask(
        admin_door(),
        context(database, await as_admin(world)),
        "{ devices { nodes { wipedAt backlog { sosHeld officer { name } } } } }",
    )
    [device] = answer["data"]["devices"]["nodes"]
    assert device["backlog"] == [{"sosHeld": 2, "officer": {"name": "Kanya"}}]


async def test_a_lost_phone_is_told_to_erase_itself_wherever_it_asks(
    kanya: Phone, prasert: Phone, database: Database, world: World, owner: asyncpg.Connection
) -> None:
    hidden = await world.add_incident(world.temple)
    await world.add_incident(world.market)
    await kanya.pull()
    device = kanya.context.principal.device_id
    assert device is not None
    async with database.write(system("test")) as connection:
        lost = await lose_device(connection, device, reason="left in a taxi")
        again = await lose_device(connection, device, reason="left in a taxi")
    had = {(one.name, one.subject): one.rows for one in lost.received}
    assert had["Market", "incidents"] == 1
    assert had["Market", "cameras"] == 1
    # What she was never given is not in it: the other zone's incident is there, and not hers.
    assert not any(name == "Temple" for name, _ in had)
    assert hidden
    assert {(one.name, one.subject): one.rows for one in again.received} == had
    assert lost.last_pull_at is not None
    answer = await ask(kanya.door, kanya.context, PHONES)
    assert answer["errors"][0]["extensions"]["code"] == "DEVICE_WIPE"
    assert "/sync/surrender" in answer["errors"][0]["extensions"]["whatToDo"]
    # The others' phones, and phones that were only revoked, are told nothing of the kind.
    assert await phones(prasert)
    await owner.execute(
        "update session set revoked_at = now() where officer_id = $1", world.prasert
    )
    answer = await ask(prasert.door, prasert.context, PHONES)
    assert answer["errors"][0]["extensions"]["code"] == "SESSION_REVOKED"
    entry = await owner.fetchval("select detail from audit_entry where act = 'device.lost' limit 1")
    assert "left in a taxi" in entry
