"""The tests' own world: real servers, a database for each test, and policies that are not bypassed."""

from __future__ import annotations

import socket

import asyncpg
import pytest

from storage.buckets import Bucket, ObjectStore
from storage.database import Database
from storage.principal import Role
from tests import personas
from tests.conftest import OutsideWorld
from tests.world import World


@pytest.mark.oldest
async def test_an_officer_sees_the_zones_that_are_assigned_and_a_supervisor_all(
    world: World, database: Database
) -> None:
    async def zones(officer: object) -> set[object]:
        principal = await personas.as_officer(world, officer)  # type: ignore[arg-type] # an id
        async with database.read(Role.PHONE, principal) as entered:
            return {row["id"] for row in await entered.connection.fetch("select id from zone")}

    assert await zones(world.kanya) == {world.market}
    assert await zones(world.somkid) == {world.temple}
    assert await zones(world.prasert) == {world.market, world.temple}


async def test_the_login_of_the_tests_cannot_bypass_policies(
    database: Database, world: World
) -> None:
    principal = await personas.as_partner(world, world.radio)
    async with database.enter(Role.PARTNER, principal) as entered:
        rights = "select rolsuper or rolbypassrls from pg_roles where rolname = session_user"
        assert await entered.connection.fetchval(rights) is False
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await entered.connection.fetch("select * from zone")


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_has_a_database_of_its_own(owner: asyncpg.Connection, turn: int) -> None:
    assert await owner.fetchval("select count(*) from admin_token") == 0
    await owner.execute(
        "insert into admin_token (id, name, prefix, token_sha256) values (gen_random_uuid(), 'n', 'p', 'h')"
    )


async def test_the_shared_store_has_its_buckets(store: ObjectStore) -> None:
    assert await store.problems() == []
    await store.put_bytes(Bucket.DERIVED, "a/b", b"c", content_type="text/plain")


def test_no_test_reaches_another_machine() -> None:
    with socket.socket() as sock, pytest.raises(OutsideWorld):
        sock.connect(("192.0.2.1", 80))
    with pytest.raises(OutsideWorld):
        socket.getaddrinfo("www.example.org", 80)
