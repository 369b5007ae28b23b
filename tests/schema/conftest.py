"""Phones and a partner of the small station, and a filled one, for the tests of the contracts."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest

from patrol.keys import KeySet, load
from schema.door import Door
from schema.phone import phone_door
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.principal import Role, system
from tests.conftest import LOGIN, SECRET, address_of, administer
from tests.personas import as_officer, as_partner
from tests.phone import Phone, context
from tests.schema.agencies import Agencies, add_agencies
from tests.schema.asked import Asked
from tests.schema.reference import Reference
from tests.schema.seeds import fill
from tests.schema.station import DOOR, UNLIMITED, Station
from tests.world import World


@pytest.fixture(scope="session")
def door() -> Door:
    """The phone's door; it keeps no state of a database."""
    return phone_door()


@pytest.fixture
async def kanya(door: Door, database: Database, world: World, keys: KeySet) -> Phone:
    """The phone of the officer who patrols the market."""
    return Phone(door, context(database, await as_officer(world, world.kanya), keys))


@pytest.fixture
async def prasert(door: Door, database: Database, world: World, keys: KeySet) -> Phone:
    """The phone of the supervisor, who has the whole station."""
    return Phone(door, context(database, await as_officer(world, world.prasert), keys))


@pytest.fixture
async def radio(world: World, database: Database) -> Asked:
    """The radio, that was granted all of the market in full."""
    return Asked(world, database, await as_partner(world, world.radio))


@pytest.fixture(scope="session")
async def station(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[Station]:
    """The filled station with Kanya's phone."""
    name = f"patrol_{secrets.token_hex(6)}"
    await administer(postgres, f"create database {name} template {template}")
    database = await Database.connect(address_of(postgres, name, LOGIN), size=4)
    owner = await asyncpg.connect(address_of(postgres, name))
    try:
        world = await World.make(database)
        await fill(world)
        principal = await as_officer(world, world.kanya)
        async with database.write(system("keys"), role=Role.SYSTEM) as connection:
            keys = await load(connection, SECRET)
        async with database.enter(Role.PHONE, principal) as entered:
            scopes = entered.scopes
        reference = await Reference.load(DOOR.schema, owner, world.kanya, scopes, most=UNLIMITED)
        yield Station(world, context(database, principal, keys), owner, reference)
    finally:
        await owner.close()
        await database.close()
        await administer(postgres, f"drop database {name} with (force)")


@pytest.fixture(scope="session")
async def agencies(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[Agencies]:
    """Partners with agreements of all kinds."""
    name = f"patrol_{secrets.token_hex(6)}"
    await administer(postgres, f"create database {name} template {template}")
    database = await Database.connect(address_of(postgres, name, LOGIN), size=4)
    owner = await asyncpg.connect(address_of(postgres, name))
    try:
        yield await add_agencies(await World.make(database), owner)
    finally:
        await owner.close()
        await database.close()
        await administer(postgres, f"drop database {name} with (force)")
