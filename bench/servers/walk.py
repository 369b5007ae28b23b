"""The walk of a first fill, as far as a page in the middle of it needs: the floor and the stock server share it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from patrol.keys import KeySet
from patrol.sync import cursor as cursors
from patrol.sync.cursor import Cursor

NO_PLACE = ("0", "00000000-0000-0000-0000-000000000000")


async def walked(
    text: str,
    scopes: Sequence[UUID],
    keys: KeySet,
    holder: UUID,
    fetch: Callable[[UUID, str, tuple[str, str], int], Awaitable[Sequence[Any]]],
    first: int,
) -> tuple[list[Any], str]:
    """A full page of incidents from a cursor on, and the cursor after it."""
    cursor = cursors.read(text, keys, holder=holder)
    walk = cursor.walk
    assert walk is not None
    assert walk.part is not None
    assert walk.part.startswith("incidents ")
    place, after = sorted(scopes).index(UUID(walk.part[10:])), walk.after
    rows: list[Any] = []
    for scope in sorted(scopes)[place:]:
        found = await fetch(scope, walk.until, after or NO_PLACE, first - len(rows))
        rows += found
        if len(rows) == first:
            after = (found[-1][-2], str(found[-1][-1]))
            there = replace(walk, part=f"incidents {scope}", after=after)
            return rows, cursors.sign(Cursor(cursor.epoch, cursor.done, there), keys, holder=holder)
        after = None
    raise AssertionError("the bench asks for full pages only")
