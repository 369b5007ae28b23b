"""A thousand uploads while server, worker and store are killed at random: at rest each is what it must be, bytes and all."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import orjson
import pytest

from patrol.keys import KeySet
from schema.phone import phone_door
from storage.buckets import Bucket, ObjectStore
from storage.database import Database
from storage.embedded import EmbeddedS3
from storage.faults import StorageFault
from tests.patrol import sent_files as files
from tests.personas import as_officer
from tests.phone import Phone, context
from tests.schema.sender import Sender
from tests.upload_faults.processes import Places
from tests.upload_faults.wire import store_behind
from tests.world import World

UPLOADS = int(os.environ.get("PATROL_TEST_UPLOADS", "1000"))
SEED = int(os.environ.get("PATROL_TEST_SEED", "6"))
PHONES = 8
LONGEST = 3600.0


@dataclass
class Child:
    """A process that is killed and started again."""

    what: str
    places: Places
    process: asyncio.subprocess.Process | None = None
    said: str = ""

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.upload_faults.processes", self.what, self.places.as_json(),
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.said = (await self.process.stdout.readline()).decode().strip()

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        self.said = ""


@dataclass
class Run:
    """All that takes part, and what was seen."""

    random: Random
    s3: EmbeddedS3
    server: Child
    worker: Child
    there: int | None = None
    seen: Counter[str] = field(default_factory=Counter)
    over: bool = False

    async def ask(self, operation: str, **variables: Any) -> dict[str, Any]:
        """One operation, asked until it is answered."""
        while True:
            with suppress(OSError, ValueError, asyncio.IncompleteReadError, TimeoutError):
                async with asyncio.timeout(20):
                    reader, writer = await asyncio.open_connection(
                        "127.0.0.1", int(self.server.said), limit=2**20
                    )
                    writer.write(
                        orjson.dumps({"operation": operation, "variables": variables}) + b"\n"
                    )
                    line = await reader.readline()
                    writer.close()
                    told = orjson.loads(line)
                    if told.get("data"):
                        [done] = told["data"].values()
                        if done["refusal"] is None:
                            return done
                        self.seen[f"answered {done['refusal']['code']}"] += 1
            await asyncio.sleep(0.1)

    async def kill_at_random(self) -> None:
        """Until the run is over."""
        while not self.over:
            await asyncio.sleep(self.random.uniform(0.5, 3))
            victim = self.random.choice(["server", "worker", "worker", "store"])
            self.seen[f"kills of the {victim}"] += 1
            if victim == "store":
                self.there = None
                assert self.s3.pid is not None
                os.kill(self.s3.pid, signal.SIGKILL)
                await asyncio.to_thread(self.s3.stop)
                await asyncio.to_thread(self.s3.start)
                self.there = int(self.s3.endpoint.rpartition(":")[2])
                continue
            child = self.server if victim == "server" else self.worker
            await child.kill()
            await child.start()

    async def send(self, http: httpx.AsyncClient, id: str, data: bytes) -> str:
        """One file, until the server has it; its state then."""
        while True:
            [one] = (await self.ask("MediaUpload", ids=[id]))["files"]
            if one["state"] != "DECLARED":
                return str(one["state"])
            pieces = [(one["whole"], 0, len(data))] if one["whole"] else [
                (part, part["offset"], part["sizeBytes"]) for part in one["parts"]
            ]  # fmt: skip
            for place, offset, size in pieces:
                headers = {each["name"]: each["value"] for each in place.get("headers", ())}
                with suppress(httpx.HTTPError):
                    answer = await http.put(
                        place["url"], content=data[offset : offset + size], headers=headers
                    )
                    self.seen[f"PUT {answer.status_code}"] += 1
                    continue
                self.seen["PUT broken"] += 1
            if self.random.random() < 0.03:
                self.seen["phones that never told"] += 1
                return "UNTOLD"
            [standing] = (await self.ask("CompleteMedia", ids=[id]))["files"]
            if standing["state"] != "DECLARED":
                return str(standing["state"])


def a_file(number: int, random: Random) -> tuple[bytes, bytes, str, str, str]:
    """What is declared and what is sent (which may be something else), its type, its kind, and what must become of it."""
    choice = random.random()
    photo = files.jpeg((160, 120), seed=number) + number.to_bytes(4, "big")
    if choice < 0.80:
        return photo, photo, "image/jpeg", "PHOTO", "READY"
    if choice < 0.84:
        film = files.mp4(noise=9 * 1024 * 1024) + number.to_bytes(4, "big")
        return film, film, "video/mp4", "VIDEO", "READY"
    if choice < 0.86:
        film = files.mp4(noise=9 * 1024 * 1024) + number.to_bytes(4, "big")
        return film, film[:-1] + b"?", "video/mp4", "VIDEO", "QUARANTINED"
    if choice < 0.90:
        half = photo[:1000] + number.to_bytes(4, "big")
        return half, half, "image/jpeg", "PHOTO", "QUARANTINED"
    if choice < 0.95:
        paper = files.PDF.replace(b"%PDF-1.7\n", b"%%PDF-1.7\n%%%d\n" % number)
        return paper, paper, "application/pdf", "DOCUMENT", "READY"
    both = photo + files.ZIP
    return both, both, "image/jpeg", "PHOTO", "QUARANTINED"


@asynccontextmanager
async def running(
    tmp_path: Path, login_url: str, sender: Sender
) -> AsyncIterator[tuple[Run, ObjectStore]]:
    """A store, a server and a worker of this run alone."""
    principal = sender.phone.context.principal
    async with AsyncExitStack() as stack:
        s3 = EmbeddedS3(tmp_path / "s3")
        await asyncio.to_thread(s3.start)
        stack.push_async_callback(asyncio.to_thread, s3.stop)
        random = Random(SEED)
        run: Run | None = None
        port = await stack.enter_async_context(
            store_behind(
                lambda: run.there if run is not None else None,
                breaks=lambda: random.random() < 0.05,
            )
        )
        places = Places(
            login_url, f"127.0.0.1:{port}", s3.access_key, s3.secret_key, s3.region, "run-",
            str(principal.id), str(principal.credential_id), str(principal.device_id),
        )  # fmt: skip
        run = Run(random, s3, Child("server", places), Child("worker", places))
        run.there = int(s3.endpoint.rpartition(":")[2])
        store = places.object_store()
        stack.callback(store.close)
        await store.ensure_buckets()
        for child in (run.server, run.worker):
            await child.start()
            stack.push_async_callback(child.kill)
        yield run, store


@pytest.mark.prove
async def test_no_upload_is_lost_while_everything_is_killed(
    tmp_path: Path, login_url: str, database: Database, world: World, keys: KeySet, owner: asyncpg.Connection
) -> None:  # fmt: skip
    principal = await as_officer(world, world.kanya)
    incident = str(await world.add_incident(world.market))
    random, began = Random(SEED), time.monotonic()
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        sender = Sender(Phone(phone_door(), context(database, principal, keys)), http)
        async with running(tmp_path, login_url, sender) as (run, store):
            expected: dict[str, str] = {}
            sent: dict[str, bytes] = {}
            for number in range(UPLOADS):
                declared, travels, content_type, kind, end = a_file(number, random)
                id = await sender.attach(declared, content_type, kind, incident=incident)
                expected[id], sent[id] = end, travels
            told: dict[str, str] = {}
            waiting = list(expected)

            async def phone() -> None:
                while waiting:
                    id = waiting.pop()
                    told[id] = await run.send(http, id, sent[id])

            async with asyncio.timeout(LONGEST):
                killer = asyncio.create_task(run.kill_at_random())
                await asyncio.gather(*(phone() for _ in range(PHONES)))
                completed = [id for id, state in told.items() if state != "UNTOLD"]
                # The worker dies as long as there is much left to do for it.
                await _rest(owner, completed, most=UPLOADS // 10)
                run.over = True
                await killer
                await _rest(owner, completed)
            figures = await _judge(owner, store, expected, sent, told)
    print(
        f"\nseed {SEED}: {UPLOADS} uploads in {time.monotonic() - began:.0f} s; {dict(sorted(run.seen.items()))}"
    )
    print(f"at rest: {dict(sorted(figures.items()))}")
    assert run.seen["kills of the worker"] > 0
    assert {name for name in figures if name.startswith("!")} == set()


async def _rest(owner: asyncpg.Connection, completed: list[str], most: int = 0) -> None:
    """Waits until the worker has judged all that phones have completed, but for so many."""
    ids = [UUID(one) for one in completed]
    left = most + 1
    while left > most:
        await asyncio.sleep(0.5)
        left = await owner.fetchval(
            "select count(*) from media where id = any ($1) and state not in ('READY', 'QUARANTINED')",
            ids,
        )


async def _judge(
    owner: asyncpg.Connection,
    store: ObjectStore,
    expected: dict[str, str],
    sent: dict[str, bytes],
    told: dict[str, str],
) -> Counter[str]:
    """Counts states; what must not be begins with an exclamation mark."""
    figures: Counter[str] = Counter()
    rows = await owner.fetch(
        "select media.id, media.state, media.reason, object.key, object.version_id, object.state as kept from media "
        "left join lateral (select id from media_upload where media_id = media.id and state = 'ARRIVED' "
        "                   order by id desc limit 1) upload on true "
        "left join stored_object object on object.id = upload.id"
    )
    for row in rows:
        id = str(row["id"])
        figures[f"{row['state']} {row['reason'] or ''}".strip()] += 1
        if row["state"] in ("DECLARED", "UPLOADED"):
            figures["!not at rest"] += told[id] != "UNTOLD"
            continue
        if row["state"] != expected[id] or row["kept"] != row["state"]:
            figures["!another end"] += 1
        into = BytesIO()
        try:
            read = await store.get(
                Bucket.EVIDENCE, row["key"], into, max_bytes=10**8, version_id=row["version_id"]
            )
        except StorageFault:
            figures["!without bytes"] += 1
            continue
        figures["!other bytes"] += read.sha256 != sha256(sent[id]).hexdigest()
    missing = await owner.fetch(
        "select thumb_320_key as key from media where thumb_320_key is not null union all "
        "select thumb_960_key from media where thumb_960_key is not null"
    )
    for row in missing:
        figures["small pictures"] += 1
        figures["!without a small picture"] += not await store.exists(Bucket.DERIVED, row["key"])
    return +figures
