"""A real, tiny GraphQL engine and a real server on loopback, so that the transports are tested over sockets."""

import asyncio
import inspect
import socket
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import orjson
import uvicorn
from graphql import (
    ExecutionResult,
    GraphQLError,
    OperationType,
    build_schema,
    execute,
    get_operation_ast,
    get_variable_values,
    parse,
    subscribe,
    validate,
)
from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from api.graphql import HTTPLimits, SocketLimits, graphql_routes
from api.graphql.engine import GraphQLRequest, Outcome
from patrol.errors import MethodNotAllowed, NotSignedIn, OperationUnknown, TooMany

SCHEMA = build_schema("""
    type Query { echo(text: String!): String, me: String, fails: String, waits: String }
    type Mutation { add: Int }
    type Subscription {
        count(to: Int!): Int
        channel(name: String!): Int
        flood(size: Int!): String
    }
""")
TRUSTED = {"a" * 64: "query Trusted($text: String!) { echo(text: $text) }"}
SECRET = "16.7131,98.5747"


class Tally:
    """A number whose changes can be waited for, which no sleep does reliably."""

    def __init__(self) -> None:
        self.value = 0
        self._changed = asyncio.Event()

    def add(self, step: int) -> None:
        self.value += step
        self._changed.set()

    @contextmanager
    def counted(self) -> Iterator[None]:
        self.add(1)
        try:
            yield
        finally:
            self.add(-1)

    async def becomes(self, value: int) -> None:
        async with asyncio.timeout(10):
            while self.value != value:
                self._changed.clear()
                await self._changed.wait()


class World:
    """What the resolvers see: who is running, and channels that a test writes to."""

    def __init__(self) -> None:
        self.running = Tally()
        self.sessions = Tally()
        self.added = 0
        self.channels: dict[str, asyncio.Queue[int | Exception | None]] = defaultdict(asyncio.Queue)


class Root:
    """Resolvers of graphql-core's default kind: methods of the root value."""

    def __init__(self, world: World, principal: str) -> None:
        self.world = world
        self.me = principal

    def echo(self, info: Any, text: str) -> str:
        return text

    def fails(self, info: Any) -> str:
        raise GraphQLError("This field fails.")

    async def waits(self, info: Any) -> str:
        with self.world.running.counted():
            await asyncio.Event().wait()
        return "never"

    def add(self, info: Any) -> int:
        self.world.added += 1
        return self.world.added

    async def count(self, info: Any, to: int) -> AsyncIterator[dict[str, int]]:
        for number in range(to):
            yield {"count": number}

    async def channel(self, info: Any, name: str) -> AsyncIterator[dict[str, int]]:
        with self.world.running.counted():
            while (item := await self.world.channels[name].get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield {"channel": item}

    async def flood(self, info: Any, size: int) -> AsyncIterator[dict[str, str]]:
        with self.world.running.counted():
            while True:
                yield {"flood": "x" * size}


class CoreEngine:
    """The engine interface over plain graphql-core."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def execute(self, request: GraphQLRequest, principal: Any, *, read_only: bool) -> Outcome:
        answer = await self.subscribe(request, principal, read_only=read_only)
        if isinstance(answer, Outcome):
            return answer
        await answer.aclose()
        return refused(GraphQLError("Subscriptions need a WebSocket or an event stream."))

    async def subscribe(
        self, request: GraphQLRequest, principal: Any, *, read_only: bool
    ) -> AsyncGenerator[bytes, None] | Outcome:
        if request.operation_name == "Crash":
            raise RuntimeError(f"invalid input for query argument $1: {request.variables}")
        source = request.query
        if request.document_id is not None:
            source = TRUSTED.get(request.document_id)
        if source is None:
            raise OperationUnknown
        try:
            document = parse(source)
        except GraphQLError as error:
            return refused(error)
        if errors := validate(SCHEMA, document):
            return refused(*errors)
        operation = get_operation_ast(document, request.operation_name)
        if operation is None:
            return refused(GraphQLError("The operation cannot be determined."))
        if read_only and operation.operation is not OperationType.QUERY:
            raise MethodNotAllowed("Only queries can be sent with GET.")
        values = get_variable_values(
            SCHEMA, operation.variable_definitions or (), request.variables
        )
        if isinstance(values, list):
            return refused(*values)
        root = Root(self.world, principal)
        run = subscribe if operation.operation is OperationType.SUBSCRIPTION else execute
        result: Any = run(SCHEMA, document, root, None, request.variables, request.operation_name)
        if inspect.isawaitable(result):
            result = await result
        if isinstance(result, ExecutionResult):
            return Outcome(encoded(result), headers={"x-engine": "core"})
        return self._stream(result)

    async def _stream(self, results: Any) -> AsyncGenerator[bytes, None]:
        try:
            async for result in results:
                yield encoded(result)
        finally:
            await results.aclose()


def encoded(result: ExecutionResult) -> bytes:
    return orjson.dumps(result.formatted)


def refused(*errors: GraphQLError) -> Outcome:
    return Outcome(orjson.dumps({"errors": [error.formatted for error in errors]}), executed=False)


async def authenticate(connection: HTTPConnection) -> str:
    """Anonymous by default; `Bearer NAME` is NAME, except for the two that are refused or break."""
    match connection.headers.get("authorization", "").split():
        case ["Bearer", "stolen"]:
            raise NotSignedIn
        case ["Bearer", "busy"]:
            raise TooMany(retryAfter=7)
        case ["Bearer", "breaks"]:
            raise RuntimeError(f"the key store is on fire at {SECRET}")
        case ["Bearer", "hangs"]:
            await asyncio.Event().wait()
            return "never"
        case ["Bearer", name]:
            return name
        case _:
            return "anonymous"


class LoopServer(uvicorn.Server):
    """uvicorn in the test's own loop: tells when it is up, and leaves the process's signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(
    world: World, http: HTTPLimits | None = None, limits: SocketLimits | None = None
) -> AsyncIterator[str]:
    """Serve `/graphql`; gives HOST:PORT. Leaves no task and no socket behind."""
    routes = graphql_routes("/graphql", CoreEngine(world), authenticate, http=http, socket=limits)
    door = Starlette(routes=routes)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return await door(scope, receive, send)
        with world.sessions.counted():
            return await door(scope, receive, send)

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1, lifespan="off")
    server = LoopServer(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(10):
            await server.up.wait()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


@asynccontextmanager
async def http_client(
    world: World, limits: HTTPLimits | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sends no header which the test did not name."""
    async with (
        serving(world, limits) as address,
        httpx.AsyncClient(base_url=f"http://{address}", trust_env=False, timeout=10) as client,
    ):
        del client.headers["accept"], client.headers["accept-encoding"]
        yield client
