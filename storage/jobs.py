"""What must happen after a transaction is written down inside it: the queue as doors and staff see it.

The tables and their statements are those of pgqueuer. Two things are ours: no NOTIFY leaves a data transaction
(its lock at commit is global, 10k → 4k transactions a second), so whoever enqueued pokes `JOB_CHANNEL` after the
commit; and a `dedupe_key` never swallows work that a running job can no longer see.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import orjson
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.db import AsyncpgDriver
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.queries import Queries
from pgqueuer.types import Channel

JOB_CHANNEL: Final = "patrol_jobs"

# Constructed, not read: pgqueuer would take table names from variables as common as CHANNEL or FUNCTION.
QUEUE_NAMES: Final = DBSettings.model_construct(
    prefix="",
    db_schema="public",
    channel=Channel(JOB_CHANNEL),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.durable,
    widen_id=True,
)
_ENVIRONMENT: Final = QueryBuilderEnvironment(QUEUE_NAMES)
_QUEUE: Final = QueryQueueBuilder(QUEUE_NAMES)
_SCHEDULER: Final = QuerySchedulerBuilder(QUEUE_NAMES)

# Holds waiting jobs back (a claim skips locked rows) until the caller's data is committed.
HOLD_WAITING: Final = """
select dedupe_key, id from pgqueuer where dedupe_key = any ($1::text[]) and status = 'queued'
order by dedupe_key for key share
"""

# Makes a deferred job due now.
HASTEN: Final = """
update pgqueuer set execute_after = now(), updated = now()
where dedupe_key = $1 and status = 'queued' returning id
"""

# Gives waiting jobs another priority.
REPRIORITISE: Final = """
update pgqueuer set priority = $2, updated = now()
where dedupe_key = any($1::text[]) and status = 'queued' and priority <> $2
"""

# Failed jobs with the reason of their last failure, newest first.
FAILED: Final = """
select job.id, job.entrypoint, job.payload, job.updated, reason.traceback
from pgqueuer job
left join lateral (
    select log.traceback from pgqueuer_log log
    where log.job_id = job.id and log.status = 'failed' order by log.id desc limit 1
) reason on true
where job.status = 'failed' and ($2::bigint is null or job.id < $2)
order by job.id desc limit $1
"""

# How much of each kind waits, runs and has failed, and how late the oldest due job is.
BACKLOG: Final = """
select entrypoint as name,
       count(*) filter (where status = 'queued') as waiting,
       count(*) filter (where status = 'picked') as running,
       count(*) filter (where status = 'failed') as failed,
       max(now() - execute_after) filter (where status = 'queued' and execute_after < now()) as late_by
from pgqueuer group by entrypoint order by entrypoint
"""

# History of jobs that are over; the history of a job still kept (waiting, running, failed) explains it.
TIDY_HISTORY: Final = """
delete from pgqueuer_log where id = any(array(
    select log.id from pgqueuer_log log
    where log.created < now() - $1::interval
      and not exists (select from pgqueuer job where job.id = log.job_id)
    order by log.created limit $2))
"""

# Failed jobs that nobody wanted for a very long time.
TIDY_FAILED: Final = """
delete from pgqueuer where id = any(array(
    select id from pgqueuer where status = 'failed' and updated < now() - $1::interval limit $2))
"""


class Retry(Exception):
    """Raised by a handler: run this job again after a delay; it does not count as a failure."""

    def __init__(self, after: timedelta = timedelta(0), reason: str = "asked to run again") -> None:
        super().__init__(reason)
        self.after = max(after, timedelta(0))


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a job as its handler sees it. `attempt` counts from 1 and counts runs that a crash cut short."""

    id: int
    name: str
    payload: bytes
    attempt: int
    enqueued_at: datetime

    def data(self) -> Any:
        """The payload as decoded JSON, as `enqueue` was given it."""
        return orjson.loads(self.payload)


