"""What sync must remember: lanes, outcomes, quarantine, scope exits, epochs and the sets that cursors name."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from storage.base import NOW, Kept, Xid8, known
from storage.vocabulary import Lane, MutationOutcome


class SyncLane(SQLModel, table=True):
    """How far one officer's outbox on one device was applied, lane by lane. Its row is the lock of the lane."""

    __tablename__ = "sync_lane"
    __table_args__ = (known("lane", Lane),)

    device_id: UUID = Field(primary_key=True, foreign_key="device.id")
    officer_id: UUID = Field(primary_key=True, foreign_key="officer.id")
    lane: str = Field(primary_key=True)
    applied_sequence: int = Field(
        default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")}
    )
    updated_at: datetime = Field(sa_column_kwargs={"server_default": NOW})


class SyncOutcome(SQLModel, table=True):
    """The stored answer to one mutation, so that a repeated push is answered and never applied twice."""

    __tablename__ = "sync_outcome"
    __table_args__ = (
        known("lane", Lane),
        known("outcome", MutationOutcome),
        UniqueConstraint("mutation_id"),
        CheckConstraint("octet_length(content_sha256) = 32", name="content_sha256"),
    )

    device_id: UUID = Field(primary_key=True, foreign_key="device.id")
    officer_id: UUID = Field(primary_key=True, foreign_key="officer.id")
    lane: str = Field(primary_key=True)
    sequence: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    mutation_id: UUID
    content_sha256: bytes = Field(sa_type=LargeBinary)
    outcome: str
    code: str | None = None
    row_id: UUID
    rev: int | None = Field(default=None, sa_type=BigInteger)
    detail: dict[str, Any] = Field(sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")})
    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})


class Quarantine(Kept, table=True):
    """A refused mutation with its whole payload, so that a bug in an app costs no data."""

    __tablename__ = "quarantine"
    __table_args__ = (known("lane", Lane),)

    device_id: UUID = Field(foreign_key="device.id")
    officer_id: UUID = Field(foreign_key="officer.id", index=True)
    lane: str
    sequence: int = Field(sa_type=BigInteger)
    mutation_id: UUID = Field(unique=True)
    code: str
    payload: dict[str, Any] = Field(sa_type=JSONB)
    resolved_at: datetime | None = None


class ScopeExit(SQLModel, table=True):
    """A row has left a scope: phones of that scope must drop it."""

    __tablename__ = "scope_exit"
    __table_args__ = (Index("scope_exit_sync_idx", "scope_id", "sync_xid", "row_id"),)

    subject: str = Field(primary_key=True)
    row_id: UUID = Field(primary_key=True)
    scope_id: UUID = Field(primary_key=True)
    sync_xid: str = Field(
        sa_type=Xid8, sa_column_kwargs={"server_default": text("pg_current_xact_id()")}
    )


class SyncEpoch(SQLModel, table=True):
    """A life of the database's history; the newest row is current. A cursor of another epoch is reset."""

    __tablename__ = "sync_epoch"

    id: UUID = Field(primary_key=True)
    number: int = Field(unique=True)
    reason: str
    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})


class SyncSet(SQLModel, table=True):
    """A set that cursors name by its hash: the scopes, or the shapes by subject, that a pull was made under."""

    __tablename__ = "sync_set"

    id: bytes = Field(sa_type=LargeBinary, primary_key=True)
    content: list[Any] = Field(sa_type=JSONB)
    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})


READ_PULL_STATE = """
select pg_current_snapshot()::text as snapshot, clock_timestamp() as now,
       (select id from sync_epoch order by number desc limit 1) as epoch
"""
"""The snapshot that this transaction reads in, and the current epoch."""

READ_LANES = """
select lane, applied_sequence from sync_lane where device_id = $1 and officer_id = $2 order by lane
"""
"""How far one officer's outbox on one device was applied."""

REMEMBER_SET = (
    "insert into sync_set (id, content) values ($1, $2::jsonb) on conflict (id) do nothing"
)
"""Keeps a set under its hash."""

RECALL_SET = "select content from sync_set where id = $1"
"""The set of a hash."""
