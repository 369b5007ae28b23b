"""Reads films and sound of phones: structure, streams, that something can be decoded, and how long it lasts.

Only in a limited process. The demuxer is named beforehand and may open nothing else: no list of files, no address.
"""

from __future__ import annotations

import re
from contextlib import closing
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, BinaryIO, Final

import av
from av.container import InputContainer
from av.error import FFmpegError
from PIL import Image

from patrol.files.flaws import Flaw, UnfitFile
from patrol.files.pictures import position_of, text_of
from patrol.images.polyglot import TAIL, is_other_file

LONGEST: Final = 12 * 3600
"""Seconds: a whole shift."""

MOST_PIXELS: Final = 8192 * 4352
"""Of one picture of a film."""

FRAMES: Final = 3
POSTER_AFTER: Final = 1.0
"""Seconds: the first pictures of a phone that is being pulled from a pocket are dark."""

_LOOKED_AT: Final = 90
_LARGEST_HEAD: Final = 64 * 1024 * 1024
_VIDEO: Final = frozenset({"h264", "hevc", "h263", "mpeg4", "vp9", "av1", "vp8"})
_SOUND: Final = {
    "mp4": frozenset({"aac", "alac", "amrnb", "amr_nb", "amrwb", "amr_wb", "mp3", "opus"}),
    "aac": frozenset({"aac"}),
    "mp3": frozenset({"mp3", "mp3float"}),
    "ogg": frozenset({"opus", "vorbis", "flac"}),
    "amr": frozenset({"amrnb", "amr_nb", "amrwb", "amr_wb"}),
    "wav": frozenset({"pcm_s16le", "pcm_u8", "pcm_s24le", "pcm_s32le", "pcm_f32le"}),
}
_ISO_6709: Final = re.compile(r"([+-]\d{1,2}(?:\.\d+)?)([+-]\d{1,3}(?:\.\d+)?)")
_NO_OTHER_FILES: Final = {"protocol_whitelist": "pipe"}


def hear(path: Path, size: int, format: str) -> dict[str, Any]:
    """Facts of a recording of sound: `seconds` and capture data.

    Raises:
        UnfitFile: it is none that is played.
    """
    _check_form(path, size, format)
    return _read(path, format, film=False)[0]


def watch(path: Path, size: int, format: str) -> tuple[dict[str, Any], Image.Image]:
    """Facts of a film, and an upright picture of it.

    Raises:
        UnfitFile: it is none that is played.
    """
    _check_form(path, size, format)
    facts, poster = _read(path, format, film=True)
    assert poster is not None  # a film without one is unfit
    return facts, poster


def _check_form(path: Path, size: int, format: str) -> None:
    with path.open("rb") as file:
        if format == "mp4":
            _check_boxes(file, size)
        elif format == "wav":
            file.seek(4)
            said = int.from_bytes(file.read(4), "little")
            if (
                said + 8 > size + 1 and said < 0xFFFFFF00
            ):  # a recorder that never finished leaves the most there is
                raise UnfitFile(Flaw.TRUNCATED)
        file.seek(0)
        head = file.read(1024)
        file.seek(max(0, size - TAIL))
        if is_other_file(head, file.read()):
            raise UnfitFile(Flaw.POLYGLOT)


def _check_boxes(file: BinaryIO, size: int) -> None:
    """The boxes at the top follow each other to the end, and there is an index and something to play."""
    at, kinds = 0, set[bytes]()
    while at < size:
        file.seek(at)
        head = file.read(16)
        kind = head[4:8]
        if len(head) < 8 or not all(32 <= one < 127 or one == 0xA9 for one in kind):
            break  # what a phone wrote behind the film; without an index it counts as a film that ends early
        length = int.from_bytes(head[:4], "big")
        if length == 1 and len(head) == 16:
            length = int.from_bytes(head[8:], "big")
        elif length == 0:
            length = size - at
        whole = kinds >= {b"moov", b"mdat"}
        if length < 8 or (kind == b"moov" and length > _LARGEST_HEAD):
            if whole:
                break
            raise UnfitFile(Flaw.BROKEN)
        if at + length > size:
            if whole:
                break  # not a box, but what happens to look like one
            raise UnfitFile(Flaw.TRUNCATED)
        kinds.add(kind)
        at += length
    file.seek(at)
    if is_other_file(file.read(1024), b""):
        raise UnfitFile(Flaw.POLYGLOT)
    if b"moov" not in kinds:
        raise UnfitFile(Flaw.TRUNCATED)
    if b"mdat" not in kinds:
        raise UnfitFile(Flaw.BROKEN)


def _opened(file: IO[bytes], format: str) -> InputContainer:
    return av.open(file, mode="r", format=format, options=dict(_NO_OTHER_FILES))


