"""Phones of the small station's officers, for the tests of the contracts."""

from __future__ import annotations

import pytest

from patrol.keys import KeySet
from schema.door import Door
from schema.phone import phone_door
from storage.database import Database
from tests.personas import as_officer
from tests.phone import Phone, context
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
