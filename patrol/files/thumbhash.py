"""ThumbHash: a picture in about 25 bytes, which a list without signal shows until it has more.

The algorithm is Evan Wallace's (https://evanw.github.io/thumbhash/): the lowest frequencies of luminance, two colour
differences and opacity. Apps decode it with his or another implementation; the bytes are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, floor, pi
from typing import Final

from PIL import Image

SIDE: Final = 64
"""Pixels: the picture is made this small first. The algorithm takes up to 100; it looks at seven waves a side."""


def thumb_hash(picture: Image.Image) -> bytes:
    """The hash of an upright picture. Blocking, about 20 ms."""
    small = picture.convert("RGBA") if picture.mode != "RGBA" else picture.copy()
    small.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    return hash_of(small.width, small.height, small.tobytes())


def hash_of(width: int, height: int, rgba: bytes) -> bytes:
    """The hash of pixels: four bytes each (red, green, blue, opacity, not premultiplied), at most 100 a side."""
    if not (0 < width <= 100 and 0 < height <= 100):
        raise ValueError("a picture is hashed from 1 to 100 pixels a side")
    red, green, blue, opacity = _mean(width, height, rgba)
    clear = opacity < width * height
    most = 5 if clear else 7  # waves of luminance: fewer where opacity needs room
    longer = max(width, height)
    across = max(1, _round(most * width / longer))
    down = max(1, _round(most * height / longer))
    light: list[float] = []
    yellow: list[float] = []
    ruddy: list[float] = []
    alpha: list[float] = []
    for at in range(0, 4 * width * height, 4):
        share = rgba[at + 3] / 255
        r = red * (1 - share) + share / 255 * rgba[at]
        g = green * (1 - share) + share / 255 * rgba[at + 1]
        b = blue * (1 - share) + share / 255 * rgba[at + 2]
        light.append((r + g + b) / 3)
        yellow.append((r + g) / 2 - b)
        ruddy.append(r - g)
        alpha.append(share)
    l_dc, l_ac, l_scale = _waves(light, width, height, max(3, across), max(3, down))
    p_dc, p_ac, p_scale = _waves(yellow, width, height, 3, 3)
    q_dc, q_ac, q_scale = _waves(ruddy, width, height, 3, 3)
    landscape = width > height
    head = (
        _round(63 * l_dc) | _round(31.5 + 31.5 * p_dc) << 6 | _round(31.5 + 31.5 * q_dc) << 12
        | _round(31 * l_scale) << 18 | clear << 23
    )  # fmt: skip
    shape = (
        (down if landscape else across) | _round(63 * p_scale) << 3 | _round(63 * q_scale) << 9
        | landscape << 15
    )  # fmt: skip
    out = bytearray(head.to_bytes(3, "little") + shape.to_bytes(2, "little"))
    waves = [*l_ac, *p_ac, *q_ac]
    if clear:
        a_dc, a_ac, a_scale = _waves(alpha, width, height, 5, 5)
        out.append(_round(15 * a_dc) | _round(15 * a_scale) << 4)
        waves += a_ac
    for at in range(0, len(waves), 2):
        pair = waves[at : at + 2]
        out.append(sum(_round(15 * wave) << 4 * place for place, wave in enumerate(pair)))
    return bytes(out)


def _round(value: float) -> int:
    """To the nearest, halves up, as every implementation does."""
    return floor(value + 0.5)


def _mean(width: int, height: int, rgba: bytes) -> tuple[float, float, float, float]:
    """The mean colour, weighed by opacity, and the sum of opacity."""
    red = green = blue = opacity = 0.0
    for at in range(0, 4 * width * height, 4):
        share = rgba[at + 3] / 255
        red += share / 255 * rgba[at]
        green += share / 255 * rgba[at + 1]
        blue += share / 255 * rgba[at + 2]
        opacity += share
    if not opacity:
        return 0.0, 0.0, 0.0, 0.0
    return red / opacity, green / opacity, blue / opacity, opacity


def _waves(
    channel: Sequence[float], width: int, height: int, across: int, down: int
) -> tuple[float, list[float], float]:
    """The mean of a channel, its waves scaled to 0…1, and their scale."""
    columns = [
        [cos(pi / width * x * (place + 0.5)) for place in range(width)] for x in range(across)
    ]
    rows = [[cos(pi / height * y * (place + 0.5)) for place in range(height)] for y in range(down)]
    # Rows first, then columns: the sum over both is the product of two short ones.
    lines = [channel[y * width : (y + 1) * width] for y in range(height)]
    mean, waves, scale = 0.0, list[float](), 0.0
    folded = [[sum(map(float.__mul__, line, column)) for line in lines] for column in columns]
    for y in range(down):
        for x in range(across):
            if x * down >= across * (down - y):
                break
            wave = sum(map(float.__mul__, folded[x], rows[y])) / (width * height)
            if x or y:
                waves.append(wave)
                scale = max(scale, abs(wave))
            else:
                mean = wave
    if scale:
        waves = [0.5 + 0.5 / scale * wave for wave in waves]
    return mean, waves, scale
