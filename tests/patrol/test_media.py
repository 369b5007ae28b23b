"""A camera's picture on its way: stored once, verified again, shown only when whole, and nothing left of bad ones."""

from __future__ import annotations

import asyncio
import io
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import asyncpg
import httpx
import pytest
from PIL import Image

from patrol.errors import CameraUnknown, ImageUnfit
from patrol.images import draw_frame
from patrol.media import Taken, make_thumbnails, take_snapshot, taken_at, thumb_key
from storage.buckets import Bucket, ObjectStore
from storage.buckets.spool import Spool
from storage.database import Database
from storage.faults import PrincipalRevoked, StoreUnavailable
from storage.job_worker import Worker
from storage.jobs import Job, Retry
from storage.principal import Principal
from tests import personas
from tests.world import World

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
SIZE = (1280, 720)


def a_frame(number: int = 0, *, size: tuple[int, int] = (160, 90)) -> bytes:
    return draw_frame("MAE SOT 1", NOW - timedelta(seconds=number), size=size)


FRAME = a_frame()  # noise makes each drawn frame another one


def a_huge_claim() -> bytes:
    """A small file that says it is 40,000 pixels wide and high."""
    jpeg = a_frame()
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", 40_000, 40_000) + jpeg[at + 4 :]


def a_png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
async def camera(world: World) -> Principal:
    return await personas.as_camera(world, world.market_camera)


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


async def everything(store: ObjectStore) -> list[str]:
    """Every version of every object, also markers of deletion."""
    return [item.key for bucket in Bucket async for item in store.walk(bucket, versions=True)]


async def rows(owner: asyncpg.Connection) -> dict[str, int]:
    tables = ("snapshot", "stored_object", "camera_state", "pgqueuer")
    return {table: await owner.fetchval(f"select count(*) from {table}") for table in tables}


NOTHING = {"snapshot": 0, "stored_object": 0, "camera_state": 0, "pgqueuer": 0}


async def test_a_picture_is_stored_with_its_row_its_file_and_its_job(
    database: Database,
    own_store: ObjectStore,
    camera: Principal,
    world: World,
    owner: asyncpg.Connection,
) -> None:
    frame = a_frame(size=(320, 180))

    taken = await send(database, own_store, camera, frame, claimed="2026-11-23T16:29:50+07:00")

    assert not taken.duplicate
    row = await owner.fetchrow(
        "select s.*, o.key, o.version_id, o.size_bytes, o.state, o.content_type, o.bucket, o.scope_id as kept_in "
        "from snapshot s join stored_object o on o.id = s.object_id"
    )
    assert row["id"] == taken.snapshot_id
    assert (row["width"], row["height"], row["size_bytes"]) == (320, 180, len(frame))
    assert row["taken_at"] == datetime(2026, 11, 23, 9, 29, 50, tzinfo=UTC)
    assert row["scope_id"] == row["kept_in"] == world.market
    assert (row["state"], row["content_type"], row["bucket"]) == (
        "UPLOADED",
        "image/jpeg",
        "snapshots",
    )
    place = f"{world.station}/{world.market_camera}/2026/11/23/{row['object_id']}.jpg"
    assert row["key"] == place
    assert await everything(own_store) == [place]
    stored = await own_store.stat(Bucket.SNAPSHOTS, place, version_id=row["version_id"])
    assert stored.size == len(frame)
    assert await owner.fetchval("select last_seen_at from camera_state") == NOW
    job = await owner.fetchrow("select entrypoint, payload from pgqueuer")
    assert job["entrypoint"] == "make_thumbnails"
    assert str(taken.snapshot_id).encode() in job["payload"]


async def test_a_picture_sends_nothing_to_phones(
    database: Database, own_store: ObjectStore, camera: Principal, owner: asyncpg.Connection
) -> None:
    stamps = "select array_agg((rev, sync_xid)::text order by id) from camera"
    before = await owner.fetchval(stamps)

    taken = await send(database, own_store, camera, a_frame())
    await make_thumbnails(database, own_store, taken.snapshot_id)

    assert await owner.fetchval(stamps) == before


async def test_the_same_frame_is_stored_once_and_answered_with_its_first_id(
    database: Database, own_store: ObjectStore, camera: Principal, owner: asyncpg.Connection
) -> None:
    first = await send(database, own_store, camera, FRAME)

    again = await send(database, own_store, camera, FRAME, now=NOW + timedelta(minutes=1))

    assert again == Taken(first.snapshot_id, duplicate=True)
    assert len(await everything(own_store)) == 1
    assert (await rows(owner))["pgqueuer"] == 1
    assert await owner.fetchval("select last_seen_at from camera_state") == NOW + timedelta(
        minutes=1
    )


