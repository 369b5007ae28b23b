"""Runs the jobs of the queue: urgent lanes first, each job in one worker at a time, and none lost when a worker dies.

Delivery is at least once: an outcome is written right after the run, and a worker that dies in between leaves the
job to be run again. Two guards keep a job from running twice *at the same time*. A heartbeat says that its worker
lives; a job whose heartbeat is older than the lease may be claimed by another. And the worker holds an advisory
lock of its own session for each running job, so that a worker that merely stalled (its event loop blocked, its
process stopped) keeps its jobs, while a killed one loses them with its connection.

pgqueuer's own QueueManager is not used: it deletes a job whose run is cancelled, learns that a slot became free
only from the notify trigger (which we leave out) or a poll, waits without limit at a stop, and counts no crashes.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

import asyncpg
import structlog
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job as QueuedJob
from pgqueuer.models import TracebackRecord
from pgqueuer.queries import EntrypointExecutionParameter, Queries
from pgqueuer.types import JobId, QueueEntrypoint, QueueManagerId

from storage.jobs import (
    JOB_CHANNEL,
    Every,
    Handler,
    Job,
    JobKind,
    Retry,
    enqueue_turn,
    queries_over,
    tidy,
)

log = structlog.get_logger(__name__)

LANES: Final = {"urgent": 16, "ordinary": 4}
TIDY_TURN: Final = Every("jobs.tidy", timedelta(hours=1))
ASKED_AGAIN: Final = "Retry"
LONGEST_TRACEBACK: Final = 8000

# Which of the claimed jobs no living session runs; the lock stays with this session until the outcome is written.
LOCK_JOBS: Final = """
select id from unnest($1::bigint[]) as claimed(id)
where pg_try_advisory_lock(hashtextextended('patrol job', id))
"""
UNLOCK_JOB: Final = "select pg_advisory_unlock(hashtextextended('patrol job', $1::bigint))"

# Read after the lock: the jobs still ours, and how many of their runs since the last verdict neither succeeded nor
# asked to run again. A run that a crash cut short wrote nothing but its claim, and so counts.
OWN_JOBS: Final = """
select job.id, (
    select count(*) filter (where past.status = 'picked') - 1
         - count(*) filter (where past.status = 'queued'
                              and past.traceback ->> 'exception_type' = $3)
    from pgqueuer_log past
    where past.job_id = job.id and past.id > coalesce(
        (select max(id) from pgqueuer_log where job_id = job.id and status = 'failed'), 0)
)::int as failures
from pgqueuer job
where job.id = any($1::bigint[]) and job.queue_manager_id = $2 and job.status = 'picked'
"""

# A claim that came to nothing must not count as a run.
FORGET_CLAIMS: Final = """
delete from pgqueuer_log where id in (
    select max(id) from pgqueuer_log where job_id = any($1::bigint[]) and status = 'picked'
    group by job_id)
"""

# Makes the schedule row of a repeated job, due at once, or changes its rhythm.
PLANT_TURN: Final = """
insert into job_schedule (name, every, due_at) values ($1, $2, now())
on conflict (name) do update
set every = excluded.every, due_at = least(job_schedule.due_at, now() + excluded.every)
where job_schedule.every <> excluded.every
"""

# Takes the turns that are due; the next one keeps the rhythm and skips what was missed.
TAKE_TURNS: Final = """
update job_schedule schedule
set due_at = schedule.due_at + schedule.every * (1 + floor(
        extract(epoch from now() - schedule.due_at) / extract(epoch from schedule.every)))
from (select name from job_schedule where name = any($1::text[]) and due_at <= now()
      order by name for update skip locked) due
