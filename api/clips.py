"""The door of players: a clip's playlist, and its segments by way of the store.

    GET /clips/{id}/live.m3u8?key=…           200 HLS, also while the clip is recorded
    GET /clips/{id}/segments/{number}?key=…   307 to the bytes in the store
    GET /clips/{id}/heads/{number}?key=…      307 to the head of fragmented MP4

The key is part of `liveUrl` in the contract: it names its reader, opens one clip and lives shortly. The database is asked
each time whether that reader may still see the clip.
"""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote
from uuid import UUID

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from api.services import Services
from patrol.clips.playlist import playlist
from patrol.clips.watching import played, reader_of, watched
from patrol.errors import ClipUnknown, SegmentMissing
from storage.vocabulary import ClipContainer

HLS = "application/vnd.apple.mpegurl"

OPEN_TO_PAGES = {"access-control-allow-origin": "*"}
"""Any page may play what it has a key for; no cookie or other credential is looked at here."""

_ENDINGS = {ClipContainer.MPEG_TS: "ts", ClipContainer.FMP4: "m4s"}


async def show_playlist(request: Request) -> Response:
    """What of a clip can be played now. A player asks again and again while the clip is recorded."""
    services: Services = request.app.state.services
    clip_id, key, now = _clip(request), _key(request), datetime.now(UTC)
    reader = reader_of(services.keys, clip_id, key, now)
    recording = await watched(services.database, reader, clip_id)
    ending = _ENDINGS[recording.container]
    # Base64 is read leniently: what else stands in a key must not become a line of the list.
    said = quote(key, safe="")
    text = playlist(
        recording,
        now,
        media=lambda number: f"segments/{number}.{ending}?key={said}",
        head=lambda number: f"heads/{number}.mp4?key={said}",
    )
    return Response(text, media_type=HLS, headers={"cache-control": "no-store", **OPEN_TO_PAGES})


async def show_segment(request: Request) -> Response:
    """Leads to the bytes of a segment, or of a head."""
    services: Services = request.app.state.services
    clip_id = _clip(request)
    reader = reader_of(services.keys, clip_id, _key(request), datetime.now(UTC))
    number, _, _ = request.path_params["name"].partition(".")
    if not (number.isdecimal() and number.isascii() and len(number) <= 6):
        raise SegmentMissing
    init = "/heads/" in request.url.path
    bucket, key = await played(services.database, reader, clip_id, int(number), init=init)
    return RedirectResponse(
        services.link(bucket, key), 307, headers={"cache-control": "no-store", **OPEN_TO_PAGES}
    )


def _clip(request: Request) -> UUID:
    try:
        return UUID(request.path_params["clip_id"])
    except ValueError:
        raise ClipUnknown from None


def _key(request: Request) -> str:
    return request.query_params.get("key", "")


routes: list[Route] = [
    Route("/clips/{clip_id}/live.m3u8", show_playlist, methods=["GET"]),
    Route("/clips/{clip_id}/segments/{name}", show_segment, methods=["GET"]),
    Route("/clips/{clip_id}/heads/{name}", show_segment, methods=["GET"]),
]
