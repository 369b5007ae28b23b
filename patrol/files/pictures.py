"""Reads pictures of phones: their structure before any decoder does, then pixels, orientation and capture data.

Only in a limited process. A decoder is given what it needs to paint and nothing else.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from math import isfinite
from typing import Any, Final

from PIL import Image

from patrol.files.flaws import Flaw, UnfitFile
from patrol.images import MAX_PIXELS, Reason, UnfitImage
from patrol.images.derive import UPRIGHT, WIDTHS, derivatives, small_ones
from patrol.images.facts import (
    THAI_TIME,
    check_structure,
    orientation_of,
    read_exif,
    taken_at,
)
from patrol.images.polyglot import TAIL, is_other_file

MOST_PIXELS: Final = 50_000_000
"""Of what is decoded whole; a phone of today makes 48 million. JPEG is decoded smaller, so it may have MAX_PIXELS."""

_TEXT: Final = 100
_GPS: Final = 0x8825
_MAKE, _MODEL = 0x010F, 0x0110
_REASONS: Final = {
    Reason.NOT_AN_IMAGE: Flaw.WRONG_TYPE,
    Reason.TOO_MANY_BYTES: Flaw.TOO_COSTLY,
}
_PNG_PAINTS: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_WEBP_PAINTS: Final = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"})


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture as a viewer sees it: upright. `small` are WebP pictures by width, `hashed` what a thumb hash is made of."""

    width: int
    height: int
    small: Mapping[int, bytes]
    hashed: Image.Image
    facts: Mapping[str, Any]


def see(data: bytes, format: str, *, clock_zone: tzinfo = THAI_TIME) -> Seen:
    """Looks at a picture.

    Raises:
        UnfitFile: it is none that is shown.
    """
    try:
        return _SEERS[format](data, clock_zone)
    except UnfitImage as unfit:
        raise UnfitFile(_REASONS.get(unfit.reason_code) or Flaw(unfit.reason_code.value)) from unfit


def _see_jpeg(data: bytes, zone: tzinfo) -> Seen:
    structure = check_structure(data, MAX_PIXELS)
    exif = read_exif(structure.exif)
    small = derivatives(io.BytesIO(data), max_bytes=len(data))
    turned = orientation_of(exif) >= 5
    size = (structure.height, structure.width) if turned else (structure.width, structure.height)
    with Image.open(io.BytesIO(small[WIDTHS[0]])) as least:
        return Seen(*size, small, least.convert("RGB"), facts_of(exif, zone))


def _see_png(data: bytes, zone: tzinfo) -> Seen:
    painting, exif, end = _walk_png(data)
    _refuse_other(data, end)
    return _painted(painting, "PNG", exif, zone)


def _walk_png(data: bytes) -> tuple[bytes, bytes | None, int]:
    """What paints, the EXIF, and where the picture ends. Texts and profiles, which may be bombs, are left out."""
    kept, exif, at = [data[:8]], None, 8
    while True:
        if at + 12 > len(data):
            raise UnfitFile(Flaw.TRUNCATED)
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        if not kind.isalpha():
            raise UnfitFile(Flaw.BROKEN)
        if end > len(data):
            raise UnfitFile(Flaw.TRUNCATED)
        if (at == 8) != (kind == b"IHDR") or (at == 8 and length != 13):
            raise UnfitFile(Flaw.BROKEN)
        if kind in _PNG_PAINTS:
            if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                raise UnfitFile(Flaw.BROKEN)
            kept.append(data[at:end])
        elif kind == b"eXIf" and length < 65_536:
            exif = data[at + 8 : end - 4]
        if kind == b"IEND":
            return b"".join(kept), exif, end
        at = end


def _see_webp(data: bytes, zone: tzinfo) -> Seen:
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data) + 1:  # an odd length is padded, and not everybody writes the pad
        raise UnfitFile(Flaw.TRUNCATED)
    kept, exif, at = [b"WEBP"], None, 12
    while at + 8 <= min(end, len(data)):
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + length > len(data):
            raise UnfitFile(Flaw.TRUNCATED)
        if kind in _WEBP_PAINTS:
            kept.append(data[at : at + 8 + length + (length & 1)])
        elif kind == b"EXIF" and length < 65_536:
            exif = data[at + 8 : at + 8 + length].removeprefix(b"Exif\x00\x00")
        at += 8 + length + (length & 1)
    _refuse_other(data, end)
    body = b"".join(kept)
    return _painted(b"RIFF" + len(body).to_bytes(4, "little") + body, "WEBP", exif, zone)


def _see_heif(data: bytes, zone: tzinfo) -> Seen:
    import pillow_heif  # 20 MB, which no other family needs

    end = _walk_boxes(data)
    _refuse_other(data, end)
    pillow_heif.options.DECODE_THREADS = 1
    try:
        found = pillow_heif.open_heif(io.BytesIO(data[:end]), convert_hdr_to_8bit=True)
        _check_size(*found.size)
        raw = found.info.get("exif") or b""
        # The decoder turns it by itself, and says what it undid.
        turned = found.info.get("original_orientation")
        picture = found.to_pillow()
    except MemoryError:
        raise
    except (ValueError, OSError, RuntimeError, SyntaxError, EOFError, IndexError) as error:
        raise UnfitFile(Flaw.UNDECODABLE) from error
    facts = facts_of(read_exif(raw.removeprefix(b"Exif\x00\x00")), zone)
    facts["orientation"] = turned if isinstance(turned, int) and 1 <= turned <= 8 else 1
    return _seen(_plain(picture), facts)


