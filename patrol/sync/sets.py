"""The sets that cursors name by their hash: the scopes, and the shapes by subject, that a pull was made under."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import orjson

from storage.database import Connection
from storage.sync import RECALL_SET, REMEMBER_SET

_SHELF_SIZE = 10_000


class SetBook:
    """The sets of one pull. They are written by `keep`, after the pull has given its connection back: a pull that waited for
    a second connection while it holds its own would stop the pool.
    """

    def __init__(self, connection: Connection, shelf: dict[bytes, list[Any]]) -> None:
        """`shelf` is what this process has seen stored before."""
        self._connection = connection
        self._shelf = shelf
        self._here: dict[bytes, list[Any]] = {}

    def name(self, content: list[Any]) -> str:
        """The name of a set."""
        digest = sha256(orjson.dumps(content)).digest()[:16]
        self._here[digest] = content
        return digest.hex()

    async def knows(self, name: str) -> bool:
        """Whether a set that a cursor names is still stored; afterwards `content` has it."""
        try:
            digest = bytes.fromhex(name)
        except ValueError:
            return False
        if digest in self._here:
            return True
        content = self._shelf.get(digest)
        if content is None:
            stored = await self._connection.fetchval(RECALL_SET, digest)
            if stored is None:
                return False
            content = orjson.loads(stored)
            self._put(digest, content)
        self._here[digest] = content
        return True

    def content(self, name: str) -> list[Any]:
        """A set that was named here, or that `knows` has found."""
        return self._here[bytes.fromhex(name)]

    async def keep(self, connection: Connection, names: Iterable[bytes]) -> None:
        """Stores sets that were used here, before the cursor that names them is given away.

        In one order, so that two pulls never wait for each other in a circle.
        """
        for digest in sorted(names):
            content = self._here[digest]
            await connection.execute(REMEMBER_SET, digest, orjson.dumps(content).decode())
            self._put(digest, content)

    def _put(self, digest: bytes, content: list[Any]) -> None:
        if len(self._shelf) >= _SHELF_SIZE:
            self._shelf.clear()
        self._shelf[digest] = content
