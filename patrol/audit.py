"""The audit entry beside each privileged act, in the same transaction, and the hash chain that proves that none changed.

Entries are appended unchained: a locked chain head would cost five sixths of the write rate. Each second a worker seals
what has become visible since the last seal. What that is follows from snapshots and never from ids or times: an entry
with a lower id may commit after one with a higher id, and a cursor over ids would pass it by for ever.

After a restore the ids of stored transactions say nothing about those of this server, so the first seal of a new epoch asks
which entries no seal covers; see docs/decisions/0015-a-seal-names-its-entries.md.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import orjson

from patrol.keys import KeySet
from storage.admins import (
    APPEND_AUDIT,
    COUNT_UNSEALED,
    INSERT_SEAL,
    OPEN_SEAL,
    READ_LAST_SEAL,
    READ_SEAL_SNAPSHOTS,
    READ_SEALED,
    READ_UNCOVERED,
    READ_UNSEALED,
)
from storage.database import Connection, Database
from storage.job_turns import Every
from storage.principal import Role, system

SEAL: Final = "audit.seal"
"""The job that seals the log."""

SCHEDULES: Final = (Every(SEAL, timedelta(seconds=1)),)

NOTHING: Final = "1:1:"
"""The snapshot that has seen no transaction."""

PURPOSE: Final = "audit"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A new seal: its number and how many entries it covers."""

    number: int
    entries: int


@dataclass(frozen=True, slots=True)
class Verified:
    """What the chain proves.

    Attributes:
        entries: how many entries stand as they were sealed.
        seals: how many seals hold, from the first on.
        unsealed: how many entries no seal covers yet.
        strays: how many no seal covers although the newest has seen them: somebody slipped them in, or they were written
            after a restore that the sealing worker has yet to notice.
        broken_at: the number of the first seal that does not hold; None when all do.
        head: the newest seal that holds, in hexadecimal. Kept elsewhere, it shows later that the end was not cut off.
    """

    entries: int
    seals: int
    unsealed: int
    strays: int
    broken_at: int | None
    head: str | None


async def audit(connection: Connection, act: str, subject: object, **detail: Any) -> None:
    """Writes down that the connection's principal did `act` (such as `partner.add`) to `subject` (an id or code).

    `detail` holds what a reader needs to judge the act: never a key, a code or a position.
    """
    await connection.execute(
        APPEND_AUDIT, act, str(subject), orjson.dumps(detail, default=str).decode()
    )


async def seal_log(database: Database, keys: KeySet) -> Sealed | None:
    """Runs the job `SEAL`: `seal` in a transaction of its own."""
    async with database.write(system("audit"), Role.SYSTEM) as connection:
        return await seal(connection, keys)


async def seal(connection: Connection, keys: KeySet) -> Sealed | None:
    """Adds a link over the entries that are visible now and were not at the last seal; None if there are none.

    It also returns None while another worker seals. A link without entries is added where the last one was made with a
    key that is believed no more, so that a believed key vouches for the whole chain.

    Args:
        connection: inside a READ COMMITTED transaction that has written nothing.
        keys: the newest one makes the link's MAC.
    """
    opened = await connection.fetchrow(OPEN_SEAL)
    if not opened["untouched"]:
        # An entry of this transaction that is added after the seal would count as seen by it.
        raise RuntimeError("the log is sealed in a transaction of its own")
    if not opened["held"]:
        return None
    last = await connection.fetchrow(READ_LAST_SEAL, opened["epoch"])
    moved = last is None or last["moved"]
    number = 1 if last is None else last["number"] + 1
    snapshot, above = (NOTHING, 0) if last is None else (last["snapshot"], last["above"])
    link, covered = sha256(b"" if last is None else last["sha256"]), _Spans()
    # One statement has one snapshot, however long its rows take to arrive.
    asked = (READ_UNCOVERED,) if moved else (READ_UNSEALED, snapshot, above)
    async for row in connection.cursor(*asked, prefetch=1000):
        if not covered.count:
            snapshot, above = row["snapshot"], row["above"]
        if row["id"] is not None:
            link.update(written(row))
            covered.add(row["id"])
    believed = last is None or (not moved and keys.get(last["kid"]) is not None)
    if not covered.count and believed:
        return None
    link.update(closing(number, opened["now"], snapshot, covered.count))
    digest, key = link.digest(), keys.current
    await connection.execute(
        INSERT_SEAL,
        number,
        opened["now"],
        snapshot,
        covered.count,
        digest,
        key.kid,
        key.mac(PURPOSE, digest),
        covered.text(),
        above,
        opened["epoch"],
    )
    return Sealed(number, covered.count)


