"""Keys of partners, cameras, posts and administrators: who they belong to, at which door, and for how long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from patrol.errors import NotFound, NotSignedIn
from patrol.identity import (
    AccessTokens,
    IssuedKey,
    Recognition,
    issue_admin_token,
    issue_api_key,
    issue_device_key,
    revoke_admin_token,
    revoke_api_key,
    revoke_device_key,
)
from patrol.keys import KeySet
from storage.database import Connection, Database
from storage.faults import PrincipalRevoked
from storage.principal import Principal, PrincipalKind, Role, system
from tests import personas
from tests.world import World, now

KINDS = ["partner", "camera", "post", "admin"]


@pytest.fixture
def recognition(database: Database, keys: KeySet) -> Recognition:
    return Recognition(database, AccessTokens(keys))


async def issued(world: World, kind: str) -> IssuedKey:
    async with world.database.write(system("test")) as connection:
        if kind == "partner":
            return await issue_api_key(connection, world.radio, "newsroom")
        if kind == "camera":
            return await issue_device_key(connection, camera_id=world.market_camera)
        if kind == "post":
            return await issue_device_key(connection, post_id=world.post)
        return await issue_admin_token(connection, "Noi")


def door(recognition: Recognition, kind: str) -> Callable[[str], Awaitable[Principal]]:
    return {
        "partner": recognition.partner,
        "camera": recognition.device,
        "post": recognition.device,
        "admin": recognition.admin,
    }[kind]


ROLES = {"partner": Role.PARTNER, "camera": Role.WRITER, "post": Role.WRITER, "admin": Role.ADMIN}


async def is_served(world: World, kind: str, principal: Principal) -> bool:
    try:
        async with world.database.enter(ROLES[kind], principal):
            return True
    except PrincipalRevoked:
        return False


@pytest.mark.oldest
@pytest.mark.parametrize("kind", KINDS)
async def test_a_key_is_recognised_at_its_own_door_and_at_no_other(
    world: World, recognition: Recognition, kind: str
) -> None:
    key = await issued(world, kind)
    holder = {
        "partner": world.radio,
        "camera": world.market_camera,
        "post": world.post,
        "admin": key.id,
    }[kind]
    for _ in range(2):  # the second time from memory
        principal = await door(recognition, kind)(key.secret)
        assert principal == Principal(PrincipalKind(kind), holder, key.id)
    assert await is_served(world, kind, principal)
    for other in KINDS:
        if door(recognition, other) != door(recognition, kind):
            with pytest.raises(NotSignedIn, match=r"This door takes .*; this is an? "):
                await door(recognition, other)(key.secret)
    with pytest.raises(NotSignedIn, match="another door's key"):
        recognition.officer(key.secret)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_revoked_key_is_refused_at_once(
    world: World, recognition: Recognition, kind: str
) -> None:
    key, other = await issued(world, kind), await issued(world, kind)
    principal = await door(recognition, kind)(key.secret)
    assert await is_served(world, kind, principal)
    revoke: dict[str, Callable[[Connection, UUID], Awaitable[None]]] = {
        "partner": revoke_api_key,
        "camera": revoke_device_key,
        "post": revoke_device_key,
        "admin": revoke_admin_token,
    }
    async with world.database.write(system("test")) as connection:
        await revoke[kind](connection, key.id)
        with pytest.raises(NotFound):
            await revoke[kind](connection, key.id)
    assert not await is_served(world, kind, await door(recognition, kind)(key.secret))
    assert await is_served(world, kind, await door(recognition, kind)(other.secret))


async def test_an_expired_key_is_refused(world: World, recognition: Recognition) -> None:
    past = now() - timedelta(seconds=1)
    async with world.database.write(system("test")) as connection:
        partner = await issue_api_key(connection, world.radio, "old", expires_at=past)
        admin = await issue_admin_token(connection, "Old", expires_at=past)
    assert not await is_served(world, "partner", await recognition.partner(partner.secret))
    assert not await is_served(world, "admin", await recognition.admin(admin.secret))


async def test_the_keys_of_a_closed_organisation_are_refused(
    world: World, recognition: Recognition
) -> None:
    principal = await recognition.partner((await issued(world, "partner")).secret)
    await world.change("update organisation set active = false where id = $1", world.radio)
    assert not await is_served(world, "partner", principal)
    async with world.database.write(system("test")) as connection:
        with pytest.raises(NotFound):
            await issue_api_key(connection, world.radio, "again")


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "spk_",
        "spk_" + "A" * 43,
        "sdk_" + "A" * 43,
        "xxx_" + "A" * 43,
        "spk_" + "ก" * 43,
        "a.b.c",
    ],
)
async def test_an_unknown_key_is_refused_at_every_door(
    recognition: Recognition, secret: str
) -> None:
    for kind in KINDS:
        with pytest.raises(NotSignedIn):
            await door(recognition, kind)(secret)
    with pytest.raises(NotSignedIn):
        recognition.officer(secret)


async def test_a_key_that_was_unknown_a_moment_ago_is_recognised_once_it_is_issued(
    world: World, recognition: Recognition, owner: asyncpg.Connection
) -> None:
    key = await issued(world, "partner")
    await owner.execute("update api_key set key_sha256 = 'moved' where id = $1", key.id)
    with pytest.raises(NotSignedIn):
        await recognition.partner(key.secret)
    await owner.execute(
        "update api_key set key_sha256 = sha256(convert_to($2, 'UTF8')) where id = $1",
        key.id,
        key.secret,
    )
    await recognition.partner(key.secret)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_key_is_shown_once_and_only_its_hash_and_beginning_are_kept(
    world: World, owner: asyncpg.Connection, kind: str
) -> None:
    key = await issued(world, kind)
    tables = ("api_key", "device_key", "admin_token", "audit_entry")
    kept = "".join([str(await owner.fetch(f"select * from {table}")) for table in tables])
    assert key.secret not in kept
    assert key.secret[len(key.prefix) :] not in kept
    assert key.prefix in kept
    assert key.secret not in repr(key)
    assert len(key.secret) == 47


async def test_a_key_for_nobody_is_refused(world: World) -> None:
    async with world.database.write(system("test")) as connection:
        for holder in ({"camera_id": world.post}, {"post_id": world.market_camera}):
            with pytest.raises(NotFound):
                await issue_device_key(connection, **holder)
        with pytest.raises(NotFound):
            await issue_api_key(connection, world.kanya, "x")
        for wrong in ({}, {"camera_id": world.market_camera, "post_id": world.post}):
            with pytest.raises(ValueError, match="one camera or to one post"):
                await issue_device_key(connection, **wrong)


async def test_issuing_and_revoking_are_in_the_audit_log_with_who_did_it(
    world: World, owner: asyncpg.Connection
) -> None:
    admin = await personas.as_admin(world)
    async with world.database.write(admin) as connection:
        key = await issue_api_key(connection, world.radio, "newsroom")
        await revoke_api_key(connection, key.id)
    rows = await owner.fetch("select principal, act, subject from audit_entry order by id")
    assert [tuple(row) for row in rows] == [
        (str(admin), "partner.key.issue", str(world.radio)),
        (str(admin), "partner.key.revoke", str(key.id)),
    ]


async def test_an_act_that_is_rolled_back_leaves_neither_key_nor_audit(
    world: World, owner: asyncpg.Connection
) -> None:
    async def fails() -> None:
        async with world.database.write(system("test")) as connection:
            await issue_api_key(connection, world.radio, "newsroom")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    assert await owner.fetchval("select count(*) from api_key") == 0
    assert await owner.fetchval("select count(*) from audit_entry") == 0
