"""The job queue on a real PostgreSQL: nothing lost, nothing run twice at once, an SOS never behind media."""

from __future__ import annotations

import asyncio
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from pgqueuer.db import AsyncpgDriver

from storage.job_turns import Every, keep_turns
from storage.job_worker import Worker
from storage.jobs import (
    JOB_CHANNEL,
    Job,
    JobKind,
    Retry,
    backlog,
    enqueue,
    failed_jobs,
    poke_workers,
    queries_over,
    run_again,
    tidy,
)

Connect = Callable[..., Awaitable[asyncpg.Connection]]

NEVER = timedelta(hours=1)
SOON = timedelta(milliseconds=50)


@pytest.fixture
async def connect(database_url: str) -> AsyncIterator[Connect]:
    """Opens connections as the database's owner, or as a role that serves a principal."""
    opened: list[asyncpg.Connection] = []

    async def open_one(
        role: str | None = None, principal: str = "officer:somchai"
    ) -> asyncpg.Connection:
        settings = {"role": role, "patrol.principal": principal} if role else {}
        opened.append(await asyncpg.connect(database_url, server_settings=settings))
        return opened[-1]

    yield open_one
    for conn in opened:
        await conn.close()


@pytest.fixture
async def owner(connect: Connect) -> asyncpg.Connection:
    """The owner of an empty queue, to look at it from outside."""
    conn = await connect()
    await conn.execute("truncate pgqueuer, pgqueuer_log, job_schedule")
    return conn


@pytest.fixture
async def door(owner: asyncpg.Connection, connect: Connect) -> asyncpg.Connection:
    """A connection as the doors have it when they write."""
    return await connect("patrol_writer")


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[Worker]:
    """Runs a worker while the block runs, from its first look at the queue."""
    task = asyncio.create_task(worker.run())
    try:
        await asyncio.wait_for(worker.started.wait(), 10)
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(task, 30)


async def eventually(holds: Callable[[], Awaitable[object]], within: float = 10) -> None:
    """Waits for a condition in the database, which announces nothing."""
    async with asyncio.timeout(within):
        while not await holds():  # noqa: ASYNC110  # the state is the database's, no event of ours
            await asyncio.sleep(0.01)


async def add(
    conn: asyncpg.Connection, name: str, payload: bytes = b"", *, count: int = 1, poke: bool = True
) -> list[int]:
    async with conn.transaction():
        ids = [await enqueue(conn, name, payload) for _ in range(count)]
    if poke:
        await poke_workers(conn)
    return ids


class Seen:
    """A handler that notes its runs and can be made to wait, to ask again or to fail."""

    def __init__(self, *errors: BaseException, wait_for: asyncio.Event | None = None) -> None:
        self.jobs: list[Job] = []
        self.at: list[float] = []
        self.began = asyncio.Event()
        self.done = asyncio.Event()
        self._errors = list(errors)
        self._wait_for = wait_for

    async def __call__(self, job: Job) -> None:
        self.at.append(time.perf_counter())
        self.jobs.append(job)
        self.began.set()
        if self._wait_for is not None:
            await self._wait_for.wait()
        if self._errors:
            raise self._errors.pop(0)
        self.done.set()


