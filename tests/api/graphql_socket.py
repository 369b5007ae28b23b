"""A socket client that says and hears exactly what a test writes; a library would hide the protocol."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

PROTOCOL = Subprotocol("graphql-transport-ws")
INIT = {"type": "connection_init"}
ACK = {"type": "connection_ack"}


class Client:
    """One end of a socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, *messages: Any) -> None:
        for message in messages:
            await self.socket.send(
                message if isinstance(message, str | bytes) else orjson.dumps(message).decode()
            )

    async def hear(self) -> Any:
        async with asyncio.timeout(10):
            return orjson.loads(await self.socket.recv())

    async def subscribe(self, operation_id: str, query: str, **members: Any) -> None:
        await self.send(
            {"id": operation_id, "type": "subscribe", "payload": {"query": query} | members}
        )

    async def closed_with(self) -> tuple[int, str]:
        """The close code and reason; messages before it are skipped."""
        with pytest.raises(ConnectionClosed) as closed:
            await self._hear_for_ever()
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code, closed.value.rcvd.reason

    async def _hear_for_ever(self) -> None:
        while True:
            await self.hear()


@asynccontextmanager
async def opened(address: str, **options: Any) -> AsyncIterator[Client]:
    options = {"subprotocols": [PROTOCOL], "proxy": None, "ping_interval": None} | options
    async with connect(f"ws://{address}/graphql", **options) as socket:
        yield Client(socket)


@asynccontextmanager
async def ready(address: str, **options: Any) -> AsyncIterator[Client]:
    async with opened(address, **options) as client:
        await client.send(INIT)
        assert await client.hear() == ACK
        yield client
