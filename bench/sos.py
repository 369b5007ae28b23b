"""From the commit of a call for help to the phones: the first request on Firebase's wire, and the last of two hundred.

Beside the product the bare SDK sends the same two hundred messages in one call, in the same run and to the same server,
which stands in Firebase's place in a process of its own. All the while the queue is full of ordinary pushes.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection as Pipe
from typing import Any
from uuid import UUID

import asyncpg
from firebase_admin import delete_app, messaging
from uuid_utils.compat import uuid7

from api.fake_firebase import FakeFirebase
from api.push import FirebaseNotifier
from api.push.loop_thread import LoopThread
from api.push.payload import writer
from api.push.sdk import Credential, open_app
from bench.machine import LOGIN, Machine, settle
from patrol.notify import Notification, PushAddress
from patrol.pushes import SEND_PUSH, send_push, tell
from patrol.sos.alerts import NewAlert, answer_alerts, raise_alerts
from patrol.sos.calling import TTL_SECONDS, call_step
from patrol.sos.escalation import CALL_STEP
from storage.database import Database
from storage.job_worker import Worker
from storage.jobs import Job, JobKind, poke_workers
from storage.principal import Role, system
from storage.vocabulary import AlertSource, AlertStatus, PushKind

OFFICERS = 200
ORDINARY = 2
"""Ordinary pushes to everybody that are added before each call; it finds most of them still waiting."""
LATITUDE, LONGITUDE = 16.7131, 98.5708
PATIENCE = 60.0

_BENCH = system("bench")

# A phone, its session and its installation have one id, which only a bench may do; addresses are places in the row.
_PEOPLE = """
insert into officer (id, station_id, badge, role, rank, name, name_th)
select officer, '{station}', 'B' || place, 'OFFICER', 'Sgt', 'Officer', 'เจ้าหน้าที่' from person;
insert into assignment (id, officer_id, scope_id) select phone, officer, '{station}' from person;
insert into device (id, key_thumbprint, public_key, platform, model)
select phone, phone::text, '{{}}', 'ANDROID', 'Bench' from person;
insert into session (id, device_id, officer_id, expires_at)
select phone, phone, officer, now() + interval '1 day' from person;
insert into installation (id, session_id, kind, address) select phone, phone, 'FID', place::text from person;
insert into officer_state (officer_id, on_duty, latitude, longitude, accuracy_m, fix_at)
select officer, true, {latitude} + place * 0.0001, {longitude}, 5, now() from person;
"""


@dataclass
class CallFigures:
    """Seconds, one of each for every call: ours from commit, the SDK's from its call, to arrival at the server.

    `ordinary` is how many ordinary pushes arrived while the calls were made.
    """

    first: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    bare_first: list[float] = field(default_factory=list)
    bare_last: list[float] = field(default_factory=list)
    in_order: list[bool] = field(default_factory=list)
    ordinary: int = 0

    def last_ratio(self) -> float:
        """How much later the last phone is told than by the bare SDK, of the medians."""
        return _middle(self.last) / _middle(self.bare_last)

    def as_json(self) -> dict[str, Any]:
        """The figures for programs; times in seconds."""
        return {
            "officers": OFFICERS,
            "calls": len(self.first),
            "firstP50": _middle(self.first),
            "firstP99": _worst(self.first),
            "lastP50": _middle(self.last),
            "bareFirstP50": _middle(self.bare_first),
            "bareLastP50": _middle(self.bare_last),
            "lastOverBare": self.last_ratio(),
            "nearestFirst": all(self.in_order),
            "ordinaryArrived": self.ordinary,
        }


def told(figures: CallFigures) -> str:
    """The same for people."""
    return "\n".join(
        (
            f"{len(figures.first)} calls to {OFFICERS} phones each, beside {figures.ordinary:,} ordinary pushes",
            f"commit to the first request  p50 {_middle(figures.first) * 1000:.0f} ms, "
            f"worst {_worst(figures.first) * 1000:.0f} ms",
            f"commit to the last request   p50 {_middle(figures.last) * 1000:.0f} ms; bare SDK "
            f"{_middle(figures.bare_last) * 1000:.0f} ms: {figures.last_ratio():.2f}x",
            f"nearest first                {'yes' if all(figures.in_order) else 'NO'}",
        )
    )


async def call_for_help(made: Machine, calls: int) -> CallFigures:
    """Makes a station of 200 officers on duty, and has each call reach all of them."""
    await made.migrated("sos")
    owner = await asyncpg.connect(made.url("sos"))
    station, officers = await _station(owner)
    await settle(owner)
    await owner.close()
    figures = CallFigures()
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=_firebase, args=(theirs,))
    child.start()
    try:
        url, account = await _ask(ours)
        async with _at_work(made.url("sos", LOGIN), url, account) as (database, worker):
            await _call(
                ours, database, worker, station, officers, CallFigures()
            )  # warms everything
            bare = _Bare(account, url)
            await bare.send(ours, len(officers))
            before = await _ask(ours, "ordinary")
            for _ in range(calls):
                await _call(ours, database, worker, station, officers, figures)
                await _idle(database)  # the SDK alone knows no way to let one message pass another
                first, last = await bare.send(ours, len(officers))
                figures.bare_first.append(first)
                figures.bare_last.append(last)
            figures.ordinary = await _ask(ours, "ordinary") - before
            bare.close()
    finally:
        ours.send(None)
        child.join(10)
        if child.is_alive():
            child.kill()
    return figures


@asynccontextmanager
async def _at_work(
    url: str, endpoint: str, account: dict[str, str]
) -> AsyncIterator[tuple[Database, Worker]]:
    """A worker as `patrol worker` runs it, of the jobs that send."""
    database = await Database.connect(url)
    notifier = FirebaseNotifier(account, endpoint=endpoint)
    problem = await notifier.warm()
    assert problem is None, problem

    async def call(job: Job) -> None:
        notifier.make_way()
        await call_step(database, notifier, UUID(job.data()["step_id"]))

    async def ordinary(job: Job) -> None:
        await send_push(database, notifier, job.data())

    kinds = {CALL_STEP: JobKind(call, lane="urgent"), SEND_PUSH: JobKind(ordinary)}
    worker = Worker(url, kinds, stop_within=timedelta(seconds=1))
    working = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(PATIENCE):
            await worker.started.wait()
        yield database, worker
    finally:
        worker.stop()
        await working
        await notifier.close()
        await database.close()


async def _call(
    pipe: Pipe,
    database: Database,
    worker: Worker,
    station: UUID,
    officers: list[UUID],
    figures: CallFigures,
) -> None:
    now = datetime.now(UTC)
    async with database.write(_BENCH) as connection:
        for _ in range(ORDINARY):
            await tell(connection, officers, PushKind.SYNC)
        await poke_workers(connection)
    await asyncio.sleep(0.2)  # the ordinary ones are under way
    alert = NewAlert(
        uuid7(), station, station, AlertSource.OFFICER, now, now.isoformat(), now,
        officer_id=officers[-1], latitude=LATITUDE, longitude=LONGITUDE,
    )  # fmt: skip
    async with database.write(_BENCH) as connection:
        await raise_alerts(connection, [alert])
    committed = time.monotonic()
    async with database.enter(Role.SYSTEM, _BENCH) as entered:
        await poke_workers(entered.connection)
    arrivals = await _ask(pipe, str(alert.id), len(officers) - 1)
    figures.first.append(arrivals[0][0] - committed)
    figures.last.append(arrivals[-1][0] - committed)
    # Ten are under way at once, so the nearest are never far from the front.
    places = [int(address) for _, address in arrivals]
    figures.in_order.append(max(places[:10]) < 30)
    async with database.write(_BENCH) as connection:
        for status in (AlertStatus.ACKNOWLEDGED, AlertStatus.CLOSED):
            await answer_alerts(
                connection, officers[0], {station}, [(alert.id, status, datetime.now(UTC))]
            )


async def _idle(database: Database) -> None:
    """Waits until nothing is left to be sent."""
    async with asyncio.timeout(PATIENCE):
        left = 1
        while left:
            await asyncio.sleep(0.1)
            async with database.enter(Role.SYSTEM, _BENCH) as entered:
                left = await entered.connection.fetchval(
                    "select count(*) from pgqueuer where entrypoint = $1 and status <> 'failed' and execute_after <= now()",
                    SEND_PUSH,
                )


class _Bare:
    """The SDK as its documentation shows it: all messages in one call."""

    def __init__(self, account: dict[str, str], url: str) -> None:
        self._thread = LoopThread("bare", last=lambda: delete_app(self._app))
        credential = Credential(account, timeout=10)
        self._app = open_app(account, credential, endpoint=url, timeout=10)

    async def send(self, pipe: Pipe, count: int) -> tuple[float, float]:
        """When the first and the last of the messages arrived after the call."""
        mark = uuid7()
        note = Notification(
            "SOS", TTL_SECONDS, urgent=True, alert_id=mark, step_id=mark, severity="CRITICAL",
            open_alert_ids=(mark,),
        )  # fmt: skip
        write = writer(note)
        messages = [write(PushAddress("fid", str(number))) for number in range(count - 1)]
        begun = time.monotonic()
        sending = self._thread.submit(messaging.send_each_async(messages, app=self._app))
        arrivals = await _ask(pipe, str(mark), count - 1)
        await asyncio.wrap_future(sending)
        return arrivals[0][0] - begun, arrivals[-1][0] - begun

    def close(self) -> None:
        """Ends the thread."""
        self._thread.stop(10)


def _firebase(pipe: Pipe) -> None:
    """The process in Firebase's place: tells when messages of an alert arrived, by the clock that all processes share."""
    with FakeFirebase() as server:
        pipe.send((server.url, server.service_account()))
        while (asked := pipe.recv()) is not None:
            if asked[0] == "ordinary":
                pipe.send(sum(one.data["kind"] != "SOS" for one in server.messages))
                continue
            alert, count = asked
            until = time.monotonic() + PATIENCE
            found: list[tuple[float, str]] = []
            while len(found) < count and time.monotonic() < until:
                time.sleep(0.05)
                found = [
                    (one.at, one.address)
                    for one in server.messages
                    if one.data.get("alertId") == alert
                ]
            pipe.send(found)


