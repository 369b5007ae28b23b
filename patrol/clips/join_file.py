"""Puts verified segments together into one MP4 without encoding anything anew, looks at the result, and takes a picture of it.

Only in a limited process: imported by `patrol.limited_child`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import closing
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any, Final

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from PIL import Image

from patrol.clips.probe import joined, opened, picture_and_sound
from storage.vocabulary import ClipContainer

WIDTHS: Final = (320, 960)
QUALITY: Final = 78
POSTER_AFTER: Final = 1.0
"""Seconds: the first pictures of a phone that is being pulled from a pocket are dark."""

OVERLAP: Final = 5
"""Seconds by which segments may begin before the last one ended: sound and picture are not cut at the same moment."""

LONGEST_GAP: Final = 3600
"""Seconds that may be missing between two segments of one encoder."""

_LOOKED_AT: Final = 90
"""Pictures that are decoded at most in search of the poster."""


def join(request: Mapping[str, Any]) -> dict[str, Any]:
    """Makes the file.

    Args:
        request: `container`; `runs`, each the path of its `head` (null: none) and those of its `parts`, which were encoded in
            one go; `into`, the path of the file, and `posters`, those of the pictures by width.

    Returns:
        `seconds`, `width`, `height` (null without picture), `streams` and the widths of the `posters` that were made.
    """
    container = ClipContainer(request["container"])
    into = Path(request["into"])
    # The index at the front, so that a browser begins to play before it has all.
    with closing(av.open(str(into), "w", format="mp4", options={"movflags": "+faststart"})) as out:
        writer = _Writer(out)
        for run in request["runs"]:
            writer.begin()
            heads = [Path(run["head"])] if run["head"] else []
            for part in run["parts"]:
                # Each by itself, as it was verified: the tables of a stream may change from segment to segment.
                with (
                    joined(heads, [Path(part)]) as source,
                    closing(opened(source, container)) as found,
                ):
                    writer.copy(found)
    return _looked_at(into, {int(width): Path(path) for width, path in request["posters"].items()})


class _Writer:
    """Copies packets; what an encoder that was begun anew calls zero goes on where the one before ended."""

    def __init__(self, out: OutputContainer) -> None:
        self._out = out
        self._streams: dict[str, Stream] = {}
        self._forms: dict[str, tuple[Any, ...]] = {}
        self._shift = Fraction(0)
        self._end = Fraction(0)
        self._last: dict[str, int] = {}
        self._fresh = True

    def begin(self) -> None:
        self._fresh = True

    def copy(self, found: Any) -> None:
        sources = picture_and_sound(found)
        for one in sources:
            if one.type not in self._streams:
                if self._last:
                    raise ValueError("PARTS_DIFFER")
                self._streams[one.type] = self._out.add_stream_from_template(one)
                self._forms[one.type] = _form(one)
            elif _form(one) != self._forms[one.type]:
                raise ValueError("PARTS_DIFFER")
        # A segment is a few seconds; whole, its packets can be put in their order.
        packets = [one for one in found.demux(sources) if one.size and one.dts is not None]
        if not packets:
            return
        packets.sort(key=_moment)
        first = _moment(packets[0])
        ahead = first + self._shift - self._end
        if self._fresh or not -OVERLAP < ahead < LONGEST_GAP:
            # Another encoder, or a clock that ran over: what cannot be told from a gap goes on at once.
            self._shift = self._end - first
            self._fresh = False
        for packet in packets:
            self._write(packet)

    def _write(self, packet: Packet[Any]) -> None:
        kind = packet.stream.type
        base = packet.time_base
        move = round(self._shift / base)
        dts = (packet.dts or 0) + move
        pts = dts if packet.pts is None else packet.pts + move
        last = self._last.get(kind)
        if last is not None and dts <= last:
            # Two segments may share a packet's time at their seam; a container takes only growing ones.
            # The file may count in coarser steps than the segment.
            step = (self._streams[kind].time_base or base) / base
            dts = last + max(1, ceil(step))
            pts = max(pts, dts)
        self._last[kind] = dts
        self._end = max(self._end, (pts + (packet.duration or 0)) * base)
        packet.dts, packet.pts = dts, pts
        packet.stream = self._streams[kind]
        self._out.mux(packet)


def _moment(packet: Packet[Any]) -> Fraction:
    return (packet.dts or 0) * packet.time_base


def _form(one: Stream) -> tuple[Any, ...]:
    """What may not change within one file."""
    coding: Any = one.codec_context
    if one.type == "video":
        return (coding.name, coding.width, coding.height)
    return (coding.name, coding.sample_rate, coding.layout.name)


def _looked_at(path: Path, posters: Mapping[int, Path]) -> dict[str, Any]:
    """Reads the finished file as a stranger would."""
    with path.open("rb") as file, closing(opened(file, ClipContainer.FMP4)) as found:
        streams = picture_and_sound(found)
        seconds = float(found.duration or 0) / av.time_base
        shown = next((one for one in streams if one.type == "video"), streams[0])
        shown.codec_context.thread_count = 1
        told: dict[str, Any] = {
            "seconds": round(seconds, 3),
            "streams": sorted(one.type for one in streams),
            "width": None,
            "height": None,
            "posters": [],
        }
        chosen: Any = None
        frame: Any
        for count, frame in enumerate(found.decode(shown)):
            chosen = frame
            if shown.type != "video" or (frame.time or 0) >= POSTER_AFTER or count >= _LOOKED_AT:
                break
        if chosen is None:
            raise ValueError("UNDECODABLE")
        if shown.type == "video":
            told |= {"width": chosen.width, "height": chosen.height}
            told["posters"] = _paint(chosen, posters)
    return told


def _paint(frame: Any, posters: Mapping[int, Path]) -> list[int]:
    picture: Image.Image = frame.to_image()
    if frame.rotation:
        picture = picture.rotate(frame.rotation, expand=True)
    for width, path in sorted(posters.items(), reverse=True):
        if picture.width > width:
            height = max(1, round(picture.height * width / picture.width))
            picture = picture.resize((width, height), Image.Resampling.BICUBIC)
        out = io.BytesIO()
        picture.save(out, "WEBP", quality=QUALITY, method=2)
        path.write_bytes(out.getvalue())
    return sorted(posters)
