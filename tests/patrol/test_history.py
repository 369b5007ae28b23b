"""A database whose history went back is noticed, by itself and once, and nobody is served from it as if nothing were."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import orjson
import pytest
from uuid_utils.compat import uuid7

from patrol.keys import KeySet
from patrol.sync import doctor, history
from patrol.sync.cursor import Cursor, Done, sign
from patrol.sync.history import WITNESS_EPOCHS, notice
from patrol.sync.witness import ask_witness, tell_witness
from schema.door import Door
from schema.phone import phone_door
from storage.buckets import ObjectStore, Patience
from storage.database import Database
from storage.principal import Role, system
from tests.personas import as_officer
from tests.phone import PULL, Phone, ask, context
from tests.world import World

pytestmark = pytest.mark.oldest


@pytest.fixture(scope="module")
def door() -> Door:
    return phone_door()


@pytest.fixture
async def kanya(door: Door, database: Database, world: World, keys: KeySet) -> Phone:
    return Phone(door, context(database, await as_officer(world, world.kanya), keys))


async def current(owner: asyncpg.Connection) -> Any:
    return await owner.fetchrow("select * from sync_epoch order by number desc limit 1")


async def test_a_server_that_only_goes_on_begins_no_epoch(
    database: Database, owner: asyncpg.Connection, own_store: ObjectStore
) -> None:
    for _ in range(3):
        assert await notice(database, own_store) is None
    assert (await current(owner))["number"] == 1
    assert await owner.fetchval("select array_agg(serial order by serial) from sync_mark") == [
        1,
        2,
        3,
    ]
    witness = await ask_witness(own_store)
    assert witness is not None
    assert witness.serial == 3


@pytest.mark.parametrize(
    ("column", "value", "cause"),
    [
        ("system_identifier", "'7'", "SYSTEM"),
        ("timeline", "timeline + 1", "TIMELINE"),
        ("database_oid", "1", "DATABASE"),
        ("table_oid", "1", "TABLE"),
        ("xid", "'99999999999'", "COUNTER"),
        ("lsn", "'FF/0'", "LOG"),
    ],
)
async def test_what_does_not_fit_the_mark_begins_one_epoch(
    column: str, value: str, cause: str, database: Database, owner: asyncpg.Connection
) -> None:
    await notice(database, None)
    await owner.execute(f"update sync_mark set {column} = {value}")
    assert await notice(database, None) == 2
    assert await notice(database, None) is None
    epoch = await current(owner)
    assert (epoch["number"], epoch["cause"]) == (2, cause)
    entry = await owner.fetchrow("select * from audit_entry where act = 'epoch.new'")
    assert entry["principal"] == "system:history"
    assert cause in orjson.loads(entry["detail"])["evidence"]


async def test_many_processes_begin_one_epoch(
    database: Database, login_url: str, owner: asyncpg.Connection
) -> None:
    await notice(database, None)
    await owner.execute("update sync_mark set table_oid = 1")
    other = await Database.connect(login_url, size=4)
    try:
        begun = await asyncio.gather(*(notice(one, None) for one in [database, other] * 4))
    finally:
        await other.close()
    assert sorted(begun, key=str) == [2, *[None] * 7]


async def test_rows_of_another_cluster_are_stamped_anew_and_keep_their_version(
    kanya: Phone, database: Database, owner: asyncpg.Connection, world: World
) -> None:
    incident = await world.add_incident(world.market)
    await owner.execute("alter table incident disable trigger stamp_update")
    await owner.execute("update incident set sync_xid = '88888888888'")
    await owner.execute("alter table incident enable trigger stamp_update")
    before = await owner.fetchrow("select rev, updated_at from incident")
    await kanya.pull()
    assert kanya.rows["incidents"] == {}, (
        "the negative control: a stamp that is yet to come hides its row"
    )
    assert await notice(database, None) == 2
    assert (await current(owner))["cause"] == "STAMPS"
    assert await owner.fetchrow("select rev, updated_at from incident") == before
    assert (await kanya.pull_page())["reset"] == "EPOCH_ENDED"
    assert set(kanya.rows["incidents"]) == {str(incident)}
    await world.change("update incident set title = 'later'")
    assert await owner.fetchval("select rev from incident") == before["rev"] + 1


async def test_a_copy_put_in_place_is_told_by_the_witness(
    database: Database, owner: asyncpg.Connection, own_store: ObjectStore
) -> None:
    await notice(database, own_store)
    copy = await owner.fetch("select * from sync_mark")
    await notice(database, own_store)
    await owner.execute("delete from sync_mark where serial > $1", copy[0]["serial"])
    assert await notice(database, None) is None, "the negative control: nothing inside tells"
    await owner.execute("delete from sync_mark where serial > $1", copy[0]["serial"])
    assert await notice(database, own_store) == 2
    assert (await current(owner))["cause"] == "WITNESS"
    assert await notice(database, own_store) is None


async def test_a_copy_that_made_marks_of_its_own_is_told_too(
    database: Database, owner: asyncpg.Connection, own_store: ObjectStore
) -> None:
    for _ in range(2):
        await notice(database, own_store)
    await owner.execute("delete from sync_mark where serial > 1")
    for _ in range(5):
        await notice(database, None)
    assert await notice(database, own_store) == 2


async def test_a_store_that_cannot_be_told_begins_one_epoch_and_no_more(
    database: Database, owner: asyncpg.Connection, own_store: ObjectStore
) -> None:
    for _ in range(2):
        await notice(database, own_store)
    old = await ask_witness(own_store)
    assert old is not None
    await owner.execute("delete from sync_mark where serial = 2")
    assert await notice(database, own_store) == 2
    for _ in range(2):
        await tell_witness(own_store, old)
        assert await notice(database, own_store) is None


async def test_two_servers_with_one_store_do_not_end_each_others_epochs_for_ever(
    database: Database, owner: asyncpg.Connection, own_store: ObjectStore
) -> None:
    await notice(database, own_store)
    for _ in range(WITNESS_EPOCHS + 2):
        await owner.execute("update sync_mark set token = gen_random_uuid()")
        await notice(database, own_store)
    assert (await current(owner))["number"] == 1 + WITNESS_EPOCHS


async def test_a_store_that_is_away_is_no_fault(
    database: Database, owner: asyncpg.Connection
) -> None:
    away = ObjectStore(
        "127.0.0.1:9", "key", "secret", region="r", secure=False, patience=Patience(0.2, 0.2, 0.2)
    )
    try:
        assert await notice(database, away) is None
        await owner.execute("update sync_mark set table_oid = 1")
        assert await notice(database, away) == 2
    finally:
        away.close()


async def test_a_cursor_that_is_ahead_begins_an_epoch_for_everybody(
    kanya: Phone,
    door: Door,
    database: Database,
    world: World,
    keys: KeySet,
    owner: asyncpg.Connection,
) -> None:
    somkid = Phone(door, context(database, await as_officer(world, world.somkid), keys))
    await somkid.pull()
    epoch = (await current(owner))["id"]
    kanya.cursor = sign(
        Cursor(epoch, Done("99999999999:99999999999:", "00", "00"), None), keys, holder=world.kanya
    )
    first = await kanya.pull_page()
    assert (first["reset"], first["complete"], first["zones"]) == ("CURSOR_AHEAD", False, [])
    assert (await current(owner))["cause"] == "CURSOR"
    pages = await kanya.pull()
    assert [page["reset"] for page in pages] == ["EPOCH_ENDED"]
    assert set(kanya.rows["zones"]) == {str(world.market)}
    assert (await somkid.pull_page())["reset"] == "EPOCH_ENDED"
    assert (await current(owner))["number"] == 2


async def test_a_pull_from_tables_that_were_made_anew_waits_for_the_epoch(
    kanya: Phone, database: Database, owner: asyncpg.Connection
) -> None:
    await kanya.pull()
    await notice(database, None)
    await owner.execute("update sync_mark set table_oid = 1")
    answer = await ask(kanya.door, kanya.context, PULL, cursor=kanya.cursor, first=500)
    assert answer["errors"][0]["extensions"]["code"] == "RETRY_LATER"
    assert (await current(owner))["number"] == 2
    assert (await kanya.pull_page())["reset"] == "EPOCH_ENDED"


async def test_the_doctor_tells_what_is_wrong_and_repairs_it(
    database: Database, owner: asyncpg.Connection, own_store: ObjectStore, world: World
) -> None:
    await notice(database, own_store)
    well = await doctor.examine(database, own_store)
    assert well.verdict is not doctor.Verdict.REPAIR
    assert {one.about for one in well.findings} >= {
        "epoch", "history", "server", "stamps", "mark", "witness", "backup", "lanes", "holes", "quarantine",
    }  # fmt: skip
    await world.add_incident(world.market)
    await owner.execute("alter table incident disable trigger stamp_update")
    await owner.execute("update incident set sync_xid = '88888888888'")
    ill = await doctor.examine(database, own_store)
    assert [one.about for one in ill.findings if one.verdict is doctor.Verdict.REPAIR] == ["stamps"]
    await owner.execute("alter table incident enable trigger stamp_update")
    assert await doctor.repair(database, own_store) == 2
    assert (await doctor.examine(database, own_store)).verdict is not doctor.Verdict.REPAIR
    assert await doctor.repair(database, own_store) is None


async def test_a_mark_is_as_old_as_the_ring_and_no_older(
    database: Database, owner: asyncpg.Connection, own_store: ObjectStore
) -> None:
    """A store that was away for longer than marks are kept proves nothing by an old witness."""
    await notice(database, own_store)
    await notice(database, None)
    await owner.execute("delete from sync_mark where serial = 1")
    assert await notice(database, own_store) is None
    async with database.read(Role.SYSTEM, system("test")) as entered:
        server = await history.look(entered.connection)
    assert server.mark is not None
    assert server.mark["oldest"] == 2


async def test_an_epoch_that_was_ended_is_not_ended_again(
    database: Database, owner: asyncpg.Connection
) -> None:
    epoch = (await current(owner))["id"]
    await history.heed_cursor(database, uuid7())
    assert (await current(owner))["number"] == 1
    for _ in range(2):
        await history.heed_cursor(database, epoch)
    assert (await current(owner))["number"] == 2
