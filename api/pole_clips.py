"""The plain HTTP door by which poles send clips of their alerts: by signed links, or segment by segment through us.

    POST /ingest/posts/{id}/alerts/{alert}/clips                      declares a clip                  201, 200 had it
    POST /ingest/posts/{id}/alerts/{alert}/clips/{clip}/segments      declares segments, gives links   200
    POST /ingest/posts/{id}/alerts/{alert}/clips/{clip}/complete      says what was sent               200
    PUT  /ingest/posts/{id}/alerts/{alert}/clips/{clip}/{number}      the bytes of one segment         201, 200 had it
    PUT  /ingest/posts/{id}/alerts/{alert}/clips/{clip}/heads/{number}  those of a head                201, 200 had it
    POST /ingest/posts/{id}/alerts/{alert}/clips/{clip}/close         ends it                          200

Each takes the pole's own key, as its other addresses do.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid5

import anyio.to_thread
from msgspec import Meta, Struct
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uuid_utils.compat import uuid7

from api.attempts import network_of
from api.device_door import answering, before_its_body, declared_length, id_in
from api.json_body import read_json
from api.pole_signin import PoleDesk
from api.services import Services
from patrol.clips.arrival import MOST_TOLD, Arrival, complete_segments
from patrol.clips.declaring import (
    AT_ONCE,
    LARGEST_SEGMENT,
    NewSegment,
    SegmentState,
    declare_segments,
    end_clips,
)
from patrol.clips.places import own_clip
from patrol.clips.poles import declare_from_pole
from patrol.clips.sending import Place, links_for, take_segment
from patrol.clock import read_phone_time
from patrol.errors import BodyTooLarge, ClipUnknown, PostUnknown, VariableInvalid
from storage.buckets.spool import BLOCK, Spool
from storage.faults import ObjectTooLarge
from storage.principal import Principal, Role
from storage.vocabulary import AudioCodec, ClipContainer, VideoCodec

LIST_BYTES = 64 * 1024
"""What a list of segments may take."""

NOT_KEPT = {"cache-control": "no-store"}

Raw = Annotated[str, Meta(max_length=64)]


class ClipSaid(Struct, rename="camel"):
    """The body that declares a clip."""

    container: ClipContainer
    id: UUID | None = None
    video_codec: VideoCodec | None = None
    audio_codec: AudioCodec | None = None
    started_at: Raw | None = None


class SegmentSaid(Struct, rename="camel"):
    """A segment in a list."""

    sequence: int
    sha256: Annotated[str, Meta(max_length=64)]
    size_bytes: int
    seconds: float | None = None
    init: bool = False
    discontinuity: bool = False


class SegmentsSaid(Struct, rename="camel"):
    """The body that declares segments."""

    segments: Annotated[list[SegmentSaid], Meta(max_length=AT_ONCE)]


class SentSaid(Struct, rename="camel"):
    """The body that says what was sent."""

    sequences: Annotated[list[int], Meta(max_length=MOST_TOLD)]


class EndSaid(Struct, rename="camel"):
    """The body that ends a clip."""

    segment_count: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    ended_at: Raw | None = None


@answering
async def declare(request: Request) -> Response:
    """Declares a clip of the pole's alert; the same again changes nothing."""
    services, pole, post_id, alert_id = await _asked(request)
    said = await read_json(request, ClipSaid)
    if said.video_codec is None and said.audio_codec is None:
        raise VariableInvalid("videoCodec: name it, or audioCodec.", path="videoCodec")
    now = datetime.now(UTC)
    clip_id = said.id
    if clip_id is None:
        # A box that makes no ids names the clip by its own word, and may repeat itself all the same.
        named = request.headers.get("idempotency-key")
        clip_id = uuid5(alert_id, f"{post_id} {named}") if named else uuid7()
    scope_id, created = await declare_from_pole(
        services.database,
        pole,
        post_id,
        alert_id,
        clip_id,
        container=said.container,
        video_codec=said.video_codec,
        audio_codec=said.audio_codec,
        started=read_phone_time(said.started_at or now, now),
        now=now,
    )
    if created:
        services.live.poke([scope_id], ["clips"], [alert_id])
    return JSONResponse({"id": str(clip_id)}, 201 if created else 200, NOT_KEPT)


@answering
async def declare_list(request: Request) -> Response:
    """Declares segments, and says where to PUT those that have not arrived."""
    services, pole, _, alert_id = await _asked(request)
    clip_id = id_in(request, "clip_id", ClipUnknown)
    said = await read_json(request, SegmentsSaid, LIST_BYTES)
    now = datetime.now(UTC)
    given = [
        NewSegment(
            one.sequence, one.sha256, one.size_bytes, one.seconds, one.init, one.discontinuity
        )
        for one in said.segments
    ]
    async with services.database.write(pole) as connection:
        clip = await own_clip(connection, pole, clip_id, alert_id)
        _, states = await declare_segments(connection, clip_id, given, now)
        numbers = [one.sequence for one in states if one.problem is None]
        places = await links_for(connection, services.store, clip, numbers, now)
    services.live.poke([clip["scope_id"]], ["clips"], [clip["alert_id"]])
    told = {
        "segments": [_place(one) for one in places],
        "refused": [_refused(one) for one in states if one.problem is not None],
    }
    return JSONResponse(told, 200, NOT_KEPT)


