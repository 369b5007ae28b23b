"""Keeps tombstones, scope exits and sets of cursors from growing without end, and takes none that a phone still needs.

A tombstone may go when every phone that will go on from its copy has seen it. The oldest snapshot that phones are noted to
hold decides, so one phone in a drawer would keep them all: one that is silent for longer than the cap is given up, and sooner
where it holds back more than `MOST` tombstones of a subject. It is reset when it comes back; its outbox is its own and is
never touched. The horizon, below which tombstones may be gone, is kept beside
them, and a pull compares its cursor with it in its own snapshot: a note that is missing or late costs a reset, never a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from uuid_utils.compat import uuid7

from patrol.sync.subjects import SUBJECTS
from storage.compaction import (
    ADVANCE_HORIZON,
    GIVE_UP_CROWDED,
    MARK_SILENT,
    PURGE_EXITS,
    PURGE_TOMBSTONES,
    SWEEP_SETS,
)
from storage.database import Database
from storage.job_turns import Every
from storage.principal import Role, system

log = structlog.get_logger(__name__)

COMPACT: Final = "sync.compact"
"""The job that compacts."""

SCHEDULES: Final = (Every(COMPACT, timedelta(hours=6)),)

YOUNG: Final = timedelta(days=1)
"""What is younger stays: a pull that is under way has noted nothing yet."""

MOST: Final = 100_000
"""Tombstones of a subject, or scope exits, that are kept for phones which have been silent for longer than `YOUNG`: a phone
copies what there is sooner than it hears of so much that is not."""

EXITS: Final = "scope_exit"

_ROOM = 5_000


@dataclass(frozen=True, slots=True)
class Compacted:
    """What one run has done; `silent` are phones that were given up."""

    silent: int
    tombstones: int
    exits: int
    sets: int


async def compact(
    database: Database,
    *,
    silent: timedelta,
    young: timedelta = YOUNG,
    room: int = _ROOM,
    most: int = MOST,
) -> Compacted:
    """Deletes what no phone needs, in transactions of at most `room` rows.

    Args:
        silent: phones that did not pull for longer are reset when they come back.
        young: how long everything stays, whoever holds what.
        most: how many tombstones of a subject a silent phone may hold back.
    """
    async with database.write(system("compaction"), Role.SYSTEM) as connection:
        marked = int((await connection.execute(MARK_SILENT, silent)).split()[-1])
        for table in (*(one.table.description for one in SUBJECTS), EXITS):
            marked += await connection.fetchval(GIVE_UP_CROWDED, table, most, young)
        # Before anything goes, so that whoever would miss it is reset.
        horizon = await connection.fetchval(ADVANCE_HORIZON, uuid7(), young)
    tombstones = exits = sets = 0
    if horizon is not None:
        # What belongs to a row comes after it, and goes before it.
        for subject in reversed(SUBJECTS):
            table = subject.table.description
            tombstones += await _drain(database, room, PURGE_TOMBSTONES, table)
        exits = await _drain(database, room, PURGE_EXITS)
    async with database.write(system("compaction"), Role.SYSTEM) as connection:
        sets = await connection.fetchval(SWEEP_SETS, young, 2 * silent)
    done = Compacted(marked, tombstones, exits, sets)
    log.info("compacted", silent=marked, tombstones=tombstones, exits=exits, sets=sets)
    return done


async def _drain(database: Database, room: int, statement: str, *values: str) -> int:
    total = 0
    while True:
        async with database.write(system("compaction"), Role.SYSTEM) as connection:
            purged: int = await connection.fetchval(statement, *values, room)
        total += purged
        if purged < room:
            return total
