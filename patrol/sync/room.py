"""The room of one page, in rows and in bytes: on a bad link only a page that fits between two cuts arrives at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

FIRST_CHUNK = 100
"""Rows that are fetched before anything is known of their size."""


@dataclass(slots=True)
class Room:
    """What is left of a page. A row that is larger than the whole page passes alone, so that every page makes progress."""

    rows: int
    bytes: int
    taken: int = 0
    _seen: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        return self.rows == 0 or self.bytes <= 0

    def take(self, kind: str, sizes: Sequence[int]) -> int:
        """Makes room for rows of a kind, in bytes each: how many fit. The others must wait for the next page."""
        before = self.bytes
        fitting = 0
        for size in sizes[: self.rows]:
            if size > self.bytes and self.taken + fitting > 0:
                break
            self.bytes -= size
            fitting += 1
        self.rows -= fitting
        self.taken += fitting
        rows, bytes_ = self._seen.get(kind, (0, 0))
        self._seen[kind] = rows + fitting, bytes_ + before - self.bytes
        return fitting

    def chunk(self, kind: str) -> int:
        """How many rows of a kind are worth fetching, by those that this page has: what does not fit is read for nothing."""
        rows, size = self._seen.get(kind, (0, 0))
        if rows == 0:
            return min(self.rows, FIRST_CHUNK)
        fitting = self.bytes * rows // max(size, 1)
        return max(1, min(self.rows, fitting + 1, 4 * rows))
