"""GraphQL over WebSocket: the graphql-transport-ws protocol, one session for each socket."""

import asyncio
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.graphql import messages
from api.graphql.disconnect import ClientGone
from api.graphql.engine import Authenticate, Engine, GraphQLRequest, Outcome
from api.graphql.messages import Closing, Complete, Init, Ping, Pong, Subscribe
from api.graphql.outbox import Operation, Outbox
from api.graphql.refusals import errors_of, mistake
from patrol.errors import Problem, TooMany

# Starlette says that a socket is no longer open by the one, servers by the other.
_NOT_OPEN = (WebSocketDisconnect, RuntimeError)


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """Limits of one socket.

    A client that reads too slowly is closed after `patience_seconds` with a full queue; one that sends nothing
    for `silence_seconds` although it is pinged every `ping_seconds` counts as dead.
    """

    init_seconds: float = 10.0
    message_bytes: int = 1024 * 1024
    operations: int = 64
    queued_messages: int = 256
    queued_bytes: int = 4 * 1024 * 1024
    patience_seconds: float = 10.0
    ping_seconds: float = 25.0
    silence_seconds: float = 60.0
    close_seconds: float = 2.0


class GraphQLSocket:
    """An ASGI application that serves sockets of the subprotocol graphql-transport-ws."""

    def __init__(
        self, engine: Engine, authenticate: Authenticate, limits: SocketLimits | None = None
    ) -> None:
        self._engine = engine
        self._authenticate = authenticate
        self._limits = limits or SocketLimits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        await _Session(socket, self._engine, self._authenticate, self._limits).run()


