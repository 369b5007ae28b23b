"""What tells that the database's history went back: marks of the server, noted backups, and numbers that nobody has."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer
from sqlmodel import Field, SQLModel

from storage.base import NOW, Kept, Xid8, known
from storage.vocabulary import Lane

MARKS_KEPT = 10_080
"""Marks in the ring: a week of one each minute."""

EPOCH_LOCK = 0x5A7E_E60C
"""The advisory lock of who looks at the history and may begin an epoch."""


class SyncMark(SQLModel, table=True):
    """What the server was when it was last looked at. The newest `serial` counts; older ones prove an older witness.

    `xid` is the transaction counter, `lsn` the end of the log, `table_oid` the identity of the table `sync_epoch`, which
    a restore into the same database makes anew. `slot` makes the table a ring.
    """

    __tablename__ = "sync_mark"

    slot: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    serial: int = Field(sa_column=Column(BigInteger, nullable=False, unique=True))
    token: UUID
    epoch_id: UUID = Field(foreign_key="sync_epoch.id")
    system_identifier: str | None = None
    timeline: int
    database_oid: int = Field(sa_type=BigInteger)
    table_oid: int = Field(sa_type=BigInteger)
    xid: str = Field(sa_type=Xid8)
    lsn: str
    made_at: datetime = Field(sa_column_kwargs={"server_default": NOW})


class SyncBackup(Kept, table=True):
    """A backup that was noted: work acknowledged until `durable_through` survives its restore. The newest one counts."""

    __tablename__ = "sync_backup"

    epoch_id: UUID = Field(foreign_key="sync_epoch.id")
    durable_through: datetime
    note: str


class SyncGap(Kept, table=True):
    """Numbers of a lane that a restore lost and that the phone had dropped: skipped, and still taken if they come."""

    __tablename__ = "sync_gap"
    __table_args__ = (
        known("lane", Lane),
        CheckConstraint("from_sequence <= to_sequence", name="span"),
        Index("sync_gap_device_id_officer_id_lane_idx", "device_id", "officer_id", "lane"),
    )

    device_id: UUID = Field(foreign_key="device.id")
    officer_id: UUID = Field(foreign_key="officer.id")
    lane: str
    from_sequence: int = Field(sa_type=BigInteger)
    to_sequence: int = Field(sa_type=BigInteger)
    epoch_id: UUID = Field(foreign_key="sync_epoch.id")


class EpochCause(StrEnum):
    """What showed that the history went back."""

    BY_HAND = "BY_HAND"
    SYSTEM = "SYSTEM"
    TIMELINE = "TIMELINE"
    DATABASE = "DATABASE"
    TABLE = "TABLE"
    COUNTER = "COUNTER"
    LOG = "LOG"
    STAMPS = "STAMPS"
    WITNESS = "WITNESS"
    CURSOR = "CURSOR"
    RECEIPT = "RECEIPT"


_PAGE_HEADER = 40
FLUSHED = f"""(
    pg_current_wal_flush_lsn() >= {{lsn}}
    or (pg_current_wal_flush_lsn() - '0/0'::pg_lsn) % current_setting('wal_block_size')::int = 0
       and {{lsn}} - pg_current_wal_flush_lsn() <= {_PAGE_HEADER}
)"""
"""Whether the server's log is on disk up to a place. A place at the start of a page counts the page's header, which is not
written before the page's first record is."""

FLUSH_AT_COMMIT = "select pg_logical_emit_message(true, 'patrol', '')"
"""Makes the commit of this transaction, also of a read-only one, wait until everything before it is on disk. The message
itself is for nobody: a transaction that wrote nothing at all would not wait."""

LOCK_HISTORY = "select pg_advisory_xact_lock($1)"
"""Lets one process at a time judge the history, until commit."""

READ_SERVER_KIND = """
select pg_is_in_recovery() as standby,
       has_function_privilege('pg_catalog.pg_control_system()', 'execute') as tells_system
"""
"""Whether this is a standby, and whether this login may ask for the cluster's own name."""

READ_SYSTEM = "select system_identifier::text from pg_control_system()"
"""The name that a cluster got when it was made."""

READ_HISTORY = """
select epoch.id as epoch_id, epoch.number, epoch.created_at as epoch_began, epoch.cause, epoch.reason,
       epoch.tableoid::bigint as table_oid,
       (select oid::bigint from pg_database where datname = current_database()) as database_oid,
       ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int as timeline,
       pg_snapshot_xmax(pg_current_snapshot())::text as xid,
       pg_current_wal_insert_lsn()::text as lsn,
       clock_timestamp() as now
from sync_epoch epoch order by epoch.number desc limit 1
"""
"""What the server is now, and the current epoch."""

READ_MARK = """
select serial, token, epoch_id, system_identifier, timeline, database_oid, table_oid, xid::text, lsn, made_at,
       xid > $1::text::xid8 as counter_ahead, lsn::pg_lsn > $2::text::pg_lsn as log_ahead,
       (select min(serial) from sync_mark) as oldest
from sync_mark order by serial desc limit 1
"""
"""The newest mark, and whether it is ahead of the given transaction counter and end of the log."""

