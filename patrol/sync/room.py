"""The room of one page, in rows and in bytes: on a bad link only a page that fits between two cuts arrives at all."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_CHUNK = 50
"""Rows that are fetched before anything is known of their size."""


@dataclass(slots=True)
class Room:
    """What is left of a page. A row that is larger than the whole page passes alone, so that every page makes progress."""

    rows: int
    bytes: int
    taken: int = 0

    @property
    def full(self) -> bool:
        return self.rows == 0 or self.bytes <= 0

    def take(self, size: int) -> bool:
        """Makes room for a row; False if it must wait for the next page."""
        if self.rows == 0 or (size > self.bytes and self.taken > 0):
            return False
        self.rows -= 1
        self.bytes -= size
        self.taken += 1
        return True

    def next_chunk(self, rows: int, size: int) -> int:
        """How many rows are worth fetching after `rows` of `size` bytes: rows that do not fit are read for nothing."""
        fitting = self.bytes * rows // max(size, 1)
        return max(1, min(self.rows, fitting + 1, 4 * rows))
