"""Administrators keep fallback channels and read what the auditor found; nobody reads an address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from api.telling import AppriseTeller
from schema.admin import admin_door
from storage.database import Database
from tests import personas
from tests.conftest import SECRET
from tests.listeners import Listener, webhook
from tests.phone import ask, context
from tests.world import World

DOOR = admin_door()

ADD = """
mutation ($channel: AddSosChannelInput!) {
  addSosChannel(channel: $channel) { id refusal { code } channel { label scheme language station { id } } }
}"""
TEST = "mutation ($id: UUID!) { testSosChannel(id: $id) { refusal { code } channel { testOutcome testReason failingSince } } }"
REMOVE = (
    "mutation ($id: UUID!) { removeSosChannel(id: $id) { refusal { code } channel { removedAt } } }"
)
LIST = "{ sosChannels(removed: false) { totalCount nodes { label testOutcome } } sosFindings(open: true) { nodes { kind } } }"


@pytest.fixture
def hook() -> Iterator[Listener]:
    with webhook() as listener:
        yield listener


async def test_a_channel_is_added_tested_listed_and_removed(
    database: Database, world: World, owner: asyncpg.Connection, hook: Listener
) -> None:
    admin = context(
        database, await personas.as_admin(world), teller=AppriseTeller(SECRET, time_limit=5)
    )

    async def told(text: str, **variables: Any) -> Any:
        answer = await ask(DOOR, admin, text, **variables)
        assert "errors" not in answer, answer
        return answer["data"]

    wanted = {"stationId": str(world.station), "label": "Duty room", "address": hook.address}
    added = (await told(ADD, channel=wanted))["addSosChannel"]
    assert added["channel"]["scheme"] == "json"
    again = (await told(ADD, channel=wanted))["addSosChannel"]
    assert again["refusal"] == {"code": "ALREADY_EXISTS"}
    wrong = (await told(ADD, channel=wanted | {"address": "syslog://local5"}))["addSosChannel"]
    assert wrong["refusal"] == {"code": "CHANNEL_ADDRESS_INVALID"}

    tested = (await told(TEST, id=added["id"]))["testSosChannel"]["channel"]
    assert tested == {"testOutcome": "TOLD", "testReason": None, "failingSince": None}
    hook.status = 500
    failing = (await told(TEST, id=added["id"]))["testSosChannel"]["channel"]
    assert (failing["testOutcome"], failing["testReason"]) == ("FAILED", "HTTP_500")
    listed = await told(LIST)
    assert listed["sosChannels"]["nodes"] == [{"label": "Duty room", "testOutcome": "FAILED"}]
    assert listed["sosFindings"]["nodes"] == []

    removed = (await told(REMOVE, id=added["id"]))["removeSosChannel"]
    assert removed["channel"]["removedAt"] is not None
    assert (await told(LIST))["sosChannels"]["totalCount"] == 0
    for gone in (TEST, REMOVE):
        [answer] = (await told(gone, id=added["id"])).values()
        assert answer["refusal"] == {"code": "NOT_FOUND"}
    acts = await owner.fetch("select act from audit_entry where act like 'channel.%' order by id")
    assert [row["act"] for row in acts] == [
        "channel.add",
        "channel.test",
        "channel.test",
        "channel.remove",
    ]


async def test_no_door_may_read_an_address(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    for role in ("patrol_phone", "patrol_partner", "patrol_admin"):
        assert not await owner.fetchval(
            "select has_column_privilege($1, 'sos_channel', 'sealed', 'select')", role
        )
    [fields] = re.findall(
        r"^type SosChannel \{(.*?)^\}", str(DOOR.schema), re.DOTALL | re.MULTILINE
    )
    assert "label" in fields
    assert "sealed" not in fields
    assert "address" not in fields


async def test_who_is_no_administrator_reads_and_changes_nothing(
    database: Database, world: World, hook: Listener
) -> None:
    officer = context(
        database, await personas.as_officer(world, world.prasert), teller=AppriseTeller(SECRET)
    )
    wanted = {"stationId": str(world.station), "label": "x", "address": hook.address}
    for text, variables in (
        (LIST, {}),
        (ADD, {"channel": wanted}),
        (TEST, {"id": str(world.post)}),
    ):
        assert (await ask(DOOR, officer, text, **variables))["errors"]
    assert hook.told == []
