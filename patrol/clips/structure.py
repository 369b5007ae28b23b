"""Whether bytes have the form of a segment from the first to the last: what ends early, or carries something else, has not.

Looked at before any decoder is: it costs little, and a decoder would skip over what does not belong there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from storage.vocabulary import ClipContainer, Term

PACKET: Final = 188
"""Bytes of a packet of an MPEG transport stream."""

_SYNC: Final = 0x47
_LARGEST_HEAD: Final = 1024 * 1024
_HEAD: Final = frozenset({b"ftyp", b"moov", b"free", b"skip", b"uuid"})
_MEDIA: Final = frozenset(
    {b"styp", b"sidx", b"ssix", b"prft", b"emsg", b"moof", b"mdat", b"free", b"skip", b"uuid"}
)


class Unfit(Term):
    """Why the bytes of a segment are not taken for what was declared."""

    OBJECT_MISSING = "OBJECT_MISSING", "The store has lost the bytes."
    SIZE_DIFFERS = "SIZE_DIFFERS", "There are more or fewer bytes than were declared."
    SHA256_DIFFERS = "SHA256_DIFFERS", "The bytes have another SHA-256 than was declared."
    WRONG_CONTAINER = "WRONG_CONTAINER", "The bytes are not of the container that was declared."
    TRUNCATED = "TRUNCATED", "The bytes end in the middle."
    MIXED = "MIXED", "There is something in the bytes that does not belong into a segment."
    WRONG_STREAMS = (
        "WRONG_STREAMS",
        "There are no streams, or others than one of picture and one of sound.",
    )
    CODEC_DIFFERS = "CODEC_DIFFERS", "A stream is coded otherwise than was declared."
    TOO_MANY_PIXELS = (
        "TOO_MANY_PIXELS",
        "The picture is larger than any camera of a phone or pole makes.",
    )
    TOO_LONG = "TOO_LONG", "It is longer than a segment may be."
    UNDECODABLE = "UNDECODABLE", "No picture or sound can be decoded from it."
    TOO_COSTLY = "TOO_COSTLY", "Reading it took more memory or time than there is for it."


class UnfitSegment(Exception):
    """The bytes are not taken."""

    def __init__(self, reason: Unfit) -> None:
        super().__init__(reason.value)
        self.reason = reason


def check_structure(file: BinaryIO, size: int, container: ClipContainer, *, init: bool) -> None:
    """Reads a file through.

    Raises:
        UnfitSegment: WRONG_CONTAINER, TRUNCATED or MIXED.
    """
    if container is ClipContainer.MPEG_TS:
        _check_packets(file, size)
    elif init:
        _check_head(file, size)
    else:
        _check_media(file, size)


def _check_packets(file: BinaryIO, size: int) -> None:
    file.seek(0)
    first = file.read(2 * PACKET)
    if not first or first[0] != _SYNC or (size > PACKET and first[PACKET] != _SYNC):
        raise UnfitSegment(Unfit.WRONG_CONTAINER)
    if size % PACKET:
        raise UnfitSegment(Unfit.TRUNCATED)
    file.seek(0)
    while block := file.read(PACKET * 4096):
        if block[::PACKET].count(_SYNC) * PACKET != len(block):
            raise UnfitSegment(Unfit.MIXED)


def _check_head(file: BinaryIO, size: int) -> None:
    if size > _LARGEST_HEAD:
        raise UnfitSegment(Unfit.MIXED)
    kinds = [kind for kind, _ in _boxes(file, size, _HEAD)]
    if kinds[:1] != [b"ftyp"] or kinds.count(b"moov") != 1:
        raise UnfitSegment(Unfit.WRONG_CONTAINER)


def _check_media(file: BinaryIO, size: int) -> None:
    kinds = [kind for kind, _ in _boxes(file, size, _MEDIA)]
    if b"moof" not in kinds or b"mdat" not in kinds:
        raise UnfitSegment(Unfit.WRONG_CONTAINER)


def _boxes(file: BinaryIO, size: int, known: frozenset[bytes]) -> Iterator[tuple[bytes, int]]:
    """The boxes at the top, which must follow each other to the very end."""
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            raise UnfitSegment(Unfit.TRUNCATED)
        length, kind = struct.unpack(">I4s", head[:8])
        if kind not in known:
            raise UnfitSegment(Unfit.WRONG_CONTAINER if at == 0 else Unfit.MIXED)
        if length == 1 and len(head) == 16:
            [length] = struct.unpack(">Q", head[8:])
        if length < 8:
            raise UnfitSegment(Unfit.MIXED)
        if at + length > size:
            raise UnfitSegment(Unfit.TRUNCATED)
        yield kind, length
        at += length
