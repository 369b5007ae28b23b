"""What the tests of cameras share: frames, the way to the door's rule, and a look at all that was kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from patrol.images import draw_frame
from patrol.media import Taken, take_snapshot
from storage.buckets import Bucket, ObjectStore
from storage.buckets.spool import Spool
from storage.database import Database
from storage.principal import Principal
from tests.world import World

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
SIZE = (1280, 720)


def a_frame(number: int = 0, *, size: tuple[int, int] = (160, 90)) -> bytes:
    return draw_frame("MAE SOT 1", NOW - timedelta(seconds=number), size=size)


FRAME = a_frame()  # noise makes each drawn frame another one


async def send(
    database: Database,
    store: ObjectStore,
    principal: Principal,
    data: bytes,
    *,
    camera_id: UUID | None = None,
    claimed: str | None = None,
    now: datetime = NOW,
) -> Taken:
    """What the door does with a body."""
    assert isinstance(principal.id, UUID)
    with Spool(None) as body:
        body.write(data)
        return await take_snapshot(
            database, store, principal, camera_id or principal.id, body, claimed, now
        )


async def everything(store: ObjectStore, world: World) -> list[str]:
    """Every version of every object of this test's station, also markers of deletion."""
    return [
        item.key
        for bucket in Bucket
        async for item in store.walk(bucket, under=f"{world.station}/", versions=True)
    ]


async def rows(owner: asyncpg.Connection) -> dict[str, int]:
    tables = ("snapshot", "stored_object", "camera_state", "pgqueuer")
    return {table: await owner.fetchval(f"select count(*) from {table}") for table in tables}


NOTHING = {"snapshot": 0, "stored_object": 0, "camera_state": 0, "pgqueuer": 0}
