"""A clip as HLS, while it is recorded and afterwards: what is there in its order, and plainly where something is missing.

Rules: RFC 8216 and its successor draft-pantos-hls-rfc8216bis (EXT-X-GAP). The number of a segment is its place in the
list, so that one that comes late takes the place of its own gap and no other moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, Final

from storage.vocabulary import ClipContainer, ClipState, StoredObjectState

GAP_AFTER: Final = timedelta(seconds=6)
"""How long a hole is waited for while what follows is there: uploads overtake each other, and a player never goes back."""

END_AFTER: Final = timedelta(seconds=60)
"""How long after its end a clip's last segments are waited for."""

SHORTEST_TARGET: Final = 2


@dataclass(frozen=True, slots=True)
class Part:
    """A segment of the list; `ready_at` None: it cannot be played (yet). `seconds` of a gap is what was declared."""

    sequence: int
    seconds: float
    ready_at: datetime | None
    discontinuity: bool = False


@dataclass(frozen=True, slots=True)
class Recording:
    """What a playlist is made of. `heads`: the numbers from which heads of fragmented MP4 are good.

    `waiting`: something has arrived and is not judged yet.
    """

    container: ClipContainer
    state: ClipState
    started_at: datetime
    ended_at: datetime | None
    expected: int | None
    parts: Sequence[Part]
    heads: Sequence[int]
    waiting: bool


def recording_of(clip: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> Recording:
    """From a clip's row and those of its segments."""
    stored = list(rows)
    ready = StoredObjectState.READY.value
    parts = [
        Part(
            row["sequence"],
            row["seconds"],
            row["ready_at"] if row["state"] == ready else None,
            row["discontinuity"],
        )
        for row in stored
        if not row["init"]
    ]
    return Recording(
        ClipContainer(clip["container"]),
        ClipState(clip["state"]),
        clip["started_at"],
        clip["ended_at"],
        clip["expected"],
        parts,
        [row["sequence"] for row in stored if row["init"] and row["state"] == ready],
        any(row["state"] == StoredObjectState.UPLOADED.value for row in stored),
    )


def playlist(
    recording: Recording, now: datetime, *, media: Callable[[int], str], head: Callable[[int], str]
) -> str:
    """The text of the list.

    Args:
        media: the address of a segment; the same for as long as a list is watched.
        head: the address of a head.
    """
    parts = {one.sequence: one for one in recording.parts}
    over = recording.state is not ClipState.RECORDING
    shown = _shown(recording, parts, now, over=over)
    longest = max((one.seconds for one in parts.values()), default=SHORTEST_TARGET)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{max(ceil(longest), SHORTEST_TARGET)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
    ]
    missing = _usual(parts.values())
    current: int | None = None
    begun = False
    for sequence in range(shown):
        part = parts.get(sequence)
        there = part is not None and part.ready_at is not None
        if part is not None and part.discontinuity and sequence:
            lines.append("#EXT-X-DISCONTINUITY")
        needed = max((one for one in recording.heads if one <= sequence), default=None)
        if there and needed is not None and needed != current:
            if current is not None and not (part and part.discontinuity):
                lines.append("#EXT-X-DISCONTINUITY")
            lines.append(f'#EXT-X-MAP:URI="{head(needed)}"')
            current = needed
        if not begun:
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{_stamp(recording.started_at)}")
            begun = True
        if not there:
            lines.append("#EXT-X-GAP")
        lines.append(f"#EXTINF:{missing if part is None else part.seconds:.3f},")
        lines.append(media(sequence))
    if over and _is_whole(recording, parts, now):
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def _shown(recording: Recording, parts: Mapping[int, Part], now: datetime, *, over: bool) -> int:
    """How many numbers are in the list. A hole at the end is only shown when nothing can come any more."""
    last = max((one for one, part in parts.items() if part.ready_at is not None), default=-1)
    if over and not recording.waiting and _waited(recording, now):
        return max(last + 1, max(parts, default=-1) + 1, recording.expected or 0)
    shown = 0
    while shown <= last:
        part = parts.get(shown)
        if part is None or part.ready_at is None:
            # Behind the hole: since when something is there.
            since = min(
                one.ready_at
                for number, one in parts.items()
                if number > shown and one.ready_at is not None
            )
            if now - since < GAP_AFTER:
                break
        shown += 1
    return shown


def _is_whole(recording: Recording, parts: Mapping[int, Part], now: datetime) -> bool:
    """Whether the end may be said: nothing is on its way, as far as anybody can know."""
    if recording.waiting:
        return False
    there = all(one.ready_at is not None for one in parts.values())
    if there and recording.expected is not None and len(parts) >= recording.expected:
        return True
    return _waited(recording, now)


def _waited(recording: Recording, now: datetime) -> bool:
    return recording.ended_at is not None and now - recording.ended_at >= END_AFTER


def _usual(parts: Iterable[Part]) -> float:
    """How long a segment of the clip is, for those of which nothing is known."""
    lengths = sorted(one.seconds for one in parts)
    return lengths[len(lengths) // 2] if lengths else float(SHORTEST_TARGET)


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
