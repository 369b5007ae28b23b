"""What a recorder says of a clip before its bytes travel; said twice it is stored once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

from patrol.clock import PhoneTime
from patrol.errors import AlreadyExists, Problem, RecordInvalid, SegmentUnfit, TooLarge
from patrol.sos.events import Event, note, told
from storage.clip_segments import COUNT_SEGMENTS, INSERT_SEGMENTS, READ_SEGMENTS
from storage.clips import COUNT_CLIPS, END_CLIPS, GO_ON, INSERT_CLIPS
from storage.database import Connection
from storage.jobs import enqueue
from storage.statements import as_json
from storage.vocabulary import (
    AlertEventKind,
    AudioCodec,
    ClipContainer,
    StoredObjectState,
    VideoCodec,
)

MOST_SEGMENTS: Final = 20_000
"""Of one clip: 22 hours of four seconds each. A segment's number is below it."""

AT_ONCE: Final = 200
"""Segments in one declaration."""

LARGEST_SEGMENT: Final = 32 * 1024 * 1024
"""Bytes: ten seconds of the best picture that a phone makes."""

LONGEST_SEGMENT: Final = 60.0
"""Seconds. What is longer survives its phone in too large pieces."""

TRIES: Final = 3
"""How often the very same bytes may be declared again after they were refused."""

VERIFY_CLIP: Final = "verify_clip"
"""The job that verifies what has arrived of a clip; its payload is `{"clip_id": …}`."""

JOIN_CLIP: Final = "join_clip"
"""The job that makes one file of a clip; its payload is `{"clip_id": …}`."""

