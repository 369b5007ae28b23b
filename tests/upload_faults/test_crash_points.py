"""Completing and verifying may be cut off before any statement or request; who does it again ends the same."""

from __future__ import annotations

import asyncio
import gc
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

import asyncpg
import httpx
import pytest

from patrol.files.verifying import verify_media
from patrol.keys import KeySet
from patrol.uploads.arrival import complete_files
from patrol.uploads.sending import what_to_send
from schema.door import Door
from schema.phone import phone_door
from storage.buckets import Bucket, ObjectStore, Patience
from storage.database import Database
from storage.embedded import EmbeddedS3
from storage.jobs import Retry
from tests.patrol import sent_files as files
from tests.personas import as_officer
from tests.phone import Phone, context
from tests.schema.sender import Sender
from tests.sos_faults.wire import Gate, postgres_behind
from tests.upload_faults.wire import store_behind
from tests.world import World

MOST_POINTS = 300
FILM = files.mp4(noise=6 * 1024 * 1024)


@pytest.fixture(scope="module")
def door() -> Door:
    return phone_door()


@pytest.fixture
async def sender(
    door: Door, database: Database, world: World, keys: KeySet, store: ObjectStore
) -> AsyncIterator[Sender]:
    principal = await as_officer(world, world.kanya)
    async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
        yield Sender(Phone(door, context(database, principal, keys, store=store)), http)


async def judged(owner: asyncpg.Connection, store: ObjectStore, id: str) -> tuple[str, bool]:
    """The state of a file, and whether all that its row says of bytes is true."""
    row = await owner.fetchrow(
        "select media.state, media.sha256, object.key, object.version_id, object.state as kept, media.object_id from media "
        "left join media_upload upload on upload.media_id = media.id left join stored_object object on object.id = upload.id "
        "where media.id = $1",
        UUID(id),
    )
    assert row is not None
    if row["state"] == "DECLARED":
        return "DECLARED", row["key"] is None
    into = io.BytesIO()
    read = await store.get(
        Bucket.EVIDENCE, row["key"], into, max_bytes=10**8, version_id=row["version_id"]
    )
    true = read.sha256 == row["sha256"].hex() == sha256(into.getvalue()).hexdigest()
    shown = (row["object_id"] is not None) == (row["state"] == "READY")
    return row["state"], true and shown and row["kept"] == row["state"]


# The sockets of the dead are cut under them, so that nobody closes them in order.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("in_parts", [False, True], ids=["whole", "in parts"])
async def test_whoever_dies_at_any_point_of_an_upload_leaves_a_file_that_goes_on(
    in_parts: bool,
    sender: Sender,
    world: World,
    login_url: str,
    s3: EmbeddedS3,
    store: ObjectStore,
    owner: asyncpg.Connection,
) -> None:
    incident = str(await world.add_incident(world.market))
    data = FILM if in_parts else files.jpeg()
    told = ("video/mp4", "VIDEO") if in_parts else ("image/jpeg", "PHOTO")
    prefix = store.name_of(Bucket.EVIDENCE).removesuffix(Bucket.EVIDENCE)
    port = int(s3.endpoint.rpartition(":")[2])
    principal = sender.phone.context.principal
    crossed: list[str] = []

    async def work(id: UUID, database: Database, behind: ObjectStore) -> None:
        """All that a server and a worker do for a file; its bytes are sent in between."""
        now = datetime.now(UTC)
        plan = await what_to_send(database, behind, principal, [id], None, now)
        [one] = plan.files
        if one.whole is not None:
            answer = await sender.http.put(
                one.whole.url, content=data, headers=dict(one.whole.headers)
            )
            assert answer.status_code in (200, 412)
        for part in one.parts:
            piece = data[part.offset : part.offset + part.size]
            assert (await sender.http.put(part.link.url, content=piece)).status_code == 200
        await complete_files(database, behind, principal, [id], now)
        await verify_media(database, behind, id)

    for point in range(1, MOST_POINTS):
        id = await sender.attach(data, *told, incident=incident)
        gate = Gate()
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(postgres_behind(gate, login_url))
            behind_port = await stack.enter_async_context(store_behind(lambda: port, gate))
            database = await Database.connect(url, size=2)
            stack.callback(database._pool.terminate)
            behind = ObjectStore(
                f"127.0.0.1:{behind_port}",
                s3.access_key,
                s3.secret_key,
                region=s3.region,
                secure=False,
                prefix=prefix,
                # The phone's own line does not lead through the gate.
                public_endpoint=s3.endpoint,
                patience=Patience(connect=0.5, quick=2.0, bulk=5.0),
            )
            stack.callback(behind.close)
            gate.crossed.clear()
            gate.fatal = point
            task = asyncio.create_task(work(UUID(id), database, behind))
            await asyncio.wait([task])
            if not gate.died.is_set():
                task.result()
                crossed = list(gate.crossed)
            elif task.exception() is None:
                raise AssertionError("the dead went on")
        state, true = await judged(owner, store, id)
        assert true, f"point {point}"
        if not gate.died.is_set():
            assert state == "READY"
            break
        # Another server and another worker.
        with suppress(Retry):
            await work(UUID(id), sender.phone.context.database, store)
        assert await judged(owner, store, id) == ("READY", True), f"point {point}"
    else:
        raise AssertionError("the work never came to its end")
    assert {"PUT", "GET", "HEAD"} < set(crossed), crossed
    assert await owner.fetchval("select count(*) from media where state <> 'READY'") == 0
    gc.collect()  # what was cut is found here, and not by another test
    print(f"{point - 1} crash points of an upload {'in parts' if in_parts else 'whole'}, 0 losses")
