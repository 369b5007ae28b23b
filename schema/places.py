"""Stations, zones, cameras and SOS posts in the administrator's contract, with the keys of what sends to us."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from patrol.errors import VariableInvalid
from patrol.identity import IssuedKey, issue_device_key, revoke_device_key
from schema.acts import AdminDone, AdminInfo, AdminIssued, AdminRefusal, act, administrators, done
from schema.enums import (
    CameraKind,
    DeviceKeyKind,
    PostAction,
    PostButton,
    PostEventKind,
    PostPower,
    ZoneKind,
)
from schema.files import AdminSnapshot
from schema.mutations import planned
from schema.paging import AdminPageInfo
from schema.planner import Columns, Conditions, Order, many, one, page, reads
from schema.scalars import JSON
from schema.zones import BY_NAME, of_kind
from storage import tables
from storage.database import Connection

OLDEST_FIRST = {"CREATED": Order("created_at")}
LATEST_FIRST = {"AT": Order("at", descending=True)}


@reads(tables.Station, name="Station")
class AdminStation:
    """A police station."""

    id: UUID
    code: str
    name: str
    name_th: str
    latitude: float
    longitude: float
    created_at: datetime
    updated_at: datetime


@reads(tables.Zone, name="Zone")
class AdminZone:
    """An area of a station, with its outline as GeoJSON (WGS 84, longitude before latitude)."""

    id: UUID
    code: str
    kind: ZoneKind
    name: str
    name_th: str
    boundary: JSON
    area_km2: float
    created_at: datetime
    updated_at: datetime
    station: AdminStation = one("station_id")
    parent_id: UUID | None


@reads(tables.DeviceKey, name="DeviceKey", scope=None)
class AdminDeviceKey:
    """A key of a camera or SOS post. What it opens with is not kept."""

    id: UUID
    kind: DeviceKeyKind
    action: PostAction | None
    prefix: str
    created_at: datetime
    revoked_at: datetime | None


@reads(tables.CameraState, name="CameraState", key="camera_id")
class AdminCameraState:
    """When a camera was last heard."""

    last_seen_at: datetime | None
    last_snapshot: AdminSnapshot | None = one("last_snapshot_id")


@reads(tables.Camera, name="Camera")
class AdminCamera:
    """A camera of a station."""

    id: UUID
    code: str
    kind: CameraKind
    name: str
    name_th: str
    latitude: float
    longitude: float
    created_at: datetime
    updated_at: datetime
    station: AdminStation = one("station_id")
    zone: AdminZone | None = one("zone_id")
    state: AdminCameraState | None = one("id", "camera_id")

    @many(
        "camera_id",
        returns=list[AdminDeviceKey],
        order=OLDEST_FIRST,
        description="Its keys, also revoked ones.",
    )
    def keys(row: Columns, first: int = 50) -> Conditions:
        yield from ()  # every key of the camera


@reads(tables.SosPostState, name="PostState", key="post_id")
class AdminPostState:
    """When an SOS post was last heard, and how it fares."""

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


@reads(tables.SosPostSetting, name="PostSetting", key="post_id", scope=None)
class AdminPostSetting:
    """How an SOS post is served; one without this has the defaults."""

    get_allowed: bool
    heartbeat_seconds: int
    test_days: int
    test_armed_until: datetime | None
    qr_version: int


@reads(tables.SosPostMute, name="PostMute")
class AdminPostMute:
    """A time in which a post's presses are counted and call nobody."""

    id: UUID
    reason: str
    muted_by: str
    until: datetime
    ended_at: datetime | None
    ended_by: str | None
    presses: int
    created_at: datetime


@reads(tables.SosPostEvent, name="PostEvent")
class AdminPostEvent:
    """Something that happened to an SOS post, apart from alarms."""

    id: UUID
    kind: PostEventKind
    at: datetime
    principal: str | None


