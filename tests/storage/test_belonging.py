"""What belongs to a row must be in its scope, whoever writes it and whatever happens at the same time."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.migrations import migrate
from storage.principal import Role, system
from tests.conftest import address_of, administer
from tests.personas import as_officer
from tests.schema.seeds import add_alert, add_picture
from tests.storage.rows import fill_every_table
from tests.world import World, now

pytestmark = pytest.mark.oldest

CHILDREN = ("incident_note", "media", "sos_step", "notice", "officer")


@pytest.fixture
async def other(fresh_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A second connection of the tables' owner."""
    connection = await asyncpg.connect(fresh_database_url)
    yield connection
    await connection.close()


async def add_note(connection: Any, world: World, incident: UUID, scope: UUID) -> UUID:
    """A note that says that it is of this scope."""
    device = await world.add_device()
    note = uuid7()
    await connection.execute(
        "insert into incident_note (id, scope_id, incident_id, text, written_by, device_id, occurred_at, "
        "captured_at_raw, received_at) values ($1, $2, $3, 'Seen', $4, $5, now(), '', now())",
        note, scope, incident, world.kanya, device,
    )  # fmt: skip
    return note


async def add_media(world: World, **more: Any) -> UUID:
    return await world.store(
        "media", scope_id=world.station, kind="PHOTO", content_type="image/jpeg", size_bytes=1, sha256=bytes(32),
        state="DECLARED", attached_by=world.kanya, device_id=await world.add_device(), taken_at=now(),
        captured_at_raw="", received_at=now(), **more,
    )  # fmt: skip


async def test_whatever_scope_is_written_a_child_is_in_that_of_its_parent(
    world: World, owner: asyncpg.Connection
) -> None:
    incident = await world.add_incident(world.market)
    note = await add_note(owner, world, incident, world.temple)
    file = await add_media(world, incident_id=incident)
    alert = await add_alert(world, Random(1), world.market, now())
    step = await world.store(
        "sos_step", alert_id=alert, scope_id=world.temple, number=9, target="STATION", due_at=now()
    )
    for table, row in (("incident_note", note), ("media", file), ("sos_step", step)):
        scope = await owner.fetchval(f"select scope_id from {table} where id = $1", row)
        assert scope == world.market, table


async def inserted_beside_a_move(
    world: World, owner: asyncpg.Connection, other: asyncpg.Connection
) -> UUID | None:
    """The scope of a note that was written while its incident moved from the market to the temple."""
    incident = await world.add_incident(world.market)
    move = owner.transaction()
    await move.start()
    await owner.execute(
        "update incident set scope_id = $2, zone_id = $2 where id = $1", incident, world.temple
    )
    writing = asyncio.create_task(add_note(other, world, incident, world.market))
    pid = other.get_server_pid()
    blocked = "select cardinality(pg_blocking_pids($1)) > 0"
    async with asyncio.timeout(10):
        while not writing.done() and not await owner.fetchval(blocked, pid):  # noqa: ASYNC110 # PostgreSQL tells no event of it
            await asyncio.sleep(0)
        await move.commit()
        note = await writing
    scope: UUID | None = await owner.fetchval(
        "select scope_id from incident_note where id = $1", note
    )
    return scope


