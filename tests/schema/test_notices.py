"""What a supervisor lets officers know must reach those it is for, and leave them when it is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from api.trusted import OPERATIONS
from patrol.keys import KeySet
from schema.admin import admin_door
from schema.door import Door
from storage.database import Database
from storage.vocabulary import OfficerRole
from tests.personas import as_admin, as_officer
from tests.phone import Heard, Phone, ask, context
from tests.world import World, now

pytestmark = pytest.mark.oldest

POST = (OPERATIONS / "PostNotice.graphql").read_text()
WITHDRAW = (OPERATIONS / "WithdrawNotice.graphql").read_text()
LIST = "{ notices { totalCount nodes { id title zone { name } poster { name } } } }"


@pytest.fixture
async def somkid(door: Door, database: Database, world: World, keys: KeySet) -> Phone:
    """The phone of the officer who patrols the temple."""
    return Phone(door, context(database, await as_officer(world, world.somkid), keys))


async def post(phone: Phone, **more: Any) -> dict[str, Any]:
    """What a phone is told when it posts a notice."""
    notice = {
        "id": str(uuid7()), "severity": "WARNING", "title": "Flood", "titleTh": "น้ำท่วม",
        "body": "The road behind the market is under water.",
    } | more  # fmt: skip
    answer = await ask(phone.door, phone.context, POST, notice=notice)
    assert "errors" not in answer, answer
    told: dict[str, Any] = answer["data"]["postNotice"]
    return told


async def withdraw(phone: Phone, notice: str) -> dict[str, Any]:
    """What a phone is told when it withdraws a notice."""
    answer = await ask(phone.door, phone.context, WITHDRAW, id=notice)
    told: dict[str, Any] = answer["data"]["withdrawNotice"]
    return told


async def test_a_notice_to_the_station_reaches_everybody_and_one_to_a_zone_its_officers(
    kanya: Phone, somkid: Phone, prasert: Phone, world: World
) -> None:
    to_all = await post(prasert)
    to_market = await post(prasert, zoneId=str(world.market), title="Pickpockets")
    for phone in (kanya, somkid, prasert):
        await phone.pull()
    assert set(kanya.rows["notices"]) == {to_all["id"], to_market["id"]}
    assert set(prasert.rows["notices"]) == {to_all["id"], to_market["id"]}
    assert set(somkid.rows["notices"]) == {to_all["id"]}
    row = somkid.rows["notices"][to_all["id"]]
    assert (row["title"], row["titleTh"], row["bodyTh"]) == ("Flood", "น้ำท่วม", None)
    assert (row["scopeId"], row["postedBy"]) == (str(world.staff), str(world.prasert))
    assert row["expiresAt"] is None
    heard = prasert.context.live
    assert isinstance(heard, Heard)
    assert heard.scopes == [world.staff, world.market]


async def test_a_notice_of_another_station_reaches_nobody_here(
    kanya: Phone, door: Door, database: Database, world: World, keys: KeySet
) -> None:
    tak = await world.add_station("Tak")
    boss = await world.add_officer("Boss", station=tak, role=OfficerRole.SUPERVISOR)
    phone = Phone(door, context(database, await as_officer(world, boss), keys))
    posted = await post(phone)
    assert posted["refusal"] is None
    await kanya.pull()
    assert not kanya.rows["notices"]
    await phone.pull()
    assert set(phone.rows["notices"]) == {posted["id"]}


async def test_a_withdrawn_notice_leaves_every_phone(
    kanya: Phone, prasert: Phone, world: World, owner: asyncpg.Connection
) -> None:
    posted = await post(prasert)
    await kanya.pull()
    for _ in range(2):
        assert await withdraw(prasert, posted["id"]) == {"id": posted["id"], "refusal": None}
    page = await kanya.pull_page()
    assert page["removals"] == [{"subject": "notices", "id": posted["id"], "reason": "DELETED"}]
    assert not kanya.rows["notices"]
    acts = await owner.fetch("select act from audit_entry order by id")
    assert [row["act"] for row in acts][:2] == ["notice.post", "notice.withdraw"]


async def test_a_phone_knows_when_to_drop_a_notice_by_itself(
    kanya: Phone, prasert: Phone, world: World
) -> None:
    ends = now() + timedelta(hours=2)
    posted = await post(prasert, expiresAt=ends.isoformat())
    await kanya.pull()
    row = kanya.rows["notices"][posted["id"]]
    assert row["expiresAt"] == ends.isoformat().replace("+00:00", "Z")
    listed = await ask(kanya.door, kanya.context, LIST)
    assert listed["data"]["notices"] == {
        "totalCount": 1,
        "nodes": [{"id": posted["id"], "title": "Flood", "zone": None, "poster": {"name": "Prasert"}}],
    }  # fmt: skip
    await world.change(
        "update notice set valid_from = now() - interval '2 hours', expires_at = now() - interval '1 second'"
    )
    listed = await ask(kanya.door, kanya.context, LIST)
    assert listed["data"]["notices"]["nodes"] == []


async def test_the_answer_shows_the_notice_as_it_stands(prasert: Phone, world: World) -> None:
    text = POST.replace("id\n", "id notice { title zone { name } poster { name } }\n")
    notice = {
        "id": str(uuid7()), "severity": "INFO", "title": "Fair", "body": "Until ten.", "zoneId": str(world.market),
    }  # fmt: skip
    answer = await ask(prasert.door, prasert.context, text, notice=notice)
    assert answer["data"]["postNotice"]["notice"] == {
        "title": "Fair", "zone": {"name": "Market"}, "poster": {"name": "Prasert"},
    }  # fmt: skip


async def test_a_notice_that_is_moved_to_another_zone_leaves_and_enters(
    kanya: Phone, somkid: Phone, prasert: Phone, world: World
) -> None:
    posted = await post(prasert, zoneId=str(world.market))
    for phone in (kanya, somkid):
        await phone.pull()
    await world.change("update notice set zone_id = $1", world.temple)
    page = await kanya.pull_page()
    assert page["removals"] == [{"subject": "notices", "id": posted["id"], "reason": "LEFT_SCOPE"}]
    await somkid.pull()
    assert set(somkid.rows["notices"]) == {posted["id"]}


async def test_a_notice_that_is_sent_twice_is_posted_once(
    prasert: Phone, owner: asyncpg.Connection
) -> None:
    key = str(uuid7())
    assert await post(prasert, id=key) == await post(prasert, id=key)
    refused = await post(prasert, id=key, title="Another")
    assert refused["refusal"]["code"] == "ALREADY_EXISTS"
    assert await owner.fetchval("select count(*) from notice") == 1
    assert await owner.fetchval("select count(*) from audit_entry where act = 'notice.post'") == 1


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"title": ""}, "RECORD_INVALID"),
        ({"titleTh": "x" * 201}, "RECORD_INVALID"),
        ({"body": "a\0b"}, "RECORD_INVALID"),
        ({"zoneId": str(uuid7())}, "NOT_FOUND"),
        ({"expiresAt": "2026-01-01T00:00:00Z"}, "VARIABLE_INVALID"),
        ({"expiresAt": "2096-01-01T00:00:00Z", "validFrom": "2097-01-01T00:00:00Z"}, "RECORD_INVALID"),
    ],
)  # fmt: skip
async def test_a_notice_that_cannot_be_is_refused_as_data(
    more: dict[str, Any], code: str, prasert: Phone, owner: asyncpg.Connection
) -> None:
    told = await post(prasert, **more)
    assert told["id"] is None
    assert told["refusal"]["code"] == code
    assert told["refusal"]["whatToDo"]
    assert await owner.fetchval("select count(*) from notice") == 0


async def test_only_supervisors_of_the_station_post_and_withdraw(
    kanya: Phone, prasert: Phone, door: Door, database: Database, world: World, keys: KeySet
) -> None:
    tak = await world.add_station("Tak")
    boss = await world.add_officer("Boss", station=tak, role=OfficerRole.SUPERVISOR)
    await world.assign(boss, world.station)
    guest = Phone(door, context(database, await as_officer(world, boss), keys))
    posted = await post(prasert)
    assert (await post(kanya))["refusal"]["code"] == "NOT_ALLOWED"
    assert (await withdraw(kanya, posted["id"]))["refusal"]["code"] == "NOT_ALLOWED"
    assert (await withdraw(guest, posted["id"]))["refusal"]["code"] == "NOT_FOUND"
    assert (await post(guest, zoneId=str(world.market)))["refusal"]["code"] == "NOT_FOUND"
    await kanya.pull()
    assert set(kanya.rows["notices"]) == {posted["id"]}


async def test_an_administrator_posts_and_withdraws_for_any_station(
    kanya: Phone, database: Database, world: World
) -> None:
    door, office = admin_door(), context(database, await as_admin(world))
    notice = {
        "stationId": str(world.station), "severity": "URGENT", "title": "Drill", "body": "At noon.",
    }  # fmt: skip
    told = (await ask(door, office, POST, notice=notice))["data"]
    posted = told["postNotice"]
    assert posted["refusal"] is None
    await kanya.pull()
    assert kanya.rows["notices"][posted["id"]]["postedBy"] is None
    told = (await ask(door, office, WITHDRAW, id=posted["id"]))["data"]["withdrawNotice"]
    assert told == {"id": posted["id"], "refusal": None}
    await kanya.pull()
    assert not kanya.rows["notices"]
    listed = await ask(door, office, "{ notices { nodes { id withdrawnAt station { id } } } }")
    [row] = listed["data"]["notices"]["nodes"]
    assert row["withdrawnAt"] is not None
    assert row["station"] == {"id": str(world.station)}
    missing = (await ask(door, office, WITHDRAW, id=str(uuid7())))["data"]["withdrawNotice"]
    assert missing["refusal"]["code"] == "NOT_FOUND"
