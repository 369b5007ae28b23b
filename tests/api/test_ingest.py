"""The door of cameras over real sockets: what is taken, what is refused, and that nothing of that stays."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import orjson
import pytest
from PIL import Image
from uuid_utils.compat import uuid7

from api.handlers import handlers, schedules
from api.hang_up import LINGER_SECONDS
from patrol.keys import KeySet
from storage.buckets import ObjectStore
from storage.database import Database
from storage.job_worker import Worker
from tests import personas
from tests.api.site import FRAME, JPEG, LIMIT, Site, code, leaves_nothing, opened
from tests.world import World


@pytest.fixture
async def site(
    login_url: str, database: Database, store: ObjectStore, keys: KeySet, world: World
) -> AsyncIterator[Site]:
    async with opened(login_url, database, store, keys, world) as site:
        yield site


@pytest.fixture
async def nothing_left(
    owner: asyncpg.Connection, store: ObjectStore, world: World
) -> AsyncIterator[None]:
    """Looks, after the test, that nothing stayed."""
    yield
    await leaves_nothing(owner, store, world)


async def test_a_camera_sends_a_picture_and_a_reader_gets_it_small_through_a_signed_link(
    site: Site, owner: asyncpg.Connection, login_url: str
) -> None:
    services = site.services
    worker = Worker(login_url, handlers(services), schedules=schedules())
    working = asyncio.create_task(worker.run())
    await asyncio.wait_for(worker.started.wait(), 10)

    answer = await site.put(FRAME)

    assert answer.status_code == 201
    snapshot = answer.json()["id"]
    assert answer.json() == {"id": snapshot, "duplicate": False}
    async with asyncio.timeout(20):
        while not await owner.fetchval("select last_snapshot_id from camera_state"):  # noqa: ASYNC110  # the state is the database's, no event of ours
            await asyncio.sleep(0.02)
    worker.stop()
    await asyncio.wait_for(working, 20)
    row = await owner.fetchrow(
        "select snapshot.*, state from snapshot join stored_object o on o.id = object_id"
    )
    assert (row["id"], row["state"]) == (UUID(snapshot), "READY")
    async with httpx.AsyncClient(trust_env=False) as reader:
        for width in (320, 960):
            fetched = await reader.get(services.link("derived", row[f"thumb_{width}_key"]))
            with Image.open(io.BytesIO(fetched.content)) as small:
                assert (small.format, small.width) == ("WEBP", width)


async def test_the_same_picture_sent_again_is_answered_with_its_first_id(
    site: Site, owner: asyncpg.Connection
) -> None:
    first, again = await site.put(FRAME), await site.put(FRAME)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {"id": first.json()["id"], "duplicate": True}
    assert await owner.fetchval("select count(*) from stored_object") == 1


async def test_a_body_without_a_declared_length_or_type_is_taken_too(
    site: Site, owner: asyncpg.Connection
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(FRAME), 1000):
            yield FRAME[start : start + 1000]

    answer = await site.http.put(site.snapshots, content=chunks(), headers=site.as_camera())

    assert answer.status_code == 201
    assert await owner.fetchval("select size_bytes from stored_object") == len(FRAME)


async def test_the_time_that_a_camera_names_is_kept(site: Site, owner: asyncpg.Connection) -> None:
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)

    await site.put(FRAME, **{"x-taken-at": at.isoformat()})

    assert await owner.fetchval("select taken_at from snapshot") == at


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "NOT_AN_IMAGE"),
        ("นี่คือข้อความ".encode(), "NOT_AN_IMAGE"),
        (b"\x89PNG\r\n\x1a\n....", "WRONG_TYPE"),
        (FRAME[:-500], "TRUNCATED"),
        (FRAME + b"PK\x03\x04", "POLYGLOT"),
    ],
    ids=["empty", "text named .jpg", "png", "cut off", "polyglot"],
)
async def test_what_is_no_whole_jpeg_is_refused_with_its_reason(
    site: Site, body: bytes, reason: str
) -> None:
    answer = await site.put(body)

    assert code(answer) == (415, "IMAGE_UNFIT")
    assert answer.json()["error"]["reason"] == reason


@pytest.mark.usefixtures("nothing_left")
async def test_another_content_type_is_refused(site: Site) -> None:
    answer = await site.put(FRAME, **{"content-type": "text/html"})

    assert code(answer) == (415, "CONTENT_TYPE_UNSUPPORTED")
    assert answer.json()["error"]["expected"] == "image/jpeg"


def head(site: Site, *more: str) -> bytes:
    """The head of a PUT as a camera's firmware writes it."""
    lines = [
        f"PUT {site.snapshots} HTTP/1.1",
        f"Host: {site.address}",
        f"Authorization: Bearer {site.camera_key}",
        "Content-Type: image/jpeg",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def sends_without_end(site: Site, *more: str) -> tuple[float, bytes, Any]:
    """Sends a head and more than the limit, but no end; seconds until the answer, its status line, its body."""
    host, port = site.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head(site, *more))
    for start in range(0, LIMIT + 1, 64 * 1024):
        data = FRAME[start : start + 64 * 1024].ljust(64 * 1024, b"\0")
        chunk = b"%x\r\n%s\r\n" % (len(data), data)
        writer.write(chunk if "Transfer-Encoding: chunked" in more else data)
    began = time.monotonic()
    answered = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    took = time.monotonic() - began
    # To the end: the server must also hang up, or it would have to swallow all that may follow.
    body = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return took, answered.partition(b"\r\n")[0], orjson.loads(body)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("length", [f"Content-Length: {2 * 1024**3}", "Transfer-Encoding: chunked"])