class _Session:
    """Reads in the caller's task; sending, pinging and each operation have tasks of their own.

    Whatever ends the session raises (`Closing`, `ClientGone`), so that the task group cleans up all of it before
    the one place that closes the socket.
    """

    def __init__(
        self, socket: WebSocket, engine: Engine, authenticate: Authenticate, limits: SocketLimits
    ) -> None:
        self._socket = socket
        self._engine = engine
        self._authenticate = authenticate
        self._limits = limits
        self._principal: Any = None
        self._initialised = False
        self._acknowledged = False
        self._heard = asyncio.get_running_loop().time()
        self._operations: dict[str, Operation] = {}
        # Also those that are still cleaning up after their `complete`, or the limit could be flooded past.
        self._running: set[asyncio.Task[None]] = set()
        self._outbox = Outbox(
            self._send,
            messages=limits.queued_messages,
            octets=limits.queued_bytes,
            patience=limits.patience_seconds,
        )

    async def run(self) -> None:
        understood = messages.PROTOCOL in self._socket.scope["subprotocols"]
        try:
            await self._socket.accept(messages.PROTOCOL if understood else None)
        except OSError:
            return  # gone before the handshake was over
        if not understood:
            await self._close(Closing(4406, f"Subprotocol not acceptable: use {messages.PROTOCOL}"))
            return
        ending: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._outbox.send_all())
                self._tasks.create_task(self._keep_alive())
                await self._read()
        except* (Closing, ClientGone) as group:
            ending = _first(group)
        except* Exception as group:
            ending = Closing(4500, mistake(_first(group), "websocket").message)
        if isinstance(ending, Closing):
            await self._close(ending)

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(self._limits.init_seconds) as limit:
                while not self._acknowledged:
                    await self._take(await self._receive())
        except TimeoutError:
            if limit.expired():
                raise Closing(4408, "Connection initialisation timeout") from None
            raise
        while True:
            await self._take(await self._receive())

    async def _receive(self) -> bytes:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise ClientGone
        self._heard = asyncio.get_running_loop().time()
        text = message.get("text")
        if text is None:
            raise Closing(4400, "Messages are text frames with JSON, not binary frames")
        data: bytes = text.encode()
        if len(data) > self._limits.message_bytes:
            raise Closing(1009, f"A message may have {self._limits.message_bytes} bytes")
        return data

    async def _take(self, data: bytes) -> None:
        match messages.read_message(data):
            case Init(payload):
                await self._initialise(payload)
            case Ping(payload):
                await self._outbox.put(messages.write_pong(payload))
            case Pong():
                pass
            case Subscribe(operation_id, request):
                await self._subscribe(operation_id, request)
            case Complete(operation_id):
                # An unknown id is no mistake: the two `complete` messages may cross on the way.
                if operation := self._operations.pop(operation_id, None):
                    self._outbox.forget(operation)
                    assert operation.task
                    operation.task.cancel()

    async def _initialise(self, payload: dict[str, Any]) -> None:
        if self._initialised:
            raise Closing(4429, "Too many initialisation requests")
        self._initialised = True
        try:
            self._principal = await self._authenticate(_with_authorization(self._socket, payload))
        except Problem as problem:
            raise Closing(4403, problem.message) from None
        await self._outbox.put(messages.ACK)
        self._acknowledged = True

    async def _subscribe(self, operation_id: str, request: GraphQLRequest) -> None:
        if not self._acknowledged:
            raise Closing(4401, "Unauthorized")
        if operation_id in self._operations:
            raise Closing(4409, f"Subscriber for {operation_id} already exists")
        operation = Operation(orjson.dumps(operation_id))
        if len(self._running) >= self._limits.operations:
            problem = TooMany(f"A socket runs {self._limits.operations} operations at a time.")
            await self._outbox.put(messages.write_error(operation.key, errors_of(problem)))
            return
        operation.task = self._tasks.create_task(self._operate(operation_id, operation, request))
        self._operations[operation_id] = operation
        self._running.add(operation.task)
        operation.task.add_done_callback(self._running.discard)

    async def _operate(
        self, operation_id: str, operation: Operation, request: GraphQLRequest
    ) -> None:
        try:
            last = await self._run(operation, request)
        except Closing:
            raise
        except Problem as problem:
            last = messages.write_error(operation.key, errors_of(problem))
        except Exception as error:
            last = messages.write_error(operation.key, errors_of(mistake(error, "websocket")))
        await self._outbox.put(last, operation)
        if self._operations.get(operation_id) is operation:
            del self._operations[operation_id]

    async def _run(self, operation: Operation, request: GraphQLRequest) -> bytes:
        """Send the results; the message that ends the operation is left to the caller."""
        answer = await self._engine.subscribe(request, self._principal, read_only=False)
        if isinstance(answer, Outcome):
            if not answer.executed:
                return messages.write_error(operation.key, orjson.loads(answer.body)["errors"])
            await self._outbox.put(messages.write_next(operation.key, answer.body), operation)
        else:
            async with aclosing(answer):
                async for result in answer:
                    await self._outbox.put(messages.write_next(operation.key, result), operation)
        return messages.write_complete(operation.key)

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._limits.ping_seconds)
            if loop.time() - self._heard > self._limits.silence_seconds:
                raise Closing(4410, "No sign of life from the client")
            await self._outbox.put(messages.PING)

    async def _send(self, text: str) -> None:
        try:
            await self._socket.send_text(text)
        except _NOT_OPEN:
            raise ClientGone from None

    async def _close(self, ending: Closing) -> None:
        # A client that reads nothing would hold this up for ever; the server drops its connection after us.
        with suppress(TimeoutError, *_NOT_OPEN):
            async with asyncio.timeout(self._limits.close_seconds):
                await self._socket.close(ending.code, ending.reason)


def _with_authorization(socket: WebSocket, payload: dict[str, Any]) -> HTTPConnection:
    """The connection as the sign-in reads it: browsers cannot set headers, so the payload may carry the credential."""
    given = payload.get("authorization", payload.get("Authorization"))
    if given is None:
        return socket
    if not isinstance(given, str) or not given.isascii() or not given.isprintable():
        raise Closing(4403, "`authorization` must be text as in the HTTP header: Bearer …")
    headers = [entry for entry in socket.scope["headers"] if entry[0] != b"authorization"]
    headers.append((b"authorization", given.encode("ascii")))
    return HTTPConnection({**socket.scope, "headers": headers})


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    """One cause of a group; the others are its consequences."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
