"""After a restore, whichever way it was done, nothing that a phone still holds is missing, and every copy is the truth."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from patrol.keys import KeySet, load
from patrol.sync.history import notice
from schema.door import Door
from schema.phone import phone_door
from storage.buckets import ObjectStore
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.faults import DatabaseIsStandby, DatabaseUnfit
from storage.fitness import require_fit
from storage.migrations import migrate
from storage.principal import Role, system
from tests.conftest import LOGIN, SECRET
from tests.patrol.restore_support import (
    PAUSE,
    Keeper,
    copy_of,
    dump,
    hidden,
    programs,
    restore_over,
    run,
    truth,
)
from tests.personas import as_officer
from tests.phone import PULL, Phone, ask, context
from tests.world import World


@pytest.fixture(scope="module")
def door() -> Door:
    return phone_door()


def server_in(directory: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(directory, bin_dir=programs(), fast_for_tests=True)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[tuple[Database, asyncpg.Connection]]:
    """The application's pool and the superuser's connection, as a process that starts has them."""
    name = url.partition("?")[0].rpartition("/")[2]
    login = url.replace("postgres@", f"{LOGIN}@").replace(f"/{name}?", f"/{name}?")
    database = await Database.connect(login, size=6)
    owner = await asyncpg.connect(url)
    try:
        yield database, owner
    finally:
        await owner.close()
        await database.close()


async def made(server: EmbeddedPostgres) -> str:
    """A migrated database on a new server; the superuser's address."""
    owner = await asyncpg.connect(server.url)
    await owner.execute(f"create role {LOGIN} login nosuperuser nobypassrls")
    await owner.close()
    await migrate(server.url, login=LOGIN)
    return server.url


@dataclass
class Station:
    """Three phones of the market: one that keeps what it must, one that dropped a part, and one with an older app."""

    world: World
    keys: KeySet
    phones: list[Keeper]

    @classmethod
    async def make(cls, database: Database, door: Door) -> Station:
        world = await World.make(database)
        async with database.write(system("keys"), role=Role.SYSTEM) as connection:
            keys = await load(connection, SECRET)
        phones = [
            Keeper(
                Phone(door, context(database, await as_officer(world, world.kanya), keys)),
                world.market,
                silent,
            )
            for silent in (False, False, True)
        ]
        return cls(world, keys, phones)

    def move(self, database: Database) -> None:
        """The phones reach the server that is there now."""
        self.world.database = database
        for keeper in self.phones:
            keeper.phone.context = context(database, keeper.phone.context.principal, self.keys)

    async def work(self, word: str) -> None:
        """Each phone reports twice, is answered and pulls."""
        for keeper in self.phones:
            for number in range(2):
                keeper.record(f"{word} {number}")
            await keeper.push()
            await keeper.phone.pull()


Restore = Callable[[], Awaitable[None]]


async def prove(
    station: Station, url: str, cause: str, *, store: ObjectStore | None, stamps: bool = False
) -> None:
    """What must hold once a restored database is served again."""
    keeping, dropped, silent = station.phones
    dropped.drop(3)
    for keeper in station.phones:
        keeper.record("written in the meantime")
    async with opened(url) as (database, owner):
        station.move(database)
        assert (await hidden(owner) > 0) is stamps
        begun = await asyncio.gather(*(notice(database, store) for _ in range(4)))
        assert len([one for one in begun if one]) == 1, begun
        epoch = await owner.fetchrow("select * from sync_epoch order by number desc limit 1")
        assert epoch["cause"] == cause
        assert await hidden(owner) == 0
        await keeping.push()
        await dropped.push()
        assert [one["outcome"] for one in await silent.push_once()] == ["GAP"]
        await owner.execute(PAUSE)
        await silent.push()
        stored = await truth(owner, station.world.market)
        for keeper in station.phones:
            pages = await keeper.phone.pull()
            assert pages[0]["reset"] == "EPOCH_ENDED"
            assert copy_of(keeper.phone) == stored
        # Two reports were in the backup, two were acknowledged after it, one was written in the meantime.
        assert set(keeping.reported.values()) <= stored.keys()
        assert {dropped.reported[one] for one in (1, 2, 4, 5)} <= stored.keys()
        assert {silent.reported[one] for one in (1, 2, 5)} <= stored.keys()
        gaps = await owner.fetch("select from_sequence, to_sequence from sync_gap order by 2")
        assert [tuple(gap) for gap in gaps] == [(3, 3), (3, 4)]
        assert await notice(database, store) is None
        await station.work("after")
        stored = await truth(owner, station.world.market)
        assert len(stored) == 5 + 4 + 3 + 6
        for keeper in station.phones:
            await keeper.phone.pull()
            assert copy_of(keeper.phone) == stored


