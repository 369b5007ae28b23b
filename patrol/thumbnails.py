"""Lets a stored picture be seen: reads it back, compares it with its record, and makes the small ones from it."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, cast
from uuid import UUID

import structlog

from patrol.images import WIDTHS, UnfitImage, derivatives
from patrol.painting import painting
from storage.buckets import Bucket, ObjectStore
from storage.buckets.spool import IN_MEMORY
from storage.database import Database
from storage.faults import ObjectMissing, ObjectTooLarge, StoreUnavailable
from storage.jobs import Retry
from storage.principal import Role, system
from storage.snapshots import (
    LOCK_CAMERA_STATE,
    QUARANTINE_OBJECT,
    READ_UNVERIFIED,
    READY_OBJECT,
    READY_SNAPSHOT,
    SHOW_LAST_SNAPSHOT,
)
from storage.vocabulary import StoredObjectState

log = structlog.get_logger(__name__)

STORE_AWAY = timedelta(seconds=10)
"""The pause before a job asks a store again that did not answer."""

_WORKER = system("thumbnails")


class _Unverified(Exception):
    """The stored bytes are not what was written down, or no picture; the text is the reason that is kept."""


async def make_thumbnails(database: Database, store: ObjectStore, snapshot_id: UUID) -> None:
    """Verifies a stored picture, makes its small ones and lets it be seen; or puts it in quarantine.

    It may be run any number of times and stopped anywhere: the small pictures have fixed names, and the rows change in
    one transaction at the end.

    Raises:
        Retry: the store does not answer now.
        StoreRefused: the store says no; an administrator must look at its rights.
    """
    async with database.enter(Role.SYSTEM, _WORKER) as entered:
        row = await entered.connection.fetchrow(READ_UNVERIFIED, snapshot_id)
    if row is None or row["state"] != StoredObjectState.UPLOADED.value:
        return
    try:
        made = await _verified_derivatives(
            store, row["key"], row["version_id"], row["size_bytes"], row["sha256"]
        )
        keys = {width: thumb_key(row["key"], width) for width in made}
        for width, data in made.items():
            await store.put_bytes(Bucket.DERIVED, keys[width], data, content_type="image/webp")
    except _Unverified as unverified:
        reason = str(unverified)
        log.error("snapshot_quarantined", snapshot_id=str(snapshot_id), reason=reason)
        async with database.write(_WORKER, Role.SYSTEM) as connection:
            await connection.execute(QUARANTINE_OBJECT, row["object_id"], reason)
        return
    except StoreUnavailable as away:
        raise Retry(STORE_AWAY, away.message) from away
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        if await connection.fetchval(READY_OBJECT, row["object_id"]) is None:
            return
        ready_at = datetime.now(UTC)
        await connection.execute(READY_SNAPSHOT, snapshot_id, keys[320], keys[960], ready_at)
        await connection.execute(LOCK_CAMERA_STATE, row["camera_id"])
        await connection.execute(SHOW_LAST_SNAPSHOT, row["camera_id"], snapshot_id, row["taken_at"])


def thumb_key(key: str, width: int) -> str:
    """Where the small picture of an original lies in the derived bucket."""
    return f"{key.removesuffix('.jpg')}-{width}.webp"


async def _verified_derivatives(
    store: ObjectStore, key: str, version_id: str | None, size: int, sha256: bytes
) -> dict[int, bytes]:
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
        try:
            read = await store.get(
                Bucket.SNAPSHOTS,
                key,
                cast(BinaryIO, file),
                max_bytes=size,
                version_id=version_id,
            )
        except ObjectMissing:
            raise _Unverified("OBJECT_MISSING") from None
        except ObjectTooLarge:
            raise _Unverified("SIZE_DIFFERS") from None
        if read.size != size:
            raise _Unverified("SIZE_DIFFERS")
        if read.sha256 != sha256.hex():
            raise _Unverified("SHA256_DIFFERS")
        file.seek(0)
        try:
            return await painting(derivatives, cast(BinaryIO, file), WIDTHS)
        except UnfitImage as unfit:
            raise _Unverified(unfit.reason_code.value) from unfit