READ_SEEN = "select token from sync_mark where serial = $1"
"""The token of one mark."""

MAKE_MARK = f"""
insert into sync_mark
    (slot, serial, token, epoch_id, system_identifier, timeline, database_oid, table_oid, xid, lsn, made_at)
select ($1::bigint % {MARKS_KEPT})::int, $1, $2, $3, $4, $5, $6, $7,
       least($8::text::xid8, pg_current_xact_id()), $9, clock_timestamp()
on conflict (slot) do update
set serial = excluded.serial, token = excluded.token, epoch_id = excluded.epoch_id,
    system_identifier = excluded.system_identifier, timeline = excluded.timeline,
    database_oid = excluded.database_oid, table_oid = excluded.table_oid, xid = excluded.xid, lsn = excluded.lsn,
    made_at = excluded.made_at
"""
"""Writes down what the server is now."""

WAS_EVIDENCE = "select exists (select from sync_epoch where evidence -> 'WITNESS' ->> 'token' = $1)"
"""Whether a witness has begun an epoch before."""

COUNT_EPOCHS = """
select count(*) from sync_epoch where cause = $1 and created_at > now() - interval '1 hour'
"""
"""How many epochs one cause began within the last hour."""

RESTAMP = "select access.restamp()"
"""Stamps anew what this server's counter has yet to reach; how many rows that were."""

STAMPS_AHEAD = "select name, ahead from access.stamps_ahead()"
"""Tables with rows whose stamp this server's counter has yet to reach."""

NOTE_BACKUP = """
insert into sync_backup (id, epoch_id, durable_through, note)
select $1, (select id from sync_epoch order by number desc limit 1), $2, $3
returning durable_through
"""
"""Says until when acknowledged work is in a backup."""

READ_BACKUP = "select durable_through, created_at, note from sync_backup order by id desc limit 1"
"""The newest noted backup."""

RECORD_GAP = """
insert into sync_gap (id, device_id, officer_id, lane, from_sequence, to_sequence, epoch_id)
values ($1, $2, $3, $4, $5, $6, $7)
"""
"""Writes down numbers of a lane that are skipped."""

READ_GAPS = """
select from_sequence, to_sequence from sync_gap
where device_id = $1 and officer_id = $2 and lane = $3 and to_sequence >= $4 and from_sequence <= $5
"""
"""The skipped numbers of a lane that touch a span."""

COUNT_LANES = """
select count(*) as lanes,
       count(*) filter (where epoch_id is distinct from $1) as waiting,
       count(*) filter (where asked_epoch_id = $1 and epoch_id is distinct from $1) as asked
from sync_lane
"""
"""How many lanes there are, and how many have not gone on in an epoch yet."""

LIST_GAPS = """
select officer.badge, gap.device_id, gap.lane, gap.from_sequence, gap.to_sequence, gap.created_at, epoch.number as epoch,
       gap.to_sequence - gap.from_sequence + 1 - (
           select count(*) from sync_outcome outcome
           where outcome.device_id = gap.device_id and outcome.officer_id = gap.officer_id and outcome.lane = gap.lane
             and outcome.sequence between gap.from_sequence and gap.to_sequence) as missing
from sync_gap gap
join officer on officer.id = gap.officer_id
join sync_epoch epoch on epoch.id = gap.epoch_id
order by gap.id
"""
"""Every recorded hole, with how many of its numbers have not come since."""

COUNT_WAITING = "select count(*) from quarantine where resolved_at is null"
"""Refused mutations that wait for a person."""

COUNT_LATE_ACTS = """
select count(*) from audit_entry
where at < now() - interval '5 minutes' and not id <@ (select coalesce(range_agg(ids), '{}') from audit_seal)
"""
"""Acts that no seal covers although they were done minutes ago."""

READ_OLDEST_HELD = """
select held.device_id, device.platform, device.model, device.revoked_at is not null as revoked, officer.badge, held.seen_at,
       held.subjects, pg_snapshot_xmin(held.snapshot)::text as oldest, access.horizon()::text as horizon,
       count(*) over () as phones,
       (select count(*) from held_snapshot where must_reset) as given_up
from held_snapshot held
join device on device.id = held.device_id
join officer on officer.id = held.officer_id
where not held.must_reset and held.epoch_id = (select id from sync_epoch order by number desc limit 1)
order by pg_snapshot_xmin(held.snapshot), held.seen_at limit 1
"""
"""The phone with the oldest snapshot that is still waited for, and how many there are."""

READ_RECEIPT_LANE = """
select officer.badge, lane.applied_sequence, epoch.number as epoch
from officer
left join sync_lane lane on lane.officer_id = officer.id and lane.device_id = $1 and lane.lane = $3
left join sync_epoch epoch on epoch.id = $4
where officer.id = $2
"""
"""Whom a receipt names, how far that lane is stored now, and the number of the receipt's epoch if it is known here."""