async def test_a_dump_restored_over_the_same_database(
    door: Door, fresh_database_url: str, own_store: ObjectStore, tmp_path: Path
) -> None:
    async with opened(fresh_database_url) as (database, _):
        station = await Station.make(database, door)
        await notice(database, own_store)
        await station.work("in the backup")
        await dump(fresh_database_url, tmp_path / "dump")
        await station.work("after the backup")
    await restore_over(fresh_database_url, tmp_path / "dump")
    await prove(station, fresh_database_url, "TABLE", store=None)


@pytest.mark.prove
async def test_a_dump_restored_into_a_fresh_cluster(
    door: Door, own_store: ObjectStore, tmp_path: Path
) -> None:
    with server_in(tmp_path / "old") as old, server_in(tmp_path / "new") as new:
        url = await made(old)
        async with opened(url) as (database, owner):
            station = await Station.make(database, door)
            # An older server has counted further than a fresh one will for a while.
            await owner.execute(
                "do $$ begin for i in 1..3000 loop perform pg_current_xact_id(); commit; end loop; end $$"
            )
            await notice(database, own_store)
            await station.work("in the backup")
            await dump(url, tmp_path / "dump")
            roles = await run("pg_dumpall", "--roles-only", f"--dbname={url}")
            await station.work("after the backup")
        roles = b"\n".join(line for line in roles.splitlines() if b"ROLE postgres" not in line)
        await run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", new.url, stdin=roles)
        await run("pg_restore", f"--dbname={new.url}", str(tmp_path / "dump"))
        await prove(station, new.url, "SYSTEM", store=own_store, stamps=True)


@pytest.mark.prove
@pytest.mark.parametrize("witnessed", [True, False], ids=["witness", "cursor"])
async def test_a_copied_data_directory_put_back(
    witnessed: bool, door: Door, own_store: ObjectStore, tmp_path: Path
) -> None:
    store = own_store if witnessed else None
    server = server_in(tmp_path / "server")
    with server:
        url = await made(server)
        async with opened(url) as (database, _):
            station = await Station.make(database, door)
            await notice(database, store)
            await station.work("in the backup")
    cluster = tmp_path / "server" / "postgres" / "cluster"
    shutil.copytree(cluster, tmp_path / "copy")
    owner = cluster.stat()
    with server:
        async with opened(server.url) as (database, _):
            station.move(database)
            await notice(database, store)
            await station.work("after the backup")
    shutil.rmtree(cluster)
    shutil.copytree(tmp_path / "copy", cluster)
    for path in (cluster, *cluster.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    with server:
        if witnessed:
            await prove(station, server.url, "WITNESS", store=store)
            return
        async with opened(server.url) as (database, connection):
            station.move(database)
            assert await notice(database, None) is None, "nothing inside a stopped copy tells"
            keeping = station.phones[0]
            assert (await keeping.phone.pull_page())["reset"] == "CURSOR_AHEAD"
            assert await connection.fetchval("select max(number) from sync_epoch") == 2
            keeping.record("written in the meantime")
            await keeping.push()
            await keeping.phone.pull()
            assert set(keeping.reported.values()) <= copy_of(keeping.phone).keys()


@pytest.mark.prove
async def test_a_crash_takes_nothing_back_that_a_cursor_has_seen(
    door: Door, tmp_path: Path
) -> None:
    """A transaction id that never reached the disk is given again, so a cursor must never have counted it as seen."""
    loosely = "set synchronous_commit = off"
    with server_in(tmp_path) as server:
        url = await made(server)
        owner = await asyncpg.connect(url)
        await owner.execute("alter system set wal_writer_delay = '10s'")
        await owner.close()
        server.stop()
        server.start()

        async def crash() -> None:
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            async with asyncio.timeout(20):
                while server.pid is not None:  # noqa: ASYNC110 # another process's end
                    await asyncio.sleep(0.01)
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)

        async with opened(url) as (database, owner):
            station = await Station.make(database, door)
            await station.work("before")
            await owner.execute(loosely)
            await owner.execute("update incident set title = 'loose' where title = 'before 0'")
            naive = await owner.fetchval("select pg_current_snapshot()::text")
        await crash()
        async with opened(url) as (database, owner):
            station.move(database)
            seen = await owner.fetchval(
                "update incident set title = 'safe' where title = 'before 1' "
                "returning pg_visible_in_snapshot(sync_xid, $1::text::pg_snapshot)",
                naive,
            )
            assert seen, "the negative control: a naive cursor would miss this change for ever"
            for keeper in station.phones:
                await keeper.phone.pull()
            await owner.execute(loosely)
            await owner.execute("update incident set title = 'loose' where title = 'before 0'")
            for keeper in station.phones:
                await keeper.phone.pull()
        await crash()
        async with opened(url) as (database, owner):
            station.move(database)
            assert await notice(database, None) is None
            await owner.execute("update incident set title = 'again' where title = 'safe'")
            stored = await truth(owner, station.world.market)
            for keeper in station.phones:
                assert (await keeper.phone.pull_page())["reset"] is None
                assert copy_of(keeper.phone) == stored