@reads(tables.SosPost, name="Post")
class AdminPost:
    """A pole with an alarm button."""

    id: UUID
    code: str
    name: str
    name_th: str
    latitude: float
    longitude: float
    created_at: datetime
    updated_at: datetime
    station: AdminStation = one("station_id")
    zone: AdminZone | None = one("zone_id")
    camera: AdminCamera | None = one("camera_id")
    state: AdminPostState | None = one("id", "post_id")
    setting: AdminPostSetting | None = one("id", "post_id")

    @many(
        "post_id",
        returns=list[AdminPostMute],
        order=OLDEST_FIRST,
        description="When its button was muted.",
    )
    def mutes(row: Columns, first: int = 50) -> Conditions:
        yield from ()  # every mute of the post

    @many(
        "post_id",
        returns=list[AdminPostEvent],
        order=LATEST_FIRST,
        description="What happened to it apart from alarms, latest first.",
    )
    def events(row: Columns, first: int = 50) -> Conditions:
        yield from ()  # everything about the post

    @many(
        "post_id",
        returns=list[AdminDeviceKey],
        order=OLDEST_FIRST,
        description="Its keys, also revoked ones.",
    )
    def keys(row: Columns, first: int = 50) -> Conditions:
        yield from ()  # every key of the post


@strawberry.type(name="StationConnection", description="Stations, page by page.")
class AdminStationConnection:
    nodes: list[AdminStation]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type(name="ZoneConnection", description="Zones, page by page.")
class AdminZoneConnection:
    nodes: list[AdminZone]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type(name="CameraConnection", description="Cameras, page by page.")
class AdminCameraConnection:
    nodes: list[AdminCamera]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type(name="PostConnection", description="SOS posts, page by page.")
class AdminPostConnection:
    nodes: list[AdminPost]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type
class PlacesQuery:
    @page(
        returns=AdminStationConnection,
        order=BY_NAME,
        admit=administrators,
        description="Stations, by name.",
    )
    def stations(row: Columns, first: int = 50, after: str | None = None) -> Conditions:
        yield row.deleted_at.is_(None)

    @page(
        returns=AdminZoneConnection,
        order=BY_NAME,
        admit=administrators,
        description="Zones, by name.",
    )
    def zones(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        station_id: UUID | None = None,
        kind: ZoneKind | None = None,
    ) -> Conditions:
        yield row.deleted_at.is_(None)
        if station_id is not None:
            yield row.station_id == station_id
        yield from of_kind(row, kind)

    @page(
        returns=AdminCameraConnection,
        order=BY_NAME,
        admit=administrators,
        description="Cameras, by name.",
    )
    def cameras(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        station_id: UUID | None = None,
        zone_id: UUID | None = None,
        kind: CameraKind | None = None,
    ) -> Conditions:
        yield row.deleted_at.is_(None)
        if station_id is not None:
            yield row.station_id == station_id
        if zone_id is not None:
            yield row.zone_id == zone_id
        yield from of_kind(row, kind)

    @page(
        returns=AdminPostConnection,
        order=BY_NAME,
        admit=administrators,
        description="SOS posts, by name.",
    )
    def posts(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        station_id: UUID | None = None,
        zone_id: UUID | None = None,
    ) -> Conditions:
        yield row.deleted_at.is_(None)
        if station_id is not None:
            yield row.station_id == station_id
        if zone_id is not None:
            yield row.zone_id == zone_id


@strawberry.type(name="DeviceKeyDone", description="The key as it stands now, or a refusal.")
class AdminDeviceKeyDone(AdminDone):
    device_key: AdminDeviceKey | None = planned("id")


@strawberry.type(
    name="DeviceKeyIssued", description="A new key of a camera or SOS post, or a refusal."
)
class AdminDeviceKeyIssued(AdminIssued):
    device_key: AdminDeviceKey | None = planned("id")


@strawberry.type
class PlacesMutation:
    @strawberry.mutation(
        description="Makes a key for one camera or one SOS post, beside those that it has."
    )
    async def issue_device_key(
        self, info: AdminInfo, camera_id: UUID | None = None, post_id: UUID | None = None
    ) -> AdminDeviceKeyIssued:
        async def issue(connection: Connection) -> IssuedKey:
            if (camera_id is None) == (post_id is None):
                raise VariableInvalid("Name one camera or one SOS post.")
            return await issue_device_key(connection, camera_id=camera_id, post_id=post_id)

        key = await act(info, issue)
        if isinstance(key, AdminRefusal):
            return AdminDeviceKeyIssued(refusal=key)
        return AdminDeviceKeyIssued(id=key.id, secret=key.secret)

    @strawberry.mutation(description="Ends a key of a camera or SOS post at once.")
    async def revoke_device_key(self, info: AdminInfo, id: UUID) -> AdminDeviceKeyDone:
        return await done(
            AdminDeviceKeyDone, info, lambda connection: revoke_device_key(connection, id), id
        )
