"""What staff does by command about refused records and lost phones."""

from __future__ import annotations

import asyncpg
import orjson
import pytest

from api.cli.exits import Exit
from patrol.keys import KeySet
from schema.phone import phone_door
from storage.database import Database
from tests.api.cli_support import CommandLine, on_database
from tests.personas import as_officer
from tests.phone import Phone, context
from tests.world import World


@pytest.fixture
def patrol(login_url: str, fresh_database_url: str) -> CommandLine:
    """The command line on this test's own database."""
    return on_database(login_url, fresh_database_url)


@pytest.fixture
async def kanya(world: World, database: Database, keys: KeySet) -> Phone:
    principal = await as_officer(world, world.kanya)
    return Phone(phone_door(), context(database, principal, keys))


async def test_refused_records_are_listed_shown_replayed_and_set_aside(
    patrol: CommandLine, kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    incident = str(await world.add_incident(world.temple))
    await kanya.push(
        "RECORDS", kanya.change(incident, 1, title="Late\nand long"), kanya.report(title="")
    )
    listed = await patrol.ok("quarantine", "list")
    assert "Late and long" in listed
    told = orjson.loads(await patrol.ok("quarantine", "list", "--json"))
    late, bad = told
    assert (late["code"], late["subject"], late["overdue"]) == ("NOT_IN_SCOPE", "incidents", False)
    shown = orjson.loads(await patrol.ok("quarantine", "show", late["id"], "--json"))
    assert shown["payload"]["fields"] == {"title": "Late\nand long"}
    assert shown["why"].endswith("not assigned to you.")
    assert "NOT_IN_SCOPE" in await patrol.ok("quarantine", "show", late["id"])

    done = await patrol("quarantine", "replay", late["id"], bad["id"], "--reason", "both hers")
    assert done.code == Exit.ANSWER_IS_NO
    assert f"{late['id']}\tAPPLIED\t-" in done.out
    assert f"{bad['id']}\tREJECTED\tRECORD_INVALID" in done.out
    assert await owner.fetchval("select title from incident") == "Late\nand long"
    assert "DUPLICATE" in await patrol.ok("quarantine", "replay", late["id"], "--reason", "again")

    await patrol.ok("quarantine", "discard", bad["id"], "--reason", "empty")
    assert await patrol.ok("quarantine", "list") == ""
    left = orjson.loads(await patrol.ok("quarantine", "list", "--all", "--json"))
    assert [one["state"] for one in left] == ["REPLAYED", "DISCARDED"]
    who = await owner.fetchval("select resolved_by from quarantine where state = 'DISCARDED'")
    assert who.startswith("system:cli/")
    assert (await patrol("quarantine", "discard", late["id"], "--reason", "x")).code == Exit.REFUSED
    assert (await patrol("quarantine", "show", incident)).code == Exit.REFUSED


async def test_a_lost_phone_is_revoked_and_what_it_may_have_is_listed(
    patrol: CommandLine, kanya: Phone, owner: asyncpg.Connection
) -> None:
    await kanya.pull()
    device = str(kanya.context.principal.device_id)
    await owner.execute("update officer_phone set records_held = 4")
    assert " 4" in await patrol.ok("device", "list")
    listed = await patrol.ok("device", "lost", device, "--reason", "left in a taxi")
    assert "Market\tcameras\t1" in listed
    assert "Temple" not in listed
    told = orjson.loads(await patrol.ok("device", "lost", device, "--reason", "again", "--json"))
    assert {"Market", "Mae Sot"} >= {one["name"] for one in told["received"]}
    row = await owner.fetchrow("select revoked_at, wipe_ordered_at, wiped_at from device")
    assert row["revoked_at"] is not None
    assert row["wipe_ordered_at"] is not None
    assert row["wiped_at"] is None
    unknown = await patrol("device", "lost", str(kanya.context.principal.id), "--reason", "x")
    assert unknown.code == Exit.REFUSED
