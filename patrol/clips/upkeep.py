"""What nobody tells of: recorders that fell silent, bytes whose recorder vanished, and jobs that were given up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import structlog

from patrol.clips.arrival import find_arrivals
from patrol.clips.declaring import ask_to_join, ask_to_verify
from patrol.clips.verifying import Verified
from patrol.sos.events import Event, note
from storage.buckets import ObjectStore
from storage.clip_segments import CLIPS_WITH_MISSING, CLIPS_WITH_WAITING
from storage.clips import END_SILENT
from storage.database import Database
from storage.faults import StorageFault
from storage.job_turns import Every
from storage.principal import Role, system
from storage.vocabulary import AlertEventKind

log = structlog.get_logger(__name__)

WATCH: Final = "clips.watch"
LOOK_BACK: Final = "clips.look_back"

SILENT_AFTER: Final = timedelta(minutes=2)
"""A recorder sends something every few seconds; one whose signal is bad for longer goes on when it comes back."""

FRESH: Final = timedelta(hours=1)
"""Segments that were declared within this are looked for at every turn, older ones only when it is looked back."""

OLDEST: Final = timedelta(days=60)

STUCK_AFTER: Final = timedelta(minutes=10)

SCHEDULES: Final = (
    Every(WATCH, timedelta(seconds=20)),
    Every(LOOK_BACK, timedelta(hours=1)),
)

_WORKER = system("clips")


async def watch(database: Database, store: ObjectStore, now: datetime) -> list[Verified]:
    """Ends clips whose recorders are silent, and looks for bytes that have arrived of late; whom to poke."""
    changed = await _end_silent(database, now)
    changed += await _search(database, store, now - FRESH, now)
    return changed


async def look_back(database: Database, store: ObjectStore, now: datetime) -> list[Verified]:
    """Looks for bytes of the last weeks, and has verified what waits for that for long; whom to poke."""
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        for row in await connection.fetch(CLIPS_WITH_WAITING, now - STUCK_AFTER):
            await ask_to_verify(connection, row["id"])
    return await _search(database, store, now - OLDEST, now)


async def _end_silent(database: Database, now: datetime) -> list[Verified]:
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        ended = await connection.fetch(END_SILENT, now - SILENT_AFTER)
        await note(
            connection,
            [
                Event(
                    row["alert_id"],
                    AlertEventKind.CLIP_ENDED,
                    now,
                    now,
                    detail={"clip_id": str(row["id"]), "silent": True},
                )
                for row in ended
            ],
        )
        for row in sorted(ended, key=lambda one: str(one["id"])):
            await ask_to_join(connection, row["id"])
    return [Verified(row["scope_id"], row["alert_id"]) for row in ended]


async def _search(
    database: Database, store: ObjectStore, since: datetime, until: datetime
) -> list[Verified]:
    async with database.enter(Role.SYSTEM, _WORKER) as entered:
        clips = await entered.connection.fetch(CLIPS_WITH_MISSING, since, until)
    changed = []
    for row in clips:
        try:
            found = await find_arrivals(database, store, _WORKER, row["id"], until)
        except StorageFault as fault:
            # The next turn looks again; one clip's fault must not hide the others'.
            log.warning("clip_not_searched", clip_id=str(row["id"]), fault=type(fault).__name__)
            continue
        if found is not None and found.segments:
            changed.append(Verified(found.scope_id, found.alert_id))
    return changed
