"""Phones, their officers' sessions and push addresses, and the keys of cameras and poles."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from storage.base import NOW, Kept, known
from storage.vocabulary import PushAddressKind


class Device(Kept, table=True):
    """A phone, known by its own public key; several officers may have sessions on it."""

    __tablename__ = "device"

    key_thumbprint: str = Field(unique=True)
    public_key: dict[str, Any] = Field(sa_type=JSONB)
    platform: str
    model: str
    revoked_at: datetime | None = None


class DeviceState(SQLModel, table=True):
    """What beats often about a phone. Never synced."""

    __tablename__ = "device_state"

    device_id: UUID = Field(primary_key=True, foreign_key="device.id")
    last_seen_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    app_version: str | None = None


class EnrolmentCode(Kept, table=True):
    """A one-time code that turns a phone into an officer's phone; only its SHA-256 is kept."""

    __tablename__ = "enrolment_code"

    code_sha256: bytes = Field(sa_type=LargeBinary, unique=True)
    officer_id: UUID = Field(foreign_key="officer.id", index=True)
    issued_by: str
    expires_at: datetime
    used_at: datetime | None = None
    session_id: UUID | None = Field(default=None, foreign_key="session.id")


class Session(Kept, table=True):
    """An officer signed in on a device. `generation` counts its refresh tokens: the newest is good, and the one
    before it for as long as the newest has not been used.
    """

    __tablename__ = "session"
    __table_args__ = (CheckConstraint("generation > 0", name="generation"),)

    device_id: UUID = Field(foreign_key="device.id", index=True)
    officer_id: UUID = Field(foreign_key="officer.id", index=True)
    generation: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})
    expires_at: datetime
    revoked_at: datetime | None = None
    revoked_reason: str | None = None


class Installation(Kept, table=True):
    """The address at which Firebase reaches a phone, for the officer who is signed in there."""

    __tablename__ = "installation"
    __table_args__ = (
        UniqueConstraint("session_id"),
        known("kind", PushAddressKind),
    )

    session_id: UUID = Field(foreign_key="session.id")
    kind: str
    address: str = Field(index=True)
    retired_at: datetime | None = None
    retired_reason: str | None = None


class DeviceKey(Kept, table=True):
    """The key of one camera or one SOS post; only its SHA-256 is kept."""

    __tablename__ = "device_key"
    __table_args__ = (
        CheckConstraint("(camera_id is null) <> (post_id is null)", name="one_holder"),
    )

    prefix: str
    key_sha256: bytes = Field(sa_type=LargeBinary, unique=True)
    camera_id: UUID | None = Field(default=None, foreign_key="camera.id", index=True)
    post_id: UUID | None = Field(default=None, foreign_key="sos_post.id", index=True)
    revoked_at: datetime | None = None
