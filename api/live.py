"""Pokes across processes: whoever stored something tells everybody who listens, after the commit and never inside it.

A NOTIFY inside a transaction takes a lock that is global at commit (10,000 → 4,000 transactions a second were
measured), so pokes have a connection of their own. The first goes out at once; what follows within 50 ms travels together.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

import asyncpg
import orjson
import structlog

from schema.context import Change
from storage.job_worker import KEEPALIVES
from storage.jobs import JOB_CHANNEL

log = structlog.get_logger(__name__)

CHANNEL = "patrol_changed"
COALESCE_SECONDS = 0.05
LONGEST_PAYLOAD = 7_900
"""PostgreSQL takes payloads of less than 8,000 bytes."""

EVERYTHING = "*"
"""Stands for a list that outgrew the payload, and for what may have been missed while not connected."""

TICK_SECONDS = 15.0
"""How often a listener without news is woken, so that it can look whether it may still listen."""

LOOK_SECONDS = 15.0
"""How often the listening connection is asked for a sign of life: a network that drops silently ends no connection."""

ANSWER_SECONDS = 5.0
"""How long the database may take to answer before the connection counts as lost."""

CONNECT_SECONDS = 10.0


@dataclass(slots=True)
class _Gathered:
    """What waits to be told."""

    scopes: set[UUID] = field(default_factory=set)
    subjects: set[str] = field(default_factory=set)
    alerts: list[UUID] = field(default_factory=list)
    anything: bool = False
    """Among it was a change that names no subject, which is any: beside others it must not look like those alone."""

    def __bool__(self) -> bool:
        return bool(self.scopes or self.alerts)

    def add(self, change: Change) -> None:
        self.scopes.update(change.scope_ids)
        self.subjects.update(change.subjects)
        self.anything = self.anything or (bool(change.scope_ids) and not change.subjects)
        self.alerts += [one for one in change.alert_ids if one not in self.alerts]

    def take(self) -> Change:
        subjects = () if self.anything else tuple(sorted(self.subjects))
        change = Change(tuple(sorted(self.scopes)), subjects, tuple(self.alerts))
        self.scopes, self.subjects, self.alerts, self.anything = set(), set(), [], False
        return change


class _Listener:
    """One subscription. Its news merge while it is not read, so that a slow client costs one set and no queue."""

    def __init__(self, scopes: frozenset[UUID]) -> None:
        self.scopes = scopes
        self.news = _Gathered()
        self.woken = asyncio.Event()

    def hear(self, change: Change, *, everything: bool) -> None:
        mine = self.scopes if everything else self.scopes.intersection(change.scope_ids)
        if mine:
            self.news.add(Change(tuple(mine), change.subjects, change.alert_ids))
            self.woken.set()


class Live:
    """Sends and hears pokes on two connections of its own; reconnects by itself."""

    def __init__(
        self,
        url: str,
        *,
        look_seconds: float = LOOK_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._url = url
        self._look_seconds, self._answer_seconds = look_seconds, answer_seconds
        self._listeners: set[_Listener] = set()
        self._waiting = _Gathered()
        self._wake_workers = False
        self._something = asyncio.Event()
        self._urgent = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        connected = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._hear(connected)),
            asyncio.create_task(self._tell()),
        ]
        try:
            async with asyncio.timeout(15):
                await connected.wait()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def poke(
        self, scopes: Iterable[UUID], subjects: Iterable[str], alerts: Iterable[UUID] = ()
    ) -> None:
        """Says that scopes have changed; returns at once. An alert also wakes the workers."""
        change = Change(tuple(scopes), tuple(subjects), tuple(alerts))
        self._waiting.add(change)
        if change.alert_ids:
            self._wake_workers = True
            self._urgent.set()
        if self._waiting:
            self._something.set()

    def wake_workers(self) -> None:
        """Says that jobs were added, so that no worker waits for its next look."""
        self._wake_workers = True
        self._something.set()

    async def changes(self, scopes: frozenset[UUID]) -> AsyncGenerator[Change, None]:
        """Changes of some scopes from now on; an empty one each 15 s without news.

        After news may have been missed, one change names all of `scopes` and no subject.
        """
        listener = _Listener(scopes)
        self._listeners.add(listener)
        try:
            while True:
                # Not wait_for: in Python 3.11 it swallows a cancellation that comes together with the news.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK_SECONDS):
                        await listener.woken.wait()
                listener.woken.clear()
                yield listener.news.take()
        finally:
            self._listeners.discard(listener)

    async def _tell(self) -> None:
        connection: asyncpg.Connection | None = None
        try:
            while True:
                await self._something.wait()
                self._something.clear()
                self._urgent.clear()
                try:
                    if connection is None or connection.is_closed():
                        connection = await self._connect()
                    await self._flush(connection)
                    # A call for help waits for no gathering.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(COALESCE_SECONDS):
                            await self._urgent.wait()
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                    log.warning("poke_failed", error=type(error).__name__)
                    if connection is not None:
                        connection.terminate()
                        connection = None
                    self._something.set()
                    await asyncio.sleep(1)
        finally:
            if connection is not None:
                connection.terminate()

    async def _flush(self, connection: asyncpg.Connection) -> None:
        wake, self._wake_workers = self._wake_workers, False
        change = self._waiting.take() if self._waiting else None
        try:
            if wake:
                await connection.execute(f"notify {JOB_CHANNEL}")
            if change is not None:
                await connection.execute("select pg_notify($1, $2)", CHANNEL, _payload(change))
        except BaseException:
            # Perhaps it arrived and only the answer was lost: a second poke costs a pull, a lost one the alarm.
            self._wake_workers = self._wake_workers or wake
            if change is not None:
                self._waiting.add(change)
            raise

    async def _hear(self, connected: asyncio.Event) -> None:
        while True:
            connection: asyncpg.Connection | None = None
            try:
                connection = await self._connect()
                lost = asyncio.Event()
                connection.add_termination_listener(lambda _, lost=lost: lost.set())
                await connection.add_listener(CHANNEL, lambda *heard: self._dispatch(heard[3]))
                if connected.is_set():
                    self._dispatch(EVERYTHING)
                connected.set()
                await self._until_lost(connection, lost)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("listen_failed", error=type(error).__name__)
                await asyncio.sleep(1)
            finally:
                if connection is not None:
                    connection.terminate()

    async def _until_lost(self, connection: asyncpg.Connection, lost: asyncio.Event) -> None:
        while not lost.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_seconds):
                    await lost.wait()
            if not lost.is_set():
                await connection.execute("select 1")

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            self._url,
            timeout=CONNECT_SECONDS,
            command_timeout=self._answer_seconds,
            statement_cache_size=0,
            server_settings={"application_name": "patrol pokes", **KEEPALIVES},
        )

    def _dispatch(self, payload: str) -> None:
        everything = payload == EVERYTHING
        change = Change((), (), ()) if everything else _read(payload)
        for listener in self._listeners:
            listener.hear(change, everything=everything)


async def poke_at_commit(
    connection: asyncpg.Connection, scopes: Iterable[UUID], subjects: Iterable[str]
) -> None:
    """Pokes from within a transaction, for a command that has no connection for pokes: it waits for the lock at commit."""
    change = Change(tuple(scopes), tuple(subjects), ())
    if change.scope_ids:
        await connection.execute("select pg_notify($1, $2)", CHANNEL, _payload(change))


def _payload(change: Change) -> str:
    # The driver has a UUID class of its own, which the encoder does not know.
    text = orjson.dumps([change.scope_ids, change.subjects, change.alert_ids], default=str).decode()
    return text if len(text) <= LONGEST_PAYLOAD else EVERYTHING


def _read(payload: str) -> Change:
    scopes, subjects, alerts = orjson.loads(payload)
    return Change(
        tuple(UUID(one) for one in scopes), tuple(subjects), tuple(UUID(one) for one in alerts)
    )
