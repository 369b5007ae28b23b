"""Makes one file of a clip that has ended, and its poster, from the verified segments; the segments stay what they are."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog

from patrol.clips.declaring import ask_to_join
from patrol.clips.verifying import STORE_AWAY, Verified, fetch
from patrol.limited import LimitHit, Limits, run_limited
from patrol.sos.events import Event, note
from storage.buckets import Bucket, ObjectStore, Receipt
from storage.clip_segments import READ_TO_JOIN
from storage.clips import CLIP_FAILED, CLIP_READY, READ_JOINED
from storage.database import Database
from storage.faults import StoreUnavailable
from storage.jobs import Retry
from storage.principal import Role, system
from storage.statements import as_json
from storage.vocabulary import AlertEventKind, ClipContainer, ClipState, Term

log = structlog.get_logger(__name__)

JOIN: Final = "patrol.clips.join_file:join"

LARGEST: Final = 4 * 1024 * 1024 * 1024
"""Bytes of the segments together: they are on disk twice while they are joined."""

TIME_LIMIT: Final = timedelta(minutes=15)

WIDTHS: Final = (320, 960)

_WORKER = system("clips")


class Unjoined(Term):
    """Why there is no one file of a clip."""

    NOTHING_READY = "NOTHING_READY", "No segment could be verified."
    TOO_LARGE = "TOO_LARGE", "The segments together are larger than one file is made."
    PARTS_DIFFER = "PARTS_DIFFER", "The recorder changed the picture's size or coding on the way."
    SEGMENT_LOST = "SEGMENT_LOST", "The store has lost or changed a segment that was verified."
    NOT_JOINED = "NOT_JOINED", "The segments could not be put together."
    LENGTH_DIFFERS = "LENGTH_DIFFERS", "The file is not as long as its segments."
    TOO_COSTLY = "TOO_COSTLY", "Joining took more memory or time than there is for it."


class _Failed(Exception):
    def __init__(self, reason: Unjoined) -> None:
        super().__init__(reason.value)
        self.reason = reason


async def join_clip(database: Database, store: ObjectStore, clip_id: UUID) -> Verified | None:
    """Makes the one file of a clip that has ended; None where there was nothing to do.

    It may be run any number of times and stopped anywhere: the file is named by the segments that it is made of, and the
    row changes at the end. A segment that comes later has it made anew.

    Raises:
        Retry: the store does not answer now.
        StoreRefused: the store says no; an administrator must look at its rights.
    """
    async with database.enter(Role.SYSTEM, _WORKER) as entered:
        clip = await entered.connection.fetchrow(READ_JOINED, clip_id)
        rows = await entered.connection.fetch(READ_TO_JOIN, clip_id)
    if clip is None or ClipState(clip["state"]) is ClipState.RECORDING:
        return None
    content = _content(rows)
    if clip["file_of"] == content and ClipState(clip["state"]) is ClipState.READY:
        return None
    try:
        if not any(not row["init"] for row in rows):
            raise _Failed(Unjoined.NOTHING_READY)
        if sum(row["size_bytes"] for row in rows) > LARGEST:
            raise _Failed(Unjoined.TOO_LARGE)
        base = f"alerts/{clip['alert_id']}/{clip_id}/{content[:32]}"
        with tempfile.TemporaryDirectory(prefix="patrol-clip-") as place:
            made = await _make(store, clip, rows, Path(place))
            receipt, posters = await _store(store, base, Path(place), made["posters"])
    except _Failed as failed:
        return await _note_failure(database, clip_id, failed.reason)
    except StoreUnavailable as away:
        raise Retry(STORE_AWAY, away.message) from away
    return await _note_file(database, clip_id, content, receipt, made["seconds"], posters)


def _content(rows: Sequence[Mapping[str, Any]]) -> str:
    """What a file is made of: the segments by number and hash."""
    told = [[row["sequence"], row["init"], row["sha256"].hex()] for row in rows]
    return sha256(as_json([{"segments": told}]).encode()).hexdigest()


async def _make(
    store: ObjectStore, clip: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], folder: Path
) -> Any:
    paths = {}
    for row in rows:
        paths[row["id"]] = folder / str(row["id"])
        fault, _ = await fetch(store, row, paths[row["id"]])
        if fault is not None:
            log.error("segment_lost", clip_id=str(clip["id"]), reason=fault.value)
            raise _Failed(Unjoined.SEGMENT_LOST)
    size = sum(row["size_bytes"] for row in rows)
    limits = Limits(
        memory=1024 * 1024 * 1024,
        cpu=int(TIME_LIMIT.total_seconds()) // 2,
        wall=TIME_LIMIT.total_seconds() - 60,
        file=size + size // 4 + 4 * 1024 * 1024,
    )
    request = {
        "container": clip["container"],
        "runs": _runs(rows, paths, ClipContainer(clip["container"])),
        "into": str(folder / "file.mp4"),
        "posters": {str(width): str(folder / f"{width}.webp") for width in WIDTHS},
    }
    try:
        made = await run_limited(JOIN, request, folder=folder, limits=limits)
    except LimitHit as hit:
        log.error(
            "clip_not_joined", clip_id=str(clip["id"]), limit=hit.limit.value, text=hit.text[:100]
        )
        if "PARTS_DIFFER" in hit.text:
            raise _Failed(Unjoined.PARTS_DIFFER) from hit
        costly = hit.limit.value in ("MEMORY", "TIME")
        raise _Failed(Unjoined.TOO_COSTLY if costly else Unjoined.NOT_JOINED) from hit
    expected = sum(row["seconds"] or 0 for row in rows)
    # Gaps make it longer, never shorter; each seam may lose or gain a picture.
    if made["seconds"] < 0.9 * expected - 1:
        raise _Failed(Unjoined.LENGTH_DIFFERS)
    return made


def _runs(
    rows: Sequence[Mapping[str, Any]], paths: Mapping[UUID, Path], container: ClipContainer
) -> list[dict[str, Any]]:
    """Segments that were encoded in one go: the recorder says where it began anew, and a new head says it too."""
    runs: list[dict[str, Any]] = []
    head: str | None = None
    for row in rows:
        path = str(paths[row["id"]])
        if row["init"]:
            head = path
            continue
        if container is ClipContainer.FMP4 and head is None:
            continue
        if not runs or row["discontinuity"] or runs[-1]["head"] != head:
            runs.append({"head": head, "parts": []})
        runs[-1]["parts"].append(path)
    return runs


async def _store(
    store: ObjectStore, base: str, folder: Path, widths: Sequence[int]
) -> tuple[Receipt, dict[int, str]]:
    posters = {}
    for width in widths:
        posters[width] = f"{base}-{width}.webp"
        data = (folder / f"{width}.webp").read_bytes()
        await store.put_bytes(Bucket.DERIVED, posters[width], data, content_type="image/webp")
    with (folder / "file.mp4").open("rb") as file:
        receipt = await store.put(Bucket.DERIVED, f"{base}.mp4", file, content_type="video/mp4")
    return receipt, posters


async def _note_file(
    database: Database,
    clip_id: UUID,
    content: str,
    receipt: Receipt,
    seconds: float,
    posters: Mapping[int, str],
) -> Verified | None:
    now = datetime.now(UTC)
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        row = await connection.fetchrow(
            CLIP_READY,
            clip_id,
            receipt.key,
            content,
            receipt.size,
            bytes.fromhex(receipt.sha256),
            seconds,
            posters.get(320),
            posters.get(960),
        )
        if row is None:
            return None
        detail = {"clip_id": str(clip_id), "seconds": seconds, "sha256": receipt.sha256}
        await note(
            connection, [Event(row["alert_id"], AlertEventKind.CLIP_READY, now, now, detail=detail)]
        )
        # What was verified while this file was made would else wait for the next that comes.
        if _content(await connection.fetch(READ_TO_JOIN, clip_id)) != content:
            await ask_to_join(connection, clip_id)
    return Verified(row["scope_id"], row["alert_id"])


async def _note_failure(database: Database, clip_id: UUID, reason: Unjoined) -> Verified | None:
    now = datetime.now(UTC)
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        row = await connection.fetchrow(CLIP_FAILED, clip_id, reason.value)
        if row is None:
            return None
        detail = {"clip_id": str(clip_id), "reason": reason.value}
        await note(
            connection,
            [Event(row["alert_id"], AlertEventKind.CLIP_FAILED, now, now, detail=detail)],
        )
    return Verified(row["scope_id"], row["alert_id"])
