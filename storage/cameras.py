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
