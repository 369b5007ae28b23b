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
       (select id from sync_epoch order by number desc limit 1) as epoch,
       array(select access.officer_scopes($1)) as scopes
"""
"""The snapshot that this transaction reads in, the current epoch, and an officer's scopes in that snapshot."""

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

LOCK_LANE = """
insert into sync_lane (device_id, officer_id, lane) values ($1, $2, $3)
on conflict (device_id, officer_id, lane) do update set updated_at = now()
returning applied_sequence
"""
"""Takes the lane's lock until commit, and says how far it was applied."""

ADVANCE_LANE = """
update sync_lane set applied_sequence = $4 where device_id = $1 and officer_id = $2 and lane = $3
"""
"""Says how far the lane was applied."""

READ_OUTCOMES = """
select sequence, mutation_id, content_sha256, outcome, code, row_id, rev, detail,
       device_id = $1 and officer_id = $2 and lane = $3 as same_lane
from sync_outcome
where (device_id = $1 and officer_id = $2 and lane = $3 and sequence = any ($4::bigint[]))
   or mutation_id = any ($5::uuid[])
"""
"""The stored answers to some sequences of a lane, and to some mutations wherever they were stored."""

STORE_OUTCOMES = """
insert into sync_outcome
    (device_id, officer_id, lane, sequence, mutation_id, content_sha256, outcome, code, row_id, rev, detail)
select $1, $2, $3, r.sequence, r.mutation_id, decode(r.content_sha256, 'hex'), r.outcome, r.code, r.row_id,
       r.rev, coalesce(r.detail, '{}')
from jsonb_to_recordset($4::jsonb) as r (
    sequence bigint, mutation_id uuid, content_sha256 text, outcome text, code text, row_id uuid,
    rev bigint, detail jsonb)
"""
"""Stores the answers of a chunk."""

KEEP_REFUSED = """
insert into quarantine (id, device_id, officer_id, lane, sequence, mutation_id, code, payload)
select r.id, $1, $2, $3, r.sequence, r.mutation_id, r.code, r.payload
from jsonb_to_recordset($4::jsonb) as r (
    id uuid, sequence bigint, mutation_id uuid, code text, payload jsonb)
on conflict (mutation_id) do nothing
"""
"""Keeps whole mutations that were refused."""

READ_AUTHOR = """
select station_id, role, array(select access.officer_scopes(id)) as scopes from officer where id = $1
"""
"""What the rules of a push must know about the officer who pushes."""

ADD_EPOCH = """
insert into sync_epoch (id, number, reason)
select $1, coalesce(max(number), 0) + 1, $2 from sync_epoch
returning number
"""
"""Begins the next epoch."""
