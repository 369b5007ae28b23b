"""After a restore a lane goes on at the lowest number that its phone still holds; what nobody holds is written down.

Within one epoch a hole is a `GAP` for ever: there it means that the phone has not sent what it has. Only a lane that has
not gone on yet since a new epoch began may jump, once. The numbers that it jumps over are recorded, and are still taken
if they arrive after all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from patrol.sync.receipts import Receipt
from storage.database import Connection
from storage.history import READ_GAPS, RECORD_GAP
from storage.sync import ASK_LANE
from storage.vocabulary import Lane

log = structlog.get_logger(__name__)

Holder: TypeAlias = tuple[UUID, UUID, str]
"""Whose lane: device, officer, lane."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a phone says of a lane that it pushes.

    Attributes:
        epoch: the one in which it was last answered; None from an app that keeps none.
        lowest: the lowest number that it still has, settled or not.
        receipt: the newest that it was given, if it is ours and of this lane.
    """

    epoch: UUID | None = None
    lowest: int | None = None
    receipt: Receipt | None = None


NOTHING_SAID = Held()


class Lost(Exception):
    """A phone holds our receipt, of this very epoch, for what is not stored: the history went back."""

    def __init__(self, epoch: UUID, evidence: Mapping[str, Any]) -> None:
        self.epoch, self.evidence = epoch, evidence
        super().__init__(epoch)


async def adopt(
    connection: Connection,
    holder: Holder,
    lane: Mapping[str, Any],
    held: Held,
    first: int | None,
) -> int:
    """How far a lane counts as applied, after it has jumped over what a restore lost.

    Args:
        connection: in the transaction that holds the lane's lock.
        holder: whose lane.
        lane: the row of `LOCK_LANE`.
        held: what the phone says.
        first: the lowest number that it sends; None when it sends none.

    Raises:
        Lost: the phone proves that the history went back within this epoch.
    """
    applied: int = lane["applied_sequence"]
    epoch: UUID = lane["current_epoch"]
    if held.receipt is not None and held.receipt.epoch == epoch and held.receipt.sequence > applied:
        raise Lost(epoch, {"stored": applied, "receipt": held.receipt.sequence})
    lowest = min((one for one in (held.lowest, first) if one is not None), default=0)
    if lowest <= applied + 1 or lane["epoch_id"] == epoch or lane["epoch_number"] == 1:
        return applied
    if held.epoch == epoch:
        # It was answered in this epoch, so what it lacks here was never lost by a restore.
        return applied
    # A call for help is never made to wait: what it jumps over is taken late.
    if held.epoch is None and holder[2] != Lane.SOS.value:
        # An app that says nothing is asked by a GAP first; what it does not send within a minute it does not have.
        if lane["asked_epoch_id"] != epoch:
            await connection.execute(ASK_LANE, *holder, epoch)
            return applied
        if not lane["asked_long"]:
            return applied
    await connection.execute(RECORD_GAP, uuid7(), *holder, applied + 1, lowest - 1, epoch)
    log.warning(
        "lane_skips_numbers",
        device=str(holder[0]),
        lane=holder[2],
        first=applied + 1,
        last=lowest - 1,
    )
    return lowest - 1


async def in_gaps(connection: Connection, holder: Holder, numbers: Sequence[int]) -> set[int]:
    """Of some numbers of a lane, those that were skipped after a restore: late is better than never."""
    if not numbers:
        return set()
    spans = await connection.fetch(READ_GAPS, *holder, min(numbers), max(numbers))
    return {
        one
        for one in numbers
        if any(span["from_sequence"] <= one <= span["to_sequence"] for span in spans)
    }
