"""A small film as a phone's camera makes it: H.264 in MPEG-TS, in segments that each begin with a whole picture. Blocking."""

from __future__ import annotations

import io
from contextlib import closing
from fractions import Fraction

import av
from PIL import Image, ImageDraw

SECONDS = 2.0
RATE = 10
SIZE = (160, 120)


def segments(count: int) -> list[bytes]:
    """Segments whose times run on from one to the next."""
    return [_segment(number) for number in range(count)]


def _segment(number: int) -> bytes:
    out = io.BytesIO()
    pictures = round(SECONDS * RATE)
    with closing(av.open(out, "w", format="mpegts", options={"mpegts_copyts": "1"})) as sink:
        stream = sink.add_stream("libx264", rate=RATE)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.gop_size = pictures
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "sc_threshold": "0"}
        for at in range(number * pictures, (number + 1) * pictures):
            frame = av.VideoFrame.from_image(_picture(at))  # type: ignore[no-untyped-call] # PyAV types it only in part
            frame.pts, frame.time_base = at + RATE, Fraction(1, RATE)
            sink.mux(stream.encode(frame))
        sink.mux(stream.encode(None))
    return out.getvalue()


def _picture(at: int) -> Image.Image:
    """A street at night that passes by."""
    picture = Image.new("RGB", SIZE, (20, 30, 60))
    left = at * 5 % SIZE[0]
    ImageDraw.Draw(picture).rectangle([left, 40, left + 20, 80], (240, 230, 180))
    return picture