async def test_2_gb_are_refused_at_once_when_declared_and_at_the_limit_when_not(
    site: Site, length: str
) -> None:
    took, status, told = await sends_without_end(site, length)

    assert status.startswith(b"HTTP/1.1 413 ")
    assert (told["error"]["code"], told["error"]["limit"]) == ("BODY_TOO_LARGE", LIMIT)
    assert took < LINGER_SECONDS / 2


@pytest.mark.usefixtures("nothing_left")
async def test_a_client_that_sends_all_before_it_reads_still_learns_of_the_refusal(
    site: Site,
) -> None:
    answer = await site.put(FRAME.ljust(40 * LIMIT, b"\0"))

    assert code(answer) == (413, "BODY_TOO_LARGE")


@pytest.mark.usefixtures("nothing_left")
async def test_a_camera_that_hangs_up_in_the_middle_leaves_nothing(site: Site) -> None:
    host, port = site.address.split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(head(site, f"Content-Length: {len(FRAME)}") + FRAME[:-1])
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    assert (await site.http.post(f"/ingest/posts/{site.world.post}/heartbeat", headers=site.as_post())).status_code == 204  # fmt: skip


@pytest.mark.usefixtures("nothing_left")
async def test_a_camera_must_exist_and_be_that_of_the_key(site: Site) -> None:
    for other in (site.world.temple_camera, uuid7(), "camera-1"):
        answer = await site.http.put(
            f"/ingest/cameras/{other}/snapshots", content=FRAME, headers=site.as_camera(**JPEG)
        )
        assert code(answer) == (404, "CAMERA_UNKNOWN")
    answer = await site.http.put(site.snapshots, content=FRAME, headers=site.as_post(**JPEG))
    assert code(answer) == (404, "CAMERA_UNKNOWN")
    await site.world.change("update camera set deleted_at = now()")
    assert code(await site.put(FRAME)) == (404, "CAMERA_UNKNOWN")


@pytest.mark.usefixtures("nothing_left")
async def test_a_key_that_is_missing_foreign_or_revoked_is_refused(site: Site) -> None:
    partner = await personas.key_of_partner(site.world, site.world.radio)
    addresses = [
        ("PUT", site.snapshots, site.camera_key),
        ("POST", site.snapshots.replace("snapshots", "heartbeat"), site.camera_key),
        ("POST", site.alarm, site.post_key),
        ("POST", site.alarm.replace("alarm", "heartbeat"), site.post_key),
    ]
    for method, address, own in addresses:
        for key in (None, partner, own[:-1] + "!", "x" * 5000):
            headers = JPEG | ({"authorization": f"Bearer {key}"} if key else {})
            answer = await site.http.request(method, address, content=FRAME, headers=headers)
            assert code(answer) == (401, "NOT_SIGNED_IN")
            assert "Bearer" in answer.headers["www-authenticate"]
    await site.world.change("update device_key set revoked_at = now()")
    for method, address, own in addresses:
        headers = JPEG | {"authorization": f"Bearer {own}"}
        answer = await site.http.request(method, address, content=FRAME, headers=headers)
        assert code(answer) == (401, "SESSION_REVOKED")


async def test_a_heartbeat_notes_when_the_camera_was_seen(
    site: Site, owner: asyncpg.Connection
) -> None:
    answer = await site.http.post(
        f"/ingest/cameras/{site.world.market_camera}/heartbeat", headers=site.as_camera()
    )

    assert answer.status_code == 204
    seen = await owner.fetchval("select last_seen_at from camera_state")
    assert datetime.now(UTC) - seen < timedelta(seconds=10)
