"""Decides in which media type to answer, and whether a body is JSON in UTF-8."""

from email.message import Message
from enum import StrEnum
from functools import lru_cache


class Media(StrEnum):
    """The media types of an answer."""

    GRAPHQL = "application/graphql-response+json"
    JSON = "application/json"
    EVENTS = "text/event-stream"


_NAMED = (Media.GRAPHQL, Media.JSON, Media.EVENTS)
# A client that takes anything was written before the newer type existed, and reads a 400 as a broken server.
_BY_WILDCARD = (Media.JSON, Media.GRAPHQL, Media.EVENTS)
_UTF8 = frozenset({"utf-8", "utf8", ""})


@lru_cache(maxsize=128)  # clients send few different headers, and parsing costs 50 µs
def choose_media(accept: str) -> Media | None:
    """The answer's media type for an Accept header, or None if the client takes none of ours.

    Highest quality wins, then the more exact range, then our order. A missing (empty) header means JSON.
    Source: RFC 9110, 12.5.1.
    """
    if not accept.strip():
        return Media.JSON
    best: tuple[float, int, int] = (0.0, 0, 0)
    chosen: Media | None = None
    ranges = [_parse(part) for part in accept.split(",")]
    for media in Media:
        exactness, quality = max(
            ((exact, quality) for name, charset, quality in ranges
             if charset in _UTF8 and (exact := _exactness(name, media)) >= 0),
            default=(0, 0.0),
        )  # fmt: skip
        order = _NAMED if exactness == 2 else _BY_WILDCARD
        rank = (quality, exactness, -order.index(media))
        if quality > 0 and (chosen is None or rank > best):
            best, chosen = rank, media
    return chosen


@lru_cache(maxsize=128)
def is_json(content_type: str) -> bool:
    """Whether a Content-Type header means JSON in UTF-8, which is assumed if no charset is named."""
    name, charset, _ = _parse(content_type)
    return name == Media.JSON and charset in _UTF8


def _parse(part: str) -> tuple[str, str, float]:
    """Name, charset and quality of a media type or range; a quality that is no number takes the range out."""
    header = Message()
    header["content-type"] = part.strip()
    name = part.partition(";")[0].strip().lower()
    charset = str(header.get_param("charset", "")).lower()
    try:
        quality = float(str(header.get_param("q", "1")))
    except ValueError:
        quality = 0.0
    return name, charset, quality if 0 <= quality <= 1 else 0.0


def _exactness(name: str, media: Media) -> int:
    if name == media:
        return 2
    if name == media.partition("/")[0] + "/*":
        return 1
    return 0 if name == "*/*" else -1
