"""A worker that is cancelled ends, whatever else happens to it at that moment."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg

from storage.job_worker import Worker
from storage.jobs import Job

TURNS = 25
"""More turns of the event loop than a worker needs to notice that its connection is gone, and to begin anew."""


class Watched(Worker):
    """A worker whose connections a test can end."""

    opened: list[asyncpg.Connection]

    async def _connect(self) -> asyncpg.Connection:
        self.opened.append(await super()._connect())
        return self.opened[-1]


async def _nothing(_: Job) -> None: ...


async def started(database_url: str) -> tuple[Watched, asyncio.Task[None]]:
    worker = Watched(database_url, {"nothing": _nothing}, poll=timedelta(milliseconds=50))
    worker.opened = []
    task = asyncio.create_task(worker.run())
    async with asyncio.timeout(10):
        await worker.started.wait()
    return worker, task


async def ended(task: asyncio.Task[None]) -> bool:
    """Whether a cancelled task ends; one that does not is cancelled again."""
    await asyncio.wait([task], timeout=2)
    if task.done():
        return task.cancelled()
    task.cancel()
    await asyncio.wait([task], timeout=10)
    return False


async def test_a_worker_ends_when_it_is_cancelled_at_any_moment_of_losing_its_connection(
    database_url: str,
) -> None:
    deaf = []
    for turns in range(TURNS):
        worker, task = await started(database_url)
        for connection in worker.opened:
            connection.terminate()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        if not await ended(task):
            deaf.append(turns)
        assert all(connection.is_closed() for connection in worker.opened)

    assert deaf == []


async def test_a_worker_comes_back_after_the_loss_of_its_connection_alone(
    database_url: str,
) -> None:
    """The control: what nobody cancelled goes on."""
    worker, task = await started(database_url)
    for connection in worker.opened:
        connection.terminate()

    async with asyncio.timeout(10):
        while len(worker.opened) < 4:  # noqa: ASYNC110  # connections announce nothing
            await asyncio.sleep(0.01)

    assert not task.done()
    task.cancel()
    assert await ended(task)