_DIGEST = re.compile(r"[0-9a-f]{64}", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class NewClip:
    """A clip as its recorder declared it: an officer's phone (`officer_id`, `device_id`) or a pole (`post_id`)."""

    id: UUID
    alert_id: UUID
    scope_id: UUID
    container: ClipContainer
    video_codec: VideoCodec | None
    audio_codec: AudioCodec | None
    started: PhoneTime
    received_at: datetime
    officer_id: UUID | None = None
    device_id: UUID | None = None
    post_id: UUID | None = None

    def row(self) -> dict[str, Any]:
        """The columns by name."""
        return {
            "id": self.id,
            "alert_id": self.alert_id,
            "scope_id": self.scope_id,
            "officer_id": self.officer_id,
            "device_id": self.device_id,
            "post_id": self.post_id,
            "container": self.container.value,
            "video_codec": self.video_codec and self.video_codec.value,
            "audio_codec": self.audio_codec and self.audio_codec.value,
            "started_at": self.started.at,
            "captured_at_raw": self.started.raw,
            "received_at": self.received_at,
            "time_suspect": self.started.suspect,
        }


@dataclass(frozen=True, slots=True)
class NewSegment:
    """A segment as its recorder declared it. `init`: the head of the fragmented MP4 segments from `sequence` on, which has
    no `seconds`. `discontinuity`: the encoder was begun anew before it."""

    sequence: int
    sha256: str
    size_bytes: int
    seconds: float | None = None
    init: bool = False
    discontinuity: bool = False


@dataclass(frozen=True, slots=True)
class SegmentState:
    """What is known of a segment. `problem` and `reason`: it was not taken, or stands in quarantine."""

    sequence: int
    init: bool
    state: StoredObjectState | None
    reason: str | None = None
    problem: type[Problem] | None = None


async def declare_clips(connection: Connection, clips: Sequence[NewClip]) -> dict[UUID, int]:
    """Adds clips by id, in the caller's transaction; the `rev` of those whose id was free."""
    rows = await connection.fetch(INSERT_CLIPS, as_json([one.row() for one in clips]))
    added = {row["id"]: row["rev"] for row in rows}
    await note(
        connection,
        [
            Event(
                one.alert_id,
                AlertEventKind.CLIP_STARTED,
                one.started.at,
                one.received_at,
                one.started.raw,
                one.started.suspect,
                officer_id=one.officer_id,
                device_id=one.device_id,
                detail={"clip_id": str(one.id)},
            )
            for one in clips
            if one.id in added
        ],
    )
    return added


async def declare_segments(
    connection: Connection, clip_id: UUID, segments: Sequence[NewSegment], now: datetime
) -> tuple[int | None, list[SegmentState]]:
    """Adds segments of a clip that the caller has locked; its new `rev`, and what stands for each, in the order given.

    One that cannot be taken does not hold up the others. A clip that was given up as silent goes on.

    Raises:
        TooLarge: more than a declaration, or a clip, may have.
    """
    if len(segments) > AT_ONCE:
        raise TooLarge(f"A declaration takes at most {AT_ONCE} segments.", limit=AT_ONCE)
    if await connection.fetchval(COUNT_SEGMENTS, clip_id) + len(segments) > 2 * MOST_SEGMENTS:
        raise TooLarge(f"A clip has at most {MOST_SEGMENTS} segments.", limit=MOST_SEGMENTS)
    faults = [_fault(one) for one in segments]
    known = await read_segments(connection, clip_id, {one.sequence for one in segments})
    rows: dict[tuple[int, bool], dict[str, Any]] = {}
    for one, fault in zip(segments, faults, strict=True):
        place = (one.sequence, one.init)
        before = known.get(place, [])
        if fault is None and place not in rows and not _standing(before):
            rows[place] = _row(clip_id, one, before)
    usable = [row for row in rows.values() if row["tries"] < TRIES]
    if usable:
        await connection.fetch(INSERT_SEGMENTS, as_json(usable))
        await connection.execute(GO_ON, [clip_id])
        known = await read_segments(connection, clip_id, {one.sequence for one in segments})
    counted = await connection.fetchrow(COUNT_CLIPS, [clip_id], now)
    return counted and counted["rev"], [
        _said(one, fault, known.get((one.sequence, one.init), []))
        for one, fault in zip(segments, faults, strict=True)
    ]


async def read_segments(
    connection: Connection, clip_id: UUID, sequences: Iterable[int]
) -> dict[tuple[int, bool], list[Mapping[str, Any]]]:
    """What was declared for some numbers of a clip, by number and `init`; what counts comes first."""
    found: dict[tuple[int, bool], list[Mapping[str, Any]]] = {}
    asked = [one for one in sequences if 0 <= one < MOST_SEGMENTS]
    for row in await connection.fetch(READ_SEGMENTS, clip_id, asked):
        found.setdefault((row["sequence"], row["init"]), []).append(row)
    return found


async def end_clips(
    connection: Connection, ends: Mapping[UUID, tuple[PhoneTime, int | None]], now: datetime
) -> dict[UUID, int]:
    """Ends clips that the caller has locked, and has one file made of each; their new `rev`s.

    Args:
        ends: when, and how many segments the recorder has made.
    """
    rows = [
        {"id": clip, "at": when.at, "expected": expected} for clip, (when, expected) in ends.items()
    ]
    ended = await connection.fetch(END_CLIPS, as_json(rows))
    await connection.execute(COUNT_CLIPS, list(ends), now)
    await note(
        connection,
        [
            told(
                row["alert_id"],
                AlertEventKind.CLIP_ENDED,
                ends[row["id"]][0],
                now,
                detail={"clip_id": str(row["id"])},
            )
            for row in ended
            if row["first"]
        ],
    )
    for clip in sorted(ends):
        await ask_to_join(connection, clip)
    return {row["id"]: row["rev"] for row in ended}


async def ask_to_verify(connection: Connection, clip_id: UUID) -> None:
    """Has what arrived of a clip verified, soon after the commit."""
    await enqueue(
        connection, VERIFY_CLIP, {"clip_id": str(clip_id)}, dedupe_key=f"verify clip {clip_id}"
    )


async def ask_to_join(connection: Connection, clip_id: UUID) -> None:
    """Has one file made of a clip, soon after the commit."""
    await enqueue(
        connection, JOIN_CLIP, {"clip_id": str(clip_id)}, dedupe_key=f"join clip {clip_id}"
    )


def _fault(one: NewSegment) -> type[Problem] | None:
    if one.size_bytes > LARGEST_SEGMENT:
        return TooLarge
    wrong = (
        not 0 <= one.sequence < MOST_SEGMENTS
        or one.size_bytes < 1
        or not _DIGEST.fullmatch(one.sha256)
        or one.init != (one.seconds is None)
        # A number that is none compares with nothing.
        or not (one.seconds is None or 0 < one.seconds <= LONGEST_SEGMENT)
    )
    return RecordInvalid if wrong else None


def _standing(before: Sequence[Mapping[str, Any]]) -> bool:
    return bool(before) and before[0]["state"] != StoredObjectState.QUARANTINED.value


def _row(clip_id: UUID, one: NewSegment, before: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The id follows from the content, so that whoever says it again, and through whatever door, adds nothing."""
    sha256 = one.sha256.lower()
    tries = sum(row["sha256"].hex() == sha256 for row in before)
    return {
        "id": uuid5(clip_id, f"{one.sequence} {one.init} {sha256} {tries}"),
        "clip_id": clip_id,
        "sequence": one.sequence,
        "init": one.init,
        "sha256": sha256,
        "size_bytes": one.size_bytes,
        "seconds": one.seconds,
        "discontinuity": one.discontinuity,
        "tries": tries,
    }


def _said(
    one: NewSegment, fault: type[Problem] | None, stored: Sequence[Mapping[str, Any]]
) -> SegmentState:
    if fault is not None or not stored:
        return SegmentState(one.sequence, one.init, None, problem=fault or RecordInvalid)
    row = stored[0]
    state = StoredObjectState(row["state"])
    if state is StoredObjectState.QUARANTINED:
        return SegmentState(one.sequence, one.init, state, row["reason"], SegmentUnfit)
    if row["sha256"].hex() != one.sha256.lower() or row["size_bytes"] != one.size_bytes:
        return SegmentState(one.sequence, one.init, state, problem=AlreadyExists)
    return SegmentState(one.sequence, one.init, state)
