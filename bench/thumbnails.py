"""The small pictures of a camera's frame and of a phone's photograph, beside what one writes first: decode all, resize, save.

Both make the same two WebP pictures (320 and 960 pixels wide) of the same bytes, on one core, in turn.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from time import process_time

from PIL import Image, ImageOps

from patrol.images import WIDTHS, derivatives, draw_frame

AT_MOST = 0.33
"""Of the naive time, as was asked for."""

SIZES = {"a frame of 1920 × 1080": (1920, 1080), "a photograph of 4032 × 3024": (4032, 3024)}


@dataclass(frozen=True, slots=True)
class Pictures:
    """Milliseconds of CPU for the small pictures of one original: ours, the naive way's, and decoding alone both ways."""

    name: str
    product: float
    naive: float
    draft: float
    decode: float

    @property
    def ratio(self) -> float:
        """Ours, as a part of the naive time."""
        return self.product / self.naive


def naive(data: bytes) -> dict[int, bytes]:
    """What one writes first, with the library's defaults."""
    with Image.open(io.BytesIO(data)) as image:
        full = ImageOps.exif_transpose(image).convert("RGB")
    made = {}
    for width in WIDTHS:
        small = full.resize(
            (width, round(full.height * width / full.width)), Image.Resampling.LANCZOS
        )
        out = io.BytesIO()
        small.save(out, "WEBP")
        made[width] = out.getvalue()
    return made


def measure(rounds: int) -> list[Pictures]:
    """Measures every size, the ways in turn."""
    at = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
    told = []
    for name, size in SIZES.items():
        data = draw_frame("MAE SOT 1", at, size=size)
        ways: Mapping[str, Callable[[], object]] = {
            "product": lambda data=data: derivatives(io.BytesIO(data)),  # type: ignore[misc] # bound now
            "naive": lambda data=data: naive(data),  # type: ignore[misc] # bound now
            "draft": lambda data=data: _decoded(data, (960, 960 * 9 // 16)),  # type: ignore[misc] # bound now
            "decode": lambda data=data: _decoded(data, None),  # type: ignore[misc] # bound now
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, work in ways.items():
                began = process_time()
                work()
                times[way].append((process_time() - began) * 1000)
        told.append(Pictures(name, **{way: median(found) for way, found in times.items()}))
    return told


def _decoded(data: bytes, at_least: tuple[int, int] | None) -> None:
    with Image.open(io.BytesIO(data)) as image:
        if at_least is not None:
            image.draft("RGB", at_least)
        image.load()


def told(measured: list[Pictures]) -> str:
    """The figures as lines of text."""
    return "\n".join(
        f"{one.name}: {one.product:.1f} ms, naive {one.naive:.1f} ms, ratio {one.ratio:.2f} (asked for: {AT_MOST}); "
        f"decoding alone {one.draft:.1f} ms with draft, {one.decode:.1f} ms whole"
        for one in measured
    )
