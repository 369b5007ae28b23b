"""The load: a closed loop of keep-alive connections that writes ready bytes and reads little, so that it costs little."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

CONNECTIONS = 16


class LoadFailed(Exception):
    """A server answered what it should not have."""


@dataclass
class Load:
    """What came of one run: the seconds that it took and those of each answer."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return len(self.latencies)

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def request(host: str, token: str, body: bytes) -> bytes:
    """The bytes of one POST to the phone's door."""
    head = (
        f"POST /graphql HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\naccept: application/json\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """Asks, waits for the whole answer, asks again; until the end, after which it lets the last answer come."""

    def __init__(
        self, next_request: Callable[[], bytes], fits: Callable[[bytes], bool], load: Load
    ) -> None:
        self._next, self._fits, self._load = next_request, fits, load
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._end = 0.0
        self._asked_at = 0.0
        self._parts: list[bytes] = []
        self._missing: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it

    def run_until(self, end: float) -> None:
        self._end = end
        self._ask()

    def _ask(self) -> None:
        if time.perf_counter() >= self._end:
            self._finish(None)
            return
        message = self._next()
        self._asked_at = time.perf_counter()
        self._transport.write(message)

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        if self._missing is None:
            whole = b"".join(self._parts)
            head, found, rest = whole.partition(b"\r\n\r\n")
            if not found:
                return
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
            if not head.startswith(b"HTTP/1.1 200") or not length.isdigit():
                self._finish(LoadFailed(f"{head.decode()}\n{rest[:500].decode()}"))
                return
            self._parts, self._missing = [rest], int(length) - len(rest)
        else:
            self._missing -= len(data)
        if self._missing == 0:
            self._load.latencies.append(time.perf_counter() - self._asked_at)
            body = b"".join(self._parts)
            self._parts, self._missing = [], None
            if not self._fits(body):
                self._finish(LoadFailed(f"an answer that was not asked for: {body[:500].decode()}"))
                return
            self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        self._finish(LoadFailed(f"the server closed a connection: {error}"))

    def _finish(self, error: LoadFailed | None) -> None:
        if not self.done.done():
            if error is None:
                self.done.set_result(None)
            else:
                self.done.set_exception(error)
        self._transport.close()


async def load(
    port: int,
    seconds: float,
    next_requests: list[Callable[[], bytes]],
    fits: Callable[[bytes], bool],
) -> Load:
    """Keeps one connection for each of `next_requests` busy for some seconds.

    Raises:
        LoadFailed: an answer was no 200, or did not fit.
    """
    done = Load()
    loop = asyncio.get_running_loop()
    connections = []
    for one in next_requests:
        _, connection = await loop.create_connection(
            lambda one=one: _Connection(one, fits, done),  # type: ignore[misc] # bound at once
            "127.0.0.1",
            port,
        )
        connections.append(connection)
    begin = time.perf_counter()
    for connection in connections:
        connection.run_until(begin + seconds)
    await asyncio.gather(*(connection.done for connection in connections))
    done.seconds = time.perf_counter() - begin
    return done
