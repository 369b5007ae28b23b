"""The one way out of a socket: bounded, in order, and never in the way of other sockets."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from api.graphql.messages import Closing


@dataclass(eq=False, slots=True)
class Operation:
    """One running operation of a socket. `key` is its id as JSON; once not `live` it sends nothing more."""

    key: bytes
    live: bool = True
    task: asyncio.Task[None] | None = None


class Outbox:
    """Messages that wait for the client to read.

    When `messages` or `octets` (bytes) are waiting, whoever has the next one waits too. If no room comes in
    `patience` seconds, the socket is closed with 4413: its client reads too slowly. A message larger than
    `octets` passes alone.
    """

    def __init__(
        self,
        send: Callable[[str], Awaitable[None]],
        *,
        messages: int,
        octets: int,
        patience: float,
    ) -> None:
        self._send = send
        self._messages = messages
        self._octets = octets
        self._patience = patience
        self._waiting: deque[tuple[bytes, Operation | None]] = deque()
        self._size = 0
        self._filled = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, message: bytes, operation: Operation | None = None) -> None:
        """Queue a message, unless its operation has ended.

        Raises:
            Closing: 4413, the client reads too slowly.
        """
        if self._is_full(message):
            try:
                async with asyncio.timeout(self._patience):
                    while self._is_full(message):
                        self._room.clear()
                        await self._room.wait()
            except TimeoutError:
                raise Closing(
                    4413, f"The client reads too slowly: {len(self._waiting)} messages are waiting"
                ) from None
        if operation is None or operation.live:
            self._waiting.append((message, operation))
            self._size += len(message)
            self._filled.set()

    def forget(self, operation: Operation) -> None:
        """Drop what an operation still had to say; its id may be in use again at once."""
        operation.live = False
        self._waiting = deque(entry for entry in self._waiting if entry[1] is not operation)
        self._size = sum(len(message) for message, _ in self._waiting)
        self._room.set()

    async def send_all(self) -> None:
        """Send for ever, as fast as the client reads."""
        while True:
            while self._waiting:
                message, _ = self._waiting.popleft()
                self._size -= len(message)
                self._room.set()
                await self._send(message.decode())
            self._filled.clear()
            await self._filled.wait()

    def _is_full(self, message: bytes) -> bool:
        return bool(self._waiting) and (
            len(self._waiting) >= self._messages or self._size + len(message) > self._octets
        )
