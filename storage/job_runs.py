"""The jobs that one session of a worker runs: claimed under a lease, guarded by a lock, each ended by a written verdict.

Two guards keep a job from running twice *at the same time*. A heartbeat says that its worker lives; a job whose
heartbeat is older than the lease may be claimed by another. And the session holds an advisory lock for each running
job, so that a worker that merely stalled (its event loop blocked, its process stopped) keeps its jobs, while a
killed one loses them with its connection.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import asyncpg
import structlog
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job as QueuedJob
from pgqueuer.models import TracebackRecord
from pgqueuer.types import JobId, QueueEntrypoint, QueueManagerId

from storage.jobs import Job, JobKind, Retry, queries_over

log = structlog.get_logger(__name__)

ASKED_AGAIN: Final = "Retry"
LONGEST_REASON: Final = 8000

# Claims jobs that are due or whose worker fell silent: the most urgent first, among equals who has been due for longest.
# The library's own statement would take them by number: while more are due than are run, the later steps of old alerts
# would come before the first steps of new ones.
CLAIM: Final = """
with waiting as (
    select job.* from unnest($2::text[]) as wanted (name)
    cross join lateral (
        select id, priority, execute_after from pgqueuer
        where entrypoint = wanted.name and status = 'queued' and execute_after < now()
        order by priority desc, execute_after, id limit $1 for update skip locked
    ) job
),
silent as (
    select id, priority, execute_after from pgqueuer
    where status = 'picked' and entrypoint = any($2::text[]) and heartbeat < now() - $4::interval
      and execute_after < now()
    order by priority desc, execute_after, id limit $1 for update skip locked
),
claimed as (
    update pgqueuer set status = 'picked', updated = now(), heartbeat = now(), queue_manager_id = $3
    where id in (
        select id from (select * from waiting union all select * from silent) due
        order by priority desc, execute_after, id limit $1)
    returning *
),
noted as (
    insert into pgqueuer_log (job_id, status, entrypoint, priority)
    select id, status, entrypoint, priority from claimed
)
select * from claimed order by priority desc, execute_after, id
"""

# Which of the claimed jobs no living session runs; the lock stays with this session until the verdict is written.
LOCK: Final = """
select id from unnest($1::bigint[]) as claimed(id)
where pg_try_advisory_lock(hashtextextended('patrol job', id))
"""
UNLOCK: Final = """
select pg_advisory_unlock(hashtextextended('patrol job', id)) from unnest($1::bigint[]) as held(id)
"""

# Read after the lock: the jobs still ours, and how many of their runs since the last final failure neither succeeded
# nor asked to run again. A run that a crash cut short wrote nothing but its claim, and so counts.
OWN: Final = """
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


class WorkersDied(Exception):
    """Every allowed run of the job ended with the death of its worker or the loss of its connection."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that is ours to run, and how many of its runs failed so far."""

    job: QueuedJob
    failures: int


class Leases:
    """Claims on jobs, and their ends, over the one connection whose life they share."""

    def __init__(self, conn: asyncpg.Connection, lease: timedelta) -> None:
        self.lease = lease
        self._driver = AsyncpgDriver(conn)
        self._queries = queries_over(self._driver)
        self._holder = QueueManagerId(uuid4())

    async def claim(self, names: Iterable[str], limit: int, held: set[JobId]) -> list[Claim]:
        """Up to `limit` due jobs of these names, in the order of `CLAIM`; `held` are the jobs running here already."""
        rows = await self._driver.fetch(CLAIM, limit, list(names), self._holder, self.lease)
        if not rows:
            return []
        jobs = [QueuedJob.model_validate(row) for row in rows]
        # The lock is re-entrant: a job that still runs here, its heartbeat late, would be locked a second time.
        wanted = [job.id for job in jobs if job.id not in held]
        locked = {row["id"] for row in await self._driver.fetch(LOCK, wanted)}
        owned = await self._driver.fetch(OWN, list(locked), self._holder, ASKED_AGAIN)
        failures: dict[object, Any] = {row["id"]: row["failures"] for row in owned}
        if len(failures) < len(jobs):
            await self._driver.fetch(UNLOCK, list(locked - failures.keys()))
            forgotten = [job.id for job in jobs if job.id not in failures]
            await self._driver.execute(FORGET_CLAIMS, forgotten)
        return [Claim(job, failures[job.id]) for job in jobs if job.id in failures]

    async def next_due(self, names: Iterable[str]) -> timedelta | None:
        """How long until the first deferred job of these names is due."""
        return await self._queries.next_deferred_eta([QueueEntrypoint(name) for name in names])

    async def extend(self, held: set[JobId]) -> None:
        """Says that the holder lives."""
        await self._queries.update_heartbeat(list(held))

    async def done(self, job: QueuedJob) -> None:
        """The job leaves the queue."""
        await self._queries.log_jobs([(job, "successful", None)])
        await self._driver.fetch(UNLOCK, [job.id])

    async def failed(self, job: QueuedJob, error: BaseException) -> None:
        """The job stays, as failed, with the reason."""
        await self._queries.log_jobs([(job, "failed", _reason(job, error))])
        await self._driver.fetch(UNLOCK, [job.id])

    async def again(self, job: QueuedJob, after: timedelta, error: BaseException) -> None:
        """The job waits for another run, here or elsewhere."""
        await self._queries.retry_job(job, after, _reason(job, error))
        await self._driver.fetch(UNLOCK, [job.id])


