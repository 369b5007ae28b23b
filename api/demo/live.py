"""The phone's live subscription: it hears that something changed, and the data always comes by pull."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from mobile_contracts.reference import document_id

PROTOCOL = "graphql-transport-ws"
OPEN_SECONDS = 10.0


class NotListening(Exception):
    """The socket could not be opened, or has ended; come back later, and pull in the meantime."""


async def listen(
    address: str,
    token: str,
    *,
    subscribed: Callable[[], None],
    poked: Callable[[dict[str, Any]], None],
) -> None:
    """Listens until the socket ends.

    Args:
        address: of the server, http or https.
        subscribed: is called as soon as nothing more can be missed; pull then.
        poked: is told each `changed`: scopeIds, subjects, alertIds.

    Raises:
        NotListening: always in the end, unless the task is cancelled.
    """
    url = f"ws{address.removeprefix('http')}/graphql"
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            socket = await connect(url, subprotocols=[PROTOCOL], proxy=None)  # type: ignore[list-item] # a NewType of str
        async with contextlib.aclosing(_Closing(socket)):
            await _send(
                socket, type="connection_init", payload={"authorization": f"Bearer {token}"}
            )
            async for text in socket:
                message = json.loads(text)
                match message["type"]:
                    case "connection_ack":
                        request = {"documentId": document_id("Changed"), "variables": {}}
                        await _send(socket, id="changed", type="subscribe", payload=request)
                        # The server reads a socket's messages in order, so a pong proves that it subscribed.
                        await _send(socket, type="ping")
                    case "pong":
                        subscribed()
                    case "ping":
                        await _send(socket, type="pong")
                    case "next":
                        poked(message["payload"]["data"]["changed"])
                    case "error" | "complete":
                        raise NotListening(str(message.get("payload", "")))
    except (OSError, TimeoutError, WebSocketException) as error:
        raise NotListening(type(error).__name__) from error
    raise NotListening("the socket was closed")


class _Closing:
    """Ends a socket without waiting for the other side's farewell: a phone that loses its signal sends none."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def aclose(self) -> None:
        self._socket.transport.abort()
        await self._socket.wait_closed()


async def _send(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))
