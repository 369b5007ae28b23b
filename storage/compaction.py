"""What lets tombstones go: the snapshot that each phone still holds, the horizon below which they are gone, and their ids."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Column, LargeBinary, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from storage.base import NOW, Kept, PgSnapshot, Xid8


class HeldSnapshot(SQLModel, table=True):
    """The oldest state that a phone may still go on from, written at most hourly: what it showed us, never what we answered.

    An answer can be lost, and the phone then comes back with the cursor before it. `subjects` is the filter that the cursor
    was made under, empty for all. `sets` are the names of the sets in the cursor. `must_reset` when it was silent too long.
    """

    __tablename__ = "held_snapshot"

    device_id: UUID = Field(primary_key=True, foreign_key="device.id")
    officer_id: UUID = Field(primary_key=True, foreign_key="officer.id")
    subjects: str = Field(primary_key=True)
    epoch_id: UUID
    snapshot: str = Field(sa_type=PgSnapshot)
    sets: list[bytes] = Field(sa_column=Column(ARRAY(LargeBinary), nullable=False))
    seen_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    must_reset: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})


class SyncHorizon(Kept, table=True):
    """A run of the compaction: the oldest transaction that was running, and the stamp below which tombstones may be gone."""

    __tablename__ = "sync_horizon"

    epoch_id: UUID
    oldest: str = Field(sa_type=Xid8)
    horizon: str | None = Field(default=None, sa_type=Xid8)


class PurgedRow(SQLModel, table=True):
    """A row that was deleted and then compacted away. Its id is never taken again; see the trigger `stay_gone`."""

    __tablename__ = "purged_row"

    subject: str = Field(primary_key=True)
    id: UUID = Field(primary_key=True)


HOLD: Final = """
insert into held_snapshot (device_id, officer_id, subjects, epoch_id, snapshot, sets, seen_at, must_reset)
values ($1, $2, $3, $4, $5::text::pg_snapshot, $6::bytea[], now(), false)
on conflict (device_id, officer_id, subjects) do update
set epoch_id = excluded.epoch_id, snapshot = excluded.snapshot, sets = excluded.sets, seen_at = now(),
    must_reset = false
"""
"""Writes down what a phone holds."""

MARK_SILENT: Final = """
update held_snapshot set must_reset = true, sets = '{}' where not must_reset and seen_at < now() - $1::interval
"""
"""Gives up the snapshots of phones that were silent for longer than this."""

GIVE_UP_CROWDED: Final = "select access.give_up_crowded($1, $2, $3::interval)"
"""Gives up snapshots that hold back more than so many tombstones of a table, but for phones seen within a time."""

ADVANCE_HORIZON: Final = """
with epoch as (select id from sync_epoch order by number desc limit 1),
held as (
    select pg_snapshot_xmin(snapshot) as oldest from held_snapshot, epoch
    where epoch_id = epoch.id and not must_reset order by 1 limit 1),
before as (
    select oldest from sync_horizon, epoch
    where epoch_id = epoch.id and sync_horizon.created_at < now() - $2::interval
    order by sync_horizon.created_at desc limit 1),
last as (
    select horizon from sync_horizon, epoch
    where epoch_id = epoch.id and horizon is not null order by horizon desc limit 1)
insert into sync_horizon (id, epoch_id, oldest, horizon)
select $1, epoch.id, pg_snapshot_xmin(pg_current_snapshot()),
       case when (select oldest from before) is null then (select horizon from last)
            else greatest((select horizon from last), least((select oldest from held), (select oldest from before))) end
from epoch
returning horizon::text
"""
"""Notes a run and moves the horizon up to the oldest snapshot that is held, but never into the last `$2`: a pull that is
under way has written down nothing yet."""

PURGE_TOMBSTONES: Final = "select access.purge_tombstones($1, $2)"
"""Deletes tombstones of a table below the horizon, at most so many; returns how many."""

PURGE_EXITS: Final = "select access.purge_exits($1)"
"""Deletes scope exits below the horizon, at most so many; returns how many."""

SWEEP_SETS: Final = "select access.sweep_sets($1::interval, $2::interval)"
"""Deletes sets that no cursor names and that are older than this, and notes of phones that are silent for longer than that."""
