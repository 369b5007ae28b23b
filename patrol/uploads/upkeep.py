"""What nobody tells of: bytes whose phone vanished, uploads that nobody goes on with, and jobs that were given up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from patrol.files.verifying import Judged, ask_to_verify
from patrol.uploads.arrival import complete_files
from patrol.uploads.places import MOST_FILES
from patrol.uploads.sending import LINK_LIVES
from storage.buckets import Bucket, ObjectStore
from storage.database import Database
from storage.faults import StorageFault
from storage.job_turns import Every
from storage.media_uploads import ABANDON, KNOWN_MULTIPARTS, OPEN_BETWEEN, WAITING_MEDIA
from storage.principal import Role, system

log = structlog.get_logger(__name__)

WATCH: Final = "uploads.watch"
TIDY: Final = "uploads.tidy"

FRESH: Final = timedelta(seconds=30)
"""Whose phone was heard of within this is not looked for: it tells by itself."""

LOOKED_FOR: Final = LINK_LIVES + timedelta(minutes=30)
"""After its last question nothing can arrive any more, because the links are over."""

STUCK_AFTER: Final = timedelta(minutes=20)

KEPT_OPEN: Final = timedelta(days=14)
"""Where no setting says otherwise: an officer's days off, and some more."""

SCHEDULES: Final = (Every(WATCH, timedelta(minutes=1)), Every(TIDY, timedelta(hours=1)))

_EVER: Final = timedelta(days=3650)
_WORKER = system("uploads")


async def watch(database: Database, store: ObjectStore, now: datetime) -> list[Judged]:
    """Looks for bytes that arrived of late and that nobody told of; whom to poke."""
    return await _search(database, store, now - LOOKED_FOR, now - FRESH, now)


async def tidy(
    database: Database, store: ObjectStore, now: datetime, *, kept_open: timedelta = KEPT_OPEN
) -> list[Judged]:
    """Has verified what waits for that for long, and gives up uploads that nobody goes on with; whom to poke.

    Their files stay declared and can be sent anew. Bytes that arrived whole are noted, never deleted.
    """
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        waiting = await connection.fetch(WAITING_MEDIA, now - STUCK_AFTER)
        for row in sorted(waiting, key=lambda one: str(one["id"])):
            await ask_to_verify(connection, row["id"], urgent=row["alert_id"] is not None)
    edge = now - kept_open
    changed = await _give_up(database, store, edge, now)
    await _give_up_unknown(database, store, edge)
    return changed


async def _search(
    database: Database, store: ObjectStore, since: datetime, until: datetime, now: datetime
) -> list[Judged]:
    async with database.enter(Role.SYSTEM, _WORKER) as entered:
        rows = await entered.connection.fetch(OPEN_BETWEEN, since, until)
    ids: list[UUID] = [row["media_id"] for row in rows]
    changed: list[Judged] = []
    for some in _in_batches(ids):
        try:
            _, arrived = await complete_files(database, store, _WORKER, some, now, Role.SYSTEM)
        except StorageFault as fault:
            # The next turn looks again.
            log.warning("uploads_not_searched", files=len(some), fault=type(fault).__name__)
            continue
        changed += arrived
    return changed


def _in_batches(ids: Sequence[UUID]) -> list[Sequence[UUID]]:
    return [ids[at : at + MOST_FILES] for at in range(0, len(ids), MOST_FILES)]


async def _give_up(
    database: Database, store: ObjectStore, edge: datetime, now: datetime
) -> list[Judged]:
    """Uploads whose bytes are not whole in the store, as was just looked at; whom to poke about those that are."""
    async with database.enter(Role.SYSTEM, _WORKER) as entered:
        rows = await entered.connection.fetch(OPEN_BETWEEN, edge - _EVER, edge)
    changed: list[Judged] = []
    for some in _in_batches([row["media_id"] for row in rows]):
        try:
            _, arrived = await complete_files(database, store, _WORKER, some, now, Role.SYSTEM)
            changed += arrived
            # The rows go first: what is being aborted must not be gone on with.
            async with database.write(_WORKER, Role.SYSTEM) as connection:
                gone = await connection.fetch(ABANDON, some, edge, now)
            for row in gone:
                if row["multipart_id"] is not None:
                    await store.multiparts.give_up(Bucket.EVIDENCE, row["key"], row["multipart_id"])
        except StorageFault as fault:
            # What was not aborted is found by `_give_up_unknown`, the rest at the next turn.
            log.warning("uploads_not_given_up", files=len(some), fault=type(fault).__name__)
            continue
        log.info("uploads_abandoned", uploads=len(gone))
    return changed


async def _give_up_unknown(database: Database, store: ObjectStore, edge: datetime) -> None:
    """Uploads in parts that no row names: their process died before it committed, or before it told the store."""
    for folder in ("incidents/", "alerts/"):
        try:
            found = await store.multiparts.open(Bucket.EVIDENCE, under=folder)
            old = [one for one in found if one.begun_at is not None and one.begun_at < edge]
            async with database.enter(Role.SYSTEM, _WORKER) as entered:
                rows = await entered.connection.fetch(
                    KNOWN_MULTIPARTS, [one.multipart_id for one in old]
                )
            known = {row["multipart_id"] for row in rows}
            for one in old:
                if one.multipart_id not in known:
                    await store.multiparts.give_up(Bucket.EVIDENCE, one.key, one.multipart_id)
        except StorageFault as fault:
            log.warning("uploads_not_listed", fault=type(fault).__name__)
