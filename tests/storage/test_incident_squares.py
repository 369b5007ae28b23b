"""The migration that gives incidents their squares must fill them for rows that stand there, and stamp none of them."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from storage.database import Database
from storage.migrations import SCRIPTS, engine_for, migrate
from storage.principal import Role
from storage.vocabulary import DetailLevel
from tests.personas import as_partner
from tests.world import World, now

PLACES = (
    (16.7131, 98.5706), (16.7135, 98.5725), (16.71349999999999, 98.57249999999999), (0.0, 0.0), (-16.7135, -98.5725),
    (90.0, 180.0), (-90.0, -180.0), (1e-12, -1e-12),
)  # fmt: skip

STAMPS = (
    "select id, rev, sync_xid::text, updated_at, latitude, longitude, deleted_at, title "
    "from incident order by id"
)
SQUARES = "select id, cell, area from incident order by id"


async def go_down(url: str, revision: str) -> None:
    def downgrade(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(SCRIPTS))
        config.attributes["connection"] = connection
        command.downgrade(config, revision)

    engine = engine_for(url)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(downgrade)
    finally:
        await engine.dispose()


async def rows(owner: asyncpg.Connection, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await owner.fetch(query)]


@pytest.mark.oldest
async def test_rows_of_before_get_their_squares_without_a_new_version(
    login_url: str, fresh_database_url: str, world: World, owner: asyncpg.Connection
) -> None:
    agency = await world.add_organisation("Agency")
    await world.add_agreement(agency, [world.market], detail=DetailLevel.COARSE)
    device = await world.add_device()
    for latitude, longitude in PLACES:
        for deleted in (None, now()):
            await world.add_incident(
                world.market,
                latitude=latitude,
                longitude=longitude,
                deleted_at=deleted,
                device=device,
            )
    unplaced = await world.add_incident(world.temple, latitude=None, longitude=None, device=device)
    partner = await as_partner(world, agency)
    await world.database.close()

    await go_down(fresh_database_url, "0006")
    with pytest.raises(asyncpg.UndefinedColumnError):
        await owner.fetch(SQUARES)
    # Written by the version of then, whose stamps work.
    await owner.execute("update incident set title = 'Seen by 0006' where id = $1", unplaced)
    before = await rows(owner, STAMPS)
    assert len(before) == 2 * len(PLACES) + 1

    await migrate(fresh_database_url, "0007")
    assert await rows(owner, STAMPS) == before
    filled = await rows(owner, SQUARES)
    assert [one[0] for one in filled if one[1] is None or one[2] is None] == [unplaced]
    assert not await owner.fetchval(
        "select count(*) from pg_trigger where tgrelid = 'incident'::regclass and tgenabled <> 'O'"
    )

    # What the trigger gives a row that is written now is what the row of before was given.
    await owner.execute("update incident set title = title || '!'")
    assert await rows(owner, SQUARES) == filled
    assert [one[1] for one in await rows(owner, STAMPS)] == [one[1] + 1 for one in before]

    await migrate(fresh_database_url)
    database = await Database.connect(login_url)
    try:
        async with database.read(Role.PARTNER, partner) as entered:
            shown = await entered.connection.fetch(
                "select latitude, longitude, cell, detail from partner.incident"
            )
    finally:
        await database.close()
    assert len(shown) == len(PLACES)
    for row in shown:
        # Coarse rows say where they are to a thousandth of a degree, and their square says no more.
        assert row["detail"] == "COARSE"
        north, east = (
            round(row["latitude"] * 1000) + 90_000,
            round(row["longitude"] * 1000) + 180_000,
        )
        assert row["cell"] == north * 1_000_000 + east
