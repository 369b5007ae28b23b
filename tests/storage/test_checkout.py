"""A connection that is checked out while its server dies: whoever held it is told so, and the pool goes on."""

from __future__ import annotations

import asyncio

import pytest

from storage.database import Database
from storage.faults import DatabaseUnavailable
from storage.principal import Role, system


async def _be_cut_off(database: Database) -> None:
    async with database.write(system("test"), Role.SYSTEM) as connection:
        # As after a kill: no word from the server, only the end of the line.
        transport = connection._con._transport
        asyncio.get_running_loop().call_later(0.05, transport.abort)
        await connection.fetchval("select pg_sleep(30)")


async def test_a_server_that_dies_under_a_statement_is_told_as_unavailable(login_url: str) -> None:
    database = await Database.connect(login_url, size=1)
    try:
        with pytest.raises(DatabaseUnavailable):
            await _be_cut_off(database)
        async with database.write(system("test"), Role.SYSTEM) as connection:
            assert await connection.fetchval("select 1") == 1
    finally:
        await database.close()
