"""What we need to know of a picture before we keep it as one: that it is one, its size, and when it was taken."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from patrol.images.markers import Reason, Structure, UnfitImage, walk
from patrol.images.polyglot import refuse_polyglot

MAX_BYTES = 32 * 1024 * 1024
MAX_PIXELS = 64_000_000
# Decoding a progressive picture keeps all of it in memory at two bytes a sample, whatever is asked for.
MAX_PROGRESSIVE_PIXELS = 32_000_000
THAI_TIME = timezone(timedelta(hours=7), "Asia/Bangkok")

_KNOWN = (
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM film"),
)
_EXIF_IFD = 0x8769
_ORIENTATION = 0x0112
_TAKEN, _TAKEN_OFFSET = 0x9003, 0x9011
_BUDDHIST_YEARS = 543


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """A picture as a viewer sees it: `width` and `height` in pixels after its EXIF orientation is applied;
    `taken_at` in UTC by its own clock, if it says; `trailing_bytes` behind the picture's end, which are kept
    with the original and nowhere else."""

    format: str
    width: int
    height: int
    taken_at: datetime | None
    orientation: int
    trailing_bytes: int


def inspect_jpeg(
    source: Path | BinaryIO,
    *,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
    clock_zone: tzinfo = THAI_TIME,
) -> ImageFacts:
    """Decode a JPEG and say what it is, or raise UnfitImage.

    Coded data that end early but are closed by an end marker still decode (to grey); only the SHA-256 that
    the sender declared can tell. `clock_zone` is the zone of cameras whose EXIF names none. Blocking: run it
    in a thread.
    """
    data = read_limited(source, max_bytes)
    structure = check_structure(data, max_pixels)
    decode(structure, (structure.width // 8 or 1, structure.height // 8 or 1)).close()
    exif = read_exif(structure.exif)
    orientation = orientation_of(exif)
    width, height = structure.width, structure.height
    if orientation >= 5:
        width, height = height, width
    return ImageFacts(
        format="JPEG",
        width=width,
        height=height,
        taken_at=taken_at(exif, clock_zone),
        orientation=orientation,
        trailing_bytes=len(data) - structure.end,
    )


def read_limited(source: Path | BinaryIO, max_bytes: int) -> bytes:
    """All bytes of a file from where it stands, or UnfitImage if there are more than allowed."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            return read_limited(file, max_bytes)
    data = source.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise UnfitImage(Reason.TOO_MANY_BYTES, f"The file has more than {max_bytes} bytes.")
    return data


def check_structure(data: bytes, max_pixels: int) -> Structure:
    """Everything that can be refused without decoding."""
    _refuse_other_types(data)
    structure = walk(data)
    most = min(max_pixels, MAX_PROGRESSIVE_PIXELS) if structure.progressive else max_pixels
    if structure.width * structure.height > most:
        raise UnfitImage(
            Reason.TOO_MANY_PIXELS,
            f"The picture is {structure.width} × {structure.height}; at most {most} pixels are taken.",
        )
    refuse_polyglot(data, structure)
    return structure


def _refuse_other_types(data: bytes) -> None:
    if data.startswith(b"\xff\xd8\xff"):
        return
    if not data:
        raise UnfitImage(Reason.NOT_AN_IMAGE, "The file is empty.")
    kind = next((kind for magic, kind in _KNOWN if data.startswith(magic)), None)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind = "a WebP picture"
    if data[4:8] == b"ftyp":
        kind = "a HEIC picture or an MP4 film"
    if kind is not None:
        raise UnfitImage(Reason.WRONG_TYPE, f"The file is {kind}, not a JPEG.")
    raise UnfitImage(Reason.NOT_AN_IMAGE, "The file is not a picture.")


def decode(structure: Structure, at_least: tuple[int, int]) -> Image.Image:
    """Decode to a picture of at least this stored size (the decoder may skip detail above it), as RGB without
    any metadata. Raises UnfitImage where the coded data break off or cannot be read."""
    try:
        with Image.open(io.BytesIO(structure.paintable()), formats=["JPEG"]) as image:
            image.draft("RGB", at_least)
            image.load()
            painted = image.convert("RGB")
    except UnidentifiedImageError as error:
        raise UnfitImage(Reason.BROKEN, "The picture cannot be decoded.") from error
    except OSError as error:
        # The markers are complete, so the data between them are too short or damaged.
        raise UnfitImage(Reason.TRUNCATED, "The picture breaks off before its end.") from error
    except (SyntaxError, ValueError, IndexError) as error:
        raise UnfitImage(Reason.BROKEN, "The picture cannot be decoded.") from error
    painted.info = {}
    return painted


def read_exif(raw: bytes | None) -> Image.Exif:
    """The EXIF tags, empty if there are none or they are damaged: a bad tag does not spoil a good picture."""
    exif = Image.Exif()
    if raw:
        try:
            exif.load(b"Exif\x00\x00" + raw)
            exif.get_ifd(_EXIF_IFD)
        except Exception:  # the parser raises whatever hostile bytes lead it to
            return Image.Exif()
    return exif


def orientation_of(exif: Image.Exif) -> int:
    """1 to 8; 1, upright, for anything else."""
    value = exif.get(_ORIENTATION)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def taken_at(exif: Image.Exif, clock_zone: tzinfo) -> datetime | None:
    """When the camera says that it took the picture, in UTC. Buddhist-era years are converted."""
    tags = exif.get_ifd(_EXIF_IFD)
    text = tags.get(_TAKEN)
    if not isinstance(text, str):
        return None
    try:
        date, _, clock = text.strip("\x00 ").partition(" ")
        year, month, day = (int(part) for part in date.split(":"))
        hour, minute, second = (int(part) for part in clock.split(":"))
        # Before building the date: 29 February exists in other years of the Buddhist era.
        if year - _BUDDHIST_YEARS >= 1970:
            year -= _BUDDHIST_YEARS
        zone = _offset(tags.get(_TAKEN_OFFSET)) or clock_zone
        return datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _offset(text: object) -> tzinfo | None:
    """`+07:00` as a zone; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        return datetime.strptime(text.strip("\x00 "), "%z").tzinfo
    except ValueError:
        return None
