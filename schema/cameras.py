"""Cameras and SOS posts in the contracts of phones and partners."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from schema.enums import CameraKind, DetailLevel, PostButton, PostPower
from schema.finding import inside
from schema.media import Snapshot, SnapshotConnection, derived_link
from schema.paging import PageInfo, PartnerPageInfo
from schema.planner import Columns, Conditions, Order, column, computed, many, one, reads
from schema.points import HOW_FAR, distance_from
from schema.scalars import Long
from schema.zones import PartnerZone, Zone, placed
from storage import tables
from storage.partner import PARTNER_CAMERA

LAST_TAKEN_FIRST = {"TAKEN": Order("taken_at", descending=True)}
LAST_MUTED_FIRST = {"CREATED": Order("created_at", descending=True)}


@reads(tables.CameraState, key="camera_id")
class CameraState:
    """When a camera was last heard."""

    last_seen_at: datetime | None


@reads(tables.Camera)
class Camera:
    """A camera of the station."""

    id: UUID
    scope_id: UUID
    station_id: UUID
    zone_id: UUID | None
    code: str
    kind: CameraKind
    name: str
    name_th: str
    latitude: float
    longitude: float
    rev: Long
    updated_at: datetime
    distance_m: float | None = computed(
        "latitude", "longitude", by=distance_from, description=HOW_FAR
    )
    zone: Zone | None = one("zone_id")
    state: CameraState | None = one("id", "camera_id")
    last_snapshot: Snapshot | None = one(
        "id", through=(tables.CameraState, "camera_id", "last_snapshot_id")
    )

    @many(
        "camera_id",
        returns=SnapshotConnection,
        order=LAST_TAKEN_FIRST,
        description="The pictures of the camera, latest first.",
    )
    def snapshots(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Conditions:
        if since is not None:
            yield row.taken_at >= since
        if until is not None:
            yield row.taken_at < until


@strawberry.type
class CameraEdge:
    cursor: str
    node: Camera


@strawberry.type(description="Cameras, page by page.")
class CameraConnection:
    nodes: list[Camera]
    edges: list[CameraEdge]
    page_info: PageInfo
    total_count: int


def found_cameras(
    row: Columns, zone_id: Any, kind: Any, text: Any, within: Any, near: Any
) -> Conditions:
    """The filters of cameras that all doors have."""
    if zone_id is not None:
        yield row.zone_id == zone_id
    yield from placed(row, kind, text)
    yield from inside(row, within, near)


@reads(tables.SosPostState, key="post_id")
class PostState:
    """How an SOS post fares, by what it says of itself."""

    last_seen_at: datetime | None
    button: PostButton | None
    power: PostPower | None
    battery_percent: int | None
    tampered: bool | None
    silent_since: datetime | None
    stuck_since: datetime | None
    power_lost_since: datetime | None
    tampered_since: datetime | None
    last_test_at: datetime | None


@reads(tables.SosPostMute)
class PostMute:
    """A time in which a post's presses are counted and call nobody."""

    id: UUID
    reason: str
    muted_by: str
    until: datetime
    ended_at: datetime | None
    presses: int
    created_at: datetime


@reads(tables.SosPost)
class SosPost:
    """A pole with an alarm button."""

    id: UUID
    scope_id: UUID
    station_id: UUID
    zone_id: UUID | None
    camera_id: UUID | None
    code: str
    name: str
    name_th: str
    latitude: float
    longitude: float
    rev: Long
    updated_at: datetime
    distance_m: float | None = computed(
        "latitude", "longitude", by=distance_from, description=HOW_FAR
    )
    zone: Zone | None = one("zone_id")
    camera: Camera | None = one("camera_id")
    state: PostState | None = one("id", "post_id")

    @many(
        "post_id",
        returns=list[PostMute],
        order=LAST_MUTED_FIRST,
        description="When the button was muted, latest first.",
    )
    def mutes(row: Columns, first: int = 5) -> Conditions:
        yield from ()  # every mute of the post


@reads(PARTNER_CAMERA, name="Camera")
class PartnerCamera:
    """A camera that an agreement grants. With COARSE detail its position is rounded and it has no pictures."""

    id: UUID
    zone_id: UUID | None
    code: str
    kind: CameraKind
    name: str
    name_th: str
    detail: DetailLevel
    latitude: float
    longitude: float
    picture_taken_at: datetime | None = column("snapshot_taken_at")
    picture_320: str | None = computed(
        "snapshot_320_key", by=derived_link, name="picture320", description="A signed link to WebP."
    )
    picture_960: str | None = computed(
        "snapshot_960_key", by=derived_link, name="picture960", description="A signed link to WebP."
    )
    updated_at: datetime
    distance_m: float | None = computed(
        "latitude", "longitude", by=distance_from, description=HOW_FAR
    )
    zone: PartnerZone | None = one("zone_id")


@strawberry.type(name="CameraEdge")
class PartnerCameraEdge:
    cursor: str
    node: PartnerCamera


@strawberry.type(name="CameraConnection", description="Cameras, page by page.")
class PartnerCameraConnection:
    nodes: list[PartnerCamera]
    edges: list[PartnerCameraEdge]
    page_info: PartnerPageInfo
    total_count: int