def _read(path: Path, format: str, *, film: bool) -> tuple[dict[str, Any], Image.Image | None]:
    try:
        with path.open("rb") as file, closing(_opened(file, format)) as found:
            stream = _shown(found, format, film=film)
            facts = _told(found)
            poster = _poster(found, stream) if film else None
            if not film:
                _check_heard(found, stream)
        with path.open("rb") as file, closing(_opened(file, format)) as found:
            facts["seconds"] = _measured(found, film=film)
    except (FFmpegError, OSError, ValueError, ArithmeticError, LookupError) as error:
        raise UnfitFile(Flaw.UNDECODABLE) from error
    if poster is not None:
        facts |= {"width": poster.width, "height": poster.height}
    return facts, poster


def _shown(found: InputContainer, format: str, *, film: bool) -> Any:
    """The stream that decides. A cover picture in a song is none."""
    pictures = [one for one in found.streams if one.type == "video" and not _is_cover(one)]
    sounds = [one for one in found.streams if one.type == "audio"]
    if film:
        if not pictures:
            raise UnfitFile(Flaw.WRONG_TYPE)
        stream: Any = pictures[0]
        if stream.codec_context.name not in _VIDEO:
            raise UnfitFile(Flaw.UNDECODABLE)
        if stream.codec_context.width * stream.codec_context.height > MOST_PIXELS:
            raise UnfitFile(Flaw.TOO_MANY_PIXELS)
    else:
        if pictures or not sounds:
            raise UnfitFile(Flaw.WRONG_TYPE)
        stream = sounds[0]
        if stream.codec_context.name not in _SOUND[format]:
            raise UnfitFile(Flaw.UNDECODABLE)
    stream.codec_context.thread_count = 1
    return stream


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _poster(found: InputContainer, stream: Any) -> Image.Image:
    chosen: Any = None
    for count, frame in enumerate(found.decode(stream)):
        chosen = frame
        if (frame.time or 0) >= POSTER_AFTER or count >= _LOOKED_AT:
            break
    if chosen is None:
        raise UnfitFile(Flaw.UNDECODABLE)
    if chosen.width * chosen.height > MOST_PIXELS:
        raise UnfitFile(Flaw.TOO_MANY_PIXELS)
    picture: Image.Image = chosen.to_image()
    return picture.rotate(chosen.rotation, expand=True) if chosen.rotation else picture


def _check_heard(found: InputContainer, stream: Any) -> None:
    frames = 0
    for _ in found.decode(stream):
        frames += 1
        if frames >= FRAMES:
            return
    if not frames:
        raise UnfitFile(Flaw.UNDECODABLE)


def _measured(found: InputContainer, *, film: bool) -> float:
    """Seconds, from the packets and not from what the file says of itself.

    Raises:
        UnfitFile: TRUNCATED if there are fewer than its index names, TOO_LONG.
    """
    stream: Any = next(
        one
        for one in found.streams
        if one.type == ("video" if film else "audio") and not _is_cover(one)
    )
    base = stream.time_base or Fraction(1, 90_000)
    first: int | None = None
    last, step, count = 0, 0, 0
    for packet in found.demux(stream):
        if packet.size == 0:
            continue
        count += 1
        if packet.is_corrupt:
            raise UnfitFile(Flaw.TRUNCATED)
        if packet.pts is not None:
            first = packet.pts if first is None else min(first, packet.pts)
            last = max(last, packet.pts)
            step = packet.duration or step
    if count < stream.frames:
        raise UnfitFile(Flaw.TRUNCATED)
    if first is None:
        raise UnfitFile(Flaw.UNDECODABLE)
    seconds = float((last - first + step) * base)
    if seconds > LONGEST:
        raise UnfitFile(Flaw.TOO_LONG)
    return round(max(seconds, 0.0), 3)


def _told(found: InputContainer) -> dict[str, Any]:
    """Capture data, by the names that phones use."""
    tags = {name.lower(): value for name, value in found.metadata.items()}
    apple = "com.apple.quicktime."
    maker = tags.get(f"{apple}make") or tags.get("com.android.manufacturer") or ""
    model = tags.get(f"{apple}model") or tags.get("com.android.model") or ""
    place = tags.get(f"{apple}location.iso6709") or tags.get("location") or ""
    found_at = _ISO_6709.match(place)
    at = (float(found_at[1]), float(found_at[2])) if found_at else (None, None)
    return {
        "camera": text_of(f"{maker} {model}"),
        "file_taken_at": _time(tags.get(f"{apple}creationdate") or tags.get("creation_time")),
        **position_of(*at),
    }


def _time(text: str | None) -> str | None:
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    # A camera without a clock counts from 1904 or 1970.
    return at.isoformat() if at.year > 1990 else None
