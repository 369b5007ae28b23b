"""A server with a camera and a pole in front of it, for the tests of what devices send."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import uvicorn
from pydantic import SecretStr

from api.app import create_app
from api.live import Live
from api.push import SilentNotifier
from api.services import Services
from api.settings import Settings
from api.telling import AppriseTeller
from patrol.images import draw_frame
from patrol.keys import KeySet
from storage.buckets import Bucket, ObjectStore
from storage.database import Database
from tests import personas
from tests.api.graphql_server import LoopServer
from tests.conftest import SECRET
from tests.world import World

FRAME = draw_frame("MAE SOT 1", datetime(2026, 11, 23, 9, 30, tzinfo=UTC), size=(1280, 720))
LIMIT = 256 * 1024
JPEG = {"content-type": "image/jpeg"}


@dataclass(frozen=True)
class Site:
    """A server with a camera and a pole in front of it."""

    services: Services
    address: str
    http: httpx.AsyncClient
    world: World
    camera_key: str
    post_key: str

    @property
    def snapshots(self) -> str:
        return f"/ingest/cameras/{self.world.market_camera}/snapshots"

    @property
    def alarm(self) -> str:
        return f"/ingest/posts/{self.world.post}/alarm"

    def as_camera(self, **more: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.camera_key}", **more}

    def as_post(self, **more: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.post_key}", **more}

    async def put(self, content: Any, **headers: str) -> httpx.Response:
        return await self.http.put(
            self.snapshots, content=content, headers=self.as_camera(**JPEG | headers)
        )


@asynccontextmanager
async def serving(services: Services) -> AsyncIterator[str]:
    app = create_app(services)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = LoopServer(
        uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1, lifespan="off")
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.wait_for(server.up.wait(), 10)
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


@asynccontextmanager
async def opened(
    login_url: str, database: Database, store: ObjectStore, keys: KeySet, world: World
) -> AsyncIterator[Site]:
    """A site over the services of one test."""
    settings = Settings(secret=SecretStr(SECRET), snapshot_bytes=LIMIT)
    async with Live(login_url) as live:
        services = Services(
            settings, database, keys, store, live, SilentNotifier(), AppriseTeller(SECRET)
        )
        async with (
            serving(services) as address,
            httpx.AsyncClient(base_url=f"http://{address}", trust_env=False, timeout=20) as client,
        ):
            yield Site(
                services,
                address,
                client,
                world,
                await personas.key_of_camera(world, world.market_camera),
                await personas.key_of_post(world, world.post),
            )


async def leaves_nothing(owner: asyncpg.Connection, store: ObjectStore, world: World) -> None:
    """Asserts that there is no row and no object of anything that a device sent."""
    for table in ("snapshot", "stored_object", "sos_alert", "sos_step", "pgqueuer"):
        assert await owner.fetchval(f"select count(*) from {table}") == 0, table
    for bucket in Bucket:
        kept = store.walk(bucket, under=f"{world.station}/", versions=True)
        assert [item.key async for item in kept] == []


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, answer.json()["error"]["code"]
