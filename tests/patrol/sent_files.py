"""Files as phones send them, and as no honest one would: made here, so that the tests need no files."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import closing
from fractions import Fraction
from functools import cache
from typing import Any

import av
from PIL import Image, ImageDraw

GPS = {1: "N", 2: (16.0, 42.0, 54.36), 3: "E", 4: (98.0, 34.0, 22.08)}
"""The market of Mae Sot: 16.7151, 98.5728."""


def picture(size: tuple[int, int] = (640, 480), *, seed: int = 0) -> Image.Image:
    """A scene of which top left is red, top right green, bottom left blue."""
    image = Image.new("RGB", size, (200, 190, 60))
    draw = ImageDraw.Draw(image)
    x, y = size[0] // 2, size[1] // 2
    draw.rectangle([0, 0, x, y], (200, 30, 30 + seed % 100))
    draw.rectangle([x, 0, size[0], y], (30, 180, 40))
    draw.rectangle([0, y, x, size[1]], (30, 40, 190))
    return image


def exif(*, orientation: int = 1, gps: bool = True) -> Image.Exif:
    """What a phone writes of a picture."""
    made = Image.Exif()
    made[0x010F], made[0x0110], made[0x0112] = "Samsung", "SM-A546E", orientation
    made.get_ifd(0x8769).update({0x9003: "2569:11:23 16:30:00", 0x9011: "+07:00"})
    if gps:
        made.get_ifd(0x8825).update(GPS)
    return made


def jpeg(size: tuple[int, int] = (640, 480), *, seed: int = 0, **more: Any) -> bytes:
    return _saved(picture(size, seed=seed), "JPEG", exif=exif(**more), quality=80)


def png(size: tuple[int, int] = (640, 480), *, mode: str = "RGB", seed: int = 0) -> bytes:
    return _saved(picture(size, seed=seed).convert(mode), "PNG", exif=exif())


def webp(size: tuple[int, int] = (640, 480)) -> bytes:
    return _saved(picture(size), "WEBP", exif=exif(orientation=6))


def heic(size: tuple[int, int] = (640, 480), *, orientation: int = 1) -> bytes:
    import pillow_heif

    found = pillow_heif.from_pillow(picture(size))
    out = io.BytesIO()
    found.save(out, quality=60, exif=exif(orientation=orientation).tobytes())
    return out.getvalue()


def _saved(image: Image.Image, format: str, **more: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **more)
    return out.getvalue()


@cache
def mp4(
    *,
    seconds: float = 2.0,
    size: tuple[int, int] = (320, 240),
    format: str = "mp4",
    audio: bool = False,
    noise: int = 0,
) -> bytes:
    """A film with its index at the end, as phones write it; `noise` bytes of padding make it large."""
    out = io.BytesIO()
    with closing(av.open(out, "w", format=format)) as sink:
        sink.metadata["creation_time"] = "2026-11-23T09:30:00.000000Z"
        sink.metadata["location"] = "+16.7151+098.5728/"
        shown = sink.add_stream("libx264", rate=10)
        shown.width, shown.height, shown.pix_fmt = *size, "yuv420p"
        shown.options = {"preset": "ultrafast"}
        heard: Any = sink.add_stream("aac", rate=8000, layout="mono") if audio else None
        for number in range(round(seconds * 10)):
            frame = av.VideoFrame.from_image(picture(size, seed=number))
            frame.pts, frame.time_base = number, Fraction(1, 10)
            sink.mux(shown.encode(frame))
        sink.mux(shown.encode(None))
        if heard is not None:
            _sing(sink, heard, seconds)
    data = out.getvalue()
    return data + (struct.pack(">I4s", noise, b"free") + bytes(noise - 8) if noise else b"")


@cache
def sound(
    format: str = "ipod", codec: str = "aac", *, seconds: float = 3.0, rate: int = 8000
) -> bytes:
    """A recording of silence; formats by their names in the library: ipod (m4a), adts, mp3, ogg, wav."""
    out = io.BytesIO()
    with closing(av.open(out, "w", format=format)) as sink:
        _sing(sink, sink.add_stream(codec, rate=rate, layout="mono"), seconds)
    return out.getvalue()


def _sing(sink: Any, heard: Any, seconds: float) -> None:
    context = heard.codec_context
    form, rate = context.format.name, context.sample_rate
    step = context.frame_size or 1024
    for at in range(0, round(seconds * rate), step):
        frame = av.AudioFrame(format=form, layout="mono", samples=step)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
        sink.mux(heard.encode(frame))
    sink.mux(heard.encode(None))


PDF = (
    b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
    b"trailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF\n"
)

ZIP = b"PK\x05\x06" + bytes(18)
"""The end of an archive without files."""


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(side: int = 30_000) -> bytes:
    """A PNG of a few kilobytes that decodes to gigabytes."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(10_000_000)))
        + chunk(b"IEND", b"")
    )


def text_bomb() -> bytes:
    """A fair PNG with a compressed text of 200 MB."""
    data = png((64, 64))
    text = chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(200_000_000), 9))
    return data[:33] + text + data[33:]


def jpeg_bomb() -> bytes:
    """A JPEG that says it is 65,500 pixels a side."""
    data = bytearray(jpeg((64, 64)))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 65_500, 65_500)
    return bytes(data)


def heic_bomb() -> bytes:
    """A HEIC that says it is huge."""
    data = bytearray(heic((64, 64)))
    at = data.index(b"ispe")
    data[at + 8 : at + 16] = struct.pack(">II", 60_000, 60_000)
    return bytes(data)
