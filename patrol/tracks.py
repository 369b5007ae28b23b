"""The rules of tracks: thousands of points in a few statements, each kept once, none able to hold up the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from patrol.clock import ClockReason, PhoneTime, read_phone_time
from patrol.errors import TooLarge
from patrol.fixes import Fix, Position, note_fixes
from patrol.geometry import check_position
from patrol.sync.mutation import Author, Effect, Mutation, refused
from storage.database import Connection, Database
from storage.job_turns import Every
from storage.principal import Role, system
from storage.tracks import INSERT_POINTS, MAKE_PARTITIONS
from storage.vocabulary import MutationOutcome

POINTS: Final = 500
"""The most points in one mutation."""

MAKE_TRACK_PARTITIONS: Final = "tracks.partitions"
"""The job that makes the partitions of the coming months."""

SCHEDULES: Final = (Every(MAKE_TRACK_PARTITIONS, timedelta(hours=12)),)

MONTHS_AHEAD: Final = 2

_ARRIVED = (ClockReason.FUTURE, ClockReason.TOO_OLD, ClockReason.UNREADABLE)
"""Reasons for which the time of arrival stands in for the phone's."""

_UNKNOWN: Final = (None,) * 7
_NUMBER: Final = (int, float)
_SMALLEST: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Point:
    """One point as it is stored."""

    id: UUID
    time: PhoneTime
    at: datetime
    position: Position
    speed_mps: float | None
    heading_deg: float | None
    battery_percent: int | None


async def record(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Adds the points of tracks, and takes the newest of them for where the officer is.

    A point is `[time, latitude, longitude, accuracyM, speedMps, headingDeg, batteryPercent]`, what is unknown null or
    left out at the end. One whose position cannot be true is dropped, a side value that cannot be true becomes null, and
    a time that cannot be true becomes that of the arrival, marked suspect and in the order of the batch. The answer's
    `detail` counts what became of the points.

    The number of statements depends neither on the number of points nor on that of mutations.
    """
    effects: dict[UUID, Effect] = {}
    read: dict[UUID, list[_Point]] = {}
    for one in mutations:
        if len(one.fields["points"]) > POINTS:
            effects[one.row_id] = refused(one, TooLarge, limit=POINTS)
        else:
            read[one.row_id] = _points(author, one.fields["points"])
    stored = await _store(
        connection, author, [one for one in mutations if one.row_id in read], read
    )
    await note_fixes(
        connection,
        author.officer,
        (Fix(p.at, p.time.suspect, p.position) for points in read.values() for p in points),
    )
    for one in mutations:
        if one.row_id in read:
            points, added = read[one.row_id], stored[one.row_id]
            detail = {
                "stored": added,
                "known": len(points) - added,
                "dropped": len(one.fields["points"]) - len(points),
                "suspect": sum(point.time.suspect for point in points),
            }
            effects[one.row_id] = Effect(MutationOutcome.APPLIED, one.row_id, detail=detail)
    return [effects[one.row_id] for one in mutations]


async def _store(
    connection: Connection,
    author: Author,
    mutations: Sequence[Mutation],
    read: dict[UUID, list[_Point]],
) -> Counter[UUID]:
    """Stores points, and counts by mutation those that are new."""
    # Within one statement a point may stand once; what two mutations carry is counted for the first.
    points: dict[UUID, tuple[int, Any, _Point]] = {}
    for place, one in enumerate(mutations):
        patrol = one.fields.get("patrol_id")
        for point in read[one.row_id]:
            points.setdefault(point.id, (place, patrol, point))
    if not points:
        return Counter()
    rows = list(points.values())
    await connection.execute(MAKE_PARTITIONS, list({_month(point.at) for _, _, point in rows}))
    counts = await connection.fetch(
        INSERT_POINTS,
        author.officer,
        author.device,
        author.station,
        author.received_at,
        [place for place, _, _ in rows],
        [point.id for _, _, point in rows],
        [point.at for _, _, point in rows],
        [patrol for _, patrol, _ in rows],
        [point.position.latitude for _, _, point in rows],
        [point.position.longitude for _, _, point in rows],
        [point.position.accuracy_m for _, _, point in rows],
        [point.speed_mps for _, _, point in rows],
        [point.heading_deg for _, _, point in rows],
        [point.battery_percent for _, _, point in rows],
        [point.time.suspect for _, _, point in rows],
        [point.time.raw if point.time.suspect else None for _, _, point in rows],
    )
    return Counter({mutations[row["place"]].row_id: row["stored"] for row in counts})


def _points(author: Author, written: Sequence[Any]) -> list[_Point]:
    """The points of a batch that can be true, in its order."""
    holder = author.officer.bytes + author.device.bytes
    found = []
    for place, values in enumerate(written):
        point = _point(author.received_at, holder, place - len(written), values)
        if point is not None:
            found.append(point)
    return found


def _point(arrival: datetime, holder: bytes, back: int, values: Any) -> _Point | None:
    """A point; None where it has no position that can be true. `back` counts from the end of the batch, below zero."""
    if not isinstance(values, list):
        return None
    raw, latitude, longitude, accuracy, speed, heading, battery, *_ = (*values, *_UNKNOWN)
    if not (isinstance(latitude, _NUMBER) and isinstance(longitude, _NUMBER)):
        return None
    if check_position(latitude, longitude) is not None:
        return None
    time = read_phone_time(raw if isinstance(raw, str) else str(raw), arrival)
    # Points that all get the time of arrival keep their order by the smallest steps before it.
    at = time.at + back * _SMALLEST if time.reason in _ARRIVED else time.at
    share = _within(battery, 0, 100)
    return _Point(
        # The same clock, the same phone, the same officer: the same point, in whichever batch it comes.
        id=UUID(bytes=sha256(holder + repr((raw, latitude, longitude)).encode()).digest()[:16]),
        time=time,
        at=at,
        position=Position(latitude, longitude, _within(accuracy, 0, 1e7)),
        speed_mps=_within(speed, 0, 1e4),
        heading_deg=_within(heading, 0, 360),
        battery_percent=None if share is None else round(share),
    )


def _within(value: Any, least: float, most: float) -> float | None:
    return value if isinstance(value, _NUMBER) and least <= value <= most else None


def _month(at: datetime) -> date:
    return at.astimezone(UTC).date().replace(day=1)


async def make_partitions(database: Database, now: datetime) -> int:
    """Runs the job `MAKE_TRACK_PARTITIONS`: the partitions of this month and of the coming ones, if they are missing.

    A push makes the partition that it needs by itself; ahead of time it costs nobody's push.
    """
    months = [_month(now)]
    for _ in range(MONTHS_AHEAD):
        months.append((months[-1] + timedelta(days=32)).replace(day=1))
    async with database.write(system("tracks"), Role.SYSTEM) as connection:
        return int(await connection.fetchval(MAKE_PARTITIONS, months))
