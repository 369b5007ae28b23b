"""In which order a phone best sends its files, in what pieces and how many at once; and how large a file may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from storage.buckets import MOST_PARTS, SMALLEST_PART
from storage.vocabulary import MediaKind, NetworkClass, UploadAdvice

_MIB: Final = 1024 * 1024

PIECE: Final = {
    NetworkClass.WIFI: 16 * _MIB,
    NetworkClass.FAST: 8 * _MIB,
    NetworkClass.SLOW: SMALLEST_PART,
}
"""Bytes that one request carries: what a broken line costs at most. A file that is no larger goes in one."""

AT_ONCE: Final = {NetworkClass.WIFI: 4, NetworkClass.FAST: 3, NetworkClass.SLOW: 1}
"""Requests beside each other: on a slow line a second one only makes both late."""

_WAITS_ABOVE: Final = {NetworkClass.SLOW: SMALLEST_PART, NetworkClass.FAST: 256 * _MIB}


@dataclass(frozen=True, slots=True)
class Sizes:
    """The largest file of each kind, in bytes."""

    photo: int = 32 * _MIB
    video: int = 2048 * _MIB
    audio: int = 256 * _MIB
    document: int = 32 * _MIB

    def of(self, kind: MediaKind) -> int:
        """The limit of one kind."""
        return {
            MediaKind.PHOTO: self.photo,
            MediaKind.VIDEO: self.video,
            MediaKind.AUDIO: self.audio,
            MediaKind.DOCUMENT: self.document,
        }[kind]


def part_size(size: int, network: NetworkClass | None) -> int | None:
    """Bytes of each part but the last, or None for a file that goes in one piece. Once begun it stays."""
    piece = PIECE[network or NetworkClass.FAST]
    if size <= piece:
        return None
    least = -(-size // MOST_PARTS)
    return max(piece, -(-least // _MIB) * _MIB)


def rank(row: Mapping[str, Any]) -> tuple[int, int]:
    """The order of sending: calls for help, then what goes in one piece and can be seen soon, then the rest; small first."""
    if row["alert_id"] is not None:
        return 0, row["size_bytes"]
    return (1 if row["size_bytes"] <= SMALLEST_PART else 2), row["size_bytes"]


def advice(row: Mapping[str, Any], network: NetworkClass | None) -> UploadAdvice:
    """Whether a file is to be sent on this line. A phone that names none is taken to have decided by itself."""
    waits_above = _WAITS_ABOVE.get(network) if network is not None else None
    if row["alert_id"] is not None or waits_above is None or row["size_bytes"] <= waits_above:
        return UploadAdvice.NOW
    return UploadAdvice.WHEN_FASTER


def layout(size: int, part_size: int) -> list[tuple[int, int, int]]:
    """The parts of a file: number from 1, offset and size in bytes."""
    return [
        (number, offset, min(part_size, size - offset))
        for number, offset in enumerate(range(0, size, part_size), start=1)
    ]