@dataclass(slots=True)
class Lane:
    """A share of the worker that no other lane can use up."""

    limit: int
    names: list[str]
    running: int = 0


@dataclass(slots=True)
class _Run:
    task: asyncio.Task[None]
    deciding: bool = field(default=False)


class Runs:
    """What runs now in one session."""

    def __init__(
        self,
        leases: Leases,
        kinds: Mapping[str, JobKind],
        lanes: Mapping[str, int],
        wake: asyncio.Event,
    ) -> None:
        self._leases, self._kinds, self._wake = leases, kinds, wake
        self._lanes = [
            Lane(limit, [name for name, kind in kinds.items() if kind.lane == lane])
            for lane, limit in lanes.items()
        ]
        self._runs: dict[JobId, _Run] = {}
        self._giving_back = False
        self._fault: BaseException | None = None

    async def fill(self) -> None:
        """Starts due jobs while there is room, lane by lane; raises what broke a run's verdict."""
        if self._fault is not None:
            raise self._fault
        for lane in self._lanes:
            while lane.names and (free := lane.limit - lane.running) > 0:
                claims = await self._leases.claim(lane.names, free, set(self._runs))
                for claim in claims:
                    self._start(lane, claim)
                if len(claims) < free:
                    break

    async def next_due(self) -> timedelta | None:
        """How long until a deferred job may be due; none while every lane is full."""
        names = [name for lane in self._lanes if lane.running < lane.limit for name in lane.names]
        return await self._leases.next_due(names) if names else None

    async def beat(self) -> None:
        """Extends the lease of what runs, until cancelled."""
        while True:
            await asyncio.sleep(self._leases.lease.total_seconds() / 4)
            if self._runs:
                await self._leases.extend(set(self._runs))

    async def drain(self, within: timedelta) -> None:
        """Lets running jobs finish; what does not finish in time is cancelled and put back in the queue."""
        if not await self._settled(within):
            self._giving_back = True
            for run in self._runs.values():
                if not run.deciding:
                    run.task.cancel()
            if not await self._settled(timedelta(seconds=5)):
                log.error("job_ignores_cancellation", job_ids=sorted(self._runs))

    async def abandon(self) -> None:
        """Cancels what runs, without a verdict: the session is lost and another worker will claim it."""
        self._giving_back = False
        for run in self._runs.values():
            run.task.cancel()
        await self._settled(timedelta(seconds=5))

    async def _settled(self, within: timedelta) -> bool:
        if tasks := [run.task for run in self._runs.values()]:
            await asyncio.wait(tasks, timeout=within.total_seconds())
        return not self._runs

    def _start(self, lane: Lane, claim: Claim) -> None:
        job_id = claim.job.id

        def end(task: asyncio.Task[None]) -> None:
            del self._runs[job_id]
            lane.running -= 1
            if not task.cancelled() and (error := task.exception()) is not None:
                self._fault = error
            self._wake.set()

        lane.running += 1
        self._runs[job_id] = _Run(asyncio.create_task(self._run(claim)))
        self._runs[job_id].task.add_done_callback(end)

    async def _run(self, claim: Claim) -> None:
        error = await self._attempt(claim)
        self._runs[claim.job.id].deciding = True
        await self._decide(claim, error)

    async def _attempt(self, claim: Claim) -> BaseException | None:
        job, kind = claim.job, self._kinds[claim.job.entrypoint]
        if claim.failures >= kind.attempts:
            return WorkersDied(f"{claim.failures} runs ended without an outcome")
        run = Job(job.id, job.entrypoint, job.payload or b"", claim.failures + 1, job.created)
        try:
            async with asyncio.timeout(kind.time_limit.total_seconds()) as limit:
                await kind.run(run)
        except asyncio.CancelledError as cancelled:
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                return cancelled  # the handler cancelled itself, which is a failure like any other
            if not self._giving_back:
                raise
            task.uncancel()
            return Retry(reason="its worker had to stop")
        except TimeoutError as error:
            return TimeoutError(f"longer than {kind.time_limit}") if limit.expired() else error
        except Exception as error:
            return error
        return None

    async def _decide(self, claim: Claim, error: BaseException | None) -> None:
        job, kind, attempt = claim.job, self._kinds[claim.job.entrypoint], claim.failures + 1
        told = log.bind(job=job.entrypoint, job_id=job.id, attempt=attempt)
        if error is None:
            await self._leases.done(job)
        elif isinstance(error, Retry):
            told.info("job_runs_again", after_seconds=error.after.total_seconds())
            await self._leases.again(job, error.after, error)
        elif attempt >= kind.attempts:
            told.error("job_failed", error=type(error).__name__)
            await self._leases.failed(job, error)
        else:
            pause = kind.pause(attempt)
            told.warning("job_run_failed", error=type(error).__name__, pause=str(pause))
            await self._leases.again(job, pause, error)


def _reason(job: QueuedJob, error: BaseException) -> TracebackRecord:
    asked = isinstance(error, Retry)
    return TracebackRecord(
        job_id=job.id,
        timestamp=datetime.now(UTC),
        exception_type=ASKED_AGAIN if asked else type(error).__name__,
        exception_message=_storable(str(error))[:LONGEST_REASON],
        traceback=""
        if asked
        else _storable("".join(traceback.format_exception(error)))[-LONGEST_REASON:],
        additional_context=None,
    )


def _storable(text: str) -> str:
    """Without what UTF-8 or jsonb would refuse: a verdict that cannot be written would never end the job."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
