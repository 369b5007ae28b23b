"""A small transaction-pooling proxy that speaks PostgreSQL's protocol, because that is what must be refused."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_SSL_REQUEST, _PROTOCOL_3 = 80877103, 196608


class PoolingProxy:
    """Lends a backend to a client for one transaction (or, with `whole_sessions`, for as long as it is connected)."""

    def __init__(self, url: str, *, whole_sessions: bool = False) -> None:
        parts = urlsplit(url)
        self._socket = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        self._user, self._database = parts.username or "postgres", parts.path.strip("/")
        self._whole_sessions = whole_sessions
        self._idle: list[Pair] = []
        self._all: list[Pair] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Gives the address of the proxy while it runs."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield f"postgresql://{self._user}@127.0.0.1:{port}/{self._database}"
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for _, writer in self._all:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
            await server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held: Pair | None = None
        try:
            await self._greet(reader, writer)
            while True:
                kind, message = await _message(reader)
                if kind == b"X":
                    return
                held = held or await self._backend()
                held[1].write(message)
                # What follows at once belongs together: a Parse has no answer before its Sync.
                if kind not in (b"Q", b"S", b"H"):
                    continue
                outside = await self._relay(held[0], writer, flushed=kind == b"H")
                if outside and not self._whole_sessions:
                    self._idle.append(held)
                    held = None
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            if held is not None:
                held[1].close()
            writer.close()

    async def _relay(
        self, backend: asyncio.StreamReader, client: asyncio.StreamWriter, *, flushed: bool
    ) -> bool:
        """Passes the answer on; whether the backend is outside of a transaction then."""
        while True:
            kind, message = await _message(backend)
            client.write(message)
            if kind == b"Z":
                await client.drain()
                return message[5:] == b"I"
            if flushed and kind in (b"T", b"n", b"E"):
                return False

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            (length,) = struct.unpack("!I", await reader.readexactly(4))
            (code,) = struct.unpack("!I", (await reader.readexactly(length - 4))[:4])
            if code != _SSL_REQUEST:
                break
            writer.write(b"N")
        writer.write(_packed(b"R", struct.pack("!I", 0)))
        for name, value in (
            ("client_encoding", "UTF8"),
            ("server_version", "18.0"),
            ("standard_conforming_strings", "on"),
            ("TimeZone", "UTC"),
            ("integer_datetimes", "on"),
        ):
            writer.write(_packed(b"S", f"{name}\0{value}\0".encode()))
        # A process id of its own, as real proxies invent one: cancel requests must come back to the proxy.
        writer.write(_packed(b"K", struct.pack("!II", 4_000_000, 1)))
        writer.write(_packed(b"Z", b"I"))

    async def _backend(self) -> Pair:
        if self._idle:
            return self._idle.pop()
        pair = await asyncio.open_unix_connection(self._socket)
        self._all.append(pair)
        words = f"user\0{self._user}\0database\0{self._database}\0\0".encode()
        pair[1].write(struct.pack("!II", len(words) + 8, _PROTOCOL_3) + words)
        while (await _message(pair[0]))[0] != b"Z":
            pass
        return pair


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    (length,) = struct.unpack("!I", head[1:])
    return head[:1], head + await reader.readexactly(length - 4)


def _packed(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body