async def test_the_same_frame_sent_twice_at_once_leaves_one_object(
    database: Database, own_store: ObjectStore, camera: Principal, owner: asyncpg.Connection
) -> None:
    taken = await asyncio.gather(*(send(database, own_store, camera, FRAME) for _ in range(4)))

    assert sorted(one.duplicate for one in taken) == [False, True, True, True]
    assert len({one.snapshot_id for one in taken}) == 1
    assert len(await everything(own_store)) == 1
    assert await rows(owner) == {
        "snapshot": 1,
        "stored_object": 1,
        "camera_state": 1,
        "pgqueuer": 1,
    }


async def test_two_cameras_may_send_the_same_frame(
    database: Database, own_store: ObjectStore, camera: Principal, world: World
) -> None:
    other = await personas.as_camera(world, world.temple_camera)

    taken = [await send(database, own_store, one, FRAME) for one in (camera, other)]

    assert not any(one.duplicate for one in taken)
    assert len(await everything(own_store)) == 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "NOT_AN_IMAGE"),
        ("ไม่ใช่รูปภาพ".encode(), "NOT_AN_IMAGE"),
        (a_png(), "WRONG_TYPE"),
        (a_frame()[:-200], "TRUNCATED"),
        (a_huge_claim(), "TOO_MANY_PIXELS"),
        (a_frame() + b"%PDF-1.7 and more", "POLYGLOT"),
        (b"\xff\xd8\xff\xe0\x00\x01 nothing of a picture", "BROKEN"),
    ],
    ids=["empty", "text named .jpg", "png", "cut off", "bomb", "polyglot", "damaged"],
)
async def test_what_is_no_picture_leaves_nothing_behind(
    database: Database,
    own_store: ObjectStore,
    camera: Principal,
    owner: asyncpg.Connection,
    data: bytes,
    reason: str,
) -> None:
    with pytest.raises(ImageUnfit) as refused:
        await send(database, own_store, camera, data)

    assert refused.value.extra == {"reason": reason}
    assert await rows(owner) == NOTHING
    assert await everything(own_store) == []


async def test_a_key_sends_for_its_own_camera_only(
    database: Database,
    own_store: ObjectStore,
    camera: Principal,
    world: World,
    owner: asyncpg.Connection,
) -> None:
    post = await personas.as_post(world, world.post)
    with pytest.raises(CameraUnknown):
        await send(database, own_store, camera, a_frame(), camera_id=world.temple_camera)
    with pytest.raises(CameraUnknown):
        await send(database, own_store, post, a_frame(), camera_id=world.post)
    await world.change("update camera set deleted_at = now() where id = $1", world.market_camera)
    with pytest.raises(CameraUnknown):
        await send(database, own_store, camera, a_frame())

    assert await rows(owner) == NOTHING
    assert await everything(own_store) == []


async def test_a_revoked_key_stores_nothing(
    database: Database,
    own_store: ObjectStore,
    camera: Principal,
    world: World,
    owner: asyncpg.Connection,
) -> None:
    await world.change("update device_key set revoked_at = now()")

    with pytest.raises(PrincipalRevoked):
        await send(database, own_store, camera, a_frame())

    assert await rows(owner) == NOTHING
    assert await everything(own_store) == []


async def test_an_object_whose_transaction_failed_is_taken_back(
    database: Database, own_store: ObjectStore, camera: Principal, owner: asyncpg.Connection
) -> None:
    await owner.execute("revoke insert on pgqueuer from patrol_writer")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await send(database, own_store, camera, a_frame())

    assert await rows(owner) == NOTHING
    assert await everything(own_store) == []


async def test_a_store_that_is_away_leaves_no_row(
    database: Database, camera: Principal, owner: asyncpg.Connection
) -> None:
    away = ObjectStore("127.0.0.1:9", "key", "secret", region="us-east-1", secure=False)

    with pytest.raises(StoreUnavailable):
        await send(database, away, camera, a_frame())

    assert await rows(owner) == NOTHING


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("claimed", "exif", "expected"),
    [
        ("2026-11-23T09:20:00Z", NOW - MINUTE, NOW - 10 * MINUTE),
        ("2569-11-23T16:20:00+07:00", None, NOW - 10 * MINUTE),
        ("2026-11-23T09:34:59Z", None, NOW + 5 * MINUTE - timedelta(seconds=1)),
        ("2026-11-23T09:36:00Z", None, NOW),
        ("2026-11-15T09:30:00Z", None, NOW),
        ("yesterday", NOW - MINUTE, NOW - MINUTE),
        (None, NOW - MINUTE, NOW - MINUTE),
        (None, NOW + 6 * MINUTE, NOW),
        (None, NOW - timedelta(days=8), NOW),
        (None, None, NOW),
    ],
)
def test_the_cameras_own_time_is_taken_where_it_can_be_true(
    claimed: str | None, exif: datetime | None, expected: datetime
) -> None:
    assert taken_at(claimed, exif, NOW) == expected


