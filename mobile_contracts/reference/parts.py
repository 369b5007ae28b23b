"""Whether the copy is what the server has: digests of its parts, and which parts of it differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeAlias

from mobile_contracts.reference.copy import Copy


class Part(NamedTuple):
    """The rows of a subject in a scope whose ids end in these digits; '' is all of them."""

    subject: str
    scope_id: str
    suffix: str = ""

    def as_input(self) -> dict[str, str]:
        """A `RangeInput` of the contract."""
        return {"subject": self.subject, "scopeId": self.scope_id, "suffix": self.suffix}

    def sixteenths(self) -> list[Part]:
        """It is cut from the end of the ids, because the beginning of a UUIDv7 is a time."""
        return [self._replace(suffix=digit + self.suffix) for digit in "0123456789abcdef"]


Digest: TypeAlias = tuple[int, str]
"""The number of rows and their sum."""

NONE: Final[Digest] = (0, f"{0:016x}")
"""Of a part without rows; the server leaves those out."""


def digest(rows: Iterable[tuple[str, int]]) -> Digest:
    """What some rows, ids and revs, add up to."""
    count = total = 0
    for key, rev in rows:
        count += 1
        total += int.from_bytes(sha256(f"{key}:{rev}".encode()).digest()[:8], "big")
    return count, f"{total % 2**64:016x}"


class Parts:
    """The copy as it is now, cut into parts."""

    def __init__(self, copy: Copy) -> None:
        self._rows: dict[tuple[str, str], list[tuple[str, int]]] = {}
        for subject, scope, key, rev in copy.versions():
            self._rows.setdefault((subject, scope), []).append((key, rev))

    def of(self, part: Part) -> list[tuple[str, int]]:
        """The ids and revs of a part."""
        rows = self._rows.get((part.subject, part.scope_id), [])
        return [row for row in rows if row[0].endswith(part.suffix)]

    def differing(
        self, digests: Iterable[Mapping[str, Any]], subjects: Iterable[str] | None = None
    ) -> list[Part]:
        """The pairs of subject and scope that are not what the server has; a pair that it leaves out has no rows there."""
        told = {
            (one["subject"], one["scopeId"]): _told(one) for one in digests if not one["suffix"]
        }
        chosen = None if subjects is None else set(subjects)
        mine = {pair for pair in self._rows if chosen is None or pair[0] in chosen}
        return [
            Part(*pair)
            for pair in sorted(mine | told.keys())
            if digest(self.of(Part(*pair))) != told.get(pair, NONE)
        ]

    def differing_below(
        self, digests: Iterable[Mapping[str, Any]], parts: Iterable[Part]
    ) -> list[Part]:
        """Of some parts, the sixteenths that differ."""
        told = {Part(one["subject"], one["scopeId"], one["suffix"]): _told(one) for one in digests}
        return [
            small
            for part in parts
            for small in part.sixteenths()
            if digest(self.of(small)) != told.get(small, NONE)
        ]

    def held(self, part: Part) -> dict[str, Any]:
        """A `RepairInput`: all that the copy has of a part."""
        rows = [{"id": key, "rev": rev} for key, rev in self.of(part)]
        return {**part.as_input(), "held": rows}


def _told(one: Mapping[str, Any]) -> Digest:
    return one["count"], one["sum"]
