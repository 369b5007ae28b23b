"""SOS alerts, the steps of their escalation, and what became of each person who was called."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from storage.base import Kept, Synced, known, position_checks, synced_index
from storage.vocabulary import (
    AlertSource,
    AlertStatus,
    DeliveryOutcome,
    StepTarget,
)


class SosAlert(Synced, table=True):
    """A call for help by an officer, a post's button or a citizen."""

    __tablename__ = "sos_alert"
    __table_args__ = (
        synced_index("sos_alert"),
        Index(
            "sos_alert_open_idx", "scope_id", "raised_at", postgresql_where=text("status = 'OPEN'")
        ),
        Index(
            "sos_alert_open_post_key",
            "post_id",
            unique=True,
            postgresql_where=text("status in ('OPEN', 'ACKNOWLEDGED') and deleted_at is null"),
        ),
        known("source", AlertSource),
        known("status", AlertStatus),
        *position_checks(optional=True),
        CheckConstraint("accuracy_m >= 0", name="accuracy_m"),
        CheckConstraint("(source = 'OFFICER') = (officer_id is not null)", name="officer"),
        CheckConstraint("(source = 'POST') = (post_id is not null)", name="post"),
    )

    station_id: UUID = Field(foreign_key="station.id", index=True)
    zone_id: UUID | None = Field(default=None, foreign_key="zone.id")
    source: str
    status: str
    drill: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    officer_id: UUID | None = Field(default=None, foreign_key="officer.id")
    post_id: UUID | None = Field(default=None, foreign_key="sos_post.id")
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    raised_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    presses: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})
    acknowledged_by: UUID | None = Field(default=None, foreign_key="officer.id")
    acknowledged_at: datetime | None = None
    closed_at: datetime | None = None


class SosStep(Kept, table=True):
    """One step of an alert's escalation: whom to call, and when it is due. Frozen when the alert is raised."""

    __tablename__ = "sos_step"
    __table_args__ = (
        UniqueConstraint("alert_id", "number"),
        known("target", StepTarget),
        Index("sos_step_due_idx", "due_at", postgresql_where=text("done_at is null")),
    )

    alert_id: UUID = Field(foreign_key="sos_alert.id")
    scope_id: UUID
    number: int
    target: str
    due_at: datetime
    done_at: datetime | None = None
    outcome: str | None = None


class SosRecipient(Kept, table=True):
    """What became of one push to one installation in one step."""

    __tablename__ = "sos_recipient"
    __table_args__ = (
        UniqueConstraint("step_id", "installation_id"),
        known("outcome", DeliveryOutcome),
    )

    alert_id: UUID = Field(foreign_key="sos_alert.id", index=True)
    step_id: UUID = Field(foreign_key="sos_step.id")
    scope_id: UUID
    officer_id: UUID = Field(foreign_key="officer.id")
    installation_id: UUID = Field(foreign_key="installation.id")
    outcome: str
    reason: str | None = None
    message_id: str | None = None
    attempts: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})
    attempted_at: datetime