where schedule.name = due.name
returning schedule.name
"""
NEXT_TURN: Final = """
select extract(epoch from min(due_at) - clock_timestamp())::float8
from job_schedule where name = any($1::text[])
"""

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


class WorkersDied(Exception):
    """Every allowed run of the job ended with the death of its worker or the loss of its connection."""


@dataclass(slots=True)
class _Run:
    task: asyncio.Task[None]
    writing: bool = False


@dataclass(slots=True)
class _Lane:
    name: str
    limit: int
    entrypoints: dict[QueueEntrypoint, EntrypointExecutionParameter] = field(default_factory=dict)
    running: int = 0


class Worker:
    """Runs jobs until it is told to stop; any number of workers may share one database.

    `dsn` is a login that may take the role `role`. `handlers` maps the name of a job to its handler or `JobKind`.
    `lanes` gives each lane the number of jobs that this worker runs in it at once, most urgent first. A job of a
    killed worker runs again within `lease` + `poll`; of a host that vanished, within about 20 s more. `poll` is
    the safety net for a poke that was lost.
    """

    def __init__(
        self,
        dsn: str,
        handlers: Mapping[str, Handler | JobKind],
        *,
        schedules: Sequence[Every] = (),
        lanes: Mapping[str, int] = LANES,
        role: str = "patrol_system",
        principal: str = "system:worker",
        lease: timedelta = timedelta(seconds=3),
        poll: timedelta = timedelta(seconds=1),
        stop_within: timedelta = timedelta(seconds=20),
    ) -> None:
        self._dsn = dsn
        self._kinds = {
            name: kind if isinstance(kind, JobKind) else JobKind(kind)
            for name, kind in handlers.items()
        }
        self._lanes = {name: _Lane(name, limit) for name, limit in lanes.items()}
        for name, kind in self._kinds.items():
            if kind.lane not in self._lanes:
                raise ValueError(f"job {name} asks for lane {kind.lane}, which this worker lacks")
            self._lanes[kind.lane].entrypoints[QueueEntrypoint(name)] = (
                EntrypointExecutionParameter(concurrency_limit=0)
            )
        self._turns = {turn.name: turn for turn in (*schedules, TIDY_TURN)}
        if missing := self._turns.keys() - self._kinds.keys() - {TIDY_TURN.name}:
            raise ValueError(f"scheduled without a handler: {', '.join(sorted(missing))}")
        self._lease, self._poll, self._stop_within = lease, poll, stop_within
        self._session_settings = {
            "application_name": "patrol worker",
            "role": role,
            "patrol.principal": principal,
            # The server notices a vanished host, and frees its jobs, after we would have noticed the same.
            "tcp_keepalives_idle": "5",
            "tcp_keepalives_interval": "3",
            "tcp_keepalives_count": "4",
        }
        self._id = QueueManagerId(uuid4())
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._giving_back = False
        self._runs: dict[JobId, _Run] = {}
        self._fault: BaseException | None = None
        self._driver: AsyncpgDriver
        self._queries: Queries
        self.started = asyncio.Event()

    def wake(self) -> None:
        """Looks for work now; for an enqueuer in the same process, which then needs no NOTIFY."""
        self._wake.set()

    def stop(self) -> None:
        """Takes no more jobs; `run` returns when the running ones are done or `stop_within` is over."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Works until `stop`. Reconnects by itself; raises only if the set-up is wrong from the start."""
        pause = 0.1
        while not self._stopping.is_set():
            try:
                await self._session()
            except* PASSING as lost:
                log.warning("job_worker_lost_database", error=_names(lost))
            except* asyncpg.PostgresError as refused:
                if not self.started.is_set():
                    raise
                log.error("job_worker_refused_by_database", error=_names(refused))
            if self._stopping.is_set():
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(pause * 2, 5.0)

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            self._dsn, timeout=10, command_timeout=8, server_settings=self._session_settings
        )

    async def _session(self) -> None:
        conn = await self._connect()
        upkeep: asyncpg.Connection | None = None
        try:
            upkeep = await self._connect()
            self._driver = AsyncpgDriver(conn)
            self._queries = queries_over(self._driver)
            await conn.add_listener(JOB_CHANNEL, lambda *_: self._wake.set())
            conn.add_termination_listener(lambda *_: self._wake.set())
            async with asyncio.TaskGroup() as group:
                beside = [
                    group.create_task(self._beat()),
                    group.create_task(self._keep_up(upkeep)),
                ]
                await self._claim_until_stopped()
                beside[1].cancel()
                await self._drain()
                beside[0].cancel()
        finally:
            # Without the session its locks are gone: nothing may go on running here.
            await self._abandon_runs()
            conn.terminate()
            if upkeep is not None:
                upkeep.terminate()

    async def _claim_until_stopped(self) -> None:
        names = [name for lane in self._lanes.values() for name in lane.entrypoints]
        while not self._stopping.is_set():
            self._wake.clear()
            for lane in self._lanes.values():
                await self._fill(lane)
            self.started.set()
            if self._fault is not None:
                raise self._fault
            due = await self._queries.next_deferred_eta(names)
            pause = self._poll if due is None else min(self._poll, due)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(pause.total_seconds(), 0))

    async def _fill(self, lane: _Lane) -> None:
        while lane.entrypoints and (free := lane.limit - lane.running) > 0:
            claimed = await self._queries.dequeue(
                batch_size=free,
                entrypoints=lane.entrypoints,
                queue_manager_id=self._id,
                global_concurrency_limit=None,
                heartbeat_timeout=self._lease,
            )
            failures = await self._own([job.id for job in claimed])
            for job in claimed:
                if job.id in failures:
                    lane.running += 1
                    task = asyncio.create_task(self._run(lane, job, failures[job.id]))
                    self._runs[job.id] = _Run(task)
                    task.add_done_callback(self._note_fault)
            if len(claimed) < free:
                return

    async def _own(self, ids: list[JobId]) -> dict[JobId, int]:
        """Failed runs so far of those claimed jobs that are truly ours; the other claims are undone."""
        if not ids:
            return {}
        # The lock is re-entrant, so a job that we still run ourselves must be left out first.
        locked = [
            row["id"]
            for row in await self._driver.fetch(
                LOCK_JOBS, [job_id for job_id in ids if job_id not in self._runs]
            )
        ]
        rows = await self._driver.fetch(OWN_JOBS, locked, self._id, ASKED_AGAIN)
        own = {row["id"]: row["failures"] for row in rows}
        if len(own) < len(ids):
            for job_id in set(locked) - own.keys():
                await self._driver.execute(UNLOCK_JOB, job_id)
            await self._driver.execute(FORGET_CLAIMS, [i for i in ids if i not in own])
        return own  # type: ignore[return-value]  # rows come untyped from the driver

    def _note_fault(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fault = error
            self._wake.set()

    async def _run(self, lane: _Lane, job: QueuedJob, failures: int) -> None:
        try:
            error = await self._attempt(job, failures)
            self._runs[job.id].writing = True
            await self._record(job, failures, error)
            await self._driver.execute(UNLOCK_JOB, job.id)
        finally:
            del self._runs[job.id]
            lane.running -= 1
            self._wake.set()

    async def _attempt(self, job: QueuedJob, failures: int) -> BaseException | None:
        kind = self._kinds[job.entrypoint]
        if failures >= kind.attempts:
            return WorkersDied(f"{failures} runs ended without an outcome")
        try:
            async with asyncio.timeout(kind.time_limit.total_seconds()):
                await kind.run(
                    Job(job.id, job.entrypoint, job.payload or b"", failures + 1, job.created)
                )
        except asyncio.CancelledError as cancelled:
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                return cancelled  # the handler cancelled itself, which is a failure like any other
            if not self._giving_back:
                raise
            return Retry(reason="the worker had to stop")
        except Exception as error:
            return error
        return None

    async def _record(self, job: QueuedJob, failures: int, error: BaseException | None) -> None:
        kind = self._kinds[job.entrypoint]
        told = log.bind(job=job.entrypoint, job_id=job.id, attempt=failures + 1)
        if error is None:
            await self._queries.log_jobs([(job, "successful", None)])
        elif isinstance(error, Retry):
            told.info("job_runs_again", after_seconds=error.after.total_seconds())
            await self._queries.retry_job(job, error.after, _reason(job, error))
        elif failures + 1 >= kind.attempts:
            told.error("job_failed", error=type(error).__name__)
            await self._queries.log_jobs([(job, "failed", _reason(job, error))])
        else:
            pause = kind.pause(failures + 1)
            told.warning(
                "job_attempt_failed",
                error=type(error).__name__,
                again_in_seconds=pause.total_seconds(),
            )
            await self._queries.retry_job(job, pause, _reason(job, error))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 4)
            if self._runs:
                await self._queries.update_heartbeat(list(self._runs))

    async def _keep_up(self, conn: asyncpg.Connection) -> None:
        """Enqueues repeated jobs when they are due and deletes old history, on a connection of its own."""
        names = list(self._turns)
        for turn in self._turns.values():
            await conn.execute(PLANT_TURN, turn.name, turn.every)
        tidying = False
        while True:
            async with conn.transaction():
                taken = {row["name"] for row in await conn.fetch(TAKE_TURNS, names)}
                for name in sorted(taken - {TIDY_TURN.name}):
                    await enqueue_turn(conn, self._turns[name])
            if taken:
                self._wake.set()
            tidying = tidying or TIDY_TURN.name in taken
            tidying = tidying and await tidy(conn) > 0
            pause = await conn.fetchval(NEXT_TURN, names)
            await asyncio.sleep(0 if tidying else min(max(pause, 0.02), 5.0))

    async def _drain(self) -> None:
        """Lets running jobs finish; what does not finish in time is cancelled and put back in the queue."""
        if await self._settled(self._stop_within):
            return
        self._giving_back = True
        for run in self._runs.values():
            if not run.writing:
                run.task.cancel()
        if not await self._settled(timedelta(seconds=5)):
            log.error("job_ignores_cancellation", job_ids=sorted(self._runs))

    async def _settled(self, within: timedelta) -> bool:
        tasks = [run.task for run in self._runs.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=within.total_seconds())
        return not self._runs

    async def _abandon_runs(self) -> None:
        self._giving_back = False
        for run in self._runs.values():
            run.task.cancel()
        await self._settled(timedelta(seconds=5))
        self._fault = None


def _names(errors: BaseExceptionGroup[BaseException]) -> str:
    return ", ".join(sorted({type(error).__name__ for error in errors.exceptions}))


def _reason(job: QueuedJob, error: BaseException) -> TracebackRecord:
    """What is kept of an error; free of what jsonb or UTF-8 would refuse, or the job would never get its verdict."""
    told = "" if isinstance(error, Retry) else "".join(traceback.format_exception(error))
    return TracebackRecord(
        job_id=job.id,
        timestamp=datetime.now(UTC),
        exception_type=ASKED_AGAIN if isinstance(error, Retry) else type(error).__name__,
        exception_message=_clean(str(error))[:LONGEST_TRACEBACK],
        traceback=_clean(told)[-LONGEST_TRACEBACK:],
        additional_context=None,
    )


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
