"""Lets a segment be watched: reads it back, compares it with its declaration, and looks into it in a limited process."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog

from patrol.clips.declaring import ask_to_join, ask_to_verify
from patrol.clips.structure import Unfit
from patrol.limited import LimitHit, Limits, run_limited
from patrol.retention import WHEN_READY, keep_verified
from patrol.sos.events import Event, note
from storage.buckets import Bucket, ObjectStore
from storage.clip_segments import JUDGE_SEGMENTS, READ_HEADS, READ_UPLOADED
from storage.clips import COUNT_CLIPS, LOCK_CLIPS
from storage.database import Database
from storage.faults import ObjectMissing, ObjectTooLarge, StoreUnavailable
from storage.jobs import Retry
from storage.principal import Role, system
from storage.statements import as_json
from storage.vocabulary import AlertEventKind, ClipContainer, ClipState, StoredObjectState

log = structlog.get_logger(__name__)

STORE_AWAY: Final = timedelta(seconds=5)
"""The pause before a store that did not answer is asked again."""

PROBE: Final = "patrol.clips.probe:probe"

LIMITS: Final = Limits(memory=1024 * 1024 * 1024, cpu=30, wall=60.0)

AT_ONCE: Final = 12
"""Segments that one process looks at: a phone that comes back after an hour sends hundreds."""

_WORKER = system("clips")


@dataclass(frozen=True, slots=True)
class Verified:
    """What has changed, and whom to poke about it."""

    scope_id: UUID
    alert_id: UUID


@dataclass(slots=True)
class _Work:
    """Segments on disk that wait to be looked into, and what is known of the others already."""

    folder: Path
    verdicts: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    fetched: list[dict[str, Any]] = field(default_factory=list)


async def verify_clip(
    database: Database, store: ObjectStore, clip_id: UUID, *, keep: timedelta = WHEN_READY
) -> Verified | None:
    """Makes what has arrived of a clip READY or QUARANTINED; None where there was nothing to do.

    It may be run any number of times and stopped anywhere: nothing is written but the verdicts, in one transaction, and
    locks, which only get longer. Segments of fragmented MP4 wait for their head.

    Args:
        keep: how long a verified segment is locked from now on.

    Raises:
        Retry: the store does not answer now.
        StoreRefused: the store says no; an administrator must look at its rights.
    """
    async with database.enter(Role.SYSTEM, _WORKER) as entered:
        clip = await entered.connection.fetchrow(LOCK_CLIPS, [clip_id])
        waiting = await entered.connection.fetch(READ_UPLOADED, clip_id)
        heads = await entered.connection.fetch(READ_HEADS, clip_id)
    if clip is None:
        return None
    chosen = _readable(clip, waiting, heads)
    if not chosen:
        return None
    try:
        with tempfile.TemporaryDirectory(prefix="patrol-clip-") as place:
            work = _Work(Path(place))
            await _fetch(store, work, clip, chosen[:AT_ONCE], heads)
            await _look(work, clip)
        until = datetime.now(UTC) + keep
        for row in chosen:
            verdict = work.verdicts.get(row["id"])
            if verdict is not None and "reason" not in verdict:
                await keep_verified(
                    store, Bucket.EVIDENCE, row["key"], verdict["version_id"], until
                )
    except StoreUnavailable as away:
        raise Retry(STORE_AWAY, away.message) from away
    await _judge(database, clip_id, work.verdicts, more=len(chosen) > AT_ONCE)
    return Verified(clip["scope_id"], clip["alert_id"])


def _readable(
    clip: Mapping[str, Any], waiting: Sequence[Mapping[str, Any]], heads: Sequence[Any]
) -> list[Mapping[str, Any]]:
    """Heads alone while there are any, because the others are read with them; then what has its head."""
    if ClipContainer(clip["container"]) is ClipContainer.MPEG_TS:
        return list(waiting)
    fresh = [row for row in waiting if row["init"]]
    if fresh:
        return fresh
    return [row for row in waiting if _head_of(row, heads) is not None]


def _head_of(row: Mapping[str, Any], heads: Sequence[Any]) -> Any:
    """The last head that is not behind a segment."""
    before = [head for head in heads if head["sequence"] <= row["sequence"]]
    return before[-1] if before else None


async def _fetch(
    store: ObjectStore,
    work: _Work,
    clip: Mapping[str, Any],
    chosen: Sequence[Mapping[str, Any]],
    heads: Sequence[Any],
) -> None:
    with_head = ClipContainer(clip["container"]) is ClipContainer.FMP4
    needed: dict[UUID, Path] = {}
    for row in chosen:
        path = work.folder / str(row["id"])
        fault, version = await fetch(store, row, path)
        if fault is not None:
            work.verdicts[row["id"]] = {"reason": fault.value, "version_id": version}
            continue
        head = _head_of(row, heads) if with_head and not row["init"] else None
        if head is not None and head["id"] not in needed:
            needed[head["id"]] = work.folder / str(head["id"])
            await fetch(store, head, needed[head["id"]])
        work.fetched.append(
            {
                "id": row["id"],
                "version_id": version,
                "path": str(path),
                "size": row["size_bytes"],
                "init": row["init"],
                "head": str(needed[head["id"]]) if head is not None else None,
            }
        )


async def fetch(
    store: ObjectStore, row: Mapping[str, Any], path: Path
) -> tuple[Unfit | None, str | None]:
    """Reads a segment to a file: what is wrong with its bytes, and which version they are of."""
    with path.open("wb") as file:
        try:
            read = await store.get(
                Bucket.EVIDENCE,
                row["key"],
                file,
                max_bytes=row["size_bytes"],
                version_id=row["version_id"],
            )
        except ObjectMissing:
            return Unfit.OBJECT_MISSING, None
        except ObjectTooLarge:
            return Unfit.SIZE_DIFFERS, row["version_id"]
    if read.size != row["size_bytes"]:
        return Unfit.SIZE_DIFFERS, read.version_id
    if read.sha256 != row["sha256"].hex():
        return Unfit.SHA256_DIFFERS, read.version_id
    return None, read.version_id


async def _look(work: _Work, clip: Mapping[str, Any]) -> None:
    """Has the segments looked into, together, or one by one where together there was no answer: only the culprit is held
    to be one."""
    together = [work.fetched] if work.fetched else []
    while together:
        group = together.pop()
        try:
            told = await run_limited(
                PROBE, _request(clip, group), folder=work.folder, limits=LIMITS
            )
        except LimitHit as hit:
            log.warning("segments_not_read", limit=hit.limit.value, segments=len(group))
            if len(group) > 1:
                together += [[one] for one in group]
                continue
            told = [{"reason": Unfit.TOO_COSTLY.value}]
        for one, verdict in zip(group, told, strict=True):
            work.verdicts[one["id"]] = {**verdict, "version_id": one["version_id"]}


def _request(clip: Mapping[str, Any], group: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "container": clip["container"],
        "video": clip["video_codec"],
        "audio": clip["audio_codec"],
        "segments": [
            {name: one[name] for name in ("path", "size", "init", "head")} for one in group
        ],
    }


async def _judge(
    database: Database, clip_id: UUID, verdicts: Mapping[UUID, Mapping[str, Any]], *, more: bool
) -> None:
    now = datetime.now(UTC)
    rows = [
        {
            "id": segment,
            "state": (
                StoredObjectState.QUARANTINED if "reason" in one else StoredObjectState.READY
            ).value,
            "reason": one.get("reason"),
            "seconds": one.get("seconds"),
            "version_id": one["version_id"],
            "at": now,
        }
        for segment, one in verdicts.items()
    ]
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        clip = await connection.fetchrow(LOCK_CLIPS, [clip_id])
        assert clip is not None  # rows of this table are never deleted
        judged = await connection.fetch(JUDGE_SEGMENTS, as_json(rows))
        await connection.execute(COUNT_CLIPS, [clip_id], None)
        refused = [row for row in judged if row["reason"] is not None]
        await note(
            connection,
            [
                Event(
                    clip["alert_id"],
                    AlertEventKind.CLIP_SEGMENT_REFUSED,
                    now,
                    now,
                    detail={
                        "clip_id": str(clip_id),
                        "sequence": row["sequence"],
                        "reason": row["reason"],
                    },
                )
                for row in refused
            ],
        )
        if more or any(row["init"] and row["reason"] is None for row in judged):
            await ask_to_verify(connection, clip_id)
        if ClipState(clip["state"]) is not ClipState.RECORDING and len(refused) < len(judged):
            await ask_to_join(connection, clip_id)
    for row in refused:
        log.error(
            "segment_quarantined",
            clip_id=str(clip_id),
            sequence=row["sequence"],
            reason=row["reason"],
        )
