"""Runs the jobs of the queue: urgent lanes first, each job in one worker at a time, none lost when a worker dies.

Delivery is at least once: an outcome is written right after the run, and a worker that dies in between leaves the
job to be run again, so handlers are idempotent. pgqueuer's tables and statements are used, its QueueManager is not:
it deletes a job whose run is cancelled, learns that a slot became free only from the notify trigger (which we leave
out) or a poll, waits without limit at a stop, and does not count the runs that a crash cut short.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

import asyncpg
import structlog

from storage.job_runs import Leases, Runs
from storage.job_turns import Every, keep_turns
from storage.jobs import JOB_CHANNEL, Handler, JobKind
from storage.principal import Role, system

log = structlog.get_logger(__name__)

LANES: Final = {"urgent": 16, "clips": 3, "ordinary": 4}

KEEPALIVES: Final = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "4",
}
"""Settings of a connection that lives long: the server ends it about 17 s after its host vanished without a word."""

# A server or a network that will be back; anything else on the first connection is a mistake in the set-up.
PASSING: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.InterfaceError,
)


class Worker:
    """Runs jobs until it is told to stop; any number of workers may share one database.

    It keeps two connections of its own: one claims, beats and listens, one enqueues repeated jobs and tidies up.
    """

    def __init__(
        self,
        dsn: str,
        handlers: Mapping[str, Handler | JobKind],
        *,
        schedules: Sequence[Every] = (),
        lanes: Mapping[str, int] = LANES,
        role: str = Role.SYSTEM.value,
        principal: str = str(system("worker")),
        lease: timedelta = timedelta(seconds=3),
        poll: timedelta = timedelta(seconds=1),
        stop_within: timedelta = timedelta(seconds=20),
    ) -> None:
        """Prepares a worker; nothing is connected before `run`.

        Args:
            dsn: a `postgresql://` address whose login may take the role `role`.
            handlers: the handler or `JobKind` of each job, by name; other jobs are left to other workers.
            schedules: jobs of `handlers` to enqueue in a steady rhythm.
            lanes: how many jobs this worker runs at once in each lane, most urgent lane first.
            role: the database role that this worker's own connections take.
            principal: whom those connections serve.
            lease: a job of a killed worker runs elsewhere within about `lease` + `poll` (of a host that vanished
                without closing its connections, within about 20 s more).
            poll: the safety net for a poke that was lost.
            stop_within: how long running jobs may take at a stop before they are cancelled and put back.

        Raises:
            ValueError: a handler asks for an unknown lane, or a schedule names an unknown job.
        """
        kinds = {
            name: kind if isinstance(kind, JobKind) else JobKind(kind)
            for name, kind in handlers.items()
        }
        for name, kind in kinds.items():
            if kind.lane not in lanes:
                raise ValueError(f"job {name} asks for the lane {kind.lane}, which is not there")
        if unknown := {turn.name for turn in schedules} - kinds.keys():
            raise ValueError(f"scheduled without a handler: {', '.join(sorted(unknown))}")
        self._dsn = dsn
        self._kinds = kinds
        self._turns = {turn.name: turn for turn in schedules}
        self._lanes = dict(lanes)
        self._lease, self._poll, self._stop_within = lease, poll, stop_within
        self._session_settings = {
            "application_name": "patrol worker",
            "role": role,
            "patrol.principal": principal,
            "jit": "off",
            # A claim or verdict that a crash of the server takes back costs one more run, which is allowed anyway.
            "synchronous_commit": "off",
            # The server notices a vanished host, and frees its jobs, only after that host noticed the same.
            **KEEPALIVES,
        }
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self.started = asyncio.Event()
        """Set when this worker has looked for work for the first time."""

    def wake(self) -> None:
        """Looks for work now; for an enqueuer in the same process, which then needs no NOTIFY."""
        self._wake.set()

    def stop(self) -> None:
        """Takes no more jobs; `run` returns when the running ones are done or `stop_within` is over."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Works until `stop`, and reconnects by itself.

        Raises:
            asyncpg.PostgresError: the set-up is wrong from the start (login, role, tables), in an exception group.
        """
        clock = asyncio.get_running_loop().time
        task = asyncio.current_task()
        assert task is not None  # a coroutine runs in one
        cancelled_before = task.cancelling()
        pause = 0.1
        while not self._stopping.is_set():
            began = clock()
            try:
                await self._session()
            except* PASSING as lost:
                log.warning("job_worker_lost_database", errors=_names(lost))
            except* asyncpg.PostgresError as refused:
                if not self.started.is_set():
                    raise
                log.error("job_worker_refused_by_database", errors=_names(refused))
            # In Python 3.11 a task group whose own task is cancelled while it fails tells of the failure only.
            if task.cancelling() > cancelled_before:
                raise asyncio.CancelledError
            pause = 0.1 if clock() - began > 30 else min(pause * 2, 5.0)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            self._dsn, timeout=10, command_timeout=8, server_settings=self._session_settings
        )

    async def _session(self) -> None:
        conn = await self._connect()
        upkeep: asyncpg.Connection | None = None
        runs = Runs(Leases(conn, self._lease), self._kinds, self._lanes, self._wake)
        try:
            upkeep = await self._connect()
            await conn.add_listener(JOB_CHANNEL, lambda *_: self._wake.set())
            conn.add_termination_listener(lambda *_: self._wake.set())
            async with asyncio.TaskGroup() as group:
                beats = group.create_task(runs.beat())
                turns = group.create_task(keep_turns(upkeep, self._turns, self.wake))
                await self._work(runs)
                turns.cancel()
                await runs.drain(self._stop_within)
                beats.cancel()
        finally:
            try:
                # With the session go its locks: nothing may go on running here.
                await runs.abandon()
            finally:
                conn.terminate()
                if upkeep is not None:
                    upkeep.terminate()

    async def _work(self, runs: Runs) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            await runs.fill()
            self.started.set()
            pause = min(self._poll, await runs.next_due() or self._poll)
            # Not wait_for: in Python 3.11 it swallows a cancellation that comes together with the wake-up.
            with suppress(TimeoutError):
                async with asyncio.timeout(max(pause.total_seconds(), 0.001)):
                    await self._wake.wait()


def _names(errors: BaseExceptionGroup[BaseException]) -> str:
    return ", ".join(sorted({type(error).__name__ for error in errors.exceptions}))