@answering
async def complete(request: Request) -> Response:
    """Looks for what was sent, and has it verified."""
    services, pole, _, alert_id = await _asked(request)
    clip_id = id_in(request, "clip_id", ClipUnknown)
    said = await read_json(request, SentSaid, LIST_BYTES)
    states, arrival = await complete_segments(
        services.database,
        services.store,
        pole,
        clip_id,
        said.sequences,
        datetime.now(UTC),
        alert_id,
    )
    _tell(services, arrival)
    return JSONResponse({"segments": [_standing(one) for one in states]}, 200, NOT_KEPT)


@answering
async def put_segment(request: Request) -> Response:
    """Stores one segment, or one head, that comes through us."""
    services, pole, _, alert_id = await _asked(request)
    clip_id = id_in(request, "clip_id", ClipUnknown)
    number, seconds = request.path_params["number"], _seconds(request)
    if (declared_length(request) or 0) > LARGEST_SEGMENT:
        raise _too_large()
    async with services.database.enter(Role.WRITER, pole):
        pass  # a revoked key is refused before its body is read
    with Spool(LARGEST_SEGMENT) as body:
        await _receive(request, body)
        state, arrival = await take_segment(
            services.database,
            services.store,
            pole,
            alert_id,
            clip_id,
            body,
            sequence=number,
            seconds=seconds,
            claimed_sha256=request.headers.get("x-content-sha256"),
            discontinuity=request.query_params.get("discontinuity", "") in ("1", "true"),
            now=datetime.now(UTC),
        )
    _tell(services, arrival)
    return JSONResponse(_standing(state), 201 if arrival.segments else 200, NOT_KEPT)


@answering
async def close(request: Request) -> Response:
    """Ends a clip; the body may be left out."""
    services, pole, _, alert_id = await _asked(request)
    clip_id = id_in(request, "clip_id", ClipUnknown)
    empty = declared_length(request) in (None, 0) and "transfer-encoding" not in request.headers
    said = EndSaid() if empty else await read_json(request, EndSaid)
    now = datetime.now(UTC)
    async with services.database.write(pole) as connection:
        clip = await own_clip(connection, pole, clip_id, alert_id)
        when = read_phone_time(said.ended_at or now, now)
        await end_clips(connection, {clip_id: (when, said.segment_count)}, now)
    services.live.poke([clip["scope_id"]], ["clips"], [clip["alert_id"]])
    return before_its_body(request, JSONResponse({"id": str(clip_id)}, 200, NOT_KEPT))


class _Number(IntegerConvertor):
    """Digits that are read into a number at once: a longer row of them is no address of ours."""

    regex = "[0-9]{1,9}"


register_url_convertor("segment_number", _Number())

_ALERT = "/ingest/posts/{post_id}/alerts/{alert_id}/clips"
routes: list[Route] = [
    Route(_ALERT, declare, methods=["POST"]),
    Route(f"{_ALERT}/{{clip_id}}/segments", declare_list, methods=["POST"]),
    Route(f"{_ALERT}/{{clip_id}}/complete", complete, methods=["POST"]),
    Route(f"{_ALERT}/{{clip_id}}/close", close, methods=["POST"]),
    Route(f"{_ALERT}/{{clip_id}}/{{number:segment_number}}", put_segment, methods=["PUT"]),
    Route(f"{_ALERT}/{{clip_id}}/heads/{{number:segment_number}}", put_segment, methods=["PUT"]),
]


async def _asked(request: Request) -> tuple[Services, Principal, UUID, UUID]:
    services: Services = request.app.state.services
    post_id = id_in(request, "post_id", PostUnknown)
    network = network_of(request.client.host if request.client else None)
    pole = await PoleDesk.of(request.app).recognise(request, post_id, None, network)
    if pole.id != post_id:
        raise PostUnknown
    return services, pole, post_id, id_in(request, "alert_id", ClipUnknown)


def _tell(services: Services, arrival: Arrival) -> None:
    if arrival.segments:
        services.live.poke([arrival.scope_id], ["clips"], [arrival.alert_id])


def _seconds(request: Request) -> float | None:
    if "/heads/" in request.url.path:
        return None
    with suppress(ValueError):
        return float(request.query_params.get("seconds", ""))
    raise VariableInvalid("seconds: say how long the segment lasts, ?seconds=4.0.", path="seconds")


async def _receive(request: Request, body: Spool) -> None:
    waiting = bytearray()
    try:
        async for chunk in request.stream():
            waiting += chunk
            # In blocks, because a hop to a thread costs more than hashing a small chunk.
            if len(waiting) >= BLOCK or body.size + len(waiting) > LARGEST_SEGMENT:
                await anyio.to_thread.run_sync(body.write, bytes(waiting))
                waiting.clear()
        await anyio.to_thread.run_sync(body.write, bytes(waiting))
    except ObjectTooLarge:
        raise _too_large() from None


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"A segment has at most {LARGEST_SEGMENT} bytes.", limit=LARGEST_SEGMENT)


def _place(one: Place) -> dict[str, Any]:
    told: dict[str, Any] = {
        "sequence": one.sequence,
        "init": one.init,
        "state": one.state.value,
        "reason": one.reason,
    }
    if one.link is not None:
        told |= {
            "url": one.link.url,
            "headers": dict(one.link.headers),
            "expiresAt": one.link.expires_at.isoformat(),
        }
    return told


def _standing(one: SegmentState) -> dict[str, Any]:
    assert one.state is not None  # it is stored
    return {
        "sequence": one.sequence,
        "init": one.init,
        "state": one.state.value,
        "reason": one.reason,
    }


def _refused(one: SegmentState) -> dict[str, Any]:
    assert one.problem is not None  # the caller chose it for that
    return {
        "sequence": one.sequence,
        "init": one.init,
        "code": one.problem.code,
        "message": one.problem.default_message(),
        "reason": one.reason,
    }
