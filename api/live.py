"""Pokes across processes: whoever stored something tells everybody who listens, after the commit and never inside it.

A NOTIFY inside a transaction takes a lock that is global at commit (10,000 → 4,000 transactions a second were
measured), so pokes have a connection of their own. The first goes out at once; what follows within 50 ms travels together.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Sequence
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
class _News:
    """What waits to be told of one scope."""

    subjects: set[str] = field(default_factory=set)
    alerts: dict[UUID, None] = field(default_factory=dict)
    anything: bool = False
    """Among it was a change that names no subject, which is any: beside others it must not look like those alone."""


class _Gathered:
    """What waits to be told, scope by scope: who listens to one must hear no alarm of another."""

    def __init__(self) -> None:
        self._news: dict[UUID, _News] = {}

    def __bool__(self) -> bool:
        return bool(self._news)

    def add(self, change: Change) -> None:
        for scope in change.scope_ids:
            news = self._news.setdefault(scope, _News())
            news.subjects.update(change.subjects)
            news.anything = news.anything or not change.subjects
            news.alerts.update(dict.fromkeys(change.alert_ids))

    def take(self) -> list[Change]:
        """Scopes of which the same is told share a change, so that news of a whole station stay short."""
        alike: dict[tuple[tuple[str, ...], tuple[UUID, ...]], list[UUID]] = {}
        for scope, news in self._news.items():
            subjects = () if news.anything else tuple(sorted(news.subjects))
            alike.setdefault((subjects, tuple(news.alerts)), []).append(scope)
        self._news = {}
        return [Change(tuple(sorted(scopes)), *same) for same, scopes in alike.items()]


class _Listener:
    """One subscription. Its news merge while it is not read, so that a slow client costs one set and no queue."""

    def __init__(self, scopes: frozenset[UUID]) -> None:
        self.scopes = scopes
        self.news = _Gathered()
        self.woken = asyncio.Event()

    def hear(self, changes: Sequence[Change] | None) -> None:
        """Keeps what is about its scopes; None is anything of all of them."""
        if changes is None:
            changes = [Change(tuple(self.scopes), (), ())]
        for change in changes:
            mine = self.scopes.intersection(change.scope_ids)
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
                yield _merged(listener.news.take())
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
        changes = self._waiting.take()
        try:
            if wake:
                await connection.execute(f"notify {JOB_CHANNEL}")
            if changes:
                await connection.execute("select pg_notify($1, $2)", CHANNEL, _payload(changes))
        except BaseException:
            # Perhaps it arrived and only the answer was lost: a second poke costs a pull, a lost one the alarm.
            self._wake_workers = self._wake_workers or wake
            for change in changes:
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
        changes = None if payload == EVERYTHING else _read(payload)
        for listener in self._listeners:
            listener.hear(changes)


async def poke_at_commit(
    connection: asyncpg.Connection, scopes: Iterable[UUID], subjects: Iterable[str]
) -> None:
    """Pokes from within a transaction, for a command that has no connection for pokes: it waits for the lock at commit."""
    change = Change(tuple(scopes), tuple(subjects), ())
    if change.scope_ids:
        await connection.execute("select pg_notify($1, $2)", CHANNEL, _payload([change]))


def _merged(changes: Sequence[Change]) -> Change:
    """Changes that one listener hears of as one; without subjects where one of them may be of any."""
    anything = any(not one.subjects for one in changes)
    return Change(
        tuple(sorted(scope for one in changes for scope in one.scope_ids)),
        () if anything else tuple(sorted({name for one in changes for name in one.subjects})),
        tuple(dict.fromkeys(alert for one in changes for alert in one.alert_ids)),
    )


def _payload(changes: Sequence[Change]) -> str:
    told = [[one.scope_ids, one.subjects, one.alert_ids] for one in changes]
    # The driver has a UUID class of its own, which the encoder does not know.
    text = orjson.dumps(told, default=str).decode()
    return text if len(text) <= LONGEST_PAYLOAD else EVERYTHING


def _read(payload: str) -> list[Change]:
    return [
        Change(
            tuple(UUID(one) for one in scopes),
            tuple(subjects),
            tuple(UUID(one) for one in alerts),
        )
        for scopes, subjects, alerts in orjson.loads(payload)
    ]
