"""Reads segments with a decoder: what is in them, how long they last, and that a picture comes out. Only in a limited process.

Imported by `patrol.limited_child`; nothing else may call it, because a decoder that reads a stranger's bytes may do anything.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import closing
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext

from patrol.clips.structure import Unfit, UnfitSegment, check_structure
from storage.vocabulary import ClipContainer

MOST_PIXELS: Final = 4096 * 2304
LONGEST_SIDE: Final = 4096
LONGEST: Final = 75.0
"""Seconds; a little more than may be declared."""

FRAMES: Final = 3
"""As many are decoded."""

FORMATS: Final = {ClipContainer.MPEG_TS: "mpegts", ClipContainer.FMP4: "mp4"}
CODECS: Final = {"h264": "H264", "hevc": "HEVC", "aac": "AAC"}
_NO_OTHER_FILES: Final = {"protocol_whitelist": "pipe"}


def probe(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Looks at the segments of one clip.

    Args:
        request: `container`, `video`, `audio` as declared (null where there is none), and `segments`: each `path`, `size`,
            `init`, and `head`, the path of the head that it is read with (null: none).

    Returns:
        For each either `reason`, or `seconds` (null for a head).
    """
    return [_judged(request, one) for one in request["segments"]]


def _judged(request: Mapping[str, Any], one: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"seconds": _seconds(request, one)}
    except UnfitSegment as unfit:
        return {"reason": unfit.reason.value}
    except MemoryError:
        return {"reason": Unfit.TOO_COSTLY.value}
    except (FFmpegError, OSError, ValueError, ArithmeticError, LookupError):
        return {"reason": Unfit.UNDECODABLE.value}


def _seconds(request: Mapping[str, Any], one: Mapping[str, Any]) -> float | None:
    container = ClipContainer(request["container"])
    path = Path(one["path"])
    with path.open("rb") as file:
        check_structure(file, one["size"], container, init=one["init"])
    if one["init"]:
        with path.open("rb") as file, closing(opened(file, container)) as found:
            _check_streams(found, request, whole=False)
        return None
    with joined([Path(one["head"])] if one["head"] else [], [path]) as source:
        with closing(opened(source, container)) as found:
            streams = _check_streams(found, request, whole=True)
            _check_decodable(found, streams)
        source.seek(0)
        with closing(opened(source, container)) as found:
            seconds = _measured(found)
    if seconds > LONGEST:
        raise UnfitSegment(Unfit.TOO_LONG)
    if seconds <= 0:
        raise UnfitSegment(Unfit.UNDECODABLE)
    return round(seconds, 3)


def opened(file: IO[bytes], container: ClipContainer) -> InputContainer:
    """A demuxer of the one format, which may open nothing else: no list of files, no address."""
    return av.open(file, mode="r", format=FORMATS[container], options=dict(_NO_OTHER_FILES))


def picture_and_sound(found: InputContainer) -> list[Stream]:
    """The streams that are kept; subtitles and data are left out."""
    return [one for one in found.streams if one.type in ("video", "audio")]


def _check_streams(
    found: InputContainer, request: Mapping[str, Any], *, whole: bool
) -> list[Stream]:
    streams = picture_and_sound(found)
    kinds = sorted(one.type for one in streams)
    if kinds not in (["audio"], ["video"], ["audio", "video"]):
        raise UnfitSegment(Unfit.WRONG_STREAMS)
    for one in streams:
        declared = request[one.type]
        if CODECS.get(one.codec_context.name) != declared:
            raise UnfitSegment(Unfit.CODEC_DIFFERS)
        if one.type == "video":
            picture = cast(VideoCodecContext, one.codec_context)
            width, height = picture.width, picture.height
            if max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
                raise UnfitSegment(Unfit.TOO_MANY_PIXELS)
            if whole and not width * height:
                raise UnfitSegment(Unfit.UNDECODABLE)
    return streams


def _check_decodable(found: InputContainer, streams: Sequence[Stream]) -> None:
    """A segment that begins a picture anew must give one; sound must give sound."""
    shown = next((one for one in streams if one.type == "video"), streams[0])
    shown.codec_context.thread_count = 1
    frames = 0
    for packet in found.demux(shown):
        if packet.size > 0 and packet.is_corrupt:
            raise UnfitSegment(Unfit.UNDECODABLE)
        frames += len(packet.decode())
        if frames >= FRAMES:
            return
    if not frames:
        raise UnfitSegment(Unfit.UNDECODABLE)


def _measured(found: InputContainer) -> float:
    """Seconds from the first to the end of the last packet, of the stream that decides: picture before sound."""
    streams = picture_and_sound(found)
    decides = next((one for one in streams if one.type == "video"), streams[0])
    base = decides.time_base or Fraction(1, 90_000)
    first: int | None = None
    last, step, count = 0, 0, 0
    for packet in found.demux(decides):
        if packet.size == 0 or packet.pts is None:
            continue
        count += 1
        first = packet.pts if first is None else min(first, packet.pts)
        last = max(last, packet.pts)
        step = packet.duration or step
    if first is None:
        return 0.0
    # A transport stream does not say how long the last picture is shown: as long as the others.
    step = step or ((last - first) // max(count - 1, 1))
    return float((last - first + step) * base)


class _Joined(io.RawIOBase):
    """Files one after the other, read as one; one of them is open at a time."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._starts = [0, *accumulate(path.stat().st_size for path in paths)]
        self._at = 0
        self._open: tuple[int, BinaryIO] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, into: Any) -> int:
        if self._at >= self._starts[-1]:
            return 0
        place = bisect_right(self._starts, self._at) - 1
        if self._open is None or self._open[0] != place:
            self._shut()
            self._open = (place, self._paths[place].open("rb"))
        file = self._open[1]
        file.seek(self._at - self._starts[place])
        got = int(file.readinto(into))  # type: ignore[attr-defined] # a buffered reader has it
        self._at += got
        return got

    def _shut(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def close(self) -> None:
        self._shut()
        super().close()


def joined(heads: Sequence[Path], paths: Sequence[Path]) -> io.BufferedReader:
    """Heads and segments as one file."""
    return io.BufferedReader(_Joined([*heads, *paths]), 65_536)
