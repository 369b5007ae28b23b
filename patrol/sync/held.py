"""What is written down of a phone's copy, so that tombstones which it still needs are kept, and sets that its cursor names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from patrol.sync.cursor import Done, Pass
from patrol.sync.sets import SetBook
from storage.compaction import HOLD
from storage.database import Connection


@dataclass(frozen=True, slots=True)
class Holding:
    """A note that is due: which phone holds which snapshot, and which sets its cursor names, `new` ones among them."""

    device: UUID
    officer: UUID
    subjects: str
    epoch: UUID
    snapshot: str
    sets: frozenset[bytes]
    new: frozenset[bytes]

    async def keep(self, connection: Connection, book: SetBook) -> None:
        """Writes the note and the sets that it names for the first time."""
        await book.keep(connection, self.new)
        await connection.execute(
            HOLD, self.device, self.officer, self.subjects, self.epoch, self.snapshot, sorted(self.sets)
        )  # fmt: skip


def holding_due(
    state: Mapping[str, Any],
    *,
    device: UUID,
    officer: UUID,
    subjects: str,
    shown: Collection[Done | Pass],
    given: Collection[Done | Pass],
) -> Holding | None:
    """The note that a pull must leave, or None if the last one is good: once an hour, or when there are other sets.

    Args:
        state: the row of `READ_PULL_STATE`.
        shown: the states of the cursor that the phone showed and that was honoured. Only these are noted: the answer may be
            lost, and the phone comes back with the same cursor.
        given: the states of the cursor that it is answered.
    """
    named = frozenset(
        bytes.fromhex(name) for part in (*shown, *given) for name in (part.scopes, part.shapes)
    )
    noted = state["held_snapshot"] is not None and not state["must_reset"]
    before = frozenset(state["held_sets"]) if noted else frozenset()
    if noted and not state["held_is_old"] and named <= before:
        return None
    # `done` comes first, and is the older one of a cursor's two states.
    snapshots = [part.snapshot if isinstance(part, Done) else part.until for part in shown]
    if snapshots:
        snapshot, sets = snapshots[0], named
    elif noted:
        # Without a cursor, yet a copy was noted before: another program on the phone may still go on from it.
        snapshot, sets = state["held_snapshot"], named | before
    else:
        snapshot, sets = state["snapshot"], named
    return Holding(device, officer, subjects, state["epoch"], snapshot, sets, named - before)
