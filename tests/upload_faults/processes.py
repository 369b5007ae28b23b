"""What dies in the fault run: a server that answers the operations of phones, and a worker; each a process of its own.

python -m tests.upload_faults.processes server|worker {"database_url": …, "store": …, …}
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from api.trusted import OPERATIONS
from patrol.files.verifying import VERIFY_MEDIA, verify_media
from patrol.uploads import upkeep
from schema.phone import phone_door
from storage.buckets import ObjectStore
from storage.database import Database
from storage.job_turns import Every
from storage.job_worker import Worker
from storage.jobs import Job, JobKind
from storage.principal import Principal, PrincipalKind
from tests.phone import ask, context


@dataclass(frozen=True)
class Places:
    """Everything that both reach."""

    database_url: str
    store: str
    access_key: str
    secret_key: str
    region: str
    prefix: str
    officer: str
    session: str
    device: str

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    def object_store(self) -> ObjectStore:
        return ObjectStore(
            self.store,
            self.access_key,
            self.secret_key,
            region=self.region,
            secure=False,
            prefix=self.prefix,
        )

    def principal(self) -> Principal:
        return Principal(
            PrincipalKind.OFFICER, UUID(self.officer), UUID(self.session), UUID(self.device)
        )


async def serve(places: Places) -> None:
    """Answers one operation a line; its port is its first word."""
    database = await Database.connect(places.database_url, size=6)
    store, door = places.object_store(), phone_door()
    here = context(database, places.principal(), None, store=store)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            asked = orjson.loads(line)
            text = (OPERATIONS / f"{asked['operation']}.graphql").read_text()
            told: dict[str, Any] = await ask(door, here, text, **asked["variables"])
            writer.write(orjson.dumps(told) + b"\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, limit=2**20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


async def work(places: Places) -> None:
    """Verifies what arrives, and looks for what nobody told of."""
    database, store = await Database.connect(places.database_url, size=6), places.object_store()

    async def verify(job: Job) -> None:
        await verify_media(database, store, UUID(job.data()["media_id"]))

    async def watch(_: Job) -> None:
        await upkeep.watch(database, store, datetime.now(UTC))

    worker = Worker(
        places.database_url,
        {
            VERIFY_MEDIA: JobKind(verify, attempts=1000, longest_pause=timedelta(seconds=2)),
            upkeep.WATCH: JobKind(watch, attempts=1000, longest_pause=timedelta(seconds=2)),
        },
        schedules=[Every(upkeep.WATCH, timedelta(seconds=5))],
        lease=timedelta(seconds=1),
        poll=timedelta(seconds=0.2),
    )
    print("working", flush=True)
    await worker.run()


if __name__ == "__main__":
    os.nice(5)
    asyncio.run({"server": serve, "worker": work}[sys.argv[1]](Places(**json.loads(sys.argv[2]))))
