"""Takes the pictures that cameras send, so that each is stored once, verified again, and shown only when it is whole.

A picture goes through two hands. The door (`take_snapshot`) looks at it, stores the bytes and writes one transaction;
the worker (`patrol.thumbnails`) reads the bytes back, compares them with what was written down, and makes the small
pictures. Until then nobody is shown anything.

    snapshots bucket   {station}/{camera}/{yyyy}/{mm}/{dd}/{object}.jpg          the original, never changed
    derived bucket     {station}/{camera}/{yyyy}/{mm}/{dd}/{object}-320.webp     rebuildable, also -960

The ids are UUIDs, the date is that of `taken_at` in UTC. Only a process that is killed between the store's answer and
the commit leaves an object without a row; the sweep of the buckets finds it by comparing the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, cast
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from patrol.clock import AHEAD_ALLOWED, read_phone_time
from patrol.errors import CameraUnknown, ImageUnfit
from patrol.images import ImageFacts, UnfitImage, inspect_jpeg
from patrol.painting import painting
from storage.buckets import Bucket, ObjectStore, Receipt
from storage.buckets.spool import Spool
from storage.database import Database
from storage.faults import StorageFault
from storage.jobs import enqueue
from storage.principal import Principal, PrincipalKind
from storage.snapshots import BEAT_CAMERA, KEEP_SNAPSHOT, READ_CAMERA, READ_SAME_SNAPSHOT

log = structlog.get_logger(__name__)

MAKE_THUMBNAILS = "make_thumbnails"
"""The job's name; its payload is `{"snapshot_id": …}`."""

OLDEST = timedelta(days=7)
"""A camera may have kept pictures for this long while its line was down; an older time is a wrong clock."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A stored picture; `duplicate` when the camera had sent the same bytes before."""

    snapshot_id: UUID
    duplicate: bool


async def take_snapshot(
    database: Database,
    store: ObjectStore,
    principal: Principal,
    camera_id: UUID,
    received: Spool,
    claimed: str | None,
    now: datetime,
) -> Taken:
    """Stores one JPEG of a camera.

    Args:
        received: the whole body, measured.
        claimed: when the camera says it took the picture, as it wrote it; without a usable one the EXIF is asked.
        now: the time of arrival, aware.

    Raises:
        CameraUnknown: the key is not this camera's, or the camera stands no more.
        ImageUnfit: the bytes are not a JPEG that is kept; the reason is in `extra`.
        StoreUnavailable, DatabaseUnavailable: nothing was stored; the camera may send the same again.
    """
    if principal.kind is not PrincipalKind.CAMERA or principal.id != camera_id:
        raise CameraUnknown
    sha256 = bytes.fromhex(received.sha256())
    async with database.write(principal) as connection:
        camera = await connection.fetchrow(READ_CAMERA, camera_id, sha256)
        if camera is None:
            raise CameraUnknown
        if camera["snapshot_id"] is not None:
            await connection.execute(BEAT_CAMERA, camera_id, now)
            return Taken(camera["snapshot_id"], duplicate=True)
    facts = await _facts(received)
    picture = _Picture(
        snapshot_id=uuid7(),
        object_id=uuid7(),
        camera_id=camera_id,
        station_id=camera["station_id"],
        sha256=sha256,
        facts=facts,
        taken_at=taken_at(claimed, facts.taken_at, now),
    )
    received.file.seek(0)
    receipt = await store.put(
        Bucket.SNAPSHOTS,
        picture.key,
        cast(BinaryIO, received.file),
        content_type="image/jpeg",
        length=received.size,
        sha256=received.sha256(),
    )
    taken = await _keep(database, store, principal, picture, receipt, now)
    if taken.duplicate:
        await _take_back(store, receipt)
    return taken


def taken_at(claimed: str | None, exif: datetime | None, now: datetime) -> datetime:
    """The camera's own time where it can be true, else the time of arrival."""
    if claimed is not None:
        read = read_phone_time(claimed, now)
        if read.at != now and now - OLDEST <= read.at:
            return read.at
    if exif is not None and now - OLDEST <= exif <= now + AHEAD_ALLOWED:
        return exif.astimezone(UTC)
    return now


async def see_camera(
    database: Database, principal: Principal, camera_id: UUID, now: datetime
) -> None:
    """Notes that a camera lives.

    Raises:
        CameraUnknown: the key is not this camera's, or the camera stands no more.
    """
    if principal.kind is not PrincipalKind.CAMERA or principal.id != camera_id:
        raise CameraUnknown
    async with database.write(principal) as connection:
        if await connection.fetchval(BEAT_CAMERA, camera_id, now) is None:
            raise CameraUnknown


@dataclass(frozen=True, slots=True)
class _Picture:
    snapshot_id: UUID
    object_id: UUID
    camera_id: UUID
    station_id: UUID
    sha256: bytes
    facts: ImageFacts
    taken_at: datetime

    @property
    def key(self) -> str:
        return f"{self.station_id}/{self.camera_id}/{self.taken_at:%Y/%m/%d}/{self.object_id}.jpg"


async def _facts(received: Spool) -> ImageFacts:
    received.file.seek(0)
    try:
        return await painting(inspect_jpeg, cast(BinaryIO, received.file))
    except UnfitImage as unfit:
        raise ImageUnfit(unfit.message, reason=unfit.reason_code.value) from unfit


async def _keep(
    database: Database,
    store: ObjectStore,
    principal: Principal,
    picture: _Picture,
    receipt: Receipt,
    now: datetime,
) -> Taken:
    """The transaction of a picture. Its object is deleted again unless the commit may have happened."""
    committing = False
    try:
        async with database.write(principal) as connection:
            kept = await connection.fetchval(
                KEEP_SNAPSHOT,
                picture.camera_id,
                picture.snapshot_id,
                picture.object_id,
                picture.sha256,
                picture.taken_at,
                picture.facts.width,
                picture.facts.height,
                receipt.bucket.value,
                receipt.key,
                receipt.version_id,
                receipt.size,
            )
            first = picture.snapshot_id
            if kept:
                await enqueue(connection, MAKE_THUMBNAILS, {"snapshot_id": str(first)})
            else:
                # The same frame was committed by a second upload that ran beside this one.
                first = await connection.fetchval(
                    READ_SAME_SNAPSHOT, picture.camera_id, picture.sha256
                )
            if first is None:
                raise CameraUnknown
            await connection.execute(BEAT_CAMERA, picture.camera_id, now)
            committing = True
    except BaseException:
        if committing:
            # The commit's answer was lost. A picture that is stored must not lose its bytes; one that is not is swept.
            log.warning("snapshot_commit_unknown", snapshot_id=str(picture.snapshot_id))
        else:
            await _take_back(store, receipt)
        raise
    return Taken(first, duplicate=not kept)


async def _take_back(store: ObjectStore, receipt: Receipt) -> None:
    """Deletes an object that no row names. A store that is away by now keeps it for the sweep."""
    try:
        await store.delete(receipt.bucket, receipt.key, version_id=receipt.version_id)
    except StorageFault as fault:
        log.warning("object_left_behind", bucket=receipt.bucket.value, fault=type(fault).__name__)
