"""The one key set behind tokens, cursors and receipts: every key has a `kid`, and rotation overlaps.

A key is a 32 byte seed, wrapped at rest with the installation's secret. What is signed for one purpose never verifies
for another: each purpose derives a key of its own from the seed (HKDF, RFC 5869).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from storage.keys import INSERT_KEY, READ_KEYS, RETIRE_KEY

if TYPE_CHECKING:
    from storage.database import Connection

OVERLAP = timedelta(minutes=10)
"""How long before its first use a new key is published, so that every process knows it when it signs."""


class SecretWrong(Exception):
    """The signing keys were wrapped with another secret: set PATROL_SECRET to the one that this database was set up with."""


@dataclass(frozen=True)
class Key:
    """One key of the set."""

    kid: str
    seed: bytes
    signs_from: datetime
    believed_until: datetime | None

    def derived(self, purpose: str) -> bytes:
        """32 bytes for one purpose."""
        return _derived(self.seed, purpose)

    @cached_property
    def token_key(self) -> Ed25519PrivateKey:
        """The key pair that signs access tokens (EdDSA)."""
        return Ed25519PrivateKey.from_private_bytes(self.derived("token"))

    def mac(self, purpose: str, message: bytes) -> bytes:
        """HMAC-SHA-256 for one purpose, cut to 128 bits."""
        return hmac.digest(self.derived(purpose), message, sha256)[:16]


@lru_cache(maxsize=256)
def _derived(seed: bytes, purpose: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=f"patrol {purpose}".encode()).derive(seed)


class KeySet:
    """The keys that this process believes, and the one that signs now."""

    def __init__(self, keys: Mapping[str, Key]) -> None:
        self._keys = dict(keys)

    def __iter__(self):  # type: ignore[no-untyped-def] # an iterator of Key
        return iter(sorted(self._keys.values(), key=lambda key: key.signs_from))

    @property
    def current(self) -> Key:
        """The newest key whose time has come."""
        now = datetime.now(UTC)
        started = [key for key in self._keys.values() if key.signs_from <= now]
        return max(started or self._keys.values(), key=lambda key: key.signs_from)

    def get(self, kid: str, *, retired_too: bool = False) -> Key | None:
        """A key that is still believed; with `retired_too` also one that is not, for what is proven otherwise as well."""
        key = self._keys.get(kid)
        if key is None or retired_too:
            return key
        return None if key.believed_until and key.believed_until <= datetime.now(UTC) else key

    def replace(self, other: KeySet) -> None:
        """Takes over the keys that another process has made since."""
        self._keys = other._keys


def _wrapping(secret: str, purpose: str = "wrap") -> AESGCM:
    info = f"patrol {purpose}".encode()
    return AESGCM(HKDF(hashes.SHA256(), 32, salt=None, info=info).derive(secret.encode()))


def seal_text(secret: str, purpose: str, name: str, text: str) -> bytes:
    """Wraps a text at rest with the installation's secret; it opens for the same purpose and name only."""
    nonce = secrets.token_bytes(12)
    return nonce + _wrapping(secret, purpose).encrypt(nonce, text.encode(), name.encode())


def open_text(secret: str, purpose: str, name: str, sealed: bytes) -> str:
    """The text that `seal_text` wrapped.

    Raises:
        SecretWrong: another secret, purpose or name.
    """
    try:
        opened = _wrapping(secret, purpose).decrypt(sealed[:12], sealed[12:], name.encode())
    except (InvalidTag, ValueError) as error:
        raise SecretWrong("What was sealed cannot be opened with PATROL_SECRET.") from error
    return opened.decode()


def _wrap(secret: str, kid: str, seed: bytes) -> bytes:
    nonce = secrets.token_bytes(12)
    return nonce + _wrapping(secret).encrypt(nonce, seed, kid.encode())


def _unwrap(secret: str, kid: str, wrapped: bytes) -> bytes:
    try:
        return _wrapping(secret).decrypt(wrapped[:12], wrapped[12:], kid.encode())
    except InvalidTag as error:
        raise SecretWrong(SecretWrong.__doc__) from error


async def load(connection: Connection, secret: str) -> KeySet:
    """The key set of the installation; its first key is made here.

    Raises:
        SecretWrong: the keys were wrapped with another secret.
    """
    rows = await connection.fetch(READ_KEYS)
    if not rows:
        await _add(connection, secret, signs_from=datetime.now(UTC))
        rows = await connection.fetch(READ_KEYS)
    return KeySet(
        {
            row["kid"]: Key(
                row["kid"],
                _unwrap(secret, row["kid"], row["wrapped"]),
                row["signs_from"],
                row["believed_until"],
            )
            for row in rows
        }
    )


async def rotate(connection: Connection, secret: str, *, overlap: timedelta = OVERLAP) -> str:
    """Adds a key that signs after `overlap`; older keys are believed on until they are retired.

    Returns:
        The new key's `kid`.
    """
    await load(
        connection, secret
    )  # an installation whose secret is wrong must not get a second kind of key
    return await _add(connection, secret, signs_from=datetime.now(UTC) + overlap)


async def retire(connection: Connection, kid: str) -> bool:
    """Stops believing a key: what it signed is void, but for refresh tokens. Returns whether there was such a key."""
    return bool(await connection.fetchval(RETIRE_KEY, kid))


async def _add(connection: Connection, secret: str, *, signs_from: datetime) -> str:
    kid, seed = secrets.token_hex(4), secrets.token_bytes(32)
    await connection.execute(INSERT_KEY, kid, _wrap(secret, kid, seed), signs_from)
    return kid