async def test_a_job_of_a_rolled_back_transaction_does_not_exist(
    door: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    await owner.execute("create table if not exists job_test_data (note text)")
    await owner.execute("grant insert on job_test_data to patrol_writer")
    try:
        for note, fails in (("lost", True), ("kept", False)):
            with pytest.raises(ZeroDivisionError) if fails else nullcontext():
                async with door.transaction():
                    await door.execute("insert into job_test_data values ($1)", note)
                    await enqueue(door, "thumbnail", {"note": note})
                    if fails:
                        raise ZeroDivisionError
        assert await owner.fetchval("select array_agg(note) from job_test_data") == ["kept"]
        assert await owner.fetchval("select array_agg(payload) from pgqueuer") == [
            b'{"note":"kept"}'
        ]
        assert await owner.fetchval("select count(*) from pgqueuer_log") == 1
    finally:
        await owner.execute("drop table job_test_data")


async def test_a_job_outside_a_transaction_is_refused(door: asyncpg.Connection) -> None:
    with pytest.raises(RuntimeError, match="transaction of its data"):
        await enqueue(door, "thumbnail", b"")


async def test_a_door_cannot_read_payloads_nor_take_jobs_away(door: asyncpg.Connection) -> None:
    await add(door, "thumbnail", b"private", poke=False)
    for statement in (
        "select payload from pgqueuer",
        "select * from pgqueuer_log",
        "delete from pgqueuer",
        "update pgqueuer set status = 'failed'",
        "select * from job_schedule",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await door.execute(statement)


@pytest.mark.parametrize("role", ["patrol_system", "patrol_writer"])
async def test_without_a_principal_the_queue_reads_empty_and_takes_nothing(
    role: str, door: asyncpg.Connection, connect: Connect
) -> None:
    await add(door, "thumbnail", poke=False)
    nobody = await connect(role, "")
    assert await nobody.fetchval("select count(id) from pgqueuer") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await add(nobody, "thumbnail", poke=False)
    if role == "patrol_system":
        assert await nobody.fetchval("select count(*) from pgqueuer_log") == 0
        assert await nobody.fetchval("select count(*) from job_schedule") == 0


async def test_no_notification_leaves_a_data_transaction(
    door: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    heard: list[tuple[str, str]] = []
    last = asyncio.Event()

    def hear(_: object, __: object, channel: str, payload: str) -> None:
        heard.append((channel, payload))
        if payload == "last":
            last.set()

    for channel in (JOB_CHANNEL, "ch_pgqueuer"):
        await owner.add_listener(channel, hear)
    await add(door, "thumbnail", count=3, poke=False)
    await door.execute(f"notify {JOB_CHANNEL}, 'last'")
    await asyncio.wait_for(last.wait(), 5)
    assert heard == [(JOB_CHANNEL, "last")]
    triggers = "select count(*) from pg_trigger where tgrelid = 'pgqueuer'::regclass"
    assert await owner.fetchval(triggers) == 0
    for channel in (JOB_CHANNEL, "ch_pgqueuer"):
        await owner.remove_listener(channel, hear)


async def test_a_poked_worker_starts_a_job_within_a_tenth_of_a_second(
    door: asyncpg.Connection, database_url: str
) -> None:
    seen = Seen()
    delays = []
    async with working(Worker(database_url, {"sos": JobKind(seen, lane="urgent")}, poll=NEVER)):
        for _ in range(20):
            seen.began.clear()
            async with door.transaction():
                await enqueue(door, "sos", b"")
            committed = time.perf_counter()
            await poke_workers(door)
            await asyncio.wait_for(seen.began.wait(), 5)
            delays.append(seen.at[-1] - committed)
    assert statistics.median(delays) < 0.1, delays


async def test_a_job_whose_poke_was_lost_is_found_by_the_poll(
    door: asyncpg.Connection, database_url: str
) -> None:
    seen = Seen()
    async with working(Worker(database_url, {"sos": seen}, poll=SOON)):
        await add(door, "sos", poke=False)
        await asyncio.wait_for(seen.done.wait(), 5)


async def test_a_deferred_job_starts_when_it_is_due_and_not_before(
    door: asyncpg.Connection, database_url: str
) -> None:
    seen = Seen()
    async with working(Worker(database_url, {"reminder": seen}, poll=NEVER)):
        begun = time.perf_counter()
        async with door.transaction():
            await enqueue(door, "reminder", b"", run_after=timedelta(seconds=0.3))
        await poke_workers(door)
        await asyncio.wait_for(seen.done.wait(), 5)
    assert 0.29 < seen.at[0] - begun < 1.0


async def test_a_second_job_with_the_same_key_joins_the_one_that_waits(
    door: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    async with door.transaction():
        first = await enqueue(door, "advance", b"1", dedupe_key="alert 7")
        assert await enqueue(door, "advance", b"2", dedupe_key="alert 7") == first
        other = await enqueue(door, "advance", b"3", dedupe_key="alert 8")
    async with door.transaction():
        assert await enqueue(door, "advance", b"4", dedupe_key="alert 7") == first
    assert await owner.fetchval("select array_agg(id order by id) from pgqueuer") == [first, other]


async def test_a_joined_job_does_not_start_before_the_joining_transaction_ends(
    door: asyncpg.Connection, owner: asyncpg.Connection, database_url: str
) -> None:
    async with door.transaction():
        await enqueue(door, "advance", b"", dedupe_key="alert 7")
    seen, other = Seen(), Seen()
    async with door.transaction():
        await enqueue(door, "advance", b"", dedupe_key="alert 7")
        async with working(Worker(database_url, {"advance": seen, "other": other}, poll=SOON)):
            await add(owner, "other")
            await asyncio.wait_for(other.done.wait(), 5)
            assert not seen.jobs
    async with working(Worker(database_url, {"advance": seen}, poll=SOON)):
        await asyncio.wait_for(seen.done.wait(), 5)


async def test_a_running_job_gets_one_successor_with_the_same_key(
    door: asyncpg.Connection, database_url: str
) -> None:
    go_on = asyncio.Event()
    seen = Seen(wait_for=go_on)
    async with working(Worker(database_url, {"advance": seen}, lanes={"ordinary": 1}, poll=SOON)):
        async with door.transaction():
            first = await enqueue(door, "advance", b"", dedupe_key="alert 7")
        await poke_workers(door)
        await asyncio.wait_for(seen.began.wait(), 5)
        successors = set()
        for _ in range(3):
            async with door.transaction():
                successors.add(await enqueue(door, "advance", b"", dedupe_key="alert 7"))
        assert len(successors) == 1
        assert first not in successors
        go_on.set()
        await eventually(lambda: _empty(door))
    assert [job.id for job in seen.jobs] == [first, *successors]


async def test_two_workers_run_each_of_200_jobs_once(
    door: asyncpg.Connection, database_url: str
) -> None:
    runs: list[int] = []
    shares: dict[str, int] = {"a": 0, "b": 0}

    def handler(worker: str) -> Callable[[Job], Awaitable[None]]:
        async def run(job: Job) -> None:
            await asyncio.sleep(0)
            runs.append(job.id)
            shares[worker] += 1

        return run

    ids = await add(door, "thumbnail", count=200, poke=False)
    async with (
        working(Worker(database_url, {"thumbnail": handler("a")}, poll=SOON)),
        working(Worker(database_url, {"thumbnail": handler("b")}, poll=SOON)),
    ):
        await eventually(lambda: _empty(door), 30)
    assert sorted(runs) == ids
    assert all(shares.values()), shares


async def test_a_job_that_asks_to_run_again_does_so_after_its_delay_and_loses_no_attempt(
    door: asyncpg.Connection, owner: asyncpg.Connection, database_url: str
) -> None:
    delay = timedelta(milliseconds=200)
    seen = Seen(Retry(after=delay), Retry(after=delay, reason="quota"), Retry(after=delay))
    kinds = {"push": JobKind(seen, attempts=1)}
    async with working(Worker(database_url, kinds, poll=NEVER)):
        await add(door, "push")
        await asyncio.wait_for(seen.done.wait(), 10)
    pauses = [later - earlier for earlier, later in zip(seen.at, seen.at[1:], strict=False)]
    assert len(pauses) == 3
    assert all(0.19 < pause < 1 for pause in pauses), pauses
    assert {job.attempt for job in seen.jobs} == {1}
    assert await failed_jobs(owner) == []


async def test_a_job_that_keeps_failing_is_kept_with_its_reason_and_can_be_run_again(
    door: asyncpg.Connection, connect: Connect, database_url: str
) -> None:
    seen = Seen(*(ValueError(f"no such zone \0 {n}") for n in range(1, 4)))
    kinds = {"import": JobKind(seen, attempts=3, first_pause=timedelta(milliseconds=50))}
    staff = await connect("patrol_system", "admin:noi")
    async with working(Worker(database_url, kinds, poll=NEVER)):
        (job_id,) = await add(door, "import", b"zones")
        await eventually(lambda: failed_jobs(staff))
        assert [job.attempt for job in seen.jobs] == [1, 2, 3]
        assert seen.at[2] - seen.at[1] > seen.at[1] - seen.at[0] > 0.05
        (failed,) = await failed_jobs(staff)
        assert (failed.id, failed.name, failed.payload) == (job_id, "import", b"zones")
        assert (failed.error, failed.message) == ("ValueError", "no such zone � 3")
        assert "raise self._errors.pop(0)" in failed.traceback
        (state,) = await backlog(staff)
        assert (state.waiting, state.running, state.failed) == (0, 0, 1)

        assert await run_again(staff, job_id)
        assert not await run_again(staff, job_id)
        await poke_workers(staff)
        await asyncio.wait_for(seen.done.wait(), 5)
        assert seen.jobs[-1].attempt == 1
        await eventually(lambda: _empty(staff))


async def test_pauses_double_up_to_the_longest() -> None:
    kind = JobKind(Seen(), longest_pause=timedelta(seconds=20))
    pauses = [kind.pause(failures).total_seconds() for failures in (1, 2, 3, 5, 6, 10_000)]
    assert pauses == [1, 2, 4, 16, 20, 20]


async def test_a_run_over_its_time_limit_is_a_failed_run(
    door: asyncpg.Connection, owner: asyncpg.Connection, database_url: str
) -> None:
    seen = Seen(wait_for=asyncio.Event())
    kinds = {"probe": JobKind(seen, attempts=1, time_limit=SOON)}
    async with working(Worker(database_url, kinds, poll=NEVER)):
        await add(door, "probe")
        await eventually(lambda: failed_jobs(owner))
    (failed,) = await failed_jobs(owner)
    assert (failed.error, failed.message) == ("TimeoutError", f"longer than {SOON}")


async def test_a_handler_that_cancels_itself_is_a_failed_run_and_loses_no_job(
    door: asyncpg.Connection, owner: asyncpg.Connection, database_url: str
) -> None:
    kinds = {"probe": JobKind(Seen(asyncio.CancelledError()), attempts=1)}
    async with working(Worker(database_url, kinds, poll=NEVER)):
        await add(door, "probe")
        await eventually(lambda: failed_jobs(owner))


PROCESS = """
import asyncio, sys
from pathlib import Path
from storage.job_worker import Worker
from storage.jobs import Job, JobKind

async def handler(job: Job) -> None:
    print("began", flush=True)
    while not Path(sys.argv[2]).exists():
        await asyncio.sleep(0.01)
    print("ended", flush=True)

asyncio.run(Worker(sys.argv[1], {"clip": JobKind(handler, attempts=int(sys.argv[3]))}).run())
"""


@asynccontextmanager
async def worker_process(
    database_url: str, may_end: Path, attempts: int = 3
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker in a process of its own, whose handler runs until the file `may_end` exists."""
    arguments = ("-c", PROCESS, database_url, str(may_end), str(attempts))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def heard(process: asyncio.subprocess.Process, word: bytes) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while (line := await process.stdout.readline()).strip() != word:
            assert line, "the worker process ended"


async def test_a_job_of_a_killed_worker_is_run_by_another_within_seconds(
    door: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    seen = Seen()
    async with worker_process(database_url, tmp_path / "end") as process:
        await add(door, "clip", b"evidence")
        await heard(process, b"began")
        async with working(Worker(database_url, {"clip": seen})):
            process.send_signal(signal.SIGKILL)
            killed = time.perf_counter()
            await asyncio.wait_for(seen.done.wait(), 10)
    assert seen.at[0] - killed < 6  # lease 3 s, poll 1 s
    assert [(job.payload, job.attempt) for job in seen.jobs] == [(b"evidence", 2)]


async def test_a_job_that_kills_its_workers_is_given_up_with_that_reason(
    door: asyncpg.Connection, owner: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    seen = Seen()
    async with worker_process(database_url, tmp_path / "end", attempts=1) as process:
        await add(door, "clip")
        await heard(process, b"began")
    kinds = {"clip": JobKind(seen, attempts=1)}
    async with working(Worker(database_url, kinds, lease=timedelta(seconds=0.5), poll=SOON)):
        await eventually(lambda: failed_jobs(owner))
    assert seen.jobs == []
    (failed,) = await failed_jobs(owner)
    assert failed.error == "WorkersDied"


async def test_a_stalled_worker_keeps_its_job_to_itself(
    door: asyncpg.Connection, owner: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    seen, probe = Seen(), Seen()
    lease = timedelta(seconds=0.5)
    async with worker_process(database_url, tmp_path / "end") as process:
        (job_id,) = await add(door, "clip")
        await heard(process, b"began")
        process.send_signal(signal.SIGSTOP)
        holder = await owner.fetchval("select queue_manager_id from pgqueuer")
        kinds = {"clip": seen, "probe": probe}
        async with working(Worker(database_url, kinds, lease=lease, poll=SOON)):
            # The row changes hands, because the lease is over; the job does not, because its lock is held.
            taken = "select queue_manager_id <> $1 from pgqueuer where id = $2"
            await eventually(lambda: owner.fetchval(taken, holder, job_id))
            await add(door, "probe")
            await asyncio.wait_for(probe.done.wait(), 5)
            assert seen.jobs == []
            (tmp_path / "end").touch()
            process.send_signal(signal.SIGCONT)
            await heard(process, b"ended")
            await eventually(lambda: _empty(owner))
    assert seen.jobs == []
    history = "select array_agg(status::text order by id) from pgqueuer_log where job_id = $1"
    assert await owner.fetchval(history, job_id) == ["queued", "picked", "successful"]


async def test_a_worker_that_loses_its_connection_stops_its_jobs_and_comes_back(
    door: asyncpg.Connection, owner: asyncpg.Connection, database_url: str
) -> None:
    stopped = asyncio.Event()
    runs = 0

    async def handler(job: Job) -> None:
        nonlocal runs
        runs += 1
        if runs > 1:
            return
        try:
            ends = (
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where application_name = 'patrol worker' and datname = current_database()"
            )
            await owner.fetch(ends)
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with working(Worker(database_url, {"sos": handler}, lease=timedelta(seconds=1))):
        await add(door, "sos")
        await asyncio.wait_for(stopped.wait(), 5)
        await eventually(lambda: _empty(door))
    assert runs == 2


async def test_a_stop_lets_a_running_job_finish_and_takes_no_other(
    door: asyncpg.Connection, owner: asyncpg.Connection, database_url: str
) -> None:
    go_on = asyncio.Event()
    seen = Seen(wait_for=go_on)
    worker = Worker(database_url, {"thumbnail": seen}, lanes={"ordinary": 1}, poll=SOON)
    running = asyncio.create_task(worker.run())
    await add(door, "thumbnail", count=2)
    await asyncio.wait_for(seen.began.wait(), 5)
    worker.stop()
    go_on.set()
    await asyncio.wait_for(running, 5)
    assert len(seen.jobs) == 1
    assert await owner.fetchval("select array_agg(status::text) from pgqueuer") == ["queued"]


async def test_a_stop_puts_a_job_that_runs_too_long_back_in_the_queue(
    door: asyncpg.Connection, owner: asyncpg.Connection, database_url: str
) -> None:
    seen = Seen(wait_for=asyncio.Event())
    kinds = {"thumbnail": JobKind(seen, attempts=1)}
    worker = Worker(database_url, kinds, poll=SOON, stop_within=timedelta(milliseconds=100))
    running = asyncio.create_task(worker.run())
    await add(door, "thumbnail")
    await asyncio.wait_for(seen.began.wait(), 5)
    worker.stop()
    await asyncio.wait_for(running, 5)
    assert await owner.fetchval("select array_agg(status::text) from pgqueuer") == ["queued"]
    # The interrupted run was not the job's fault: its only attempt is still there.
    again = Seen()
    async with working(Worker(database_url, {"thumbnail": JobKind(again, attempts=1)})):
        await asyncio.wait_for(again.done.wait(), 5)


async def test_an_urgent_job_starts_while_ordinary_ones_fill_their_lane(
    door: asyncpg.Connection, database_url: str
) -> None:
    go_on = asyncio.Event()
    media, sos = Seen(wait_for=go_on), Seen()
    kinds = {"thumbnail": JobKind(media), "sos": JobKind(sos, lane="urgent")}
    async with working(Worker(database_url, kinds, poll=NEVER)):
        await add(door, "thumbnail", count=50)
        await asyncio.wait_for(media.began.wait(), 5)
        await add(door, "sos")
        await asyncio.wait_for(sos.done.wait(), 5)
        assert len(media.jobs) == 4
        go_on.set()


async def test_within_a_lane_the_higher_priority_runs_first(
    door: asyncpg.Connection, database_url: str
) -> None:
    seen = Seen()
    async with door.transaction():
        for priority in (0, 5, 1):
            await enqueue(door, "push", str(priority).encode(), priority=priority)
    async with working(Worker(database_url, {"push": seen}, lanes={"ordinary": 1})):
        await eventually(lambda: _empty(door))
    assert [job.payload for job in seen.jobs] == [b"5", b"1", b"0"]


async def test_a_repeated_job_runs_once_a_turn_across_two_workers(
    owner: asyncpg.Connection, database_url: str
) -> None:
    every = timedelta(milliseconds=250)
    seen = Seen()
    turns = (Every("seal", every),)
    began = time.perf_counter()
    async with (
        working(Worker(database_url, {"seal": seen}, schedules=turns)),
        working(Worker(database_url, {"seal": seen}, schedules=turns)),
    ):

        async def six() -> bool:
            return len(seen.jobs) >= 6

        await eventually(six)
    took = time.perf_counter() - began
    assert len(seen.jobs) <= took / every.total_seconds() + 1
    pauses = [later - earlier for earlier, later in zip(seen.at, seen.at[1:], strict=False)]
    assert statistics.median(pauses) == pytest.approx(0.25, abs=0.05)


async def test_turns_that_nobody_took_are_made_up_by_one(
    owner: asyncpg.Connection, connect: Connect
) -> None:
    await owner.execute(
        "insert into job_schedule values ('seal', '1 min', now() - interval '1 hour 10 s')"
    )
    woken = asyncio.Event()
    upkeep = await connect("patrol_system", "system:worker")
    turns = {"seal": Every("seal", timedelta(minutes=1))}
    keeper = asyncio.create_task(keep_turns(upkeep, turns, woken.set))
    await asyncio.wait_for(woken.wait(), 5)
    assert await owner.fetchval("select count(*) from pgqueuer") == 1
    left = "select due_at - now() from job_schedule where name = 'seal'"
    assert timedelta(seconds=45) < await owner.fetchval(left) <= timedelta(seconds=50)
    keeper.cancel()
    await asyncio.wait([keeper])


async def test_tidying_deletes_the_history_of_finished_jobs_and_keeps_that_of_failed_ones(
    door: asyncpg.Connection, connect: Connect, owner: asyncpg.Connection, database_url: str
) -> None:
    seen = Seen(ValueError("broken"))
    async with working(Worker(database_url, {"thumbnail": JobKind(seen, attempts=1)})):
        await add(door, "thumbnail")
        await eventually(lambda: failed_jobs(owner))
        await add(door, "thumbnail", count=5)
        await eventually(lambda: _settled(owner))
    await owner.execute("update pgqueuer_log set created = now() - interval '8 days'")
    system = await connect("patrol_system", "system:worker")
    assert [await tidy(system, batch=10), await tidy(system, batch=10)] == [10, 5]
    assert await tidy(system) == 0
    assert [failed.message for failed in await failed_jobs(system)] == ["broken"]


async def test_among_equally_urgent_jobs_the_one_that_has_been_due_for_longest_runs_first(
    door: asyncpg.Connection, owner: asyncpg.Connection, database_url: str
) -> None:
    added = {}
    # Of each alert the first step is due at once and the second later; all are overdue when a worker comes.
    for name in ("old, first", "old, second", "new, first", "new, second", "grave, first"):
        priority = 10 if name.startswith("grave") else 8
        async with door.transaction():
            added[await enqueue(door, "call", {}, priority=priority)] = name
    await owner.execute(
        "update pgqueuer set execute_after = now() - case when id = any ($1) then interval '1 hour' "
        "else interval '59 minutes' end + id * interval '1 millisecond'",
        [number for number, name in added.items() if name.endswith("first")],
    )
    seen = Seen()

    async with working(Worker(database_url, {"call": seen}, lanes={"ordinary": 1})):
        await eventually(lambda: owner.fetchval("select count(*) = 0 from pgqueuer"))

    assert [added[job.id] for job in seen.jobs] == [
        "grave, first",
        "old, first",
        "new, first",
        "old, second",
        "new, second",
    ]


async def test_a_job_without_a_lane_or_a_handler_is_refused_at_once(database_url: str) -> None:
    with pytest.raises(ValueError, match="lane"):
        Worker(database_url, {"sos": JobKind(Seen(), lane="unknown")})
    with pytest.raises(ValueError, match="without a handler"):
        Worker(database_url, {}, schedules=[Every("seal", timedelta(seconds=1))])


async def test_a_worker_with_a_wrong_role_says_so_instead_of_trying_for_ever(
    database_url: str,
) -> None:
    worker = Worker(database_url, {"sos": Seen()}, role="no_such_role")
    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(worker.run(), 10)
    assert caught.group_contains(asyncpg.InvalidParameterValueError)


async def test_the_tables_are_those_that_the_installed_pgqueuer_declares(
    owner: asyncpg.Connection,
) -> None:
    plan = await queries_over(AsyncpgDriver(owner)).plan_upgrade()
    left_out = {
        "pgqueuer_schedules",
        "pgqueuer_statistics",
        "pgqueuer_statistics_unique_count",
        "pgqueuer_priority_id_id1_idx",
        # We claim by the time at which jobs are due, with an index of our own.
        "pgqueuer_ep_prio_id_idx",
        "pgqueuer_updated_id_id1_idx",
        "fn_pgqueuer_changed",
        "tg_pgqueuer_changed",
    }
    unknown = [text for text in plan.statements if not any(name in text for name in left_out)]
    assert unknown == []
    assert len(plan.statements) == len(left_out)


async def _empty(conn: asyncpg.Connection) -> bool:
    return bool(await conn.fetchval("select count(id) = 0 from pgqueuer"))


async def _settled(conn: asyncpg.Connection) -> bool:
    return bool(await conn.fetchval("select bool_and(status = 'failed') from pgqueuer"))
