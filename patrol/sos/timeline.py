"""The whole story of an alert, complete and fit to leave the house: who was told, when, through what, and what they did.

It is read in one snapshot. As JSON it is `{"format": FORMAT, …}`, a list for each thing that is kept, times in UTC with
both clocks where a phone told them; `patrol.sos.report` sets the same on paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

import orjson

from storage.database import Connection
from storage.reports import (
    READ_ALERT,
    READ_CALLS,
    READ_CHANNEL_CALLS,
    READ_CLIPS,
    READ_EVENTS,
    READ_FILES,
    READ_RESPONSES,
    READ_STEPS,
    READ_WAYS,
)

FORMAT: Final = "safe-zone-patrol/alert-timeline/1"

MOST_POINTS: Final = 20_000
"""Of the ways: hours of several people, a point each second."""

Row = Mapping[str, Any]

_LISTS: Final = {
    "events": READ_EVENTS,
    "steps": READ_STEPS,
    "calls": READ_CALLS,
    "responses": READ_RESPONSES,
    "channels": READ_CHANNEL_CALLS,
    "clips": READ_CLIPS,
    "files": READ_FILES,
}


@dataclass(frozen=True, slots=True)
class Timeline:
    """The story of one alert; the rows are those of `storage.reports`. `points_cut`: more points are kept than these."""

    made_at: datetime
    alert: Row
    events: Sequence[Row]
    steps: Sequence[Row]
    calls: Sequence[Row]
    responses: Sequence[Row]
    channels: Sequence[Row]
    clips: Sequence[Row]
    files: Sequence[Row]
    points: Sequence[Row]
    points_cut: bool

    @property
    def id(self) -> UUID:
        """The alert's."""
        return cast(UUID, self.alert["id"])


async def read_timeline(connection: Connection, alert_id: UUID) -> Timeline | None:
    """The story of an alert as it stands now; None where there is no such alert.

    The caller sees to it that whoever gets it may have it: it is read whole, whoever asks.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        alert = await connection.fetchrow(READ_ALERT, alert_id)
        if alert is None:
            return None
        lists = {
            name: await connection.fetch(statement, alert_id) for name, statement in _LISTS.items()
        }
        points = await connection.fetch(READ_WAYS, alert_id, MOST_POINTS + 1)
        now = await connection.fetchval("select now()")
    return Timeline(
        made_at=now,
        alert=alert,
        **lists,
        points=points[:MOST_POINTS],
        points_cut=len(points) > MOST_POINTS,
    )


def as_json(timeline: Timeline) -> bytes:
    """The story for a program, two spaces to a level."""
    parts = {
        "format": FORMAT,
        "madeAt": timeline.made_at,
        "alert": _camel(timeline.alert),
        **{name: [_camel(row) for row in getattr(timeline, name)] for name in (*_LISTS, "points")},
        "pointsCut": timeline.points_cut,
    }
    return orjson.dumps(
        parts,
        default=str,
        option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE,
    )


def detail_of(row: Row) -> dict[str, Any]:
    """The detail of an event; JSON travels as text."""
    detail = row["detail"]
    return dict(orjson.loads(detail) if isinstance(detail, str | bytes) else detail or {})


def _camel(row: Row) -> dict[str, Any]:
    written = {}
    for name, value in row.items():
        first, *others = name.split("_")
        written[first + "".join(part.title() for part in others)] = (
            detail_of(row) if name == "detail" else value
        )
    return written
