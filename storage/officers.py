"""Officers, what is assigned to them, and where they were last seen."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from storage.base import NOW, Kept, known, position_checks
from storage.vocabulary import OfficerRole


class Officer(Kept, table=True):
    """A person of a station who signs in on a phone or in the control room."""

    __tablename__ = "officer"
    __table_args__ = (UniqueConstraint("station_id", "badge"), known("role", OfficerRole))

    station_id: UUID = Field(foreign_key="station.id", index=True)
    badge: str
    role: str
    rank: str
    name: str
    name_th: str
    active: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})


class Assignment(Kept, table=True):
    """Gives an officer a scope for a time: a zone, or a station with all its zones."""

    __tablename__ = "assignment"
    __table_args__ = (
        CheckConstraint("valid_until is null or valid_until > valid_from", name="period"),
        Index("assignment_officer_id_idx", "officer_id", "scope_id"),
    )

    officer_id: UUID = Field(foreign_key="officer.id")
    scope_id: UUID
    valid_from: datetime = Field(sa_column_kwargs={"server_default": NOW})
    valid_until: datetime | None = None


class OfficerState(SQLModel, table=True):
    """What beats often about an officer: duty and last position. Never synced, so that a fix stamps nothing."""

    __tablename__ = "officer_state"
    __table_args__ = position_checks(optional=True)

    officer_id: UUID = Field(primary_key=True, foreign_key="officer.id")
    on_duty: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    on_duty_since: datetime | None = None
    latitude: float | None = None
    longitude: float | None = None
    fix_at: datetime | None = None
