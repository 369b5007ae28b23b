"""Small pictures for lists and maps, painted anew so that nothing of the original but its pixels is in them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from patrol.images.facts import (
    MAX_BYTES,
    MAX_PIXELS,
    check_structure,
    decode,
    orientation_of,
    read_exif,
    read_limited,
)

WIDTHS = (320, 960)
QUALITY = 78
_TALLEST = 16_383  # WebP holds no side longer than this.

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def derivatives(
    source: Path | BinaryIO,
    widths: Iterable[int] = WIDTHS,
    *,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
) -> dict[int, bytes]:
    """WebP pictures by asked-for width in pixels: upright, without metadata, never larger than the original
    (a smaller original is only re-encoded). Raises UnfitImage. Blocking: run it in a thread."""
    structure = check_structure(read_limited(source, max_bytes), max_pixels)
    orientation = orientation_of(read_exif(structure.exif))
    turned = orientation >= 5
    full = (structure.height, structure.width) if turned else (structure.width, structure.height)
    wanted = {width: _fit(full, width) for width in sorted(widths, reverse=True)}
    if not wanted:
        return {}
    largest = max(wanted.values())
    # The decoder skips detail that the largest derivative does not show; it counts in stored, unturned sides.
    image = decode(structure, largest[::-1] if turned else largest)
    if orientation > 1:
        # Small first, then turn: turning costs by the pixel.
        image = _shrink(image, largest[::-1] if turned else largest).transpose(UPRIGHT[orientation])
    return _painted(image, wanted)


def small_ones(image: Image.Image, widths: Iterable[int] = WIDTHS) -> dict[int, bytes]:
    """As `derivatives`, of a picture that is decoded and upright already. Blocking."""
    return _painted(
        image, {width: _fit(image.size, width) for width in sorted(widths, reverse=True)}
    )


def _painted(image: Image.Image, wanted: Mapping[int, tuple[int, int]]) -> dict[int, bytes]:
    """From the largest to the smallest, each from the one before."""
    made: dict[tuple[int, int], bytes] = {}
    for size in wanted.values():
        if size not in made:
            image = _shrink(image, size)
            made[size] = _webp(image)
    return {width: made[size] for width, size in wanted.items()}


def _fit(full: tuple[int, int], width: int) -> tuple[int, int]:
    if width < 1:
        raise ValueError("a derivative is at least one pixel wide")
    scale = min(1.0, width / full[0], _TALLEST / full[1])
    return max(1, round(full[0] * scale)), max(1, round(full[1] * scale))


def _shrink(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    if image.size == size:
        return image
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def _webp(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=QUALITY, method=2)
    return out.getvalue()
