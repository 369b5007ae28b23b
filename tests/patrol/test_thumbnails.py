"""A stored picture on its way to be seen: verified again, made small, or kept apart; and stopped anywhere."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest
from PIL import Image

from patrol.thumbnails import make_thumbnails, thumb_key
from storage.buckets import Bucket, ObjectStore
from storage.database import Database
from storage.job_worker import Worker
from storage.jobs import Job, Retry
from storage.principal import Principal
from tests import personas
from tests.patrol.pictures import SIZE, a_frame, everything, rows, send
from tests.world import World


@pytest.fixture
async def camera(world: World) -> Principal:
    return await personas.as_camera(world, world.market_camera)


async def test_a_verified_picture_can_be_fetched_small_through_a_signed_link(
    database: Database, store: ObjectStore, camera: Principal, owner: asyncpg.Connection
) -> None:
    taken = await send(database, store, camera, a_frame(size=SIZE))

    await make_thumbnails(database, store, taken.snapshot_id)

    row = await owner.fetchrow(
        "select thumb_320_key, thumb_960_key, ready_at, state, key "
        "from snapshot join stored_object o on o.id = object_id"
    )
    assert row["state"] == "READY"
    assert row["ready_at"] is not None
    assert await owner.fetchval("select last_snapshot_id from camera_state") == taken.snapshot_id
    async with httpx.AsyncClient(trust_env=False) as reader:
        for width in (320, 960):
            key = row[f"thumb_{width}_key"]
            assert key == thumb_key(row["key"], width)
            link = store.link("GET", Bucket.DERIVED, key, expires=timedelta(minutes=1))
            answer = await reader.get(link)
            assert answer.headers["content-type"] == "image/webp"
            with Image.open(io.BytesIO(answer.content)) as small:
                assert (small.format, small.width) == ("WEBP", width)


async def test_an_older_picture_does_not_become_the_last_one(
    database: Database, store: ObjectStore, camera: Principal, owner: asyncpg.Connection
) -> None:
    newer = await send(database, store, camera, a_frame(1))
    older = await send(database, store, camera, a_frame(60))
    last = "select last_snapshot_id from camera_state"

    await make_thumbnails(database, store, older.snapshot_id)
    assert await owner.fetchval(last) == older.snapshot_id
    await make_thumbnails(database, store, newer.snapshot_id)
    assert await owner.fetchval(last) == newer.snapshot_id
    third = await send(database, store, camera, a_frame(30))
    await make_thumbnails(database, store, third.snapshot_id)

    assert await owner.fetchval(last) == newer.snapshot_id


async def test_a_job_that_was_killed_before_its_end_is_done_by_its_second_run(
    database: Database,
    store: ObjectStore,
    camera: Principal,
    world: World,
    owner: asyncpg.Connection,
) -> None:
    taken = await send(database, store, camera, a_frame())
    states = "select state, ready_at is null as dark from snapshot join stored_object o on o.id = object_id"
    async with held(owner, "select from camera_state for update"):
        run = asyncio.create_task(make_thumbnails(database, store, taken.snapshot_id))
        await blocked(owner)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    assert dict(await owner.fetchrow(states)) == {"state": "UPLOADED", "dark": True}
    assert len(await everything(store, world)) == 3

    await make_thumbnails(database, store, taken.snapshot_id)
    ready_at = await owner.fetchval("select ready_at from snapshot")
    await make_thumbnails(database, store, taken.snapshot_id)

    assert dict(await owner.fetchrow(states)) == {"state": "READY", "dark": False}
    assert await owner.fetchval("select ready_at from snapshot") == ready_at
    assert len(await everything(store, world)) == 3


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("sha256 = decode(repeat('00', 32), 'hex')", "SHA256_DIFFERS"),
        ("size_bytes = size_bytes - 1", "SIZE_DIFFERS"),
        ("size_bytes = size_bytes + 1", "SIZE_DIFFERS"),
        ("key = 'nowhere.jpg'", "OBJECT_MISSING"),
    ],
)
async def test_what_differs_from_its_record_is_quarantined_and_kept(
    database: Database,
    store: ObjectStore,
    camera: Principal,
    world: World,
    owner: asyncpg.Connection,
    damage: str,
    reason: str,
) -> None:
    taken = await send(database, store, camera, a_frame())
    before = await everything(store, world)
    await owner.execute(f"update stored_object set {damage}")

    await make_thumbnails(database, store, taken.snapshot_id)

    kept = await owner.fetchrow("select state, reason from stored_object")
    assert tuple(kept) == ("QUARANTINED", reason)
    assert await owner.fetchval("select ready_at from snapshot") is None
    assert await owner.fetchval("select last_snapshot_id from camera_state") is None
    assert await everything(store, world) == before


async def test_a_store_that_is_away_only_delays_the_job(
    database: Database, store: ObjectStore, camera: Principal, owner: asyncpg.Connection
) -> None:
    taken = await send(database, store, camera, a_frame())
    away = ObjectStore("127.0.0.1:9", "key", "secret", region="us-east-1", secure=False)

    with pytest.raises(Retry) as again:
        await make_thumbnails(database, away, taken.snapshot_id)

    assert again.value.after > timedelta(0)
    assert await owner.fetchval("select state from stored_object") == "UPLOADED"


async def test_a_job_of_a_picture_that_is_not_there_ends(
    database: Database, store: ObjectStore, world: World
) -> None:
    await make_thumbnails(database, store, world.station)


async def test_the_worker_runs_the_job_that_the_picture_left(
    database: Database,
    store: ObjectStore,
    camera: Principal,
    owner: asyncpg.Connection,
    login_url: str,
) -> None:
    taken = await send(database, store, camera, a_frame())
    done = asyncio.Event()

    async def run(job: Job) -> None:
        await make_thumbnails(database, store, UUID(job.data()["snapshot_id"]))
        done.set()

    worker = Worker(login_url, {"make_thumbnails": run})
    working = asyncio.create_task(worker.run())
    await asyncio.wait_for(done.wait(), 10)
    worker.stop()
    await asyncio.wait_for(working, 10)

    assert await owner.fetchval("select last_snapshot_id from camera_state") == taken.snapshot_id
    assert (await rows(owner))["pgqueuer"] == 0


@asynccontextmanager
async def held(connection: asyncpg.Connection, statement: str) -> AsyncIterator[None]:
    """Holds the locks that a statement takes."""
    async with connection.transaction():
        await connection.execute(statement)
        yield


async def blocked(connection: asyncpg.Connection) -> None:
    """Waits until some session of this database waits for a lock."""
    waiting = (
        "select exists (select from pg_stat_activity "
        "where datname = current_database() and wait_event_type = 'Lock')"
    )
    async with asyncio.timeout(10):
        while not await connection.fetchval(waiting):
            # Inside a transaction the view is a snapshot of its own.
            await connection.execute("select pg_stat_clear_snapshot()")
            await asyncio.sleep(0.01)  # the state is the database's, no event of ours
