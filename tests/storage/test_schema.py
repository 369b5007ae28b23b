"""The database must be what the models say, move both ways, and stamp every synced row by itself."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Table
from uuid_utils.compat import uuid7

from patrol.sync.subjects import SUBJECTS
from storage import tables
from storage.base import Synced
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.migrations import SCRIPTS, engine_for, migrate, pending
from tests.conftest import address_of, administer
from tests.personas import as_officer
from tests.storage.rows import fill_every_table
from tests.world import World

SYNCED: dict[str, type[Synced]] = {str(one.__tablename__): one for one in tables.SYNCED}


@pytest.fixture
async def empty_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The superuser's address of a database without any table."""
    name = f"patrol_{secrets.token_hex(6)}"
    await administer(postgres, f"create database {name}")
    yield address_of(postgres, name)
    await administer(postgres, f"drop database {name} with (force)")


async def fingerprint(url: str) -> list[tuple[Any, ...]]:
    """Everything that a migration makes: columns, indexes, constraints, triggers, policies, functions, views, rights."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            """
            with ours as (
                select oid, nspname from pg_namespace where nspname in ('public', 'access', 'partner')
            )
            select 'schema' as kind, nspname as name, '' as detail from ours
            union all
            select 'relation', c.oid::regclass::text,
                   concat_ws(' ', c.relkind, c.relrowsecurity, pg_get_userbyid(c.relowner), c.reloptions::text,
                             (select array_agg(acl::text order by acl::text) from unnest(c.relacl) acl))
            from pg_class c join ours on ours.oid = c.relnamespace
            union all
            select 'column', attrelid::regclass || '.' || attname,
                   concat_ws(' ', format_type(atttypid, atttypmod), attnotnull, attidentity, attacl::text,
                             (select pg_get_expr(adbin, adrelid) from pg_attrdef
                              where adrelid = attrelid and adnum = attnum))
            from pg_attribute join pg_class c on c.oid = attrelid join ours on ours.oid = c.relnamespace
            where attnum > 0 and not attisdropped
            union all
            select 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid)
            from pg_index join pg_class c on c.oid = indexrelid join ours on ours.oid = c.relnamespace
            union all
            select 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(c.oid)
            from pg_constraint c join ours on ours.oid = c.connamespace
            union all
            select 'trigger', tgrelid::regclass || '.' || tgname, pg_get_triggerdef(t.oid)
            from pg_trigger t where not tgisinternal
            union all
            select 'policy', schemaname || '.' || tablename || '.' || policyname,
                   concat_ws(' ', cmd, roles::text, qual, with_check)
            from pg_policies
            union all
            select 'function', p.oid::regprocedure::text,
                   concat_ws(' ', pg_get_functiondef(p.oid), p.proacl::text)
            from pg_proc p join ours on ours.oid = p.pronamespace
            union all
            select 'view', c.oid::regclass::text, pg_get_viewdef(c.oid)
            from pg_class c join ours on ours.oid = c.relnamespace where relkind = 'v'
            union all
            select 'type', t.oid::regtype::text, array(select enumlabel from pg_enum where enumtypid = t.oid order by enumsortorder)::text
            from pg_type t join ours on ours.oid = t.typnamespace where typtype = 'e'
            order by 1, 2, 3
            """
        )
        return [tuple(row) for row in rows]
    finally:
        await connection.close()


# Models and migrations


async def test_the_models_equal_the_migrations(fresh_database_url: str) -> None:
    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_object": lambda _o, name, kind, *_: (
                    not (kind == "table" and name.startswith("pgqueuer"))
                    # Its expression is told apart from itself; the tests of search need the index.
                    and (kind, name) != ("index", "incident_text_idx")
                ),
            },
        )
        found: list[Any] = compare_metadata(context, tables.metadata)
        return found

    engine = engine_for(fresh_database_url)
    try:
        async with engine.connect() as connection:
            assert await connection.run_sync(compare) == []
            # A negative control: a table that no migration made is found.
            Table("forgotten", tables.metadata)
            assert len(await connection.run_sync(compare)) == 1
    finally:
        tables.metadata.remove(tables.metadata.tables["forgotten"])
        await engine.dispose()


async def test_checks_of_the_database_are_the_checks_of_the_models(
    owner: asyncpg.Connection,
) -> None:
    """The comparison of the library knows nothing of checks, and they hold the vocabulary."""
    rows = await owner.fetch(
        "select conrelid::regclass::text as table, conname from pg_constraint "
        "where contype = 'c' and connamespace = 'public'::regnamespace and conrelid::regclass::text not like 'pgqueuer%'"
    )
    stored = {(row["table"], row["conname"]) for row in rows}
    declared = {
        (table.name, str(one.name))
        for table in tables.metadata.tables.values()
        for one in table.constraints
        if type(one).__name__ == "CheckConstraint"
    }
    assert stored == declared


def test_there_is_one_head_and_one_line_of_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    scripts = ScriptDirectory.from_config(config)
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1
    assert all(
        not one.is_merge_point and not one.is_branch_point for one in scripts.walk_revisions()
    )


@pytest.mark.oldest
async def test_an_empty_database_goes_up_down_and_up_again(empty_url: str) -> None:
    before = await fingerprint(empty_url)
    head = await migrate(empty_url)
    assert head
    up = await fingerprint(empty_url)
    assert await migrate(empty_url, "base") == ""
    down = [one for one in await fingerprint(empty_url) if "alembic_version" not in one[1]]
    assert down == before
    assert await pending(empty_url)
    assert await migrate(empty_url) == head
    assert await fingerprint(empty_url) == up
    assert not await pending(empty_url)


async def test_a_filled_database_goes_up_down_and_up_again(
    login_url: str, fresh_database_url: str, world: World, owner: asyncpg.Connection
) -> None:
    await fill_every_table(world, owner)
    await world.database.close()
    up = await fingerprint(fresh_database_url)
    await migrate(fresh_database_url, "base")
    await migrate(fresh_database_url)
    assert await fingerprint(fresh_database_url) == up
    database = await Database.connect(login_url)
    try:
        again = await World.make(database)
        async with database.write(await as_officer(again, again.kanya)) as connection:
            assert await connection.fetchval("select count(*) from zone") == 2
    finally:
        await database.close()


async def test_migrating_twice_changes_nothing(fresh_database_url: str) -> None:
    before = await fingerprint(fresh_database_url)
    await migrate(fresh_database_url)
    assert await fingerprint(fresh_database_url) == before


# Stamps


@pytest.mark.oldest
@pytest.mark.parametrize("table", SYNCED)
async def test_a_synced_table_has_its_triggers_and_its_index(
    table: str, owner: asyncpg.Connection
) -> None:
    triggers = await owner.fetch(
        "select tgname, tgenabled from pg_trigger where tgrelid = $1::regclass and not tgisinternal",
        table,
    )
    assert {row["tgname"] for row in triggers} >= {
        "stamp_insert",
        "stamp_update",
        "leave_scope",
        "refuse_delete",
    }
    # `O` fires in every ordinary session.
    assert {row["tgenabled"] for row in triggers} == {b"O"}
    index = await owner.fetchval("select pg_get_indexdef($1::regclass)", f"{table}_sync_idx")
    assert index.endswith(f"ON public.{table} USING btree (scope_id, sync_xid, id)")


def test_the_synced_tables_are_those_of_the_models_and_of_the_pull() -> None:
    declared = {
        str(one.__tablename__) for one in vars(tables).values() if isinstance(one, type) and issubclass(one, Synced)
        if hasattr(one, "__tablename__") and one is not Synced
    }  # fmt: skip
    assert declared == set(SYNCED)
    assert {subject.table.description for subject in SUBJECTS} == declared


async def one_of(table: str, world: World, owner: asyncpg.Connection) -> UUID:
    await fill_every_table(world, owner)
    found: UUID = await owner.fetchval(
        f"select id from {table} where deleted_at is null order by id limit 1"
    )
    return found


async def stamp(owner: asyncpg.Connection, table: str, row: UUID) -> tuple[Any, ...]:
    return tuple(
        await owner.fetchrow(
            f"select rev, sync_xid::text, updated_at from {table} where id = $1", row
        )
    )


@pytest.mark.oldest
@pytest.mark.parametrize("table", SYNCED)
async def test_an_update_that_changes_nothing_stamps_nothing_and_one_that_does_stamps(
    table: str, world: World, owner: asyncpg.Connection
) -> None:
    row = await one_of(table, world, owner)
    before = await stamp(owner, table, row)
    await owner.execute(
        f"update {table} set id = id, scope_id = scope_id, rev = rev, updated_at = updated_at"
    )
    assert await stamp(owner, table, row) == before
    await owner.execute(f"update {table} set deleted_at = now() where id = $1", row)
    rev, xid, updated_at = await stamp(owner, table, row)
    assert rev == before[0] + 1
    assert int(xid) > int(before[1])
    assert updated_at > before[2]


@pytest.mark.parametrize("table", SYNCED)
async def test_a_stamp_cannot_be_forged(
    table: str, world: World, owner: asyncpg.Connection
) -> None:
    row = await one_of(table, world, owner)
    rev, *_ = await stamp(owner, table, row)
    async with owner.transaction():
        await owner.execute(
            f"update {table} set rev = 99, sync_xid = '7', updated_at = 'epoch' where id = $1", row
        )
        xid = await owner.fetchval("select pg_current_xact_id()::text")
    told = await stamp(owner, table, row)
    assert told[:2] == (rev + 1, xid)
    assert told[2].year > 2000


@pytest.mark.parametrize("table", SYNCED)
async def test_a_synced_row_is_never_deleted(
    table: str, world: World, owner: asyncpg.Connection
) -> None:
    row = await one_of(table, world, owner)
    with pytest.raises(asyncpg.RestrictViolationError, match="tombstoned"):
        await owner.execute(f"delete from {table} where id = $1", row)


@pytest.mark.parametrize("table", ["camera", "sos_post", "incident", "community", "sos_alert"])
async def test_a_row_that_leaves_a_scope_leaves_a_note(
    table: str, world: World, owner: asyncpg.Connection
) -> None:
    row = await one_of(table, world, owner)
    left = await owner.fetchval(f"select scope_id from {table} where id = $1", row)
    other = world.temple if left == world.market else world.market
    await owner.execute(f"update {table} set scope_id = $2 where id = $1", row, other)
    note = await owner.fetchrow(
        "select scope_id, sync_xid::text from scope_exit where row_id = $1 and scope_id = $2",
        row,
        left,
    )
    assert note["sync_xid"] == (await stamp(owner, table, row))[1]


@pytest.mark.oldest
async def test_a_stamp_in_a_savepoint_is_that_of_the_whole_transaction(
    world: World, owner: asyncpg.Connection
) -> None:
    async with owner.transaction():
        whole = await owner.fetchval("select pg_current_xact_id()::text")
        async with owner.transaction():
            await owner.execute("update zone set name = 'Inner' where id = $1", world.market)
        stamped, inner = await owner.fetchrow(
            "select sync_xid::text, xmin::text from zone where id = $1", world.market
        )
    assert stamped == whole
    # A negative control: the row's own xmin is that of the savepoint, which a snapshot of others cannot judge.
    assert inner != whole


async def test_a_rolled_back_savepoint_takes_its_stamp_with_it(
    world: World, owner: asyncpg.Connection
) -> None:
    before = await stamp(owner, "zone", world.market)
    async with owner.transaction():
        inner = owner.transaction()
        await inner.start()
        await owner.execute("update zone set name = 'Inner' where id = $1", world.market)
        await inner.rollback()
    assert await stamp(owner, "zone", world.market) == before


# Zones inside zones


async def test_a_zone_is_never_inside_itself(world: World, owner: asyncpg.Connection) -> None:
    inner = await world.add_zone("Inner", parent=world.market)
    innermost = await world.add_zone("Innermost", parent=inner)
    for above, below in (
        (world.market, world.market),
        (world.market, inner),
        (world.market, innermost),
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await owner.execute("update zone set parent_id = $2 where id = $1", above, below)
    async with owner.transaction():
        # Two zones may change places: only the end of the transaction counts.
        await owner.execute("update zone set parent_id = $2 where id = $1", inner, innermost)
        await owner.execute("update zone set parent_id = $2 where id = $1", innermost, world.market)
    assert await owner.fetchval("select parent_id from zone where id = $1", inner) == innermost


async def test_a_ring_that_one_statement_makes_is_refused(
    world: World, owner: asyncpg.Connection
) -> None:
    one, two = uuid7(), uuid7()
    make = """
        insert into zone (id, scope_id, station_id, parent_id, code, kind, name, name_th, boundary, area_km2,
                          min_latitude, min_longitude, max_latitude, max_longitude)
        select id, id, $3, parent, id::text, 'SAFETY_ZONE', 'x', 'x', '{}', 1, 0, 0, 1, 1
        from (values ($1::uuid, $2::uuid), ($2, $1)) as made (id, parent)
    """
    with pytest.raises(asyncpg.CheckViolationError, match="inside itself"):
        await owner.execute(make, one, two, world.station)
    assert await owner.fetchval("select count(*) from zone where id = any ($1)", [one, two]) == 0


async def test_of_two_writers_who_close_a_ring_together_the_later_one_is_refused(
    world: World, owner: asyncpg.Connection, fresh_database_url: str
) -> None:
    one, two = await world.add_zone("One"), await world.add_zone("Two")
    other = await asyncpg.connect(fresh_database_url)
    refused = 0
    try:
        first, second = owner.transaction(), other.transaction()
        await first.start()
        await second.start()
        await owner.execute("update zone set parent_id = $2 where id = $1", one, two)
        await other.execute("set local lock_timeout = '200ms'")
        try:
            await other.execute("update zone set parent_id = $2 where id = $1", two, one)
            await first.commit()
            await second.commit()
        except (asyncpg.CheckViolationError, asyncpg.LockNotAvailableError):
            refused += 1
    finally:
        await other.close()
    assert refused == 1
