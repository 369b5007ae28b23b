"""Epochs, noted backups and the holes that restores left, in the administrator's contract."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from patrol.sync.backups import note_backup
from schema.acts import AdminInfo, AdminRefusal, act, administrators
from schema.enums import Lane
from schema.paging import AdminPageInfo
from schema.people import AdminDevice, AdminOfficer
from schema.planner import Columns, Conditions, Order, one, page, reads
from schema.scalars import JSON, Long
from storage import tables
from storage.history import EpochCause

LATEST_FIRST = {"LATEST": Order("number", descending=True)}
NEWEST_FIRST = {"CREATED": Order("created_at", descending=True)}

strawberry.enum(EpochCause, description="What showed that the database's history went back.")


@reads(tables.SyncEpoch, name="Epoch", scope=None)
class AdminEpoch:
    """A life of the database's history. A new one begins after a restore or failover; then phones copy anew."""

    id: UUID
    number: int
    cause: EpochCause
    reason: str
    evidence: JSON
    created_at: datetime


@reads(tables.SyncBackup, name="Backup", scope=None)
class AdminBackup:
    """A backup that was noted. The newest one counts: phones may drop what was answered before `durableThrough`."""

    id: UUID
    created_at: datetime
    durable_through: datetime
    note: str


@reads(tables.SyncGap, name="LaneGap", scope=None)
class AdminLaneGap:
    """Numbers of a lane that a restore lost and that the phone had dropped: what was recorded then may be lost."""

    id: UUID
    created_at: datetime
    lane: Lane
    from_sequence: Long
    to_sequence: Long
    officer: AdminOfficer = one("officer_id")
    device: AdminDevice = one("device_id")


@strawberry.type(name="EpochConnection", description="Epochs, page by page.")
class AdminEpochConnection:
    nodes: list[AdminEpoch]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type(name="BackupConnection", description="Noted backups, page by page.")
class AdminBackupConnection:
    nodes: list[AdminBackup]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type(name="LaneGapConnection", description="Holes in lanes, page by page.")
class AdminLaneGapConnection:
    nodes: list[AdminLaneGap]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type(name="BackupNoted", description="What phones are told now, or why nothing was.")
class AdminBackupNoted:
    durable_through: datetime | None = None
    refusal: AdminRefusal | None = None


@strawberry.type
class HistoryQuery:
    @page(
        returns=AdminEpochConnection,
        order=LATEST_FIRST,
        admit=administrators,
        description="Epochs, latest first.",
    )
    def epochs(row: Columns, first: int = 50, after: str | None = None) -> Conditions:
        yield from ()  # every epoch

    @page(
        returns=AdminBackupConnection,
        order=NEWEST_FIRST,
        admit=administrators,
        description="Noted backups, newest first.",
    )
    def backups(row: Columns, first: int = 50, after: str | None = None) -> Conditions:
        yield from ()  # every note

    @page(
        returns=AdminLaneGapConnection,
        order=NEWEST_FIRST,
        admit=administrators,
        description="What restores lost of the lanes of phones, newest first.",
    )
    def lane_gaps(
        row: Columns, first: int = 50, after: str | None = None, officer_id: UUID | None = None
    ) -> Conditions:
        if officer_id is not None:
            yield row.officer_id == officer_id


@strawberry.type
class HistoryMutation:
    @strawberry.mutation(
        description="Says that a backup is safe which began at `until` by the database's clock. Phones may then drop what "
        "was answered before it, less a minute."
    )
    async def note_backup(
        self, info: AdminInfo, until: datetime, note: str = ""
    ) -> AdminBackupNoted:
        noted = await act(info, lambda connection: note_backup(connection, until, note))
        if isinstance(noted, AdminRefusal):
            return AdminBackupNoted(refusal=noted)
        return AdminBackupNoted(durable_through=noted)
