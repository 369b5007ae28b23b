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
from storage.history import FLUSHED, EpochCause
from storage.vocabulary import Lane, MutationOutcome, QuarantineState


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
    epoch_id: UUID | None = None
    """The epoch in which its numbers were last shown to be without a hole."""
    asked_epoch_id: UUID | None = None
    """The epoch in which an app that cannot say what it still holds was asked for an earlier number."""
    asked_at: datetime | None = None


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
    """A refused mutation with its whole payload, so that a bug in an app costs no data.

    `station_id` is the officer's station when it was kept, set by a trigger; `detail` is what the phone was told with the
    refusal. `surrendered` by a phone that was revoked. `outcome` and `attempts` are of replays; `resolved_by` and `reason`
    say who decided and why. `alarmed_at` is when somebody was told that it waits for too long.
    """

    __tablename__ = "quarantine"
    __table_args__ = (
        known("lane", Lane),
        known("state", QuarantineState),
        known("outcome", MutationOutcome, optional=True),
        Index(
            "quarantine_kept_idx",
            "station_id",
            "created_at",
            postgresql_where=text("state = 'KEPT'"),
        ),
    )

    device_id: UUID = Field(foreign_key="device.id")
    officer_id: UUID = Field(foreign_key="officer.id", index=True)
    lane: str
    sequence: int = Field(sa_type=BigInteger)
    mutation_id: UUID = Field(unique=True)
    code: str
    payload: dict[str, Any] = Field(sa_type=JSONB)
    resolved_at: datetime | None = None
    station_id: UUID = Field(foreign_key="station.id")
    detail: dict[str, Any] = Field(sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")})
    state: str = Field(
        default=QuarantineState.KEPT.value, sa_column_kwargs={"server_default": text("'KEPT'")}
    )
    surrendered: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    outcome: str | None = None
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    resolved_by: str | None = None
    reason: str | None = None
    alarmed_at: datetime | None = None


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
    __table_args__ = (known("cause", EpochCause),)

    id: UUID = Field(primary_key=True)
    number: int = Field(unique=True)
    reason: str
    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    cause: str = Field(
        default=EpochCause.BY_HAND.value, sa_column_kwargs={"server_default": text("'BY_HAND'")}
    )
    evidence: dict[str, Any] = Field(
        sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")}
    )


class SyncSet(SQLModel, table=True):
    """A set that cursors name by its hash: the scopes, or the shapes by subject, that a pull was made under."""

    __tablename__ = "sync_set"

    id: bytes = Field(sa_type=LargeBinary, primary_key=True)
    content: list[Any] = Field(sa_type=JSONB)
    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})


READ_PULL_STATE = f"""
select pg_current_snapshot()::text as snapshot, clock_timestamp() as now,
       epoch.id as epoch, mark.table_oid <> epoch.tableoid::bigint as torn,
       server.standby,
       case when not server.standby then {FLUSHED.format(lsn="server.written")} end as flushed,
       (select durable_through from sync_backup order by id desc limit 1) as durable_through,
       array(select access.officer_scopes($1)) as scopes,
       access.horizon()::text as horizon,
       held.snapshot::text as held_snapshot, held.sets as held_sets, held.must_reset,
       held.seen_at < now() - interval '1 hour' as held_is_old
from (select pg_is_in_recovery() as standby,
             case when not pg_is_in_recovery() then pg_current_wal_insert_lsn() end as written offset 0) server
left join (select id, tableoid from sync_epoch order by number desc limit 1) epoch on true
left join (select table_oid from sync_mark order by serial desc limit 1) mark on true
left join held_snapshot held
    on held.device_id = $2 and held.officer_id = $1 and held.subjects = $3 and held.epoch_id = epoch.id
"""  # noqa: S608 # our own expressions
"""The snapshot that this transaction reads in, the current epoch, and an officer's scopes in that snapshot.

What this phone was last noted to hold comes with it, and the horizon below which tombstones may be gone.
Also whether a standby answers, whether the server's log is on disk up to this snapshot (`flushed`), whether the tables were
made anew since the last mark (`torn`), and the backup's horizon.
"""

READ_LANES = """
select lane, applied_sequence from sync_lane where device_id = $1 and officer_id = $2 order by lane
"""
"""How far one officer's outbox on one device was applied."""

REMEMBER_SET = """
insert into sync_set (id, content) values ($1, $2::jsonb)
on conflict (id) do update set created_at = now()
"""
"""Keeps a set under its hash. One that is there becomes young again, so that the sweep which may just look at it lets it be."""

RECALL_SET = "select content from sync_set where id = $1"
"""The set of a hash."""

LOCK_LANE = """
insert into sync_lane (device_id, officer_id, lane) values ($1, $2, $3)
on conflict (device_id, officer_id, lane) do update set updated_at = now()
returning applied_sequence, epoch_id, asked_epoch_id, asked_at < clock_timestamp() - interval '1 minute' as asked_long,
          (select id from sync_epoch order by number desc limit 1) as current_epoch,
          (select number from sync_epoch order by number desc limit 1) as epoch_number,
          (select durable_through from sync_backup order by id desc limit 1) as durable_through
"""
"""Takes the lane's lock until commit, and says how far it was applied, in which epoch it last went on, and which it is."""

ADVANCE_LANE = """
update sync_lane set applied_sequence = $4, epoch_id = $5 where device_id = $1 and officer_id = $2 and lane = $3
"""
"""Says how far the lane was applied, and in which epoch it last went on."""

ASK_LANE = """
update sync_lane set asked_epoch_id = $4, asked_at = clock_timestamp()
where device_id = $1 and officer_id = $2 and lane = $3 and asked_epoch_id is distinct from $4
"""
"""Remembers that a lane was asked in this epoch for numbers that the server lost."""

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
insert into quarantine (id, device_id, officer_id, lane, sequence, mutation_id, code, payload, detail)
select r.id, $1, $2, $3, r.sequence, r.mutation_id, r.code, r.payload, coalesce(r.detail, '{}')
from jsonb_to_recordset($4::jsonb) as r (
    id uuid, sequence bigint, mutation_id uuid, code text, payload jsonb, detail jsonb)
on conflict (mutation_id) do nothing
"""
"""Keeps whole mutations that were refused."""

READ_AUTHOR = """
select station_id, role, array(select access.officer_scopes(id)) as scopes from officer where id = $1
"""
"""What the rules of a push must know about the officer who pushes."""

ADD_EPOCH = """
insert into sync_epoch (id, number, reason, cause, evidence)
select $1, greatest(coalesce(max(number), 0), $5) + 1, $2, $3, $4::jsonb from sync_epoch
returning number
"""
"""Begins the next epoch, with a number above $5."""

READ_EPOCH = "select id from sync_epoch order by number desc limit 1"
"""The current epoch."""
