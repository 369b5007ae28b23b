"""A camera that needs no camera: drawn pictures for demonstrations, drills and tests."""

from __future__ import annotations

import io
from datetime import datetime

from PIL import Image, ImageDraw, ImageFont

SIZE = (1280, 720)
_NOISE = (160, 90)


def draw_frame(
    camera: str, at: datetime, *, size: tuple[int, int] = SIZE, quality: int = 80
) -> bytes:
    """One JPEG as a street camera would send it: a scene, the camera's name, the time in its corner and in its
    EXIF, and noise that makes each one differ. `at` must be aware. Blocking: run it in a thread.

    The built-in font has no Thai letters; give the camera's Latin name.
    """
    if at.tzinfo is None:
        raise ValueError("a frame's time must know its zone")
    width, height = size
    # Seven bits of the name decide the colour of the sky, so that cameras can be told apart at a glance.
    shade = sum(camera.encode()) % 128
    sky = Image.linear_gradient("L").resize(size)
    scene = Image.merge(
        "RGB", (sky.point(lambda v: v // 3 + shade // 2), sky.point(lambda v: v // 2 + 40), sky)
    )
    draw = ImageDraw.Draw(scene)
    horizon = height * 2 // 3
    draw.polygon(
        [(width * 0.42, horizon), (width * 0.58, horizon), (width, height), (0, height)],
        fill=(70, 70, 74),
    )
    for number in range(6):
        left = width * number / 6
        top = horizon - height * (0.12 + ((shade + number * 37) % 23) / 100)
        draw.rectangle((left, top, left + width / 7, horizon), fill=(90 + shade // 4, 84, 80))
    passer = width * ((at.second + at.microsecond / 1e6) / 60)
    draw.rectangle(
        (passer, horizon - height / 12, passer + width / 16, horizon + height / 24),
        fill=(150, 40, 40),
    )
    noise = Image.effect_noise(_NOISE, 40).resize(size, Image.Resampling.NEAREST).convert("RGB")
    scene = Image.blend(scene, noise, 0.12)
    _write(scene, camera, at)
    exif = Image.Exif()
    exif.get_ifd(0x8769).update(
        {0x9003: at.strftime("%Y:%m:%d %H:%M:%S"), 0x9011: at.isoformat()[-6:]}
    )
    out = io.BytesIO()
    scene.save(out, "JPEG", quality=quality, exif=exif)
    return out.getvalue()


def _write(scene: Image.Image, camera: str, at: datetime) -> None:
    draw = ImageDraw.Draw(scene)
    font = ImageFont.load_default(size=max(10, scene.height // 24))
    margin = scene.height // 40
    for text, anchor, corner in (
        (camera, "la", (margin, margin)),
        (
            at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
            "rd",
            (scene.width - margin, scene.height - margin),
        ),
    ):
        box = draw.textbbox(corner, text, font=font, anchor=anchor)
        draw.rectangle((box[0] - 6, box[1] - 4, box[2] + 6, box[3] + 4), fill=(0, 0, 0))
        draw.text(corner, text, font=font, anchor=anchor, fill=(255, 255, 255))
