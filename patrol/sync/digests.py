"""Lets a phone check that its copy is what the server has, and find the rows in which the two differ.

The digest of some rows is their number and the sum, modulo 2^64, of a number for each: the first eight bytes, big-endian,
of the SHA-256 of `<id>:<rev>`. A sum needs no order, so each side adds up its rows as they lie. The digests of parts that
end in the same hexadecimal digits of their ids lead to what differs: the last digits of every id are random, where the first
of a UUIDv7 are its time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID

from patrol.sync.subjects import BY_NAME
from storage.database import Connection

SUFFIX = re.compile(r"[0-9a-f]{0,8}")
"""The last digits of ids that a part is named by; empty for a whole scope."""

RANGES = 50
"""Parts that one pull may ask digests of or repair."""

HELD = 1000
"""Rows that one repair may name as held."""


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of a subject in a scope whose ids end in `suffix`."""

    subject: str
    scope_id: UUID
    suffix: str


@dataclass(frozen=True, slots=True)
class Digest:
    """The number of rows in a part, and their hash sum as 16 hexadecimal digits."""

    subject: str
    scope_id: UUID
    suffix: str
    count: int
    sum: str


@dataclass(frozen=True, slots=True)
class Repair:
    """What a phone has of a part: ids and revs, in the same order."""

    part: Part
    ids: Sequence[UUID]
    revs: Sequence[int]


def number_of(row_id: UUID | str, rev: int) -> int:
    """What a row adds to a digest; the same as `NUMBER` in SQL."""
    return int.from_bytes(sha256(f"{row_id}:{rev}".encode()).digest()[:8], "big")


NUMBER = "('x' || encode(substr(sha256(convert_to(id::text || ':' || rev, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint"
"""What a row adds to a digest, read as a signed number: the sum is the same modulo 2^64."""


def _shown(subject: str) -> str:
    """Which rows of a subject count, given scopes as $1 and the time as $2."""
    table = BY_NAME[subject].table
    live = (
        ""
        if "expires_at" not in table.c
        else " and (expires_at is null or expires_at > moment.now)"
    )
    return f"{table.description}, moment where scope_id = any ($1::uuid[]) and deleted_at is null{live}"


@lru_cache(maxsize=200)
def _whole(subjects: tuple[str, ...]) -> str:
    return "with moment as (select $2::timestamptz as now) " + " union all ".join(
        f"select '{name}' as subject, scope_id, '' as suffix, count(*) as count, sum({NUMBER}) as sum "  # noqa: S608 # ours
        f"from {_shown(name)} group by scope_id"
        for name in subjects
    )


@lru_cache(maxsize=200)
def _below(subject: str) -> str:
    return (
        f"with moment as (select $2::timestamptz as now) "  # noqa: S608 # our own names
        f"select '{subject}' as subject, scope_id, right(id::text, length($3::text) + 1) as suffix, "
        f"count(*) as count, sum({NUMBER}) as sum from {_shown(subject)} "
        f"and right(id::text, length($3::text)) = $3::text group by scope_id, 3"
    )


@lru_cache(maxsize=200)
def strangers(subject: str) -> str:
    """Of the ids $3 those that a scope does not have."""
    return (
        f"with moment as (select $2::timestamptz as now), mine as (select id from {_shown(subject)} and id = any ($3)) "  # noqa: S608 # ours
        "select held.id from unnest($3::uuid[]) as held (id) where held.id not in (select id from mine)"
    )


async def digests_of(
    connection: Connection, subjects: Sequence[str], scopes: Sequence[UUID], now: datetime
) -> list[Digest]:
    """The digest of each subject in each scope that has any rows, as this transaction's snapshot shows them at a time."""
    if not subjects:
        return []
    return _digests(await connection.fetch(_whole(tuple(subjects)), list(scopes), now))


async def digests_below(
    connection: Connection, parts: Sequence[Part], now: datetime
) -> list[Digest]:
    """The digests of the sixteen parts of each part, without empty ones."""
    found: list[Digest] = []
    for part in parts:
        rows = await connection.fetch(_below(part.subject), [part.scope_id], now, part.suffix)
        found += _digests(rows)
    return found


def _digests(rows: Sequence[Any]) -> list[Digest]:
    return [
        Digest(
            row["subject"], row["scope_id"], row["suffix"], row["count"], f"{int(row['sum']) % 2**64:016x}"
        )
        for row in rows
    ]  # fmt: skip
