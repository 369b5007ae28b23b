"""Whether a process lives, whether it can serve, and its figures: for supervisors, balancers and people."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

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
    return JSONResponse(
        {"status": "ok" if ready else "unavailable", **parts, "push": services.notifier.enabled},
        status_code=200 if ready else 503,
    )


async def metrics(_: Request) -> Response:
    """Prometheus figures of this process."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _told(asked: object) -> str:
    try:
        await asyncio.wait_for(asked, READY_SECONDS)  # type: ignore[arg-type] # a coroutine of ours
    except (StorageFault, TimeoutError) as fault:
        return str(fault) or "does not answer in time"
    return "ok"


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
