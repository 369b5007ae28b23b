"""Where an officer was last: fixes come with tracks, check-ins, duty and patrols, in any order, and the newest stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from patrol.geometry import check_position
from storage.database import Connection
from storage.officers import NOTE_FIX

DOUBT = timedelta(hours=1)
"""A fix whose time is in doubt counts as this much older: a wrong clock may not pass an old place off as the last one,
and yet an officer whose phone's clock is wrong is not lost sight of."""


@dataclass(frozen=True, slots=True)
class Position:
    """WGS 84 degrees, accuracy in metres."""

    latitude: float
    longitude: float
    accuracy_m: float | None


@dataclass(frozen=True, slots=True)
class Fix:
    """A position at a time; `suspect` where the time is in doubt."""

    at: datetime
    suspect: bool
    position: Position

    @property
    def believed_at(self) -> datetime:
        """The time by which fixes are compared."""
        return self.at - DOUBT if self.suspect else self.at


def position_of(fields: Mapping[str, Any]) -> Position | None:
    """The position in the fields of a mutation; None where there is none, or one that cannot be true.

    No record is refused for it: that an officer went on duty is true also where his phone's place is nonsense.
    """
    latitude, longitude = fields.get("latitude"), fields.get("longitude")
    if latitude is None or longitude is None or check_position(latitude, longitude) is not None:
        return None
    accuracy = fields.get("accuracy_m")
    return Position(
        latitude, longitude, accuracy if accuracy is not None and accuracy >= 0 else None
    )


def lost_position(fields: Mapping[str, Any], position: Position | None) -> dict[str, Any]:
    """What to tell the phone about a position that was left out."""
    sent = fields.get("latitude") is not None or fields.get("longitude") is not None
    return {"dropped": ["position"]} if sent and position is None else {}


def as_columns(position: Position | None) -> dict[str, float | None]:
    """The columns of a record."""
    if position is None:
        return {"latitude": None, "longitude": None, "accuracy_m": None}
    return {
        "latitude": position.latitude,
        "longitude": position.longitude,
        "accuracy_m": position.accuracy_m,
    }


async def note_fixes(connection: Connection, officer_id: UUID, fixes: Iterable[Fix]) -> None:
    """Keeps the newest of these fixes as the officer's last one, unless a newer one stands."""
    newest = max(fixes, key=lambda fix: fix.believed_at, default=None)
    if newest is not None:
        where = newest.position
        await connection.execute(
            NOTE_FIX,
            officer_id,
            where.latitude,
            where.longitude,
            where.accuracy_m,
            newest.at,
            newest.suspect,
        )
