"""Who asks: a principal or a credential of every kind, good in the database, so that a test reads as its user."""

from __future__ import annotations

import secrets
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from patrol.identity import AccessTokens, issue_admin_token, issue_api_key, issue_device_key
from patrol.keys import KeySet
from storage.principal import Principal, PrincipalKind, system
from tests.world import World, now


async def as_officer(world: World, officer: UUID, *, device: UUID | None = None) -> Principal:
    """An officer signed in on a phone, by default on a new one."""
    device = device or await world.add_device()
    session = await world.store(
        "session",
        device_id=device,
        officer_id=officer,
        expires_at=now() + timedelta(days=1),
    )
    return Principal(PrincipalKind.OFFICER, officer, session, device)


async def as_partner(world: World, organisation: UUID) -> Principal:
    """A partner with an API key."""
    key = await world.store(
        "api_key", organisation_id=organisation, prefix="spk_test", key_sha256=_hash(), label="test"
    )
    return Principal(PrincipalKind.PARTNER, organisation, key)


async def as_camera(world: World, camera: UUID) -> Principal:
    """A camera with its key."""
    key = await world.store("device_key", prefix="sdk_test", key_sha256=_hash(), camera_id=camera)
    return Principal(PrincipalKind.CAMERA, camera, key)


async def as_post(world: World, post: UUID) -> Principal:
    """An SOS post with its key."""
    key = await world.store("device_key", prefix="sdk_test", key_sha256=_hash(), post_id=post)
    return Principal(PrincipalKind.POST, post, key)


async def as_admin(world: World) -> Principal:
    """An administrator with a token."""
    token = await world.store("admin_token", name="Noi", prefix="sat_test", token_sha256=_hash())
    return Principal(PrincipalKind.ADMIN, token, token)


async def token_of_officer(world: World, keys: KeySet, officer: UUID) -> str:
    """An access token of an officer, for the header `Authorization: Bearer …`."""
    principal = await as_officer(world, officer)
    assert isinstance(principal.credential_id, UUID)
    assert isinstance(principal.device_id, UUID)
    row = await world.row("select station_id, role from officer where id = $1", officer)
    return AccessTokens(keys).issue(
        officer_id=officer,
        session_id=principal.credential_id,
        device_id=principal.device_id,
        station_id=row["station_id"],
        role=row["role"],
    )


async def key_of_partner(world: World, organisation: UUID) -> str:
    """A partner's API key."""
    async with world.database.write(system("test")) as connection:
        return (await issue_api_key(connection, organisation, "test")).secret


async def key_of_camera(world: World, camera: UUID) -> str:
    """A camera's key."""
    async with world.database.write(system("test")) as connection:
        return (await issue_device_key(connection, camera_id=camera)).secret


async def key_of_post(world: World, post: UUID) -> str:
    """An SOS post's key."""
    async with world.database.write(system("test")) as connection:
        return (await issue_device_key(connection, post_id=post)).secret


async def token_of_admin(world: World) -> str:
    """An administrator's token."""
    async with world.database.write(system("test")) as connection:
        return (await issue_admin_token(connection, "Noi")).secret


def _hash() -> bytes:
    return sha256(secrets.token_bytes(32)).digest()
