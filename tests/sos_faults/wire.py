"""Stands between a worker and what it can reach (PostgreSQL, Firebase, webhooks), and ends it before its n-th crossing."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

_SSL_REQUEST = 80877103
_QUERY, _EXECUTE = b"Q", b"E"


class Dead(Exception):
    """The worker is dead: nothing of it crosses any more."""


@dataclass
class Gate:
    """Counts crossings: statements that PostgreSQL is to run, and requests over HTTP.

    Attributes:
        fatal: the crossing before which the worker dies; None lets it live.
        kill: ends the worker; called before anything else happens.
        crossed: what crossed, in order.
    """

    fatal: int | None = None
    kill: Callable[[], None] = lambda: None
    crossed: list[str] = field(default_factory=list)
    died: asyncio.Event = field(default_factory=asyncio.Event)
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    def cross(self, what: str) -> None:
        """Lets one pass.

        Raises:
            Dead: the worker dies here, or is dead.
        """
        if self.died.is_set():
            raise Dead
        if self.fatal is not None and len(self.crossed) + 1 >= self.fatal:
            self.died.set()
            self.kill()
            for writer in self.open:
                writer.transport.abort()
            raise Dead
        self.crossed.append(what)


@asynccontextmanager
async def postgres_behind(gate: Gate, url: str) -> AsyncIterator[str]:
    """The address of a server (on a Unix socket) through the gate."""
    parts = urlsplit(url)
    path = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeting = await _greeting(reader, writer)
        back, forth = await asyncio.open_unix_connection(path)
        gate.open |= {writer, forth}
        forth.write(greeting)
        answers = asyncio.create_task(_pass(back, writer))
        try:
            while True:
                head = await reader.readexactly(5)
                (length,) = struct.unpack("!I", head[1:])
                body = await reader.readexactly(length - 4)
                if head[:1] in (_QUERY, _EXECUTE):
                    gate.cross("sql")
                forth.write(head + body)
                await forth.drain()
        finally:
            answers.cancel()
            gate.open -= {writer, forth}
            forth.transport.abort()

    async with _listening(gate, serve) as port:
        yield f"postgresql://{parts.username or 'postgres'}@127.0.0.1:{port}{parts.path}"


@asynccontextmanager
async def http_behind(gate: Gate, port: int) -> AsyncIterator[int]:
    """The port of an HTTP server on this machine through the gate; a request crosses as a whole."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gate.open.add(writer)
        try:
            while request := await _request(reader):
                gate.cross(request.split(b" ", 2)[1].decode())
                back, forth = await asyncio.open_connection("127.0.0.1", port)
                forth.write(request)
                answer = await _answer(back)
                forth.close()
                writer.write(answer)
                await writer.drain()
        finally:
            gate.open.discard(writer)

    async with _listening(gate, serve) as ours:
        yield ours


@asynccontextmanager
async def _listening(
    gate: Gate,
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object],
) -> AsyncIterator[int]:
    tasks: set[asyncio.Task[None]] = set()

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(Dead, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if not gate.died.is_set():
                await serve(reader, writer)  # type: ignore[misc] # a coroutine function
        writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(guarded(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def _greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    while True:
        head = await reader.readexactly(4)
        (length,) = struct.unpack("!I", head)
        body = await reader.readexactly(length - 4)
        if struct.unpack("!I", body[:4])[0] != _SSL_REQUEST:
            return head + body
        writer.write(b"N")


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


async def _request(reader: asyncio.StreamReader) -> bytes | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    return head + await reader.readexactly(_length(head))


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """An answer as it came; what breaks off is passed on broken."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        return head + await reader.readexactly(_length(head))
    except asyncio.IncompleteReadError as broken:
        raise Dead from broken


def _length(head: bytes) -> int:
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-length":
            return int(value)
    return 0
