"""The audit log goes on in another server: what came with a restore and what was written since are each sealed once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from patrol.audit import audit, seal_log, verify
from patrol.keys import KeySet, load
from patrol.sync.history import notice
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.migrations import migrate
from storage.principal import Role, system
from tests.conftest import LOGIN, SECRET
from tests.patrol.restore_support import dump, programs, run

NAIVE = """
with seal as (
    select number, entries, snapshot::pg_snapshot as snapshot,
           (lag(snapshot, 1, '1:1:') over (order by number))::pg_snapshot as earlier
    from audit_seal)
select seal.number, seal.entries, count(entry.id) as found
from seal
left join audit_entry entry
    on not pg_visible_in_snapshot(entry.xid, seal.earlier) and pg_visible_in_snapshot(entry.xid, seal.snapshot)
group by seal.number, seal.entries
having seal.entries <> count(entry.id)
"""
"""Seals whose entries are others than they were, for a reader who asks the snapshots which those are."""


async def act(database: Database, *subjects: str) -> None:
    async with database.write(system("test")) as connection:
        for subject in subjects:
            await audit(connection, "test.act", subject)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[tuple[Database, asyncpg.Connection]]:
    database = await Database.connect(url.replace("postgres@", f"{LOGIN}@"), size=4)
    owner = await asyncpg.connect(url)
    try:
        yield database, owner
    finally:
        await owner.close()
        await database.close()


async def stands(database: Database, keys: KeySet, entries: int) -> None:
    """Every entry is sealed once, and as it was written."""
    async with database.read(Role.SYSTEM, system("test")) as entered:
        proof = await verify(entered.connection, keys)
    assert (proof.broken_at, proof.strays, proof.unsealed) == (None, 0, 0)
    assert proof.entries == entries


@pytest.mark.prove
@pytest.mark.parametrize("noticed", ["at once", "when the counter had passed"])
async def test_the_log_is_sealed_on_in_a_server_that_has_counted_less(
    noticed: str, tmp_path: Path
) -> None:
    def server(name: str) -> EmbeddedPostgres:
        return EmbeddedPostgres(tmp_path / name, bin_dir=programs(), fast_for_tests=True)

    count = (
        "do $$ begin for i in 1..3000 loop perform pg_current_xact_id(); commit; end loop; end $$"
    )
    with server("old") as old, server("new") as new:
        owner = await asyncpg.connect(old.url)
        await owner.execute(f"create role {LOGIN} login nosuperuser nobypassrls")
        await owner.close()
        await migrate(old.url, login=LOGIN)
        async with opened(old.url) as (database, owner):
            async with database.write(system("keys"), role=Role.SYSTEM) as connection:
                keys = await load(connection, SECRET)
            await notice(database, None)
            await act(database, "early")
            await seal_log(database, keys)
            # Between these two seals lie the numbers that the other server is about to give out.
            await owner.execute(count)
            await act(database, "sealed")
            await seal_log(database, keys)
            async with database.write(system("test")) as late:
                await audit(late, "test.act", "late")
                await act(database, "beside it")
                await seal_log(database, keys)
            await act(database, "not sealed")
            stored = await owner.fetchval("select count(*) from audit_entry")
            await dump(old.url, tmp_path / "dump")
            roles = await run("pg_dumpall", "--roles-only", f"--dbname={old.url}")
        roles = b"\n".join(line for line in roles.splitlines() if b"ROLE postgres" not in line)
        await run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", new.url, stdin=roles)
        await run("pg_restore", f"--dbname={new.url}", str(tmp_path / "dump"))
        async with opened(new.url) as (database, owner):
            # By command, before anybody notices.
            await act(database, "after the restore")
            assert await owner.fetch(NAIVE), (
                "the negative control: an old seal would have a new entry"
            )
            if noticed == "when the counter had passed":
                await owner.execute(count)
                await owner.execute(count)
            assert await notice(database, None) == 2
            # `epoch.new` is an act, too.
            sealed = await seal_log(database, keys)
            assert sealed is not None
            assert sealed.entries == 4
            await stands(database, keys, stored + 2)
            assert await seal_log(database, keys) is None
            for turn in range(3):
                await act(database, f"turn {turn}", "and another")
                sealed = await seal_log(database, keys)
                assert sealed is not None
                assert sealed.entries == 2
                # The counter passes what came with the restore, and nothing is sealed a second time.
                await owner.execute(count)
            await stands(database, keys, stored + 8)
