"""What an operator does about restores by command: note backups, check receipts, ask the doctor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import orjson
import pytest
from pydantic import SecretStr

from api.cli.exits import Exit
from api.handlers import handlers, schedules
from api.services import running
from api.settings import Settings
from patrol.keys import KeySet
from patrol.sync.backups import MARGIN
from patrol.sync.history import WATCH, notice
from schema.phone import phone_door
from storage.database import Database
from storage.embedded import EmbeddedS3
from tests.api.cli_support import CommandLine, on_database
from tests.conftest import SECRET
from tests.patrol.restore_support import Keeper
from tests.personas import as_officer
from tests.phone import Phone, context
from tests.world import World


@pytest.fixture
def patrol(login_url: str, fresh_database_url: str) -> CommandLine:
    """The command line on this test's own database."""
    return on_database(login_url, fresh_database_url)


@pytest.fixture
async def keeper(world: World, database: Database, keys: KeySet) -> Keeper:
    principal = await as_officer(world, world.kanya)
    return Keeper(Phone(phone_door(), context(database, principal, keys)), world.market)


async def test_a_noted_backup_lets_phones_drop_what_was_answered_a_minute_before_it(
    patrol: CommandLine, keeper: Keeper, owner: asyncpg.Connection
) -> None:
    begun = (await patrol.ok("backup", "time")).strip()
    noted = (await patrol.ok("backup", "note", "--until", begun, "--note", "of Monday")).strip()
    assert datetime.fromisoformat(noted) == datetime.fromisoformat(begun) - MARGIN
    [page] = await keeper.phone.pull()
    assert datetime.fromisoformat(page["durableThrough"]) == datetime.fromisoformat(noted)
    assert await owner.fetchval("select count(*) from audit_entry where act = 'backup.note'") == 1
    ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for wrong in (ahead, "yesterday", "2026-01-01T00:00:00"):
        assert (await patrol("backup", "note", "--until", wrong)).code == Exit.REFUSED
    assert await owner.fetchval("select count(*) from sync_backup") == 1


async def test_a_newer_note_takes_a_bad_backup_back(patrol: CommandLine, keeper: Keeper) -> None:
    for day in ("03", "01"):
        await patrol.ok("backup", "note", "--until", f"2026-01-{day}T02:00:00+07:00")
    [page] = await keeper.phone.pull()
    assert page["durableThrough"].startswith("2025-12-31T18:59:00")


async def test_anyone_with_the_command_checks_a_receipt(
    patrol: CommandLine, keeper: Keeper, owner: asyncpg.Connection, world: World
) -> None:
    keeper.record("one")
    await keeper.push()
    assert keeper.receipt is not None
    badge = await owner.fetchval("select badge from officer where id = $1", world.kanya)
    told = await patrol.ok("receipt", "verify", keeper.receipt)
    assert told.startswith(f"All RECORDS of {badge} on device ")
    assert " up to number 1 was stored at " in told
    changed = keeper.receipt.replace(".", ".A", 2)
    assert (await patrol("receipt", "verify", changed)).code == Exit.REFUSED
    await owner.execute("update sync_lane set applied_sequence = 0")
    lost = await patrol("receipt", "verify", keeper.receipt)
    assert lost.code == Exit.ANSWER_IS_NO
    assert "up to number 0 only" in lost.err


async def test_a_receipt_outlives_the_key_that_signed_it(
    patrol: CommandLine, keeper: Keeper, owner: asyncpg.Connection
) -> None:
    keeper.record("one")
    await keeper.push()
    assert keeper.receipt is not None
    await patrol.ok("keys", "rotate")
    await owner.execute("update signing_key set signs_from = now() - interval '1 minute'")
    await patrol.ok("keys", "retire", keeper.receipt.split(".")[1], "--yes")
    done = await patrol("receipt", "verify", keeper.receipt)
    assert done.code == Exit.DONE
    assert "retired" in done.err


async def test_the_doctor_speaks_and_repairs(
    patrol: CommandLine, keeper: Keeper, database: Database, owner: asyncpg.Connection
) -> None:
    keeper.record("one")
    await keeper.push()
    await notice(database, None)
    told = await patrol.ok("sync", "doctor")
    assert "epoch\tgood\t1, since" in told
    await owner.execute("update sync_mark set table_oid = 1")
    ill = await patrol("sync", "doctor", "--json")
    assert ill.code == Exit.ANSWER_IS_NO
    report = orjson.loads(ill.out)
    assert report["verdict"] == "repair"
    assert [one["about"] for one in report["findings"] if one["verdict"] == "repair"] == ["history"]
    repaired = await patrol("sync", "doctor", "--repair")
    assert repaired.code == Exit.DONE
    assert "Epoch 2 begins." in repaired.err
    assert "epoch\tgood\t2, since" in repaired.out


async def test_a_process_that_starts_notices_before_it_serves_and_looks_again_each_minute(
    database: Database, login_url: str, owner: asyncpg.Connection, s3: EmbeddedS3
) -> None:
    await notice(database, None)
    await owner.execute("update sync_mark set table_oid = 1")
    settings = Settings(
        database_url=login_url,
        secret=SecretStr(SECRET),
        s3_url=f"http://{s3.endpoint}",
        s3_access_key=s3.access_key,
        s3_secret_key=SecretStr(s3.secret_key),
        s3_region=s3.region,
        s3_prefix="no-buckets-",
    )
    async with running(settings) as services:
        assert await owner.fetchval("select max(number) from sync_epoch") == 2
        [turn] = [one for one in schedules() if one.name == WATCH]
        assert turn.every == timedelta(minutes=1)
        assert WATCH in handlers(services)


async def test_the_doctor_names_the_phone_with_the_oldest_cursor_and_late_seals(
    patrol: CommandLine, keeper: Keeper, world: World, owner: asyncpg.Connection
) -> None:
    await keeper.phone.pull()
    badge = await owner.fetchval("select badge from officer where id = $1", world.kanya)
    told = orjson.loads(await patrol.ok("sync", "doctor", "--json"))["findings"]
    found = {one["about"]: one for one in told}
    assert found["oldest cursor"]["verdict"] == "good"
    assert badge in found["oldest cursor"]["value"]
    assert str(keeper.phone.context.principal.device_id) in found["oldest cursor"]["value"]
    assert "1 copies are waited for, 0 were given up" in found["oldest cursor"]["value"]
    assert found["audit log"]["verdict"] == "good"
    await owner.execute("update held_snapshot set seen_at = now() - interval '8 days'")
    await owner.execute(
        "insert into audit_entry (at, principal, act, subject) "
        "values (now() - interval '1 hour', 'system:test', 'test.act', 'late')"
    )
    told = orjson.loads(await patrol.ok("sync", "doctor", "--json"))["findings"]
    found = {one["about"]: one for one in told}
    assert "8 d 0 h ago" in found["oldest cursor"]["value"]
    assert found["oldest cursor"]["verdict"] == found["audit log"]["verdict"] == "look"