Handler = Callable[[Job], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class JobKind:
    """How jobs of one name are run.

    `lane` is a share of the worker that no other lane can use up. After `attempts` failed runs the job is kept as
    failed; between them the pause doubles from `first_pause` up to `longest_pause`. A run longer than `time_limit`
    is cancelled and counts as failed. A handler must be idempotent: a run is repeated if its worker dies before
    the outcome is written.
    """

    run: Handler
    lane: str = "ordinary"
    attempts: int = 8
    first_pause: timedelta = timedelta(seconds=1)
    longest_pause: timedelta = timedelta(minutes=5)
    time_limit: timedelta = timedelta(minutes=5)

    def pause(self, failures: int) -> timedelta:
        """The pause after the given number of failed runs (from 1)."""
        doublings = 2 ** min(failures - 1, 32)
        # Compared in seconds: a timedelta of years times a doubling would overflow.
        seconds = self.first_pause.total_seconds() * doublings
        return timedelta(seconds=min(seconds, self.longest_pause.total_seconds()))


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that was given up, with the reason: error class, message and Python traceback of its last run."""

    id: int
    name: str
    payload: bytes
    failed_at: datetime
    error: str
    message: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one kind of job has in the queue. `late_by` is the delay of the oldest job that is due."""

    name: str
    waiting: int
    running: int
    failed: int
    late_by: timedelta | None


def queries_over(driver: AsyncpgDriver) -> Queries:
    """pgqueuer's statements over a connection, with our fixed names."""
    return Queries(driver, qbe=_ENVIRONMENT, qbq=_QUEUE, qbs=_SCHEDULER)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be added; see `enqueue` for its members."""

    job: str
    payload: bytes | Mapping[str, Any]
    run_after: timedelta | None = None
    priority: int = 0
    dedupe_key: str | None = None


async def enqueue(
    conn: asyncpg.Connection,
    job: str,
    payload: bytes | Mapping[str, Any],
    *,
    run_after: timedelta | None = None,
    priority: int = 0,
    dedupe_key: str | None = None,
) -> int:
    """Adds a job in the caller's transaction and returns its id; after the commit the caller pokes.

    A mapping is kept as JSON. `run_after` counts from the start of the transaction. Higher `priority` runs first
    within a lane, and among equals what has been due for longest. While a job with the same `dedupe_key` waits, no
    second one is added and its id is returned; it cannot start before the caller commits. A job that already runs may
    have read before this change, so it does not count: one successor is added. Two transactions that add the same key
    wait for each other; a transaction that adds several keys should add them in one call of `enqueue_all`.
    """
    [added] = await enqueue_all(conn, [NewJob(job, payload, run_after, priority, dedupe_key)])
    return added


async def enqueue_all(conn: asyncpg.Connection, jobs: Sequence[NewJob]) -> list[int]:
    """Adds jobs, as `enqueue` does, in one statement unless some wait already; their ids in the order given.

    They are added in the order of their keys, so that two transactions never wait for each other in a circle.
    """
    if not conn.is_in_transaction():
        raise RuntimeError("a job belongs into the transaction of its data")
    added: dict[int, int] = {}
    left = sorted(range(len(jobs)), key=lambda place: jobs[place].dedupe_key or "")
    queue = queries_over(AsyncpgDriver(conn))
    for successor in (False, True):
        if not left:
            break
        keys = [_key(jobs[place], successor) for place in left]
        ids = await queue.enqueue(
            [jobs[place].job for place in left],
            [_body(jobs[place].payload) for place in left],
            [jobs[place].priority for place in left],
            [jobs[place].run_after for place in left],
            keys,
            on_conflict="skip",
        )
        added |= {place: int(key) for place, key in zip(left, ids, strict=True) if key is not None}
        waiting = [key for key, new in zip(keys, ids, strict=True) if new is None]
        if waiting:
            held = dict(await conn.fetch(HOLD_WAITING, waiting))
            added |= {
                place: held[key] for place, key in zip(left, keys, strict=True)
                if place not in added and key in held
            }  # fmt: skip
        left = [place for place in left if place not in added]
    for place in left:
        # Both the job and its successor run just now: one more, without a key.
        one = jobs[place]
        [only] = await queue.enqueue(one.job, _body(one.payload), one.priority, one.run_after)
        added[place] = int(only)
    return [added[place] for place in range(len(jobs))]


def _key(one: NewJob, successor: bool) -> str | None:
    return f"{one.dedupe_key} (next)" if successor and one.dedupe_key else one.dedupe_key


def _body(payload: bytes | Mapping[str, Any]) -> bytes:
    return payload if isinstance(payload, bytes) else orjson.dumps(payload)


async def hasten(conn: asyncpg.Connection, dedupe_key: str) -> bool:
    """Makes a waiting job due at once; False if none waits under this key. Only for workers: a door may not."""
    return await conn.fetchval(HASTEN, dedupe_key) is not None


async def reprioritise(conn: asyncpg.Connection, dedupe_keys: Sequence[str], priority: int) -> None:
    """Gives the jobs that wait under these keys another priority. Only for workers, as `hasten`."""
    await conn.execute(REPRIORITISE, list(dedupe_keys), priority)


async def poke_workers(conn: asyncpg.Connection) -> None:
    """Wakes every worker. Call it after the commit, on a connection with no transaction open."""
    await conn.execute(f"notify {JOB_CHANNEL}")


async def failed_jobs(
    conn: asyncpg.Connection, *, limit: int = 100, before: int | None = None
) -> list[FailedJob]:
    """The jobs that were given up, newest first; `before` is the id of the last one of the page before."""
    found = []
    for row in await conn.fetch(FAILED, limit, before):
        why = orjson.loads(row["traceback"] or "{}")
        found.append(
            FailedJob(
                id=row["id"],
                name=row["entrypoint"],
                payload=row["payload"],
                failed_at=row["updated"],
                error=why.get("exception_type", ""),
                message=why.get("exception_message", ""),
                traceback=why.get("traceback", ""),
            )
        )
    return found


async def run_again(conn: asyncpg.Connection, job_id: int) -> bool:
    """Puts a failed job back in the queue with all its attempts; False if it is not among the failed.

    If a job with the same dedupe key waits or runs, that job does the work and the failed one stays.
    """
    try:
        async with conn.transaction():
            if not await conn.fetchval(
                "select true from pgqueuer where id = $1 and status = 'failed' for update", job_id
            ):
                return False
            await queries_over(AsyncpgDriver(conn)).requeue_jobs([job_id])  # type: ignore[list-item]  # JobId is a NewType of int
    except asyncpg.UniqueViolationError:
        return False
    return True


async def backlog(conn: asyncpg.Connection) -> list[Backlog]:
    """What waits, runs and has failed, by kind of job; for metrics and for the auditor."""
    return [Backlog(**dict(row)) for row in await conn.fetch(BACKLOG)]


async def tidy(
    conn: asyncpg.Connection,
    *,
    keep_history: timedelta = timedelta(days=7),
    keep_failed: timedelta = timedelta(days=365),
    batch: int = 2000,
) -> int:
    """Deletes one batch of old history and returns how many rows; call again until it returns 0.

    A successful job leaves the queue at once; what grows is its history (three short rows a job).
    """
    history = await conn.execute(TIDY_HISTORY, keep_history, batch)
    failed = await conn.execute(TIDY_FAILED, keep_failed, batch)
    return int(history.split()[-1]) + int(failed.split()[-1])
