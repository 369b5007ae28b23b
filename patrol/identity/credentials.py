"""Keys of partners, cameras, posts and administrators: 256 random bits, shown once, kept as their SHA-256."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from uuid_utils.compat import uuid7

from patrol.audit import audit
from patrol.errors import NotFound
from storage.admins import INSERT_ADMIN, REVOKE_ADMIN
from storage.database import Connection
from storage.devices import INSERT_DEVICE_KEY, REVOKE_DEVICE_KEY
from storage.sharing import INSERT_API_KEY, REVOKE_API_KEY

VISIBLE = 12
"""Characters that are kept in the open, so that people and scanners can tell keys apart; 200 bits stay unknown."""


class KeyMark(StrEnum):
    """What a key begins with, so that a person, a log filter or a secret scanner knows it at sight."""

    PARTNER = "spk_"
    DEVICE = "sdk_"
    ADMIN = "sat_"


_FORM = re.compile(r"(?:spk|sdk|sat)_[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key. This is the one time that it can be shown."""

    id: UUID
    prefix: str
    secret: str = field(repr=False)


def looks_like_key(text: str) -> bool:
    """Whether it is worth asking the database about a text."""
    return _FORM.fullmatch(text) is not None


def key_hash(secret: str) -> bytes:
    """How a key is kept. Random bits need no slow hash."""
    return sha256(secret.encode()).digest()


async def issue_api_key(
    connection: Connection,
    organisation_id: UUID,
    label: str,
    *,
    expires_at: datetime | None = None,
) -> IssuedKey:
    """Makes a key for a partner. `label` tells people what it is for.

    Raises:
        NotFound: there is no such active partner.
    """
    key = _new(KeyMark.PARTNER)
    kept = await connection.fetchval(
        INSERT_API_KEY, key.id, organisation_id, key.prefix, key_hash(key.secret), label, expires_at
    )
    if kept is None:
        raise NotFound("There is no such active partner.")
    await audit(connection, "partner.key.issue", organisation_id, key=key.id, prefix=key.prefix)
    return key


async def issue_device_key(
    connection: Connection, *, camera_id: UUID | None = None, post_id: UUID | None = None
) -> IssuedKey:
    """Makes a key for one camera or one SOS post.

    Raises:
        NotFound: there is no such camera or post.
    """
    if (camera_id is None) == (post_id is None):
        raise ValueError("a device key belongs to one camera or to one post")
    key = _new(KeyMark.DEVICE)
    kept = await connection.fetchval(
        INSERT_DEVICE_KEY, key.id, key.prefix, key_hash(key.secret), camera_id, post_id
    )
    if kept is None:
        raise NotFound("There is no such camera or SOS post.")
    await audit(connection, "device.key.issue", camera_id or post_id, key=key.id, prefix=key.prefix)
    return key


async def issue_admin_token(
    connection: Connection, name: str, *, expires_at: datetime | None = None
) -> IssuedKey:
    """Makes a token for an administrator."""
    key = _new(KeyMark.ADMIN)
    await connection.fetchval(
        INSERT_ADMIN, key.id, name, key.prefix, key_hash(key.secret), expires_at
    )
    await audit(connection, "admin.token.issue", key.id, name=name, prefix=key.prefix)
    return key


async def revoke_api_key(connection: Connection, key_id: UUID) -> None:
    """Ends a partner's key at once. Raises NotFound when there is none, or it has ended."""
    await _revoke(connection, REVOKE_API_KEY, "partner.key.revoke", key_id)


async def revoke_device_key(connection: Connection, key_id: UUID) -> None:
    """Ends a camera's or post's key at once. Raises NotFound when there is none, or it has ended."""
    await _revoke(connection, REVOKE_DEVICE_KEY, "device.key.revoke", key_id)


async def revoke_admin_token(connection: Connection, key_id: UUID) -> None:
    """Ends an administrator's token at once. Raises NotFound when there is none, or it has ended."""
    await _revoke(connection, REVOKE_ADMIN, "admin.token.revoke", key_id)


async def _revoke(connection: Connection, statement: str, act: str, key_id: UUID) -> None:
    if await connection.fetchval(statement, key_id) is None:
        raise NotFound("There is no such key, or it was revoked already.")
    await audit(connection, act, key_id)


def _new(mark: KeyMark) -> IssuedKey:
    secret = f"{mark}{secrets.token_urlsafe(32)}"
    return IssuedKey(uuid7(), secret[:VISIBLE], secret)