async def test_without_a_header_the_time_is_that_of_the_exif(
    database: Database, own_store: ObjectStore, camera: Principal, owner: asyncpg.Connection
) -> None:
    at = NOW.astimezone(timezone(timedelta(hours=7))) - timedelta(hours=2)

    await send(database, own_store, camera, draw_frame("C", at, size=(64, 36)))

    assert await owner.fetchval("select taken_at from snapshot") == at


# The worker's part


async def test_a_verified_picture_can_be_fetched_small_through_a_signed_link(
    database: Database, own_store: ObjectStore, camera: Principal, owner: asyncpg.Connection
) -> None:
    taken = await send(database, own_store, camera, a_frame(size=SIZE))

    await make_thumbnails(database, own_store, taken.snapshot_id)

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
            link = own_store.link("GET", Bucket.DERIVED, key, expires=timedelta(minutes=1))
            answer = await reader.get(link)
            assert answer.headers["content-type"] == "image/webp"
            with Image.open(io.BytesIO(answer.content)) as small:
                assert (small.format, small.width) == ("WEBP", width)


async def test_an_older_picture_does_not_become_the_last_one(
    database: Database, own_store: ObjectStore, camera: Principal, owner: asyncpg.Connection
) -> None:
    newer = await send(database, own_store, camera, a_frame(1))
    older = await send(database, own_store, camera, a_frame(60))
    last = "select last_snapshot_id from camera_state"

    await make_thumbnails(database, own_store, older.snapshot_id)
    assert await owner.fetchval(last) == older.snapshot_id
    await make_thumbnails(database, own_store, newer.snapshot_id)
    assert await owner.fetchval(last) == newer.snapshot_id
    third = await send(database, own_store, camera, a_frame(30))
    await make_thumbnails(database, own_store, third.snapshot_id)

    assert await owner.fetchval(last) == newer.snapshot_id


async def test_a_job_that_was_killed_before_its_end_is_done_by_its_second_run(
    database: Database, own_store: ObjectStore, camera: Principal, owner: asyncpg.Connection
) -> None:
    taken = await send(database, own_store, camera, a_frame())
    states = "select state, ready_at is null as dark from snapshot join stored_object o on o.id = object_id"
    async with held(owner, "select from camera_state for update"):
        run = asyncio.create_task(make_thumbnails(database, own_store, taken.snapshot_id))
        await blocked(owner)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    assert dict(await owner.fetchrow(states)) == {"state": "UPLOADED", "dark": True}
    assert len(await everything(own_store)) == 3

    await make_thumbnails(database, own_store, taken.snapshot_id)
    ready_at = await owner.fetchval("select ready_at from snapshot")
    await make_thumbnails(database, own_store, taken.snapshot_id)

    assert dict(await owner.fetchrow(states)) == {"state": "READY", "dark": False}
    assert await owner.fetchval("select ready_at from snapshot") == ready_at
    assert len(await everything(own_store)) == 3


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
    own_store: ObjectStore,
    camera: Principal,
    owner: asyncpg.Connection,
    damage: str,
    reason: str,
) -> None:
    taken = await send(database, own_store, camera, a_frame())
    before = await everything(own_store)
    await owner.execute(f"update stored_object set {damage}")

    await make_thumbnails(database, own_store, taken.snapshot_id)

    kept = await owner.fetchrow("select state, reason from stored_object")
    assert tuple(kept) == ("QUARANTINED", reason)
    assert await owner.fetchval("select ready_at from snapshot") is None
    assert await owner.fetchval("select last_snapshot_id from camera_state") is None
    assert await everything(own_store) == before


async def test_a_store_that_is_away_only_delays_the_job(
    database: Database, own_store: ObjectStore, camera: Principal, owner: asyncpg.Connection
) -> None:
    taken = await send(database, own_store, camera, a_frame())
    away = ObjectStore("127.0.0.1:9", "key", "secret", region="us-east-1", secure=False)

    with pytest.raises(Retry) as again:
        await make_thumbnails(database, away, taken.snapshot_id)

    assert again.value.after > timedelta(0)
    assert await owner.fetchval("select state from stored_object") == "UPLOADED"


async def test_a_job_of_a_picture_that_is_not_there_ends(
    database: Database, own_store: ObjectStore, world: World
) -> None:
    await make_thumbnails(database, own_store, world.station)


async def test_the_worker_runs_the_job_that_the_picture_left(
    database: Database,
    own_store: ObjectStore,
    camera: Principal,
    owner: asyncpg.Connection,
    login_url: str,
) -> None:
    taken = await send(database, own_store, camera, a_frame())
    done = asyncio.Event()

    async def run(job: Job) -> None:
        await make_thumbnails(database, own_store, UUID(job.data()["snapshot_id"]))
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
