"""The plain HTTP door of cameras, which can send a file and a header and should need nothing else.

    PUT  /ingest/cameras/{id}/snapshots    one JPEG as the body   201 stored, 200 had it already
    POST /ingest/cameras/{id}/heartbeat                           204

Each asks for `Authorization: Bearer` with the device's own key. The door of SOS poles is `api.poles`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api import poles
from api.device_door import SIGNAL_BYTES as SIGNAL_BYTES
from api.device_door import answering, before_its_body, declared_length, id_in
from api.services import Services
from api.signin import authenticate_device
from patrol.errors import (
    BodyTooLarge,
    CameraUnknown,
    ContentTypeUnsupported,
)
from patrol.media import see_camera, take_snapshot
from storage.buckets.spool import BLOCK, Spool
from storage.faults import ObjectTooLarge
from storage.principal import Role

JPEG = frozenset({"image/jpeg", "image/jpg"})


@answering
async def put_snapshot(request: Request) -> Response:
    """Stores one JPEG of a camera."""
    services: Services = request.app.state.services
    principal = await authenticate_device(request)
    camera_id = id_in(request, "camera_id", CameraUnknown)
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


@answering
async def beat_camera(request: Request) -> Response:
    """Notes that a camera lives."""
    services: Services = request.app.state.services
    principal = await authenticate_device(request)
    camera_id = id_in(request, "camera_id", CameraUnknown)
    await see_camera(services.database, principal, camera_id, datetime.now(UTC))
    return before_its_body(request, Response(status_code=204))


routes: list[Route] = [
    Route("/ingest/cameras/{camera_id}/snapshots", put_snapshot, methods=["PUT"]),
    Route("/ingest/cameras/{camera_id}/heartbeat", beat_camera, methods=["POST"]),
    *poles.routes,
]


def _check_type(request: Request) -> None:
    """Only what says it is something else is refused here: many a client sends a file without naming its type."""
    given = request.headers.get("content-type", "image/jpeg")
    if given.partition(";")[0].strip().lower() not in JPEG:
        raise ContentTypeUnsupported(
            "A snapshot is sent as Content-Type: image/jpeg.", expected="image/jpeg"
        )


def _refuse_declared(request: Request, limit: int) -> None:
    if (declared_length(request) or 0) > limit:
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
