"""What a phone says that it still holds, so that a supervisor knows what is yet to come before anything is lost with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from patrol.clock import read_phone_time
from patrol.errors import VariableInvalid
from storage.custody import KEEP_BACKLOG
from storage.database import Connection
from storage.devices import TOUCH_DEVICE
from storage.vocabulary import Lane

LONGEST_VERSION = 100


@dataclass(frozen=True, slots=True)
class LaneHeld:
    """How many mutations of a lane wait on the phone, and when the oldest was recorded by the phone's clock."""

    lane: Lane
    held: int
    oldest_captured_at: str | None = None


async def report_backlog(
    connection: Connection,
    device: UUID,
    officer: UUID,
    lanes: Sequence[LaneHeld],
    *,
    app_version: str | None = None,
    contract_version: str | None = None,
    battery_percent: int | None = None,
) -> None:
    """Keeps what a phone holds for an officer, in place of what it said before. A lane that is not named holds nothing.

    Raises:
        VariableInvalid: a lane stands twice, or a number or text cannot be true.
    """
    by_lane = {one.lane: one for one in lanes}
    if len(by_lane) < len(lanes):
        raise VariableInvalid("A lane stands twice.", path="lanes")
    if any(one.held < 0 for one in lanes):
        raise VariableInvalid("A lane holds less than nothing.", path="lanes")
    if battery_percent is not None and not 0 <= battery_percent <= 100:
        # A broken gauge is no reason to know nothing of the phone.
        battery_percent = None
    arrived = datetime.now(UTC)
    values: list[object] = []
    for lane in (Lane.SOS, Lane.RECORDS, Lane.TRACKS):
        one = by_lane.get(lane, LaneHeld(lane, 0))
        oldest = one.oldest_captured_at if one.held else None
        values += [one.held, None if oldest is None else read_phone_time(oldest, arrived).at]
    app = _version(app_version)
    await connection.execute(
        KEEP_BACKLOG, device, officer, app, _version(contract_version), battery_percent, *values
    )
    await connection.execute(TOUCH_DEVICE, device, app)


def _version(text: str | None) -> str | None:
    if text is None or not text.strip():
        return None
    return "".join(one if one.isprintable() else "\ufffd" for one in text)[:LONGEST_VERSION]
