"""SOS posts: poles with an alarm button, which a citizen presses for help."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from storage.base import Synced, position_checks, synced_index


class SosPost(Synced, table=True):
    """A pole with a button, in most cases watched by a camera."""

    __tablename__ = "sos_post"
    __table_args__ = (
        synced_index("sos_post"),
        UniqueConstraint("station_id", "code"),
        *position_checks(),
    )

    station_id: UUID = Field(foreign_key="station.id", index=True)
    zone_id: UUID | None = Field(default=None, foreign_key="zone.id", index=True)
    camera_id: UUID | None = Field(default=None, foreign_key="camera.id")
    code: str
    name: str
    name_th: str
    latitude: float
    longitude: float


class SosPostState(SQLModel, table=True):
    """What beats often about a post. Never synced."""

    __tablename__ = "sos_post_state"

    post_id: UUID = Field(primary_key=True, foreign_key="sos_post.id")
    scope_id: UUID
    last_seen_at: datetime | None = None
