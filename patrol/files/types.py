"""Which content types are taken for which kind of file, and what the first bytes of each look like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from storage.vocabulary import MediaKind


class Family(Enum):
    """What a file is read by."""

    PICTURE = auto()
    FILM = auto()
    SOUND = auto()
    PAPER = auto()


@dataclass(frozen=True, slots=True)
class FileType:
    """One content type. `format` names its structure; for films and sound it is also the name of the demuxer."""

    family: Family
    format: str
    ending: str


_HEIF = FileType(Family.PICTURE, "HEIF", "heic")
_WAV = FileType(Family.SOUND, "wav", "wav")
_M4A = FileType(Family.SOUND, "mp4", "m4a")

TYPES: Final = {
    "image/jpeg": FileType(Family.PICTURE, "JPEG", "jpg"),
    "image/png": FileType(Family.PICTURE, "PNG", "png"),
    "image/webp": FileType(Family.PICTURE, "WEBP", "webp"),
    "image/heic": _HEIF,
    "image/heif": _HEIF,
    "video/mp4": FileType(Family.FILM, "mp4", "mp4"),
    "video/quicktime": FileType(Family.FILM, "mp4", "mov"),
    "video/3gpp": FileType(Family.FILM, "mp4", "3gp"),
    "audio/mp4": _M4A,
    "audio/x-m4a": _M4A,
    "audio/3gpp": FileType(Family.SOUND, "mp4", "3gp"),
    "audio/aac": FileType(Family.SOUND, "aac", "aac"),
    "audio/mpeg": FileType(Family.SOUND, "mp3", "mp3"),
    "audio/ogg": FileType(Family.SOUND, "ogg", "ogg"),
    "audio/amr": FileType(Family.SOUND, "amr", "amr"),
    "audio/wav": _WAV,
    "audio/x-wav": _WAV,
    "application/pdf": FileType(Family.PAPER, "PDF", "pdf"),
}

_FAMILIES: Final = {
    MediaKind.PHOTO: {Family.PICTURE},
    MediaKind.VIDEO: {Family.FILM},
    MediaKind.AUDIO: {Family.SOUND},
    MediaKind.DOCUMENT: {Family.PAPER, Family.PICTURE},
}

_HEIF_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"hevc", b"hevx")

_LOOKS: Final[dict[str, Callable[[bytes], bool]]] = {
    "JPEG": lambda head: head.startswith(b"\xff\xd8\xff"),
    "PNG": lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"),
    "WEBP": lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP",
    "HEIF": lambda head: head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS,
    "mp4": lambda head: head[4:8] == b"ftyp" and head[8:12] not in _HEIF_BRANDS,
    "aac": lambda head: len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0,
    # A tag before the first frame, or a frame of layer III.
    "mp3": lambda head: head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2),
    "ogg": lambda head: head.startswith(b"OggS"),
    "amr": lambda head: head.startswith((b"#!AMR\n", b"#!AMR-WB\n")),
    "wav": lambda head: head[:4] == b"RIFF" and head[8:12] == b"WAVE",
    "PDF": lambda head: head.startswith((b"%PDF-1.", b"%PDF-2.")),
}  # fmt: skip


def type_of(kind: MediaKind, content_type: str) -> FileType | None:
    """How a file of some kind and content type is read; None for one that is kept and never shown."""
    found = TYPES.get(content_type)
    return found if found is not None and found.family in _FAMILIES[kind] else None


def looks_like(head: bytes, format: str) -> bool:
    """Whether a file begins as one of a format does."""
    return _LOOKS[format](head)


def ending_of(content_type: str) -> str:
    """How the name of an object of a content type ends."""
    found = TYPES.get(content_type)
    return "bin" if found is None else found.ending
