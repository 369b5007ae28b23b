"""Reads a JPEG's own structure before any decoder does, because a decoder finds out too late.

A file can be small and decode to gigabytes, carry a second file behind the picture, or hold hostile metadata.
So the marker segments are walked here, in one pass over the bytes, and the decoder is then given only what it
needs to paint: no metadata, nothing behind the picture's end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

SOI = b"\xff\xd8"
MOST_SEGMENTS = 4096  # A colour profile or extended XMP takes a few dozen.
# Progressive encoders write about ten; each scan costs a pass over the whole picture.
MOST_SCANS = 64

_SOF_KINDS = {
    0xC0,
    0xC1,
    0xC2,
}  # baseline, extended and progressive Huffman: what phones and cameras write
_OTHER_SOF = {0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_NEEDED = {0xC4, 0xDB, 0xDD, 0xDA, *_SOF_KINDS}
_SOS, _EOI, _APP1, _APP14 = 0xDA, 0xD9, 0xE1, 0xEE
_STANDALONE = {0x01, *range(0xD0, 0xD8)}
# In coded data FF is followed by 00 (it was data), a restart marker or more FF (fill); all else ends it.
_END_OF_SCAN = re.compile(rb"\xff(?=[^\x00\xd0-\xd7\xff])")
_FILL = re.compile(rb"\xff*")
_EXIF = b"Exif\x00\x00"
_MOST_EXIF = 64 * 1024


class Reason(StrEnum):
    """Why a picture is unfit; stable codes that quarantine keeps."""

    NOT_AN_IMAGE = "NOT_AN_IMAGE"
    WRONG_TYPE = "WRONG_TYPE"
    TOO_MANY_BYTES = "TOO_MANY_BYTES"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    TRUNCATED = "TRUNCATED"
    BROKEN = "BROKEN"
    POLYGLOT = "POLYGLOT"


class UnfitImage(Exception):
    """The bytes are not a picture that we take. `reason_code` is one of Reason, `message` plain words."""

    def __init__(self, reason_code: Reason, message: str) -> None:
        self.reason_code = reason_code
        self.message = message
        super().__init__(message)


@dataclass(slots=True)
class Structure:
    """A JPEG as walked: stored width and height, what paints, the raw EXIF, and where the picture ends."""

    width: int = 0
    height: int = 0
    progressive: bool = False
    scans: int = 0
    exif: bytes | None = None
    end: int = 0
    painting: list[memoryview] = field(default_factory=list)

    def paintable(self) -> bytes:
        """The picture alone, for a decoder."""
        return SOI + b"".join(self.painting) + b"\xff\xd9"


def walk(data: bytes) -> Structure:
    """Walk from the first marker to the end of the picture, or raise UnfitImage."""
    found, view, at = Structure(), memoryview(data), 2
    for _ in range(MOST_SEGMENTS):
        start = at
        marker, at = _marker(data, at)
        if marker == _EOI:
            found.end = at
            break
        if marker in _STANDALONE:
            continue
        at = _segment_end(data, at)
        if marker in _OTHER_SOF:
            raise UnfitImage(Reason.WRONG_TYPE, "A rare kind of JPEG that viewers cannot show.")
        if marker in _SOF_KINDS:
            _frame(found, data[start:at], progressive=marker == 0xC2)
        elif marker == _APP1 and found.exif is None and data[start + 4 : start + 10] == _EXIF:
            found.exif = data[start + 10 : min(at, start + 10 + _MOST_EXIF)]
        elif marker == _SOS:
            found.scans += 1
            if found.scans > MOST_SCANS or not found.width:
                raise UnfitImage(
                    Reason.BROKEN, "The picture has too many scans, or one before its frame."
                )
            end = _END_OF_SCAN.search(data, at)
            if end is None:
                raise UnfitImage(Reason.TRUNCATED, "The picture breaks off before its end.")
            at = end.start()
        # APP14 is Adobe's, and says how the colours are to be read.
        if marker in _NEEDED or marker == _APP14:
            found.painting.append(view[start:at])
    else:
        raise UnfitImage(Reason.BROKEN, "The picture is cut into too many pieces.")
    if not found.scans:
        raise UnfitImage(Reason.BROKEN, "The file has a picture's frame but no picture in it.")
    return found


def _marker(data: bytes, at: int) -> tuple[int, int]:
    """The marker at `at` and where its content begins; FF may be repeated as fill."""
    if at < len(data) and data[at] != 0xFF:
        raise UnfitImage(Reason.BROKEN, "The picture's structure is damaged.")
    fill = _FILL.match(data, at)
    at = fill.end() if fill else at
    if at >= len(data):
        raise UnfitImage(Reason.TRUNCATED, "The picture breaks off before its end.")
    return data[at], at + 1


def _segment_end(data: bytes, at: int) -> int:
    length = int.from_bytes(data[at : at + 2], "big")
    if at + 2 > len(data) or at + length > len(data):
        raise UnfitImage(Reason.TRUNCATED, "The picture breaks off before its end.")
    if length < 2:
        raise UnfitImage(Reason.BROKEN, "The picture's structure is damaged.")
    return at + length


def _frame(found: Structure, segment: bytes, *, progressive: bool) -> None:
    if found.width or len(segment) < 10:
        raise UnfitImage(Reason.BROKEN, "The picture has a second or damaged frame.")
    found.height = int.from_bytes(segment[5:7], "big")
    found.width = int.from_bytes(segment[7:9], "big")
    found.progressive = progressive
    if not found.width or not found.height:
        raise UnfitImage(Reason.BROKEN, "The picture has no width or no height.")