def _walk_boxes(data: bytes) -> int:
    """Where the boxes end; phones write notes of their own behind them."""
    at, kinds = 0, set[bytes]()
    while at < len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if len(kind) < 4 or not all(32 <= one < 127 for one in kind):
            break
        if length == 1:
            length = int.from_bytes(data[at + 8 : at + 16], "big")
        if length == 0:
            length = len(data) - at
        if length < 8:
            break
        if at + length > len(data):
            if kinds >= {b"meta", b"mdat"}:
                break  # not a box, but what happens to look like one
            raise UnfitFile(Flaw.TRUNCATED)
        kinds.add(kind)
        at += length
    if b"meta" not in kinds:
        raise UnfitFile(Flaw.TRUNCATED if kinds <= {b"ftyp"} else Flaw.BROKEN)
    return at


def _refuse_other(data: bytes, end: int) -> None:
    """Bytes behind a picture are normal, a file of another kind is not."""
    behind = data[end : end + 1024]
    if is_other_file(data[:1024], data[-TAIL:]) or (behind and is_other_file(behind, b"")):
        raise UnfitFile(Flaw.POLYGLOT)


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise UnfitFile(Flaw.TOO_MANY_PIXELS)


def _painted(data: bytes, format: str, raw: bytes | None, zone: tzinfo) -> Seen:
    try:
        with Image.open(io.BytesIO(data), formats=[format]) as image:
            _check_size(*image.size)
            image.load()
            picture = _plain(image)
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:
        raise UnfitFile(Flaw.TOO_MANY_PIXELS) from error
    except OSError as error:
        raise UnfitFile(
            Flaw.TRUNCATED if "truncated" in str(error) else Flaw.UNDECODABLE
        ) from error
    except (SyntaxError, ValueError, IndexError, EOFError, zlib.error) as error:
        raise UnfitFile(Flaw.UNDECODABLE) from error
    facts = facts_of(read_exif(raw), zone)
    return _seen(_upright(picture, facts["orientation"]), facts)


def _plain(image: Image.Image) -> Image.Image:
    """RGB without anything else; what shows through is put on white."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        seen = image.convert("RGBA")
        ground = Image.new("RGB", image.size, (255, 255, 255))
        ground.paste(seen, mask=seen.getchannel("A"))
        return ground
    if image.mode in ("I", "I;16", "I;16B", "F"):
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    plain = image.convert("RGB")
    plain.info = {}
    return plain


def _upright(picture: Image.Image, orientation: int) -> Image.Image:
    return picture if orientation == 1 else picture.transpose(UPRIGHT[orientation])


def _seen(picture: Image.Image, facts: Mapping[str, Any]) -> Seen:
    picture.info = {}
    return Seen(*picture.size, small_ones(picture), picture, facts)


def facts_of(exif: Image.Exif, zone: tzinfo) -> dict[str, Any]:
    """Capture data as JSON: `orientation`, `camera`, `file_taken_at`, `has_position`, `latitude`, `longitude`."""
    at = taken_at(exif, zone)
    names = [str(exif.get(tag) or "").strip("\x00 ") for tag in (_MAKE, _MODEL)]
    if names[1].lower().startswith(names[0].lower()):
        names = names[1:]  # "Canon Canon EOS"
    return {
        "orientation": orientation_of(exif),
        "camera": text_of(" ".join(one for one in names if one)),
        "file_taken_at": at and at.isoformat(),
        **_position(exif),
    }


def text_of(text: str) -> str | None:
    """What a database and a screen take of a text that a file holds; None for nothing."""
    return "".join(one for one in text if one.isprintable())[:_TEXT].strip() or None


def _position(exif: Image.Exif) -> dict[str, Any]:
    try:
        tags = exif.get_ifd(_GPS)
        latitude = _degrees(tags.get(2), negative=str(tags.get(1, "")).startswith("S"))
        longitude = _degrees(tags.get(4), negative=str(tags.get(3, "")).startswith("W"))
    except Exception:  # the parser raises whatever hostile bytes lead it to
        return position_of(None, None)
    return position_of(latitude, longitude)


def position_of(latitude: float | None, longitude: float | None) -> dict[str, Any]:
    """A position that can be one; a camera without a fix writes zeros."""
    known = (
        latitude is not None and longitude is not None and isfinite(latitude) and isfinite(longitude)
        and abs(latitude) <= 90 and abs(longitude) <= 180 and (latitude, longitude) != (0, 0)
    )  # fmt: skip
    if not known:
        return {"has_position": False, "latitude": None, "longitude": None}
    return {"has_position": True, "latitude": latitude, "longitude": longitude}


def _degrees(value: Any, *, negative: bool) -> float | None:
    if not isinstance(value, tuple) or len(value) != 3:
        return None
    degrees: float = sum(float(part) / 60**place for place, part in enumerate(value))
    return round(-degrees if negative else degrees, 7)


_SEERS: Final = {
    "JPEG": _see_jpeg,
    "PNG": _see_png,
    "WEBP": _see_webp,
    "HEIF": _see_heif,
}
