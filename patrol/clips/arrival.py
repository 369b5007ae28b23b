"""What has arrived of a clip: told by its recorder, or found in the store when the recorder can tell no more."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from patrol.clips.declaring import MOST_SEGMENTS, SegmentState, ask_to_verify, read_segments
from patrol.clips.places import CONTENT_TYPES, key_of, own_clip
from storage.buckets import Bucket, ObjectStore
from storage.clip_segments import ARRIVED, READ_MISSING
from storage.clips import COUNT_CLIPS, LOCK_CLIPS
from storage.database import Connection, Database
from storage.faults import ObjectMissing
from storage.principal import Principal, Role
from storage.statements import as_json
from storage.vocabulary import ClipContainer, StoredObjectState

MOST_TOLD: Final = 200
"""Numbers in one word of a recorder."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What was noted, and whom to poke about it."""

    scope_id: UUID
    alert_id: UUID
    segments: Sequence[UUID]


async def complete_segments(
    database: Database,
    store: ObjectStore,
    principal: Principal,
    clip_id: UUID,
    sequences: Sequence[int],
    now: datetime,
    alert_id: UUID | None = None,
) -> tuple[list[SegmentState], Arrival]:
    """Looks whether the bytes of some numbers, heads too, have arrived as a recorder says, and has them verified.

    What is not there yet stays DECLARED. It may be said any number of times.

    Raises:
        ClipUnknown: there is none, or it is another's.
        StoreUnavailable: the store cannot be asked now; it will be looked at all the same.
    """
    asked = sorted({one for one in sequences if 0 <= one < MOST_SEGMENTS})[:MOST_TOLD]
    async with database.write(principal) as connection:
        clip = await own_clip(connection, principal, clip_id, alert_id)
        missing = await connection.fetch(READ_MISSING, clip_id, asked)
    # No transaction is open while the store is asked: it may take seconds.
    found = await look(store, clip, missing)
    async with database.write(principal) as connection:
        clip = await own_clip(connection, principal, clip_id)
        arrival = await note_arrivals(connection, clip, found, now)
        known = await read_segments(connection, clip_id, asked)
    states = [
        SegmentState(sequence, init, StoredObjectState(rows[0]["state"]), rows[0]["reason"])
        for (sequence, init), rows in sorted(known.items())
    ]
    return states, arrival


async def find_arrivals(
    database: Database, store: ObjectStore, principal: Principal, clip_id: UUID, now: datetime
) -> Arrival | None:
    """Looks for bytes of a clip that nobody told of: its recorder sent them and vanished.

    Raises:
        StoreUnavailable: the store cannot be asked now.
    """
    async with database.write(principal, Role.SYSTEM) as connection:
        clip = await connection.fetchrow(LOCK_CLIPS, [clip_id])
        missing = await connection.fetch(READ_MISSING, clip_id, None)
    if clip is None or not missing:
        return None
    found = await look(store, clip, missing)
    if not found:
        return None
    async with database.write(principal, Role.SYSTEM) as connection:
        clip = await connection.fetchrow(LOCK_CLIPS, [clip_id])
        assert clip is not None  # rows of this table are never deleted
        return await note_arrivals(connection, clip, found, now)


async def look(
    store: ObjectStore, clip: Mapping[str, Any], missing: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Those of some segments that the store has: `id`, `key` and `version_id`."""
    found: list[dict[str, Any]] = []

    async def ask(row: Mapping[str, Any]) -> None:
        key = key_of(clip, row)
        try:
            there = await store.stat(Bucket.EVIDENCE, key)
        except ObjectMissing:
            return
        if not there.is_delete_marker:
            found.append({"id": row["id"], "key": key, "version_id": there.version_id})

    if len(missing) > 8:
        # One listing is cheaper than many questions; the clip's folder holds nothing else.
        there = {}
        folder = f"alerts/{clip['alert_id']}/{clip['id']}/"
        async for item in store.walk(Bucket.EVIDENCE, under=folder, versions=True):
            if item.is_latest and not item.is_delete_marker:
                there[item.key] = item.version_id
        return [
            {"id": row["id"], "key": key, "version_id": there[key]}
            for row in missing
            if (key := key_of(clip, row)) in there
        ]
    await asyncio.gather(*(ask(row) for row in missing))
    return found


async def note_arrivals(
    connection: Connection,
    clip: Mapping[str, Any],
    found: Sequence[Mapping[str, Any]],
    now: datetime,
) -> Arrival:
    """Makes segments UPLOADED in the caller's transaction, and has them verified."""
    kind = CONTENT_TYPES[ClipContainer(clip["container"])]
    rows = [{**one, "content_type": kind, "at": now} for one in found]
    noted = [row["id"] for row in await connection.fetch(ARRIVED, as_json(rows))] if rows else []
    if noted:
        await connection.execute(COUNT_CLIPS, [clip["id"]], now)
    if found:
        await ask_to_verify(connection, clip["id"])
    return Arrival(clip["scope_id"], clip["alert_id"], noted)
