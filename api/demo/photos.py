"""Real photographs for the cameras: any size and kind goes in, JPEG of at most 1,920 pixels comes out."""

from __future__ import annotations

import io
import warnings
from datetime import datetime
from pathlib import Path
from random import Random

from PIL import Image, ImageOps, UnidentifiedImageError

LONGEST_SIDE = 1920
MOST_PHOTOS = 48
"""More are not read: they would only take memory."""

KINDS = frozenset({".jpg", ".jpeg", ".png", ".webp"})


class NoPhotos(Exception):
    """The directory holds no photograph that can be read."""


def load_photos(directory: Path, rng: Random) -> list[bytes]:
    """JPEG bytes of the photographs under a directory, at most 48 of them, chosen by `rng`. Blocking.

    Raises:
        NoPhotos: there is none.
    """
    found = sorted(path for path in directory.rglob("*") if path.suffix.lower() in KINDS)
    rng.shuffle(found)
    photos: list[bytes] = []
    for path in found:
        photo = _read(path)
        if photo is not None:
            photos.append(photo)
        if len(photos) == MOST_PHOTOS:
            break
    if not photos:
        raise NoPhotos(f"There is no JPEG, PNG or WebP photograph in {directory} that can be read.")
    return photos


def _read(path: Path) -> bytes | None:
    try:
        with warnings.catch_warnings():
            # A bomb or a file with broken metadata is left out; it must neither end the demo nor fill its screen.
            warnings.simplefilter("error")
            with Image.open(path) as image:
                image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
                upright = ImageOps.exif_transpose(image)
                upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
                out = io.BytesIO()
                _flat(upright).save(out, "JPEG", quality=85)
    except (
        OSError,
        ValueError,
        SyntaxError,
        Warning,
        UnidentifiedImageError,
        Image.DecompressionBombError,
    ):
        return None
    return out.getvalue()


def _flat(image: Image.Image) -> Image.Image:
    """RGB, with what is transparent on white."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        seen = image.convert("RGBA")
        paper = Image.new("RGBA", seen.size, "white")
        return Image.alpha_composite(paper, seen).convert("RGB")
    return image.convert("RGB")


def taken_by(photo: bytes, camera: str, at: datetime) -> bytes:
    """The photograph as this camera would send it: its name and time in the EXIF make each frame one of a kind."""
    exif = Image.Exif()
    exif[0x0110] = camera
    exif.get_ifd(0x8769).update(
        {
            0x9003: f"{at:%Y:%m:%d %H:%M:%S}",
            0x9291: f"{at.microsecond:06}",
            0x9011: at.isoformat()[-6:],
        }
    )
    segment = exif.tobytes()
    length = (len(segment) + 2).to_bytes(2, "big")
    return b"\xff\xd8\xff\xe1" + length + segment + photo[2:]
