"""A sharing agreement grants exactly what it says, from when it says, until it is revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from patrol.errors import AlreadyExists, BadRequest, NotFound
from patrol.sharing import add_partner, find_partner, grant, revoke
from storage.database import Database
from storage.principal import Principal, Role, system
from storage.vocabulary import DetailLevel, Sector, SharingSubject
from tests import personas
from tests.world import World


async def added(database: Database, code: str = "CITY") -> UUID:
    async with database.write(system("test")) as connection:
        return await add_partner(
            connection, code=code, name="City", name_th="เมือง", sector=Sector.LOCAL_GOVERNMENT
        )


async def cameras(database: Database, partner: Principal) -> set[UUID]:
    async with database.read(Role.PARTNER, partner) as entered:
        rows = await entered.connection.fetch("select id from partner.camera")
        return {row["id"] for row in rows}


async def test_a_partner_sees_what_was_granted_until_it_is_revoked(
    world: World, database: Database, owner: asyncpg.Connection
) -> None:
    city = await added(database)
    partner = await personas.as_partner(world, city)
    assert await cameras(database, partner) == set()
    async with database.write(system("test")) as connection:
        agreement = await grant(
            connection, city, [world.market, world.market], [SharingSubject.CAMERAS]
        )
    assert await cameras(database, partner) == {world.market_camera}
    async with database.write(system("test")) as connection:
        await revoke(connection, agreement)
    assert await cameras(database, partner) == set()
    with pytest.raises(NotFound):
        async with database.write(system("test")) as connection:
            await revoke(connection, agreement)
    acts = [row["act"] for row in await owner.fetch("select act from audit_entry order by id")]
    assert acts[0] == "partner.add"
    assert [act for act in acts if act.startswith("agreement")] == [
        "agreement.grant",
        "agreement.revoke",
    ]


async def test_an_agreement_of_the_future_grants_nothing_yet(
    world: World, database: Database
) -> None:
    city = await added(database)
    async with database.write(system("test")) as connection:
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        await grant(
            connection,
            city,
            [world.market],
            [SharingSubject.CAMERAS],
            detail=DetailLevel.FULL,
            valid_from=tomorrow,
        )
    assert await cameras(database, await personas.as_partner(world, city)) == set()


async def test_an_agreement_over_nothing_or_no_time_is_refused(
    world: World, database: Database
) -> None:
    city = await added(database)
    now = datetime.now(UTC)
    for zones, subjects, until in (
        ([], [SharingSubject.ZONES], None),
        ([world.market], [], None),
        ([world.market], [SharingSubject.ZONES], now - timedelta(days=1)),
    ):
        async with database.write(system("test")) as connection:
            with pytest.raises(BadRequest):
                await grant(connection, city, zones, subjects, valid_until=until)


async def test_a_code_is_taken_once(database: Database) -> None:
    await added(database)
    with pytest.raises(AlreadyExists):
        await added(database)
    async with database.read(Role.SYSTEM, system("test")) as entered:
        assert (await find_partner(entered.connection, "CITY"))["sector"] == "LOCAL_GOVERNMENT"
        with pytest.raises(NotFound):
            await find_partner(entered.connection, str(uuid4()))
