"""Lets a file be shown: reads it back, compares it with its declaration, looks into it in a limited process, and judges."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog

from patrol.files.flaws import Flaw
from patrol.limited import LimitHit, Limits, run_limited
from patrol.retention import WHEN_READY, keep_verified
from storage.buckets import Bucket, ObjectStore
from storage.buckets.spool import local_disk
from storage.database import Connection, Database
from storage.faults import ObjectMissing, ObjectTooLarge, StoreUnavailable
from storage.jobs import Retry, enqueue
from storage.media_uploads import JUDGE_MEDIA, READ_MEDIA_TO_VERIFY
from storage.principal import Role, system
from storage.statements import as_json
from storage.vocabulary import MediaKind, StoredObjectState

log = structlog.get_logger(__name__)

VERIFY_MEDIA: Final = "verify_media"
"""The job's name; its payload is `{"media_id": …}`."""

TIME_LIMIT: Final = timedelta(minutes=15)
"""A film of an hour is read twice from a slow store."""

STORE_AWAY: Final = timedelta(seconds=5)
LOOK: Final = "patrol.files.look:look"
LOOK_LONG: Final = "patrol.files.look:look_long"
_LARGEST_MADE: Final = 4 * 1024 * 1024
_LIMITS: Final = Limits(memory=1024 * 1024 * 1024, cpu=60, wall=120.0, file=_LARGEST_MADE)
_LIMITS_OF_FILMS: Final = Limits(memory=1536 * 1024 * 1024, cpu=240, wall=400.0, file=_LARGEST_MADE)
_WORKER = system("media")

_FACTS: Final = (
    "thumb_hash", "width", "height", "seconds", "orientation", "camera", "file_taken_at", "has_position", "latitude",
    "longitude",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judged:
    """What has changed, and whom to poke about it."""

    scope_id: UUID
    alert_id: UUID | None


async def ask_to_verify(connection: Connection, media_id: UUID, *, urgent: bool) -> None:
    """Has a file that arrived verified, soon after the commit; `urgent` that of a call for help."""
    await enqueue(
        connection,
        VERIFY_MEDIA,
        {"media_id": str(media_id)},
        priority=10 if urgent else 0,
        dedupe_key=f"verify media {media_id}",
    )


async def verify_media(
    database: Database, store: ObjectStore, media_id: UUID, *, keep: timedelta = WHEN_READY
) -> Judged | None:
    """Makes a file that arrived READY or QUARANTINED; None where there was nothing to do.

    It may be run any number of times and stopped anywhere: the small pictures have fixed names, locks only get longer,
    and the rows change in one transaction at the end.

    Args:
        keep: how long a verified file is locked from now on.

    Raises:
        Retry: the store does not answer now.
        StoreRefused: the store says no; an administrator must look at its rights.
    """
    async with database.enter(Role.SYSTEM, _WORKER) as entered:
        row = await entered.connection.fetchrow(READ_MEDIA_TO_VERIFY, media_id)
    if row is None:
        return None
    try:
        with tempfile.TemporaryDirectory(prefix="patrol-file-") as place:
            version, found = await _look(store, row, Path(place))
            if "flaw" not in found:
                found |= await _store(store, row["key"], Path(place), found["made"])
                until = datetime.now(UTC) + keep
                await keep_verified(store, Bucket.EVIDENCE, row["key"], version, until)
    except StoreUnavailable as away:
        raise Retry(STORE_AWAY, away.message) from away
    return await _judge(database, row, version, found)


async def _look(
    store: ObjectStore, row: Mapping[str, Any], folder: Path
) -> tuple[str | None, dict[str, Any]]:
    """The version that was looked at, and what was found in it."""
    path = folder / "file"
    flaw, version = await _fetch(store, row, path)
    if flaw is not None:
        return version, {"flaw": flaw.value}
    request = {
        "path": str(path),
        "size": row["size_bytes"],
        "kind": row["kind"],
        "content_type": row["content_type"],
        "into": str(folder),
    }
    film = MediaKind(row["kind"]) is MediaKind.VIDEO
    try:
        found: dict[str, Any] = await run_limited(
            LOOK_LONG if film else LOOK,
            request,
            folder=folder,
            limits=_LIMITS_OF_FILMS if film else _LIMITS,
        )
    except LimitHit as hit:
        log.warning("file_not_read", media_id=str(row["id"]), limit=hit.limit.value)
        return version, {"flaw": Flaw.TOO_COSTLY.value}
    return version, found


async def _fetch(
    store: ObjectStore, row: Mapping[str, Any], path: Path
) -> tuple[Flaw | None, str | None]:
    with local_disk():
        file = path.open("wb")
    with file:
        try:
            read = await store.get(
                Bucket.EVIDENCE,
                row["key"],
                file,
                max_bytes=row["size_bytes"],
                version_id=row["version_id"],
            )
        except ObjectMissing:
            return Flaw.OBJECT_MISSING, None
        except ObjectTooLarge:
            return Flaw.SIZE_DIFFERS, row["version_id"]
    if read.size != row["size_bytes"]:
        return Flaw.SIZE_DIFFERS, read.version_id
    if read.sha256 != row["sha256"].hex():
        return Flaw.SHA256_DIFFERS, read.version_id
    return None, read.version_id


async def _store(store: ObjectStore, key: str, folder: Path, widths: list[int]) -> dict[str, str]:
    keys = {}
    for width in widths:
        name = thumb_key(key, width)
        data = (folder / f"{width}.webp").read_bytes()
        await store.put_bytes(Bucket.DERIVED, name, data, content_type="image/webp")
        keys[f"thumb_{width}_key"] = name
    return keys


def thumb_key(key: str, width: int) -> str:
    """Where the small picture of a file lies in the derived bucket."""
    return f"{key.rpartition('.')[0]}-{width}.webp"


async def _judge(
    database: Database, row: Mapping[str, Any], version: str | None, found: Mapping[str, Any]
) -> Judged | None:
    flaw = found.get("flaw")
    state = StoredObjectState.READY if flaw is None else StoredObjectState.QUARANTINED
    names = (*_FACTS, "thumb_320_key", "thumb_960_key")
    verdict = {
        "id": row["id"],
        "upload_id": row["upload_id"],
        "version_id": version,
        "state": state.value,
        "reason": flaw,
        "at": datetime.now(UTC),
    }
    if flaw is None:
        verdict |= {name: found.get(name) for name in names}
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        judged = await connection.fetchrow(JUDGE_MEDIA, as_json([verdict]))
    if judged is None:
        return None
    if flaw is not None:
        log.error("media_quarantined", media_id=str(row["id"]), reason=flaw)
    return Judged(judged["scope_id"], judged["alert_id"])
