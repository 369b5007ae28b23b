"""Cameras, the pictures they send, and what beats often about them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from storage.base import Kept, Synced, known, position_checks, synced_index
from storage.vocabulary import CameraKind


class Camera(Synced, table=True):
    """A camera of a station; its zone, or its station where no zone covers it, is its scope."""

    __tablename__ = "camera"
    __table_args__ = (
        synced_index("camera"),
        UniqueConstraint("station_id", "code"),
        known("kind", CameraKind),
        *position_checks(),
    )

    station_id: UUID = Field(foreign_key="station.id", index=True)
    zone_id: UUID | None = Field(default=None, foreign_key="zone.id", index=True)
    code: str
    kind: str
    name: str
    name_th: str
    latitude: float
    longitude: float


class Snapshot(Kept, table=True):
    """One picture of a camera; `taken_at` is the camera's own time where it is plausible."""

    __tablename__ = "snapshot"
    __table_args__ = (
        UniqueConstraint("camera_id", "sha256"),
        Index("snapshot_camera_taken_idx", "camera_id", "taken_at", "id"),
    )

    camera_id: UUID = Field(foreign_key="camera.id")
    scope_id: UUID
    object_id: UUID = Field(foreign_key="stored_object.id", unique=True)
    sha256: bytes = Field(sa_type=LargeBinary)
    taken_at: datetime
    width: int
    height: int
    thumb_320_key: str | None = None
    thumb_960_key: str | None = None
    ready_at: datetime | None = None


class CameraState(SQLModel, table=True):
    """What beats often about a camera. Never synced, so that a picture a second stamps nothing."""

    __tablename__ = "camera_state"

    camera_id: UUID = Field(primary_key=True, foreign_key="camera.id")
    scope_id: UUID
    last_seen_at: datetime | None = None
    last_snapshot_id: UUID | None = Field(default=None, foreign_key="snapshot.id")


STORED_CAMERAS = """
select camera.id, camera.code, camera.kind, camera.name, camera.name_th, camera.latitude, camera.longitude,
       zone.code as zone_code, camera_state.last_seen_at
from camera
left join zone on zone.id = camera.zone_id
left join camera_state on camera_state.camera_id = camera.id
where camera.station_id = $1 and camera.deleted_at is null order by camera.code
"""
"""The cameras of a station as an administrator knows them, by code."""

IMPORT_CAMERAS = """
insert into camera as stored (
    id, scope_id, station_id, zone_id, code, kind, name, name_th, latitude, longitude)
select given.id, zone.id, $1, zone.id, given.code, given.kind, given.name, given.name_th, given.latitude,
       given.longitude
from jsonb_to_recordset($2::jsonb) as given (
    id uuid, code text, zone_code text, kind text, name text, name_th text, latitude float8, longitude float8)
join zone on zone.station_id = $1 and zone.code = given.zone_code and zone.deleted_at is null
on conflict (station_id, code) do update set
    scope_id = excluded.scope_id, zone_id = excluded.zone_id, kind = excluded.kind, name = excluded.name,
    name_th = excluded.name_th, latitude = excluded.latitude, longitude = excluded.longitude, deleted_at = null
where stored.deleted_at is not null
   or (stored.scope_id, stored.zone_id, stored.kind, stored.name, stored.name_th, stored.latitude, stored.longitude)
      is distinct from (excluded.scope_id, excluded.zone_id, excluded.kind, excluded.name, excluded.name_th,
                        excluded.latitude, excluded.longitude)
returning stored.id, stored.code
"""
"""Adds cameras by code and updates those that differ; what is as it was is not touched, so nothing is sent again."""

MOVE_CAMERA_STATES = """
update camera_state set scope_id = camera.scope_id
from camera
where camera.id = camera_state.camera_id and camera.station_id = $1 and camera.code = any ($2::text[])
  and camera_state.scope_id <> camera.scope_id
"""
"""Lets what beats about a camera follow it into another zone; its pictures stay where they were taken."""
