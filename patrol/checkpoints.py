"""Checkpoints and their codes: a signed text that hangs at a point, which a phone can verify where there is no signal.

    patrol://checkpoint?v=1&code=<kid>.<body>.<signature>

`body` is 20 bytes, the checkpoint's id and the number of the code (unsigned, most significant byte first); `signature`
is Ed25519 over `patrol checkpoint 1` and the body, by the key that the `kid` names. Both are base64url without padding.

A code proves that somebody has seen it, and no more: it can be photographed. So the number can be raised, which makes
the codes of before recognisable, and a check-in also keeps how far from the point the phone was.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from uuid_utils.compat import uuid7

from patrol.audit import audit
from patrol.errors import AlreadyExists, NotFound, VariableInvalid
from patrol.geometry import check_position
from patrol.keys import Key, KeySet
from patrol.places import zone_at
from storage.checkpoints import (
    ADD_KEY,
    INSERT_CHECKPOINT,
    READ_CHECKPOINT_SCOPE,
    REISSUE_CODE,
    SET_CHECKPOINT_ACTIVE,
)
from storage.database import Connection

PREFIX = "patrol://checkpoint?v=1&code="

_SIGNED = b"patrol checkpoint 1"
_CODE = re.compile(r"[\w-][\w.-]{0,39}")
_BODY, _SIGNATURE = 20, 64


@dataclass(frozen=True, slots=True)
class ScannedCode:
    """What a code says; nothing of it is true before `is_signed_by`."""

    kid: str
    checkpoint_id: UUID
    number: int
    body: bytes
    signature: bytes

    def is_signed_by(self, public_key: bytes) -> bool:
        """Whether the key with these 32 public bytes has signed it."""
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(
                self.signature, _SIGNED + self.body
            )
        except (InvalidSignature, ValueError):
            return False
        return True


def sign_code(key: Key, checkpoint_id: UUID, number: int) -> str:
    """The content of the code that hangs at a checkpoint; the same each time."""
    body = UUID(str(checkpoint_id)).bytes + number.to_bytes(4, "big")
    signature = _private(key).sign(_SIGNED + body)
    return f"{PREFIX}{key.kid}.{_text(body)}.{_text(signature)}"


def read_code(content: str) -> ScannedCode | None:
    """What a scanned text says; None if it is no code of a checkpoint."""
    if not content.startswith(PREFIX):
        return None
    try:
        kid, body, signature = content.removeprefix(PREFIX).split(".")
        said, signed = _bytes(body), _bytes(signature)
    except ValueError:
        return None
    if len(said) != _BODY or len(signed) != _SIGNATURE:
        return None
    return ScannedCode(kid, UUID(bytes=said[:16]), int.from_bytes(said[16:], "big"), said, signed)


def public_key_of(key: Key) -> bytes:
    """The 32 bytes by which codes of this key are verified."""
    return _private(key).public_key().public_bytes_raw()


def content_of(keys: KeySet, checkpoint_id: UUID, number: int, kid: str) -> str:
    """The code that hangs at a stored checkpoint, signed by the key that its number was issued with.

    Raises:
        NotFound: the installation does not have that key any more; issue the code anew.
    """
    key = keys.get(kid, retired_too=True)
    if key is None:
        raise NotFound(f"There is no key {kid}: issue the checkpoint's code anew.")
    return sign_code(key, checkpoint_id, number)


async def add_checkpoint(
    connection: Connection,
    keys: KeySet,
    station_id: UUID,
    *,
    code: str,
    name: str,
    name_th: str,
    latitude: float,
    longitude: float,
) -> UUID:
    """Adds a point (WGS 84 degrees) to the smallest zone around it, else to the station, with code number 1.

    Args:
        code: what people call it on a list, and the name of its printed file: 1 to 40 letters, digits, `_`, `.`, `-`.

    Raises:
        VariableInvalid: the code or the position cannot be used.
        AlreadyExists: the station has that code already.
    """
    if not _CODE.fullmatch(code):
        raise VariableInvalid(
            "A checkpoint's code is 1 to 40 letters, digits, _, . or -, and does not begin with a dot."
        )
    fault = check_position(latitude, longitude)
    if fault is not None:
        raise VariableInvalid(str(fault))
    zone = await zone_at(connection, station_id, latitude, longitude)
    key = await _published(connection, keys)
    added = await connection.fetchval(
        INSERT_CHECKPOINT, uuid7(), zone or station_id, station_id, zone, code, name, name_th,
        latitude, longitude, key.kid,
    )  # fmt: skip
    if added is None:
        raise AlreadyExists(f"The station has a checkpoint {code} already.")
    await audit(connection, "checkpoint.add", added, code=code)
    return UUID(str(added))


async def reissue_code(connection: Connection, keys: KeySet, checkpoint_id: UUID) -> int:
    """Makes what hangs at a point superseded: check-ins by it are kept and flagged. Returns the new number.

    Raises:
        NotFound: there is no such checkpoint.
    """
    key = await _published(connection, keys)
    number = await connection.fetchval(REISSUE_CODE, checkpoint_id, key.kid)
    if number is None:
        raise NotFound("There is no such checkpoint.")
    await audit(connection, "checkpoint.reissue", checkpoint_id, number=number)
    return int(number)


async def set_checkpoint_active(connection: Connection, checkpoint_id: UUID, active: bool) -> None:
    """Takes a point out of use, or back; its check-ins stay.

    Raises:
        NotFound: there is no such checkpoint, or it is so already.
    """
    if await connection.fetchval(SET_CHECKPOINT_ACTIVE, checkpoint_id, active) is None:
        raise NotFound(f"There is no such checkpoint {'out of' if active else 'in'} use.")
    act = "checkpoint.restore" if active else "checkpoint.retire"
    await audit(connection, act, checkpoint_id)


async def scope_of(connection: Connection, checkpoint_id: UUID) -> UUID | None:
    """Whom to poke about a checkpoint; None where there is none."""
    scope = await connection.fetchval(READ_CHECKPOINT_SCOPE, checkpoint_id)
    return None if scope is None else UUID(str(scope))


async def _published(connection: Connection, keys: KeySet) -> Key:
    """The key that signs now, its public half stored so that its codes can be verified."""
    key = keys.current
    await connection.execute(ADD_KEY, key.kid, public_key_of(key))
    return key


def _private(key: Key) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(key.derived("checkpoint"))


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
