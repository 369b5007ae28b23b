"""A camera's picture at the door: stored once, with its own time, and nothing left of what is refused."""

from __future__ import annotations

import asyncio
import io
import struct
from datetime import UTC, datetime, timedelta, timezone

import asyncpg
import pytest
from PIL import Image

from patrol.errors import CameraUnknown, ImageUnfit
from patrol.images import draw_frame
from patrol.media import Taken, taken_at
from patrol.thumbnails import make_thumbnails
from storage.buckets import Bucket, ObjectStore
from storage.database import Database
from storage.faults import PrincipalRevoked, StoreUnavailable
from storage.principal import Principal
from tests import personas
from tests.patrol.pictures import FRAME, NOTHING, NOW, a_frame, everything, rows, send
from tests.world import World


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


async def test_a_picture_is_stored_with_its_row_its_file_and_its_job(
    database: Database,
    store: ObjectStore,
    camera: Principal,
    world: World,
    owner: asyncpg.Connection,
) -> None:
    frame = a_frame(size=(320, 180))

    taken = await send(database, store, camera, frame, claimed="2026-11-23T16:29:50+07:00")

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
    assert await everything(store, world) == [place]
    stored = await store.stat(Bucket.SNAPSHOTS, place, version_id=row["version_id"])
    assert stored.size == len(frame)
    assert await owner.fetchval("select last_seen_at from camera_state") == NOW
    job = await owner.fetchrow("select entrypoint, payload from pgqueuer")
    assert job["entrypoint"] == "make_thumbnails"
    assert str(taken.snapshot_id).encode() in job["payload"]


async def test_a_picture_sends_nothing_to_phones(
    database: Database, store: ObjectStore, camera: Principal, owner: asyncpg.Connection
) -> None:
    stamps = "select array_agg((rev, sync_xid)::text order by id) from camera"
    before = await owner.fetchval(stamps)

    taken = await send(database, store, camera, a_frame())
    await make_thumbnails(database, store, taken.snapshot_id)

    assert await owner.fetchval(stamps) == before


async def test_the_same_frame_is_stored_once_and_answered_with_its_first_id(
    database: Database,
    store: ObjectStore,
    camera: Principal,
    world: World,
    owner: asyncpg.Connection,
) -> None:
    first = await send(database, store, camera, FRAME)

    again = await send(database, store, camera, FRAME, now=NOW + timedelta(minutes=1))

    assert again == Taken(first.snapshot_id, duplicate=True)
    assert len(await everything(store, world)) == 1
    assert (await rows(owner))["pgqueuer"] == 1
    assert await owner.fetchval("select last_seen_at from camera_state") == NOW + timedelta(
        minutes=1
    )


async def test_the_same_frame_sent_twice_at_once_leaves_one_object(
    database: Database,
    store: ObjectStore,
    camera: Principal,
    world: World,
    owner: asyncpg.Connection,
) -> None:
    taken = await asyncio.gather(*(send(database, store, camera, FRAME) for _ in range(4)))

    assert sorted(one.duplicate for one in taken) == [False, True, True, True]
    assert len({one.snapshot_id for one in taken}) == 1
    assert len(await everything(store, world)) == 1
    assert await rows(owner) == {
        "snapshot": 1,
        "stored_object": 1,
        "camera_state": 1,
        "pgqueuer": 1,
    }


async def test_two_cameras_may_send_the_same_frame(
    database: Database, store: ObjectStore, camera: Principal, world: World
) -> None:
    other = await personas.as_camera(world, world.temple_camera)

    taken = [await send(database, store, one, FRAME) for one in (camera, other)]

    assert not any(one.duplicate for one in taken)
    assert len(await everything(store, world)) == 2


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
    store: ObjectStore,
    camera: Principal,
    world: World,
    owner: asyncpg.Connection,
    data: bytes,
    reason: str,
) -> None:
    with pytest.raises(ImageUnfit) as refused:
        await send(database, store, camera, data)

    assert refused.value.extra == {"reason": reason}
    assert await rows(owner) == NOTHING
    assert await everything(store, world) == []


async def test_a_key_sends_for_its_own_camera_only(
    database: Database,
    store: ObjectStore,
    camera: Principal,
    world: World,
    owner: asyncpg.Connection,
) -> None:
    post = await personas.as_post(world, world.post)
    with pytest.raises(CameraUnknown):
        await send(database, store, camera, a_frame(), camera_id=world.temple_camera)
    with pytest.raises(CameraUnknown):
        await send(database, store, post, a_frame(), camera_id=world.post)
    await world.change("update camera set deleted_at = now() where id = $1", world.market_camera)
    with pytest.raises(CameraUnknown):
        await send(database, store, camera, a_frame())

    assert await rows(owner) == NOTHING
    assert await everything(store, world) == []


async def test_a_revoked_key_stores_nothing(
    database: Database,
    store: ObjectStore,
    camera: Principal,
    world: World,
    owner: asyncpg.Connection,
) -> None:
    await world.change("update device_key set revoked_at = now()")

    with pytest.raises(PrincipalRevoked):
        await send(database, store, camera, a_frame())

    assert await rows(owner) == NOTHING
    assert await everything(store, world) == []


async def test_an_object_whose_transaction_failed_is_taken_back(
    database: Database,
    store: ObjectStore,
    camera: Principal,
    world: World,
    owner: asyncpg.Connection,
) -> None:
    await owner.execute("revoke insert on pgqueuer from patrol_writer")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await send(database, store, camera, a_frame())

    assert await rows(owner) == NOTHING
    assert await everything(store, world) == []


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
    database: Database, store: ObjectStore, camera: Principal, owner: asyncpg.Connection
) -> None:
    at = NOW.astimezone(timezone(timedelta(hours=7))) - timedelta(hours=2)

    await send(database, store, camera, draw_frame("C", at, size=(64, 36)))

    assert await owner.fetchval("select taken_at from snapshot") == at
