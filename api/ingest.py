"""The plain HTTP door of cameras and SOS poles, which can send a file and a header and should need nothing else.

    PUT  /ingest/cameras/{id}/snapshots    one JPEG as the body   201 stored, 200 had it already
    POST /ingest/cameras/{id}/heartbeat                           204
    POST /ingest/posts/{id}/alarm          any body or none       201 alert raised, 200 joined the unfinished one
    POST /ingest/posts/{id}/heartbeat                             204

Each asks for `Authorization: Bearer` with the device's own key.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import wraps
from uuid import UUID

import anyio.to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.hang_up import LastAnswer
from api.problems import answer, as_problem
from api.services import Services
from api.signin import authenticate_device
from patrol.errors import (
    BodyTooLarge,
    CameraUnknown,
    ContentTypeUnsupported,
    PostUnknown,
    Problem,
)
from patrol.media import see_camera, take_snapshot
from patrol.sos.alerts import press_button, see_post
from storage.buckets.spool import BLOCK, Spool
from storage.faults import ObjectTooLarge, StorageFault
from storage.principal import Role

JPEG = frozenset({"image/jpeg", "image/jpg"})

SIGNAL_BYTES = 64 * 1024
"""Largest body that is swallowed for the sake of its connection after an answer that did not need it."""

Endpoint = Callable[[Request], Awaitable[Response]]


def _answering(endpoint: Endpoint) -> Endpoint:
    """Answers refusals, also where a body is still on its way."""

    @wraps(endpoint)
    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (Problem, StorageFault) as error:
            return _before_its_body(request, answer(as_problem(error)))
        except ClientDisconnect:
            # Nobody is left to read this; what had arrived is gone with its temporary file.
            return Response(status_code=400)

    return answered


@_answering
async def put_snapshot(request: Request) -> Response:
    """Stores one JPEG of a camera."""
    services: Services = request.app.state.services
    principal = await authenticate_device(request)
    camera_id = _id(request, "camera_id", CameraUnknown)
    if principal.id != camera_id:
        raise CameraUnknown
    _check_type(request)
    async with services.database.enter(Role.WRITER, principal):
        pass  # a revoked key is refused before its body is read
    async with _received(request, services.settings.snapshot_bytes) as body:
        taken = await take_snapshot(
            services.database,
            services.store,
            principal,
            camera_id,
            body,
            request.headers.get("x-taken-at"),
            datetime.now(UTC),
        )
    if not taken.duplicate:
        services.live.wake_workers()
    return JSONResponse(
        {"id": str(taken.snapshot_id), "duplicate": taken.duplicate},
        status_code=200 if taken.duplicate else 201,
    )


@_answering
async def beat_camera(request: Request) -> Response:
    """Notes that a camera lives."""
    services: Services = request.app.state.services
    principal = await authenticate_device(request)
    camera_id = _id(request, "camera_id", CameraUnknown)
    await see_camera(services.database, principal, camera_id, datetime.now(UTC))
    return _before_its_body(request, Response(status_code=204))


@_answering
async def press(request: Request) -> Response:
    """Raises an alert for a pole's button, or joins the unfinished one, whatever becomes of the body: it is not read."""
    services: Services = request.app.state.services
    principal = await authenticate_device(request)
    post_id = _id(request, "post_id", PostUnknown)
    press_id = request.headers.get("idempotency-key") or request.headers.get("x-press-id")
    pressed = await press_button(services.database, principal, post_id, press_id, datetime.now(UTC))
    services.live.poke([pressed.scope_id], ["alerts"], [pressed.alert_id])
    services.live.wake_workers()
    told = JSONResponse(
        {
            "alertId": str(pressed.alert_id),
            "status": pressed.status.value,
            "joined": pressed.joined,
        },
        status_code=200 if pressed.joined else 201,
    )
    return _before_its_body(request, told)


@_answering
async def beat_post(request: Request) -> Response:
    """Notes that a pole lives."""
    services: Services = request.app.state.services
    principal = await authenticate_device(request)
    post_id = _id(request, "post_id", PostUnknown)
    await see_post(services.database, principal, post_id, datetime.now(UTC))
    return _before_its_body(request, Response(status_code=204))


routes: list[Route] = [
    Route("/ingest/cameras/{camera_id}/snapshots", put_snapshot, methods=["PUT"]),
    Route("/ingest/cameras/{camera_id}/heartbeat", beat_camera, methods=["POST"]),
    Route("/ingest/posts/{post_id}/alarm", press, methods=["POST"]),
    Route("/ingest/posts/{post_id}/heartbeat", beat_post, methods=["POST"]),
]


def _id(request: Request, name: str, unknown: type[Problem]) -> UUID:
    try:
        return UUID(request.path_params[name])
    except ValueError:
        raise unknown from None


def _check_type(request: Request) -> None:
    """Only what says it is something else is refused here: many a client sends a file without naming its type."""
    given = request.headers.get("content-type", "image/jpeg")
    if given.partition(";")[0].strip().lower() not in JPEG:
        raise ContentTypeUnsupported(
            "A snapshot is sent as Content-Type: image/jpeg.", expected="image/jpeg"
        )


def _declared_length(request: Request) -> int | None:
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdecimal() else None


def _before_its_body(request: Request, response: Response) -> Response:
    """An answer that waits for no body, and hangs up where the rest of the body would be too much to swallow."""
    length = _declared_length(request)
    endless = length is None and "transfer-encoding" in request.headers
    return LastAnswer.of(response) if endless or (length or 0) > SIGNAL_BYTES else response


def _refuse_declared(request: Request, limit: int) -> None:
    if (_declared_length(request) or 0) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit} bytes.", limit=limit)


@asynccontextmanager
async def _received(request: Request, limit: int) -> AsyncIterator[Spool]:
    """The whole body on a temporary file, measured. What is declared too large is refused before a byte is read."""
    _refuse_declared(request, limit)
    with Spool(limit) as spool:
        waiting = bytearray()
        try:
            async for chunk in request.stream():
                waiting += chunk
                # In blocks, because a hop to a thread costs more than hashing a small chunk.
                if len(waiting) >= BLOCK or spool.size + len(waiting) > limit:
                    await anyio.to_thread.run_sync(spool.write, bytes(waiting))
                    waiting.clear()
            await anyio.to_thread.run_sync(spool.write, bytes(waiting))
        except ObjectTooLarge:
            raise _too_large(limit) from None
        yield spool
