"""A database that is full, for the tests that ask what of it is shown."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest

from storage.database import Database
from storage.embedded import EmbeddedPostgres
from tests.conftest import LOGIN, address_of, administer
from tests.storage.rows import BASE, fill_every_table
from tests.world import World


@pytest.fixture(scope="module")
async def full(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """The name of a database with a row in every table."""
    name = f"patrol_{secrets.token_hex(6)}"
    await administer(postgres, f"create database {name} template {template}")
    database = await Database.connect(address_of(postgres, name, LOGIN), size=2)
    owner = await asyncpg.connect(address_of(postgres, name))
    try:
        await fill_every_table(await World.make(database), owner)
        missing = [
            one
            for one in (*BASE, "alembic_version")
            if not await owner.fetchval(f"select count(*) from {one}")
        ]
        assert missing == [], "these tables have no row, so that seeing none would prove nothing"
        yield name
    finally:
        await owner.close()
        await database.close()
        await administer(postgres, f"drop database {name} with (force)")


@pytest.fixture
async def login(postgres: EmbeddedPostgres, full: str) -> AsyncIterator[asyncpg.Connection]:
    """A new connection of the application's login, that nobody was told of yet."""
    connection = await asyncpg.connect(address_of(postgres, full, LOGIN))
    yield connection
    await connection.close()
