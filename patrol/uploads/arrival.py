"""What has arrived of files: told by their phone, or found in the store when the phone can tell no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from patrol.errors import MediaUnknown, Problem
from patrol.files.verifying import Judged, ask_to_verify
from patrol.retention import keep_arrived
from patrol.uploads.advice import layout
from patrol.uploads.places import own_files
from storage.buckets import Bucket, ObjectStore
from storage.database import Database
from storage.faults import ObjectMissing
from storage.media_uploads import ASKED, MEDIA_ARRIVED
from storage.principal import Principal, Role
from storage.statements import as_json
from storage.vocabulary import StoredObjectState


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a file now. What is still DECLARED has not arrived whole."""

    id: UUID
    state: StoredObjectState | None
    reason: str | None = None
    problem: Problem | None = None


async def complete_files(
    database: Database,
    store: ObjectStore,
    principal: Principal,
    ids: Sequence[UUID],
    now: datetime,
    role: Role = Role.WRITER,
) -> tuple[list[Standing], list[Judged]]:
    """Looks whether the bytes of files have arrived as their phone says, puts parts together, and has the files verified.

    It may be said any number of times, and stopped anywhere.

    Returns:
        How each file stands, and whom to poke about what changed.

    Raises:
        TooLarge: too many files in one word.
        StoreUnavailable: the store cannot be asked now; it will be looked at all the same.
    """
    async with database.write(principal, role) as connection:
        files = await own_files(connection, principal, ids)
        waiting = [row for row in files.values() if _is_open(row)]
        if waiting and role is Role.WRITER:
            # Nobody gives up an upload that is being completed.
            await connection.execute(ASKED, [row["upload_id"] for row in waiting], now)
    # No transaction is open while the store is asked: it may take seconds.
    found = [one for row in waiting if (one := await _arrived(store, row, now)) is not None]
    async with database.write(principal, role) as connection:
        files = await own_files(connection, principal, ids)
        rows = await connection.fetch(MEDIA_ARRIVED, as_json(found)) if found else []
        for row in sorted(rows, key=lambda one: str(one["id"])):
            await ask_to_verify(connection, row["id"], urgent=row["alert_id"] is not None)
    noted = {row["id"] for row in rows}
    return [_standing(one, files.get(one), arrived=one in noted) for one in dict.fromkeys(ids)], [
        Judged(row["scope_id"], row["alert_id"]) for row in rows
    ]


def _is_open(row: Mapping[str, Any]) -> bool:
    return (
        StoredObjectState(row["state"]) is StoredObjectState.DECLARED
        and row["upload_id"] is not None
    )


def _standing(id: UUID, row: Mapping[str, Any] | None, *, arrived: bool) -> Standing:
    if row is None:
        return Standing(id, None, problem=MediaUnknown())
    state = StoredObjectState.UPLOADED if arrived else StoredObjectState(row["state"])
    return Standing(id, state, row["reason"])


async def _arrived(
    store: ObjectStore, row: Mapping[str, Any], now: datetime
) -> dict[str, Any] | None:
    """What an upload has become, or None while something is missing."""
    if row["multipart_id"] is not None:
        await _put_together(store, row)
    try:
        there = await store.stat(Bucket.EVIDENCE, row["key"])
    except ObjectMissing:
        return None
    if there.is_delete_marker:
        return None
    # The lock of a link is as old as the link, and that of parts as old as the first.
    await keep_arrived(store, Bucket.EVIDENCE, row["key"], there.version_id, now)
    return {"upload_id": row["upload_id"], "version_id": there.version_id, "at": now}


async def _put_together(store: ObjectStore, row: Mapping[str, Any]) -> None:
    """Makes one object of all parts, if they are all there; done before, it changes nothing."""
    key, multipart = row["key"], row["multipart_id"]
    try:
        there = {
            one.number: one
            for one in await store.multiparts.arrived(Bucket.EVIDENCE, key, multipart)
        }
        wanted = layout(row["size_bytes"], row["part_size"])
        if all(number in there and there[number].size == size for number, _, size in wanted):
            parts = [there[number] for number, _, _ in wanted]
            await store.multiparts.put_together(Bucket.EVIDENCE, key, multipart, parts)
    except ObjectMissing:
        return  # it was finished before, or the store forgot it; the object tells
