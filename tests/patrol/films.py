"""Films as phones and poles make them, and as no honest one would: made here, so that the tests need no files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from hashlib import sha256
from typing import Any

import av
from PIL import Image, ImageDraw

RATE = 10
"""Pictures a second."""

_SOUND = 8_000


@dataclass(frozen=True)
class Film:
    """The segments of a film, and their head where they need one."""

    container: str
    head: bytes | None
    segments: tuple[bytes, ...]
    seconds: float

    def declared(self, sequence: int) -> dict[str, Any]:
        """A segment as it is declared."""
        return declared(self.segments[sequence], sequence, self.seconds)


def declared(
    data: bytes, sequence: int, seconds: float | None = 2.0, **more: Any
) -> dict[str, Any]:
    """What a recorder says of some bytes."""
    return {
        "sequence": sequence, "sha256": sha256(data).hexdigest(), "sizeBytes": len(data),
        **({"init": True} if seconds is None else {"seconds": seconds}),
    } | more  # fmt: skip


@cache
def film(
    container: str = "MPEG_TS",
    *,
    segments: int = 4,
    seconds: float = 2.0,
    video: str | None = "libx264",
    audio: bool = True,
    size: tuple[int, int] = (320, 240),
    start: float = 1.4,
) -> Film:
    """Segments of a running clock, each beginning with a whole picture; the clock starts at `start`."""
    # A transport stream repeats how pictures are coded before each whole one; MP4 says it once, in the head.
    sink = "mpegts" if container == "MPEG_TS" else "mp4"
    packets = _encoded(sink, video, audio, size, segments * seconds, seconds)
    if container == "MPEG_TS":
        made = [_stream(part, start) for part in _cut(packets, segments, seconds)]
        return Film(container, None, tuple(made), seconds)
    whole = _fragmented(_cut(packets, segments, seconds), start)
    return Film(container, whole[0], tuple(whole[1:]), seconds)


Packets = list[tuple[str, Any, Any]]
"""Kind, template stream and packet."""


def _encoded(
    format: str, video: str | None, audio: bool, size: tuple[int, int], length: float, key: float
) -> Packets:
    whole = io.BytesIO()
    with closing(av.open(whole, "w", format=format)) as sink:
        picture = None if video is None else _camera(sink, video, size, key)
        sound: Any = sink.add_stream("aac", rate=_SOUND, layout="mono") if audio else None
        for number in range(round(length * RATE)) if picture is not None else ():
            frame = av.VideoFrame.from_image(_picture(size, number))
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            sink.mux(picture.encode(frame))
        for at in range(0, round(length * _SOUND), 1024) if sound is not None else ():
            heard = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            heard.planes[0].update(bytes(4096))
            heard.sample_rate, heard.pts, heard.time_base = _SOUND, at, Fraction(1, _SOUND)
            sink.mux(sound.encode(heard))
        for one in (picture, sound):
            if one is not None:
                sink.mux(one.encode(None))
    whole.seek(0)
    source = av.open(whole, "r", format=format)
    found = [(one.stream.type, one.stream, one) for one in source.demux() if one.size]
    leading = "audio" if video is None else "video"
    zero = min(float(one[2].pts * one[2].time_base) for one in found if one[0] == leading)
    for _, _, packet in found:
        move = round(zero / packet.time_base)
        packet.pts, packet.dts = packet.pts - move, packet.dts - move
    found.sort(key=lambda one: float(one[2].dts * one[2].time_base))
    return found


def _camera(sink: Any, codec: str, size: tuple[int, int], key: float) -> Any:
    picture = sink.add_stream(codec, rate=RATE)
    picture.width, picture.height = size
    picture.pix_fmt = "yuv420p"
    picture.gop_size = round(key * RATE)
    options = {"preset": "ultrafast", "tune": "zerolatency"}
    if codec == "libx265":
        options["x265-params"] = f"log-level=none:keyint={picture.gop_size}"
    else:
        options["sc_threshold"] = "0"
    picture.options = options
    return picture


def _picture(size: tuple[int, int], number: int) -> Image.Image:
    picture = Image.new("RGB", size, (40, 60 + number % 100, 90))
    ImageDraw.Draw(picture).rectangle(
        [number * 3 % size[0], 20, number * 3 % size[0] + 30, 60], (250, 250, 250)
    )
    return picture  # fmt: skip


def _cut(packets: Packets, segments: int, seconds: float) -> list[Packets]:
    parts: list[Packets] = [[] for _ in range(segments)]
    for one in packets:
        at = float(one[2].pts * one[2].time_base)
        parts[min(segments - 1, max(0, int(at / seconds + 1e-6)))].append(one)
    return parts


def _stream(part: Packets, start: float) -> bytes:
    out = io.BytesIO()
    with closing(av.open(out, "w", format="mpegts", options={"mpegts_copyts": "1"})) as muxer:
        made: dict[str, Any] = {}
        for kind, template in _streams(part):
            made[kind] = muxer.add_stream_from_template(template)
        for kind, _, packet in part:
            _mux(muxer, made[kind], packet, start)
    return out.getvalue()  # fmt: skip


def _streams(part: Packets) -> list[tuple[str, Any]]:
    """The streams of a part, picture first."""
    return sorted({kind: template for kind, template, _ in part}.items(), reverse=True)


def _mux(muxer: Any, stream: Any, packet: Any, start: float) -> None:
    copy = av.Packet(bytes(packet))
    copy.time_base = packet.time_base
    move = round(start / packet.time_base)
    copy.pts, copy.dts, copy.duration = packet.pts + move, packet.dts + move, packet.duration
    copy.is_keyframe = packet.is_keyframe
    copy.stream = stream
    muxer.mux(copy)


def _fragmented(parts: Sequence[Packets], start: float) -> list[bytes]:
    """The head, and each part as its own fragment: every part begins with a whole picture."""
    out = io.BytesIO()
    flags = {"movflags": "empty_moov+default_base_moof+frag_keyframe+skip_trailer"}
    made: dict[str, Any] = {}
    with closing(av.open(out, "w", format="mp4", options=flags)) as muxer:
        for kind, template in _streams(parts[0]):
            made[kind] = muxer.add_stream_from_template(template)
        for kind, _, packet in (one for part in parts for one in part):
            _mux(muxer, made[kind], packet, start)
    data = out.getvalue()
    head = data.index(b"moof") - 4
    return [data[:head], *_by_fragment(data[head:])]


def _by_fragment(data: bytes) -> list[bytes]:
    boxes, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        boxes.append((data[at + 4 : at + 8], data[at : at + length]))
        at += length
    cut: list[bytes] = []
    for kind, box in boxes:
        if kind in (b"moof", b"styp"):
            cut.append(box)
        elif cut:
            cut[-1] += box
    return cut
