"""A poke may be late; while the database can be reached again it must not be lost, and no silence may last for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import asyncpg
import pytest

from api.live import CHANNEL, EVERYTHING, Live, _Gathered, _payload, _read
from schema.context import Change
from storage.jobs import JOB_CHANNEL

SCOPE, ALERT, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
LIMIT = 20.0


class Cable:
    """A network between us and PostgreSQL. Cut, it swallows every byte and ends no connection; new ones pass again."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        self._user, self._database = parts.username, parts.path.strip("/")
        self._lines: list[dict[str, bool]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def joined(self) -> int:
        """How many connections were ever made."""
        return len(self._lines)

    def cut(self) -> None:
        for line in self._lines:
            line["whole"] = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield f"postgresql://{self._user}@127.0.0.1:{port}/{self._database}?sslmode=disable"
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = {"whole": True}
        self._lines.append(line)
        from_server, to_server = await asyncio.open_unix_connection(self._socket)
        for source, sink in ((reader, to_server), (from_server, writer)):
            task = asyncio.create_task(self._carry(source, sink, line))
            self._tasks.add(task)

    @staticmethod
    async def _carry(
        source: asyncio.StreamReader, sink: asyncio.StreamWriter, line: dict[str, bool]
    ) -> None:
        try:
            with suppress(OSError):
                while sent := await source.read(65536):
                    if line["whole"]:
                        sink.write(sent)
                        await sink.drain()
        finally:
            sink.close()


@pytest.fixture
async def cable(login_url: str) -> AsyncIterator[tuple[Cable, str]]:
    cable = Cable(login_url)
    async with cable.running() as address:
        yield cable, address


async def test_a_poke_that_the_network_swallowed_is_sent_again(
    cable: tuple[Cable, str], owner: asyncpg.Connection
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    for channel in (CHANNEL, JOB_CHANNEL):
        await owner.add_listener(channel, lambda *told: heard.put_nowait(told[3] or told[2]))
    line, address = cable
    async with Live(address, answer_seconds=0.5) as live, asyncio.timeout(LIMIT):
        live.poke([SCOPE], ["incidents"])
        [first] = _read(await heard.get())
        assert first.scope_ids == (SCOPE,)
        line.cut()
        live.poke([SCOPE], ["alerts"], [ALERT])
        assert await heard.get() == JOB_CHANNEL
        [change] = _read(await heard.get())
        # The first poke's answer may have been cut off as well: then it comes twice.
        assert (change.scope_ids, change.alert_ids) == ((SCOPE,), (ALERT,))
        assert "alerts" in change.subjects


async def test_a_listener_behind_a_silent_network_is_told_that_anything_may_have_changed(
    cable: tuple[Cable, str],
) -> None:
    line, address = cable
    async with Live(address, look_seconds=0.1, answer_seconds=0.5) as live:
        changes = live.changes(frozenset({SCOPE}))
        hearing = asyncio.create_task(anext(changes))
        await asyncio.sleep(0)  # lets the listener stand before the cut
        assert line.joined == 1
        line.cut()
        async with asyncio.timeout(LIMIT):
            change = await hearing
        await changes.aclose()
    assert change.scope_ids == (SCOPE,)
    assert (change.subjects, change.alert_ids) == ((), ())
    assert line.joined > 1


async def test_a_change_of_anything_does_not_look_like_the_subjects_beside_it(
    cable: tuple[Cable, str],
) -> None:
    _, address = cable
    async with Live(address) as live:
        changes = live.changes(frozenset({SCOPE}))
        hearing = asyncio.create_task(anext(changes))
        await asyncio.sleep(0)  # lets the listener stand before the pokes
        # Within one coalescing, as they also merge for a client that is slow to read.
        live.poke([SCOPE], ["incidents"])
        live.poke([SCOPE], [])
        async with asyncio.timeout(LIMIT):
            first = await hearing
            hearing = asyncio.create_task(anext(changes))
            await asyncio.sleep(0)
            live.poke([SCOPE], ["incidents"])
            second = await hearing
        await changes.aclose()
    assert (first.scope_ids, first.subjects) == ((SCOPE,), ())
    # The negative control: without it, the subjects are told.
    assert second.subjects == ("incidents",)


async def test_who_listens_to_one_scope_hears_no_alarm_of_another_that_travels_beside_it(
    cable: tuple[Cable, str],
) -> None:
    _, address = cable
    async with Live(address) as live:
        heard = [live.changes(frozenset(scopes)) for scopes in ({SCOPE}, {OTHER}, {SCOPE, OTHER})]
        hearing = [asyncio.create_task(anext(one)) for one in heard]
        await asyncio.sleep(0)  # lets the listeners stand before the pokes
        live.poke([SCOPE], ["incidents"])
        live.poke([OTHER], ["alerts"], [ALERT])
        async with asyncio.timeout(LIMIT):
            here, there, both = await asyncio.gather(*hearing)
        for one in heard:
            await one.aclose()
    assert (here.scope_ids, here.subjects, here.alert_ids) == ((SCOPE,), ("incidents",), ())
    # The negative control: the alarm was told.
    assert (there.scope_ids, there.subjects, there.alert_ids) == ((OTHER,), ("alerts",), (ALERT,))
    assert both.scope_ids == (SCOPE, OTHER)
    assert (both.subjects, both.alert_ids) == (("alerts", "incidents"), (ALERT,))


def test_news_of_a_whole_station_fit_one_payload_and_more_than_fits_is_anything() -> None:
    waiting = _Gathered()
    waiting.add(Change(tuple(UUID(int=number) for number in range(100)), ("checkpoints",), ()))
    waiting.add(Change((UUID(int=7),), ("alerts",), (ALERT,)))
    changes = waiting.take()
    assert not waiting
    assert len(changes) == 2
    assert _read(_payload(changes)) == changes
    assert _payload([Change(tuple(UUID(int=one) for one in range(300)), (), ())]) == EVERYTHING
