"""What dies: the jobs of calls for help, run as in production, in a task of the test or in a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from api.handlers import handlers
from api.live import Live
from api.push import FirebaseNotifier
from api.services import Services
from api.settings import Settings
from api.telling import AppriseTeller
from storage.database import Database
from storage.job_worker import Worker
from storage.jobs import JobKind
from tests.conftest import SECRET

JOBS = ("call_step", "call_next", "meet_deadline")


@dataclass(frozen=True)
class Addresses:
    """Everything that a worker reaches."""

    database_url: str
    firebase_url: str
    account: dict[str, str]


Kinds = Callable[[Services], Mapping[str, JobKind]]


def sos_jobs(services: Services) -> Mapping[str, JobKind]:
    """The product's own jobs of calls for help."""
    kinds = handlers(services)
    return {name: kinds[name] for name in JOBS}


@asynccontextmanager
async def services_at(where: Addresses) -> AsyncIterator[Services]:
    """The parts that jobs of calls for help use."""
    database = await Database.connect(where.database_url, size=3)
    # One message at a time, so that each crossing is one message.
    notifier = FirebaseNotifier(where.account, endpoint=where.firebase_url, window=1, timeout=3)
    live = Live(where.database_url)
    try:
        yield Services(
            Settings(),
            database,
            cast(Any, None),
            cast(Any, None),
            live,
            notifier,
            AppriseTeller(SECRET, time_limit=3),
        )
    finally:
        database._pool.terminate()
        await notifier.close()


@asynccontextmanager
async def working(where: Addresses, kinds: Kinds = sos_jobs) -> AsyncIterator[Worker]:
    """A worker that runs until the block ends; one job at a time, so that its crossings have an order."""
    async with services_at(where) as services:
        worker = Worker(
            where.database_url,
            kinds(services),
            lanes={"urgent": 1, "ordinary": 1},
            lease=timedelta(milliseconds=400),
            poll=timedelta(milliseconds=100),
            stop_within=timedelta(seconds=5),
        )
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            # A cancellation that comes together with the loss of its connection is taken for that loss.
            worker.stop()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def main() -> None:
    """Works until killed, at the addresses given as JSON."""
    async with working(Addresses(**json.loads(sys.argv[1]))):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
