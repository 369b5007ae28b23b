"""Whether a process lives, whether it can serve, and its figures: for supervisors, balancers and people."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.figures import look_at_calls, look_at_posts, look_at_quarantine
from storage.buckets import Bucket
from storage.faults import StorageFault
from storage.principal import Role, system

if TYPE_CHECKING:
    from api.services import Services

READY_SECONDS = 3.0
"""A part that does not answer within this is told as not ready."""


async def livez(_: Request) -> Response:
    """The process runs."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """The process can serve: the database and the store answer. 503 names the part that does not."""
    services: Services = request.app.state.services
    parts = dict(
        zip(
            ("database", "store"),
            await asyncio.gather(_told(_database(services)), _told(_store(services))),
            strict=True,
        )
    )
    ready = all(told == "ok" for told in parts.values())
    told: dict[str, object] = {
        "status": "ok" if ready else "unavailable",
        **parts,
        "push": services.notifier.enabled,
    }
    # What people have left lying is no reason to take a process out of service.
    if ready:
        waiting, calls, posts = await asyncio.gather(
            _quarantine(services), _calls(services), _posts(services)
        )
        told |= {"quarantine": waiting} if waiting is not None else {}
        told |= {"sos": calls} if calls is not None else {}
        told |= {"posts": posts} if posts is not None else {}
    return JSONResponse(told, status_code=200 if ready else 503)


async def metrics(request: Request) -> Response:
    """Prometheus figures of this process, and of what waits for people in the whole installation."""
    services: Services = request.app.state.services
    await asyncio.gather(_quarantine(services), _calls(services), _posts(services))
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _told(asked: object) -> str:
    try:
        await asyncio.wait_for(asked, READY_SECONDS)  # type: ignore[arg-type] # a coroutine of ours
    except (StorageFault, TimeoutError) as fault:
        return str(fault) or "does not answer in time"
    return "ok"


async def _quarantine(services: Services) -> dict[str, int] | None:
    """What waits for a person; None where nobody can be asked."""
    try:
        async with asyncio.timeout(READY_SECONDS):
            return await look_at_quarantine(services)
    except (StorageFault, TimeoutError):
        return None


async def _calls(services: Services) -> dict[str, float | int | None] | None:
    """How calls for help stand; None where nobody can be asked."""
    try:
        async with asyncio.timeout(READY_SECONDS):
            return await look_at_calls(services)
    except (StorageFault, TimeoutError):
        return None


async def _posts(services: Services) -> dict[str, int] | None:
    """How SOS posts fare; None where nobody can be asked."""
    try:
        async with asyncio.timeout(READY_SECONDS):
            return await look_at_posts(services)
    except (StorageFault, TimeoutError):
        return None


async def _database(services: Services) -> None:
    async with services.database.enter(Role.SYSTEM, system("health")) as entered:
        await entered.connection.fetchval("select 1")


async def _store(services: Services) -> None:
    await services.store.exists(Bucket.SNAPSHOTS, "health")


routes = [
    Route("/livez", livez),
    Route("/readyz", readyz),
    Route("/metrics", metrics),
]