@pytest.mark.prove
async def test_a_standby_is_refused_and_its_promotion_begins_an_epoch(
    door: Door, tmp_path: Path
) -> None:
    with server_in(tmp_path / "primary") as primary:
        url = await made(primary)
        async with opened(url) as (database, _):
            station = await Station.make(database, door)
            await notice(database, None)
            await station.work("before")
            standby = server_in(tmp_path / "standby")
            home = tmp_path / "standby" / "postgres"
            home.mkdir(parents=True)
            host = url.partition("host=")[2]
            await run(
                "pg_basebackup",
                f"--pgdata={home / 'cluster'}",
                "--write-recovery-conf",
                "--checkpoint=fast",
                f"--dbname=host={host} user=postgres",
            )
            owner = (tmp_path / "primary" / "postgres" / "cluster").stat()
            for path in (tmp_path / "standby", home, *home.rglob("*")):
                os.chown(path, owner.st_uid, owner.st_gid)
            with standby:
                name = standby.url.replace("postgres@", f"{LOGIN}@")
                with pytest.raises(DatabaseIsStandby, match="standby"):
                    await Database.connect(name)
                with pytest.raises(DatabaseUnfit, match="standby"):
                    await require_fit(name)
                await refuse_at_pull(station, standby)
                await station.work("more")
                await follow(primary, standby)
                primary.stop()
                promoted = await asyncpg.connect(standby.url)
                assert await promoted.fetchval("select pg_promote()")
                await promoted.close()
                async with opened(standby.url) as (after, connection):
                    station.move(after)
                    assert await notice(after, None) == 2
                    epoch = await connection.fetchrow("select * from sync_epoch where number = 2")
                    assert epoch["cause"] == "TIMELINE"
                    for keeper in station.phones:
                        assert (await keeper.phone.pull_page())["reset"] == "EPOCH_ENDED"
                        assert copy_of(keeper.phone) == await truth(
                            connection, station.world.market
                        )


async def refuse_at_pull(station: Station, standby: EmbeddedPostgres) -> None:
    """Also a pool that was opened past the check, as one through a proxy might be, gets no pull out of a standby."""
    unchecked = await asyncpg.create_pool(
        standby.url.replace("postgres@", f"{LOGIN}@"), min_size=1, max_size=1
    )
    database = Database(unchecked, standby.url)
    phone = station.phones[0].phone
    try:
        answer = await ask(
            phone.door, context(database, phone.context.principal, station.keys), PULL, first=500
        )
    finally:
        await database.close()
    assert answer["errors"][0]["extensions"]["code"] == "DATABASE_IS_STANDBY"


async def follow(primary: EmbeddedPostgres, standby: EmbeddedPostgres) -> None:
    """Waits until the standby has everything."""
    ours, theirs = await asyncpg.connect(primary.url), await asyncpg.connect(standby.url)
    try:
        lsn = await ours.fetchval("select pg_current_wal_flush_lsn()::text")
        async with asyncio.timeout(30):
            caught_up = False
            while not caught_up:  # another server's progress
                caught_up = await theirs.fetchval(
                    "select pg_last_wal_replay_lsn() >= $1::text::pg_lsn", lsn
                )
                await asyncio.sleep(0.02)
    finally:
        await ours.close()
        await theirs.close()
