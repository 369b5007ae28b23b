"""GraphQL over HTTP, to the letter: https://graphql.github.io/graphql-over-http/draft/ ."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.graphql import parameters
from api.graphql.body import read_body
from api.graphql.disconnect import ClientGone, while_connected
from api.graphql.engine import Authenticate, Engine, GraphQLRequest, Outcome
from api.graphql.negotiation import Media, choose_media, is_json
from api.graphql.refusals import body_of, mistake
from api.graphql.sse import EventStream
from patrol.errors import (
    BadRequest,
    ContentTypeUnsupported,
    MethodNotAllowed,
    NotAcceptable,
    NotSignedIn,
    Problem,
)


@dataclass(frozen=True, slots=True)
class HTTPLimits:
    """Limits of one HTTP door. `keep_alive_seconds` is the pause between comments of a quiet event stream."""

    body_bytes: int = 4 * 1024 * 1024
    keep_alive_seconds: float = 12.0


class GraphQLEndpoint:
    """An ASGI application for GET and POST; JSON, or an event stream if the client asks for one."""

    def __init__(
        self, engine: Engine, authenticate: Authenticate, limits: HTTPLimits | None = None
    ) -> None:
        self._engine = engine
        self._authenticate = authenticate
        self._limits = limits or HTTPLimits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        media = choose_media(",".join(request.headers.getlist("accept")))
        response: ASGIApp
        try:
            response = await self._answer(request, media)
        except (ClientGone, ClientDisconnect):
            response = _Whole(499, [], b"")  # nobody reads it; access logs and metrics do
        except Problem as problem:
            response = _refusal(problem, request, media)
        except Exception as error:
            response = _refusal(mistake(error, "http"), request, media)
        await response(scope, receive, send)

    async def _answer(self, request: Request, media: Media | None) -> ASGIApp:
        if request.method not in ("GET", "POST"):
            raise MethodNotAllowed
        if media is None:
            raise NotAcceptable
        # Before the body: a stranger must not make us read and parse megabytes.
        principal = await self._authenticate(request)
        asked = await self._read(request)
        run = self._engine.subscribe if media is Media.EVENTS else self._engine.execute
        work = partial(run, asked, principal, read_only=request.method == "GET")
        try:
            answer = await while_connected(request.receive, work())
        except BadRequest as problem:
            answer = Outcome(body_of(problem), executed=False)
        if media is Media.EVENTS:
            return EventStream(answer, self._limits.keep_alive_seconds)
        assert isinstance(answer, Outcome)
        # Old clients take any other status of application/json for a broken server in between.
        status = 200 if answer.executed or media is Media.JSON else 400
        return _response(answer.body, status, media, answer.headers)

    async def _read(self, request: Request) -> GraphQLRequest:
        if request.method == "GET":
            return parameters.from_url(request.query_params)
        if not is_json(request.headers.get("content-type", "")):
            raise ContentTypeUnsupported("Send Content-Type: application/json in UTF-8.")
        return parameters.from_body(await read_body(request, self._limits.body_bytes))


class _Whole:
    """An answer that is sent at once. Starlette's own class takes ten times as long to make its headers."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        self._status, self._body = status, body
        self._headers = [*headers, (b"content-length", b"%d" % len(body))]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self._status, "headers": self._headers}
        )
        await send({"type": "http.response.body", "body": self._body})


def _refusal(problem: Problem, request: Request, media: Media | None) -> ASGIApp:
    headers: dict[str, str] = {}
    if isinstance(problem, MethodNotAllowed):
        headers["allow"] = "POST" if request.method == "GET" else "GET, POST"
    elif isinstance(problem, NotSignedIn):
        headers["www-authenticate"] = "Bearer"
    if "retryAfter" in problem.extra:
        headers["retry-after"] = str(problem.extra["retryAfter"])
    shown = Media.GRAPHQL if media is Media.GRAPHQL else Media.JSON
    return _response(body_of(problem), problem.http_status, shown, headers)


# Answers depend on who asks, and no cache in between may keep them.
_COMMON = {
    media: (
        (b"content-type", f"{media}; charset=utf-8".encode()),
        (b"cache-control", b"no-store"),
        (b"vary", b"accept"),
    )
    for media in Media
}


def _response(body: bytes, status: int, media: Media, headers: Mapping[str, str]) -> ASGIApp:
    more = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return _Whole(status, [*_COMMON[media], *more], body)
