"""Ways in for poles whose box cannot send a long key: a short password, or a secret in the address.

A short password is no 256 bits, so it opens its own post only, is kept behind scrypt, and the door counts wrong guesses.
A secret in an address stands in browsers, proxies and photographs, so it does one thing only.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections import OrderedDict
from hashlib import sha256
from uuid import UUID

from uuid_utils.compat import uuid7

from patrol.audit import audit
from patrol.errors import NotFound, NotSignedIn, VariableInvalid
from patrol.identity.credentials import IssuedKey, key_hash
from storage.database import Connection, Database
from storage.devices import FIND_POST_LINK, FIND_POST_PASSWORDS, INSERT_POST_KEY
from storage.principal import Principal, PrincipalKind, Role, system
from storage.vocabulary import DeviceKeyKind, PostAction

SHORTEST, LONGEST = 6, 32
"""Characters of a password."""

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that are mistaken for another on a small display."""

_COST = {"n": 2**12, "r": 8, "p": 1}
"""About 10 ms and 4 MB: a press must not wait, and guesses are few."""


async def issue_post_password(
    connection: Connection, post_id: UUID, *, password: str | None = None, length: int = 8
) -> IssuedKey:
    """Gives a post a short password, one that we make or the one that its box was built with.

    Raises:
        VariableInvalid: too short, too long, or with characters that boxes garble.
        NotFound: there is no such post.
    """
    if password is None:
        if not SHORTEST <= length <= LONGEST:
            raise VariableInvalid(f"A password has {SHORTEST} to {LONGEST} characters.")
        password = "".join(secrets.choice(_LETTERS) for _ in range(length))
    elif not (SHORTEST <= len(password) <= LONGEST and _is_plain(password)):
        raise VariableInvalid(
            f"A password has {SHORTEST} to {LONGEST} characters: ASCII letters, digits and signs, no blanks."
        )
    kept = await asyncio.to_thread(_hash, password, secrets.token_bytes(16))
    return await _keep(connection, post_id, password, DeviceKeyKind.PASSWORD, password_hash=kept)


async def issue_post_link(connection: Connection, post_id: UUID, action: PostAction) -> IssuedKey:
    """Gives a post a secret that stands in an address and does one thing.

    Raises:
        NotFound: there is no such post.
    """
    secret = secrets.token_urlsafe(24)
    return await _keep(connection, post_id, secret, DeviceKeyKind.LINK, action=action)


async def _keep(
    connection: Connection,
    post_id: UUID,
    secret: str,
    kind: DeviceKeyKind,
    *,
    action: PostAction | None = None,
    password_hash: str | None = None,
) -> IssuedKey:
    # Of a password nothing may be shown: its first letters are most of it.
    prefix = f"{secret[:4]}…" if kind is DeviceKeyKind.LINK else "…"
    key = IssuedKey(uuid7(), prefix, secret)
    stored = await connection.fetchval(
        INSERT_POST_KEY,
        key.id,
        post_id,
        kind.value,
        action and action.value,
        prefix,
        key_hash(secret) if kind is DeviceKeyKind.LINK else None,
        password_hash,
    )
    if stored is None:
        raise NotFound("There is no such SOS post.")
    await audit(connection, "device.key.issue", post_id, key=key.id, kind=kind.value)
    return key


class PostKeys:
    """Recognises passwords and secrets of posts; whether they are still good, the database says at each checkout."""

    def __init__(self, database: Database, *, remembered: int = 10_000) -> None:
        self._database = database
        self._remembered = remembered
        self._right: OrderedDict[tuple[UUID, bytes], None] = OrderedDict()

    async def by_password(self, post_id: UUID, password: str) -> Principal:
        """The post of a password. Raises NotSignedIn."""
        async with self._database.enter(Role.SYSTEM, system("sign-in")) as entered:
            rows = await entered.connection.fetch(FIND_POST_PASSWORDS, post_id)
        given = password[: LONGEST + 1]
        for row in rows:
            if await self._fits(row["id"], given, row["password_hash"]):
                return Principal(PrincipalKind.POST, post_id, row["id"])
        raise NotSignedIn("The password is not this post's.")

    async def by_link(self, post_id: UUID, action: PostAction | None, secret: str) -> Principal:
        """The post of a secret in an address; any action when none is named. Raises NotSignedIn."""
        async with self._database.enter(Role.SYSTEM, system("sign-in")) as entered:
            row = await entered.connection.fetchrow(
                FIND_POST_LINK, key_hash(secret), post_id, action and action.value
            )
        if row is None:
            raise NotSignedIn(
                "The secret in the address is not this post's, or is for another act."
            )
        return Principal(PrincipalKind.POST, post_id, row["id"])

    async def _fits(self, key: UUID, password: str, kept: str) -> bool:
        """Whether a password is the kept one; one that was right is not hashed slowly again."""
        mark = (key, sha256(password.encode("utf-8", "surrogatepass")).digest())
        if mark in self._right:
            self._right.move_to_end(mark)
            return True
        salt = b64decode(kept.split("$")[0])
        if not hmac.compare_digest(await asyncio.to_thread(_hash, password, salt), kept):
            return False
        self._right[mark] = None
        if len(self._right) > self._remembered:
            self._right.popitem(last=False)
        return True


def _hash(password: str, salt: bytes) -> str:
    made = hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, dklen=32, **_COST)
    return f"{b64encode(salt).decode()}${b64encode(made).decode()}"


def _is_plain(password: str) -> bool:
    return password.isascii() and password.isprintable() and " " not in password
