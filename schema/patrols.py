"""Duty, patrols, check-ins and tracks in the phone's contract, and the inputs by which phones record them."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry import UNSET

from schema.enums import CheckinFlag, PatrolStatus
from schema.paging import PageInfo
from schema.planner import (
    Columns,
    Conditions,
    Order,
    Reading,
    Selection,
    all_scopes,
    composed,
    one,
    page,
    reads,
)
from schema.scalars import JSON, Long, TrackPoints
from schema.stations import Officer
from schema.zones import Zone
from storage import tables
from storage.checkpoints import READ_CHECKPOINT_KEYS

IN_TIME = {"AT": Order("at")}


@reads(tables.Patrol)
class Patrol:
    """One round of one officer. The position is its last fix: that of its end once it has ended."""

    id: UUID
    scope_id: UUID
    station_id: UUID
    zone_id: UUID | None
    officer_id: UUID
    device_id: UUID
    status: PatrolStatus
    started_at: datetime
    paused_at: datetime | None
    ended_at: datetime | None
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool
    latitude: float | None
    longitude: float | None
    accuracy_m: float | None
    note: str
    overlaps_id: UUID | None
    steps: JSON
    rev: Long
    created_at: datetime
    updated_at: datetime
    zone: Zone | None = one("zone_id")
    officer: Officer | None = one("officer_id")


@reads(tables.Checkpoint)
class Checkpoint:
    """A point that patrols visit. A code with a number below `codeNumber` is superseded."""

    id: UUID
    scope_id: UUID
    station_id: UUID
    zone_id: UUID | None
    code: str
    name: str
    name_th: str
    latitude: float
    longitude: float
    active: bool
    code_number: int
    rev: Long
    updated_at: datetime


@reads(tables.Checkin)
class Checkin:
    """An officer was at a checkpoint, or says so. `flags` hold what weakens the proof; `codeValid` judges the code alone."""

    id: UUID
    scope_id: UUID
    station_id: UUID
    zone_id: UUID | None
    checkpoint_id: UUID | None
    patrol_id: UUID | None
    officer_id: UUID
    device_id: UUID
    checked_in_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool
    latitude: float | None
    longitude: float | None
    accuracy_m: float | None
    note: str
    code_number: int | None
    code_valid: bool
    distance_m: float | None
    flags: list[CheckinFlag]
    rev: Long
    created_at: datetime
    updated_at: datetime
    checkpoint: Checkpoint | None = one("checkpoint_id")
    officer: Officer | None = one("officer_id")


@reads(tables.DutyChange)
class DutyChange:
    """An officer went on duty or off. Without `deviceId` nobody said it: his last session ended."""

    id: UUID
    scope_id: UUID
    station_id: UUID
    officer_id: UUID
    device_id: UUID | None
    on_duty: bool
    changed_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool
    latitude: float | None
    longitude: float | None
    accuracy_m: float | None
    rev: Long
    updated_at: datetime
    officer: Officer | None = one("officer_id")


@reads(tables.TrackPoint, scope=None)
class TrackPoint:
    """Where a phone was. Speed in metres a second, heading in degrees from north."""

    id: UUID
    at: datetime
    officer_id: UUID
    device_id: UUID
    patrol_id: UUID | None
    received_at: datetime
    latitude: float
    longitude: float
    accuracy_m: float | None
    speed_mps: float | None
    heading_deg: float | None
    battery_percent: int | None
    time_suspect: bool
    at_raw: str | None


@strawberry.type
class TrackPointEdge:
    cursor: str
    node: TrackPoint


@strawberry.type(description="Points of a track, page by page.")
class TrackPointConnection:
    nodes: list[TrackPoint]
    edges: list[TrackPointEdge]
    page_info: PageInfo
    total_count: int


@strawberry.type
class CheckpointKey:
    """Verifies the codes of checkpoints, also where there is no signal; see protocol.md."""

    kid: str
    public_key: str = strawberry.field(description="Ed25519, 32 bytes as base64url.")
    believed_until: datetime | None


@strawberry.type(description="The keys that ever signed a checkpoint's code.")
class CheckpointKeys:
    keys: list[CheckpointKey]


async def checkpoint_keys(reading: Reading, _: dict[str, Selection]) -> dict[str, Any]:
    """The value of `Query.checkpointKeys`."""
    rows = await reading.connection.fetch(READ_CHECKPOINT_KEYS)
    return {
        "keys": [
            {
                "kid": row["kid"],
                "public_key": urlsafe_b64encode(row["public_key"]).decode().rstrip("="),
                "believed_until": row["believed_until"],
            }
            for row in rows
        ]
    }


@strawberry.type
class PatrolQuery:
    @page(
        returns=TrackPointConnection,
        order=IN_TIME,
        limit=500,
        admit=all_scopes,
        description="Where an officer was between two times, oldest first: one's own track, and for a supervisor those "
        "that were recorded at the station.",
    )
    def tracks(
        row: Columns,
        officer_id: UUID,
        since: datetime,
        until: datetime,
        first: int = 500,
        after: str | None = None,
    ) -> Conditions:
        yield row.officer_id == officer_id
        yield row.at >= since
        yield row.at < until

    checkpoint_keys = composed(
        CheckpointKeys,
        checkpoint_keys,
        description="Keep them on the phone, to verify codes without signal.",
    )


@strawberry.input
class ChangeDutyInput:
    """The officer goes on duty or off. With signal, `goOnDuty` and `goOffDuty` say it at once."""

    id: UUID = strawberry.field(description="UUIDv7, made on the phone.")
    on_duty: bool
    latitude: float | None = strawberry.field(default=UNSET, description="Degrees, WGS 84.")
    longitude: float | None = strawberry.field(default=UNSET, description="Degrees, WGS 84.")
    accuracy_m: float | None = strawberry.field(default=UNSET, description="Metres.")


@strawberry.input
class StartPatrolInput:
    """A patrol begins. Without `zoneId` the position decides the zone, without a position the station keeps it."""

    id: UUID = strawberry.field(description="UUIDv7, made on the phone: the patrol's final id.")
    zone_id: UUID | None = UNSET
    note: str | None = UNSET
    latitude: float | None = strawberry.field(default=UNSET, description="Degrees, WGS 84.")
    longitude: float | None = strawberry.field(default=UNSET, description="Degrees, WGS 84.")
    accuracy_m: float | None = strawberry.field(default=UNSET, description="Metres.")


@strawberry.input
class ChangePatrolInput:
    """A step of a patrol's state: PAUSED, ACTIVE again, or ENDED with the final fix. A note replaces the one before."""

    id: UUID
    status: PatrolStatus
    note: str | None = UNSET
    latitude: float | None = strawberry.field(default=UNSET, description="Degrees, WGS 84.")
    longitude: float | None = strawberry.field(default=UNSET, description="Degrees, WGS 84.")
    accuracy_m: float | None = strawberry.field(default=UNSET, description="Metres.")


@strawberry.input
class CheckInInput:
    """The officer has scanned a checkpoint's code. It is kept whatever the code is worth."""

    id: UUID = strawberry.field(description="UUIDv7, made on the phone: the check-in's final id.")
    content: str = strawberry.field(description="What was scanned, as it was read.")
    patrol_id: UUID | None = UNSET
    note: str | None = UNSET
    latitude: float | None = strawberry.field(default=UNSET, description="Degrees, WGS 84.")
    longitude: float | None = strawberry.field(default=UNSET, description="Degrees, WGS 84.")
    accuracy_m: float | None = strawberry.field(default=UNSET, description="Metres.")


@strawberry.input
class RecordTrackInput:
    """Up to 500 points of a track. No two inputs share an `id`."""

    id: UUID = strawberry.field(description="UUIDv7, made on the phone.")
    points: TrackPoints
    patrol_id: UUID | None = UNSET
