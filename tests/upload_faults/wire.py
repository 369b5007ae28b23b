"""Stands before an S3 server: passes each request by itself, counts it at a gate, and breaks lines when told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from tests.sos_faults.wire import Dead, Gate


@asynccontextmanager
async def store_behind(
    port: Callable[[], int | None],
    gate: Gate | None = None,
    breaks: Callable[[], bool] | None = None,
) -> AsyncIterator[int]:
    """A fixed port before a store whose own may change.

    Args:
        port: the store's port now; None while it is away.
        gate: counts requests, and lets none pass once its owner is dead.
        breaks: asked for each PUT by a link; when true the line breaks in the middle of the body.
    """
    lines: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if gate is not None:
            gate.open.add(writer)
        with suppress(Dead, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await _pass(reader, writer, port(), gate, breaks)
        if gate is not None:
            gate.open.discard(writer)
        writer.transport.abort() if gate is not None and gate.died.is_set() else writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        lines.add(task)
        task.add_done_callback(lines.discard)
        # One that is cancelled before its first step closes nothing by itself.
        task.add_done_callback(lambda done: writer.transport.abort() if done.cancelled() else None)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(lines):
            task.cancel()
        await asyncio.gather(*lines, return_exceptions=True)


async def _pass(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    port: int | None,
    gate: Gate | None,
    breaks: Callable[[], bool] | None,
) -> None:
    """One request of a connection, whose answer ends with the connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    if port is None:
        return
    lines = head[:-4].split(b"\r\n")
    length = 0
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    back, forth = await asyncio.open_connection("127.0.0.1", port)
    try:
        if gate is not None:
            gate.cross(lines[0].split(b" ")[0].decode())
        # No signature covers this header; so the end of the answer is the end of the line.
        kept = [line for line in lines if not line.lower().startswith(b"connection:")]
        forth.write(b"\r\n".join([*kept, b"Connection: close", b"", b""]))
        by_link = length and b"X-Amz-Signature" in lines[0]
        ends_at = length // 2 if by_link and breaks is not None and breaks() else None
        await _copy(reader, forth, length if ends_at is None else ends_at)
        if ends_at is not None:
            return
        while piece := await back.read(65_536):
            writer.write(piece)
            await writer.drain()
    finally:
        forth.transport.abort()


async def _copy(reader: asyncio.StreamReader, into: asyncio.StreamWriter, length: int) -> None:
    while length:
        piece = await reader.read(min(length, 262_144))
        if not piece:
            raise ConnectionError
        length -= len(piece)
        into.write(piece)
        await into.drain()
