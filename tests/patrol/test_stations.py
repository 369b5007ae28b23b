"""Officers get exactly the zones that are assigned to them, from the moment they are, and nobody is added twice."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import pytest

from patrol.errors import AlreadyExists, NotFound
from patrol.seed import seed
from patrol.stations import (
    add_officer,
    assign,
    find_officer,
    find_station,
    set_officer_active,
    zones_by_code,
)
from storage.database import Database
from storage.faults import PrincipalRevoked
from storage.principal import Principal, Role, system
from storage.vocabulary import OfficerRole
from tests import personas
from tests.world import World


async def seen(database: Database, principal: Principal) -> set[UUID]:
    async with database.read(Role.PHONE, principal) as entered:
        return {row["id"] for row in await entered.connection.fetch("select id from zone")}


async def test_a_new_assignment_replaces_the_old_one_at_once(
    world: World, database: Database
) -> None:
    kanya = await personas.as_officer(world, world.kanya)
    assert await seen(database, kanya) == {world.market}
    async with database.write(system("test")) as connection:
        await assign(connection, world.kanya, [world.temple, world.temple])
    assert await seen(database, kanya) == {world.temple}
    async with database.write(system("test")) as connection:
        await assign(connection, world.kanya, [world.station])
    assert await seen(database, kanya) == {world.market, world.temple}


async def test_assigning_the_same_again_changes_and_audits_nothing(
    world: World, database: Database, owner: asyncpg.Connection
) -> None:
    async with database.write(system("test")) as connection:
        await assign(connection, world.kanya, [world.market])
    assert (
        await owner.fetchval("select count(*) from assignment where valid_until is not null") == 0
    )
    assert await owner.fetchval("select count(*) from audit_entry") == 0


async def test_a_badge_is_taken_once_per_station(world: World, database: Database) -> None:
    async def add(station: UUID) -> UUID:
        async with database.write(system("test")) as connection:
            return await add_officer(
                connection,
                station,
                badge="B-1",
                role=OfficerRole.OFFICER,
                rank="",
                name="Nida",
                name_th="นิดา",
                scopes=[],
            )

    await add(world.station)
    with pytest.raises(AlreadyExists):
        await add(world.station)
    assert await add(await world.add_station("Tak"))


async def test_an_officer_who_is_taken_off_is_refused_at_the_next_statement(
    world: World, database: Database
) -> None:
    kanya = await personas.as_officer(world, world.kanya)
    async with database.write(system("test")) as connection:
        assert await set_officer_active(connection, world.kanya, False)
        assert not await set_officer_active(connection, world.kanya, False)
    with pytest.raises(PrincipalRevoked):
        await seen(database, kanya)


async def test_a_station_needs_no_name_only_while_it_is_the_only_one(
    world: World, database: Database
) -> None:
    async with database.read(Role.SYSTEM, system("test")) as entered:
        assert await find_station(entered.connection) == world.station
        with pytest.raises(NotFound, match="no station NOPE"):
            await find_station(entered.connection, "NOPE")
        with pytest.raises(NotFound, match="no officer NOPE"):
            await find_officer(entered.connection, world.station, "NOPE")
    await world.add_station("Tak")
    async with database.read(Role.SYSTEM, system("test")) as entered:
        with pytest.raises(NotFound, match="several stations"):
            await find_station(entered.connection)


async def test_inner_zones_come_along_at_every_depth_when_asked(
    world: World, database: Database
) -> None:
    lane = await world.add_zone("Lane", parent=world.market, code="LANE")
    corner = await world.add_zone("Corner", parent=lane, code="CORNER")
    async with database.read(Role.SYSTEM, system("test")) as entered:
        exact = await zones_by_code(entered.connection, world.station, ["LANE"])
        whole = await zones_by_code(entered.connection, world.station, ["LANE"], inner=True)
        with pytest.raises(NotFound, match="no zone NOPE"):
            await zones_by_code(entered.connection, world.station, ["NOPE"])
    assert exact == [lane]
    assert set(whole) == {lane, corner}


async def test_the_demonstration_station_is_seeded_once(
    database: Database, owner: asyncpg.Connection
) -> None:
    async with database.write(system("test")) as connection:
        await seed(connection)
    with pytest.raises(AlreadyExists):
        async with database.write(system("test")) as connection:
            await seed(connection)
    counts = await owner.fetchrow(
        "select (select count(*) from officer) as officers, (select count(*) from organisation) as partners, "
        "(select count(*) from agreement) as agreements, (select count(distinct sector) from organisation) as sectors"
    )
    assert tuple(counts) == (6, 6, 6, 6)
