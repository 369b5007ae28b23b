"""Who asks: the principals of every kind, signed in for real, so that a test reads as one of its users."""

from __future__ import annotations

import secrets
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from storage.principal import Principal, PrincipalKind
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


def _hash() -> bytes:
    return sha256(secrets.token_bytes(32)).digest()
