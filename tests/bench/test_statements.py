"""The floor of the push is one only while it sends the very statements that the product sends."""

from __future__ import annotations

import re
from typing import Any

import asyncpg
import pytest

from api.trusted import OPERATIONS
from bench.cases import ROWS, Outbox
from bench.data import Maker, Signed
from bench.servers.floor import Floor
from patrol.keys import KeySet
from schema.phone import phone_door
from storage.database import Database
from tests.phone import context

_SAVEPOINT = re.compile(r"__asyncpg_savepoint_\w+__")


async def _statements(url: str, run: Any) -> list[str]:
    """What a run sends on the only connection of its pool."""
    sent: list[str] = []
    pool = await asyncpg.create_pool(
        url, min_size=1, max_size=1, init=_noting(sent), reset=_no_reset
    )
    try:
        await run(pool)
    finally:
        await pool.close()
    return sent


def _noting(sent: list[str]) -> Any:
    async def init(connection: asyncpg.Connection) -> None:
        connection.add_query_logger(lambda told: sent.append(_SAVEPOINT.sub("", told.query)))

    return init


async def _no_reset(_: asyncpg.Connection) -> None: ...


@pytest.fixture
async def phone(owner: asyncpg.Connection, keys: KeySet) -> tuple[Signed, Outbox]:
    maker = Maker(owner, keys)
    station = await maker.station("PUSH", 2)
    signed = await maker.officer(station.id, "P1", [station.id])
    return signed, Outbox(signed, str(station.zones[0]))


async def test_the_floor_pushes_by_the_statements_of_the_product(
    login_url: str, keys: KeySet, phone: tuple[Signed, Outbox]
) -> None:
    signed, outbox = phone

    async def by_product(pool: Any) -> None:
        door, database = phone_door(), Database(pool, login_url)
        operation = door.operations.get((OPERATIONS / "Push.graphql").read_text())
        answer = await door.execute(
            operation, outbox.batch(), context(database, signed.principal, keys)
        )
        assert answer.count(b"APPLIED") == ROWS

    async def by_floor(pool: Any) -> None:
        floor = Floor(pool, keys, None)  # type: ignore[arg-type] # nothing is signed in a push
        answer = await floor.push(signed.principal, outbox.batch())
        assert len(answer["push"]["answers"]) == ROWS

    product = await _statements(login_url, by_product)
    floor = await _statements(login_url, by_floor)
    assert floor == product
    assert len(product) > 20
