"""Where people are while a call for help is open, in the phone's contract: polled by whoever shows the map of an alert."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import strawberry

from patrol.errors import PageSizeInvalid
from patrol.geometry import distance_m
from schema.enums import ResponseStatus
from schema.planner import Reading, Selection, composed
from schema.planner.reads import at_most
from schema.scalars import TrackPoints
from storage.trails import READ_ALERT_PLACE, READ_TRAIL, READ_WHEREABOUTS

MOST_POINTS = 1000
MOST_PEOPLE = 100
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@strawberry.type
class TrailPoint:
    """Where somebody was. Degrees WGS 84, metres, metres a second, degrees from north, percent."""

    officer_id: UUID
    id: UUID
    at: datetime
    latitude: float
    longitude: float
    accuracy_m: float | None
    speed_mps: float | None
    heading_deg: float | None
    battery_percent: int | None
    time_suspect: bool


@strawberry.type
class Whereabouts:
    """Somebody who has to do with the alert: its raiser (RAISER) or one who answered or was sent (RESPONDER).

    Without a fix of the last hour before he had to do with it, position and age are null.
    """

    officer_id: UUID
    part: str
    status: ResponseStatus | None
    lead: bool
    badge: str
    rank: str
    name: str
    name_th: str
    latitude: float | None
    longitude: float | None
    accuracy_m: float | None
    fix_at: datetime | None
    fix_suspect: bool | None
    fix_age_seconds: float | None
    distance_m: float | None = strawberry.field(
        description="Metres along the ground to the raiser's last known place, else to where the alert was raised."
    )


@strawberry.type(description="Where people are who have to do with an alert.")
class AlertTrail:
    people: list[Whereabouts] = strawberry.field(metadata=at_most(MOST_PEOPLE))
    points: list[TrailPoint] = strawberry.field(description="In the order of time.")
    more: bool = strawberry.field(description="Older points were left out.")
    server_time: datetime


async def read_trail(
    reading: Reading,
    _: dict[str, Selection],
    id: UUID,
    after: datetime | None = None,
    first: int = 200,
) -> dict[str, Any] | None:
    """The value of `Query.alertTrail`; None where the caller sees no such alert."""
    if not 1 <= first <= MOST_POINTS:
        raise PageSizeInvalid(
            f"`first` must be between 1 and {MOST_POINTS}, not {first}.", limit=MOST_POINTS
        )
    who = reading.context.principal.id
    place = await reading.connection.fetchrow(READ_ALERT_PLACE, id)
    if place is None:
        return None
    people = [dict(row) for row in await reading.connection.fetch(READ_WHEREABOUTS, who, id)][
        :MOST_PEOPLE
    ]
    points = await reading.connection.fetch(READ_TRAIL, who, id, after or _BEGINNING, first + 1)
    raiser = next((one for one in people if one["part"] == "RAISER" and one["fix_at"]), place)
    for one in people:
        one["fix_age_seconds"] = (
            None if one["fix_at"] is None else (reading.now - one["fix_at"]).total_seconds()
        )
        one["distance_m"] = (
            None
            if None in (one["latitude"], raiser["latitude"])
            else distance_m(
                one["latitude"], one["longitude"], raiser["latitude"], raiser["longitude"]
            )
        )
    return {
        "people": people,
        "points": [dict(row) for row in points[-first:]],
        "more": len(points) > first,
        "server_time": reading.now,
    }


@strawberry.type
class TrailQuery:
    alert_trail = composed(
        AlertTrail | None,
        read_trail,
        rows=MOST_POINTS,
        description="The newest points of the ways of an alert's raiser and responders, and where each is now. Ask again "
        "with the last point's time as `after`. While the alert is unfinished it is for everybody who sees the alert, "
        "afterwards for who leads its station; null where the caller sees no such alert.",
    )


@strawberry.input(
    description="Where this phone is, while its officer raised an alert or goes to one. Points that also come as a track are "
    "stored once."
)
class ReportPositionsInput:
    id: UUID = strawberry.field(description="UUIDv7, made on the phone.")
    alert_id: UUID
    points: TrackPoints