class _Spans:
    """Rising ids, gathered into spans without holes: an entry for each would be longer than the log itself."""

    def __init__(self) -> None:
        self.count = 0
        self._spans: list[list[int]] = []

    def add(self, number: int) -> None:
        self.count += 1
        if self._spans and self._spans[-1][1] == number:
            self._spans[-1][1] += 1
        else:
            self._spans.append([number, number + 1])

    def text(self) -> str:
        """As PostgreSQL writes a multirange."""
        return "{" + ",".join(f"[{low},{high})" for low, high in self._spans) + "}"


def written(row: Mapping[str, Any]) -> bytes:
    """An entry as it is hashed: a JSON array on one line, its detail as the text that PostgreSQL keeps."""
    names = ("id", "at", "xid", "principal", "act", "subject", "detail")
    return orjson.dumps([row[name] for name in names]) + b"\n"


def closing(number: int, sealed_at: datetime, snapshot: str, entries: int) -> bytes:
    """What a seal says about itself, as it is hashed after its entries."""
    return orjson.dumps({"number": number, "at": sealed_at, "snapshot": snapshot, "of": entries})


async def verify(connection: Connection, keys: KeySet) -> Verified:
    """Computes the whole chain again from the stored entries.

    A link whose key is believed no more proves nothing by itself: a later link with a believed key must vouch for it.

    Args:
        connection: inside a REPEATABLE READ transaction, which may be read-only.
        keys: the key set of the installation.
    """
    garbled, newest = None, NOTHING
    async for row in connection.cursor(READ_SEAL_SNAPSHOTS, prefetch=1000):
        if not well_formed(row["snapshot"]):
            garbled = row["number"]
            break
        newest = row["snapshot"]
    chain = _Chain(keys)
    async for row in connection.cursor(READ_SEALED, garbled, prefetch=1000):
        if not chain.take(row):
            break
    chain.finish()
    left = await connection.fetchrow(COUNT_UNSEALED, newest)
    return Verified(
        entries=chain.entries,
        seals=chain.seals,
        unsealed=left["unsealed"],
        strays=left["strays"],
        broken_at=garbled if chain.broken_at is None else chain.broken_at,
        head=chain.previous.hex() or None,
    )


def well_formed(snapshot: str) -> bool:
    """Whether PostgreSQL would read a text as a snapshot; a forged one would stop the whole verification."""
    parts = snapshot.split(":")
    running = parts[2].split(",") if len(parts) == 3 and parts[2] else []
    numbers = [*parts[:2], *running]
    if len(parts) != 3 or not all(
        one.isascii() and one.isdigit() and len(one) < 20 for one in numbers
    ):
        return False
    low, high, *between = map(int, numbers)
    return 0 < low <= high and between == sorted(between) and all(low <= x < high for x in between)


class _Chain:
    """The chain as far as it holds; `take` is given the rows of `READ_SEALED`."""

    def __init__(self, keys: KeySet) -> None:
        self.entries = self.seals = 0
        self.previous = b""
        self.broken_at: int | None = None
        self._keys = keys
        self._vouched = _Standing(0, 0, b"")
        self._seal: Mapping[str, Any] | None = None
        self._link, self._count = sha256(), 0

    def take(self, row: Mapping[str, Any]) -> bool:
        """Adds a row; False once the chain is broken."""
        if self._seal is None or row["number"] != self._seal["number"]:
            self._close()
            self._seal, self._link, self._count = row, sha256(self.previous), 0
        if row["id"] is not None:
            self._link.update(written(row))
            self._count += 1
        return self.broken_at is None

    def finish(self) -> None:
        """Closes the last seal; what no believed key vouches for does not hold."""
        self._close()
        if self._vouched.seals < self.seals:
            self.seals, self.entries, self.previous = (
                self._vouched.seals,
                self._vouched.entries,
                self._vouched.head,
            )
            self.broken_at = self.seals + 1

    def _close(self) -> None:
        seal = self._seal
        if seal is None or self.broken_at is not None:
            return
        self._link.update(
            closing(seal["number"], seal["sealed_at"], seal["snapshot"], seal["entries"])
        )
        digest, key = self._link.digest(), self._keys.get(seal["kid"])
        if (
            seal["number"] != self.seals + 1
            or seal["entries"] != self._count
            or seal["sha256"] != digest
            or (key and not hmac.compare_digest(key.mac(PURPOSE, digest), seal["mac"]))
        ):
            self.broken_at = self.seals + 1
            return
        self.seals, self.entries, self.previous = seal["number"], self.entries + self._count, digest
        if key:
            self._vouched = _Standing(self.seals, self.entries, digest)


@dataclass(frozen=True, slots=True)
class _Standing:
    """How far a believed key vouches."""

    seals: int
    entries: int
    head: bytes