async def _ask(pipe: Pipe, *question: Any) -> Any:
    def ask() -> Any:
        if question:
            pipe.send(question)
        assert pipe.poll(PATIENCE + 10), "the server in Firebase's place does not answer"
        return pipe.recv()

    return await asyncio.to_thread(ask)


async def _station(owner: asyncpg.Connection) -> tuple[UUID, list[UUID]]:
    """A station whose officers are all on duty, each further away than the one before; the last one calls for help."""
    station = uuid7()
    await owner.execute(
        "insert into station (id, scope_id, code, name, name_th, latitude, longitude) "
        "values ($1, $1, 'B1', 'Bench', 'ทดสอบ', $2, $3)",
        station, LATITUDE, LONGITUDE,
    )  # fmt: skip
    officers = [uuid7() for _ in range(OFFICERS)]
    places = list(range(OFFICERS))
    phones = [uuid7() for _ in officers]
    await owner.execute("create temp table person (officer uuid, phone uuid, place integer)")
    await owner.execute(
        "insert into person select * from unnest($1::uuid[], $2::uuid[], $3::integer[])",
        officers, phones, places,
    )  # fmt: skip
    await owner.execute(_PEOPLE.format(station=station, latitude=LATITUDE, longitude=LONGITUDE))
    return station, officers


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _worst(values: list[float]) -> float:
    """The 99th percentile: of fewer than a hundred values the worst."""
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]