async def test_a_note_that_is_written_while_its_incident_moves_is_not_left_behind(
    world: World, owner: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    assert await inserted_beside_a_move(world, owner, other) == world.temple


async def test_without_the_trigger_such_a_note_is_left_behind(
    world: World, owner: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    """The negative control of the test above."""
    await owner.execute("drop trigger scope_of_parent on incident_note")
    assert await inserted_beside_a_move(world, owner, other) == world.market


async def test_a_child_that_was_deleted_by_itself_stays_so_when_its_parent_comes_back(
    world: World, owner: asyncpg.Connection
) -> None:
    incident = await world.add_incident(world.market)
    gone, kept = [await add_note(owner, world, incident, world.market) for _ in range(2)]
    await owner.execute(
        "update incident_note set deleted_at = now() - interval '1 day' where id = $1", gone
    )
    await owner.execute("update incident set deleted_at = now() where id = $1", incident)
    assert await owner.fetchval("select bool_and(deleted_at is not null) from incident_note")
    late = await add_note(owner, world, incident, world.market)
    assert await owner.fetchval("select deleted_at from incident_note where id = $1", late)
    await owner.execute("update incident set deleted_at = null where id = $1", incident)
    rows = await owner.fetch("select id from incident_note where deleted_at is null")
    assert {row["id"] for row in rows} == {kept, late}


async def test_the_stored_file_and_the_ledger_follow_too(
    world: World, owner: asyncpg.Connection
) -> None:
    alert = await add_alert(world, Random(1), world.market, now())
    await add_picture(world, world.market_camera)
    file = await owner.fetchval("select id from stored_object")
    await add_media(world, alert_id=alert, object_id=file)
    await owner.execute("update sos_alert set scope_id = $2 where id = $1", alert, world.temple)
    for table in ("media", "sos_step", "sos_recipient", "stored_object"):
        scopes = await owner.fetch(f"select distinct scope_id from {table}")
        assert [row["scope_id"] for row in scopes] == [world.temple], table


async def test_a_change_that_moves_nothing_touches_no_child(
    world: World, owner: asyncpg.Connection
) -> None:
    incident = await world.add_incident(world.market)
    note = await add_note(owner, world, incident, world.market)
    await owner.execute("update incident set title = 'Other' where id = $1", incident)
    assert await owner.fetchval("select rev from incident_note where id = $1", note) == 1
    await owner.execute("update incident set scope_id = $2 where id = $1", incident, world.temple)
    assert await owner.fetchval("select rev from incident_note where id = $1", note) == 2


async def test_an_officer_reads_what_is_in_his_scopes_and_another_station_nothing_of_it(
    world: World, database: Database, owner: asyncpg.Connection
) -> None:
    await fill_every_table(world, owner)
    stranger = await world.add_officer("Stranger", station=await world.add_station("Tak"))
    shown: dict[UUID, dict[str, int]] = {}
    for officer in (world.kanya, world.somkid, stranger):
        async with database.read(Role.PHONE, await as_officer(world, officer)) as entered:
            shown[officer] = {
                table: await entered.connection.fetchval(f"select count(*) from {table}")
                for table in CHILDREN
            }
    assert shown[world.kanya] == {
        "incident_note": 0, "media": 0, "sos_step": 2, "notice": 1, "officer": 3,
    }  # fmt: skip
    # A negative control: the rows that Kanya does not see are there for whom they are. Somkid was called to the alert of
    # Kanya's zone, so its steps are his to see as well.
    assert shown[world.somkid] == {
        "incident_note": 1, "media": 1, "sos_step": 2, "notice": 1, "officer": 3,
    }  # fmt: skip
    assert shown[stranger] == dict.fromkeys(CHILDREN, 0) | {"officer": 1}
    await owner.execute(
        "update sos_response set deleted_at = now() where officer_id = $1", world.somkid
    )
    await owner.execute("delete from sos_recipient where officer_id = $1", world.somkid)
    async with database.read(Role.PHONE, await as_officer(world, world.somkid)) as entered:
        assert await entered.connection.fetchval("select count(*) from sos_step") == 0


async def test_a_writer_nobody_was_told_of_writes_none_of_them(
    world: World, database: Database
) -> None:
    incident = await world.add_incident(world.market)
    async with database.write(system("test")) as connection:
        await connection.execute("select set_config('patrol.principal', '', true)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await connection.execute(
                    "insert into notice (id, station_id, severity, title, body, valid_from) "
                    "values (gen_random_uuid(), $1, 'INFO', 'x', 'x', now())",
                    world.station,
                )
        assert await connection.execute("update incident_note set text = 'x'") == "UPDATE 0"
    async with database.write(system("test")) as connection:
        # A negative control: once told, the writer writes.
        assert await add_note(connection, world, incident, world.market)


@pytest.fixture
async def before(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The address of a database as the release before left it."""
    name = f"patrol_{secrets.token_hex(6)}"
    await administer(postgres, f"create database {name}")
    await migrate(address_of(postgres, name), "0007")
    yield address_of(postgres, name)
    await administer(postgres, f"drop database {name} with (force)")


async def test_officers_and_steps_that_stood_before_become_synced(before: str) -> None:
    """The data test of the migration: scopes are filled, deleted alerts take their steps along."""
    owner = await asyncpg.connect(before)
    try:
        await become_synced(before, owner)
    finally:
        await owner.close()


async def become_synced(url: str, owner: asyncpg.Connection) -> None:
    station, officer, alert, step = (uuid7() for _ in range(4))
    for statement, *values in (
        ("insert into station (id, scope_id, code, name, name_th, latitude, longitude) values ($1, $1, 'S', 'x', 'x', 0, 0)", station),
        ("insert into officer (id, station_id, badge, role, rank, name, name_th) values ($1, $2, 'B', 'OFFICER', 'x', 'x', 'x')", officer, station),
        (
            "insert into sos_alert (id, scope_id, station_id, source, status, officer_id, raised_at, captured_at_raw, "
            "received_at, deleted_at) values ($1, $2, $2, 'OFFICER', 'CLOSED', $3, now(), '', now(), now())",
            alert, station, officer,
        ),
        ("insert into sos_step (id, alert_id, scope_id, number, target, due_at) values ($1, $2, $3, 1, 'STATION', now())", step, alert, uuid7()),
    ):  # fmt: skip
        await owner.execute(statement, *values)
    await migrate(url)
    row = await owner.fetchrow(
        "select scope_id = access.staff_scope($2) as staff, rev, deleted_at from officer where id = $1",
        officer,
        station,
    )
    assert tuple(row) == (True, 1, None)
    row = await owner.fetchrow("select scope_id, deleted_at from sos_step where id = $1", step)
    assert row["scope_id"] == station
    assert row["deleted_at"] is not None
    # An older release goes on writing while this schema stands: it knows no scope of an officer.
    await owner.execute(
        "insert into officer (id, station_id, badge, role, rank, name, name_th) "
        "values (gen_random_uuid(), $1, 'C', 'OFFICER', 'x', 'x', 'x')",
        station,
    )
    assert await owner.fetchval("select count(distinct scope_id) from officer") == 1
