"""What a transport needs from whatever runs GraphQL, so that neither knows how the other works."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.requests import HTTPConnection

Authenticate = Callable[[HTTPConnection], Awaitable[Any]]
"""Says who is asking, from the `authorization` header, or raises a `patrol.errors.Problem`.

A socket may carry the credential in its `connection_init` payload instead; it is then shown here as that header.
"""


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """One well-formed request: `query`, `document_id` or both are present.

    `document_id` is the SHA-256 of a trusted operation, 64 lower-case hex digits.
    """

    query: str | None = None
    document_id: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    operation_name: str | None = None
    extensions: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One complete answer.

    `body` is UTF-8 JSON of `{"data": …, "errors": […]}`. `executed` is false for a request error: execution never
    began (parsing, validation, variables) and the body has `errors` but no `data`. `headers` go to HTTP only.
    """

    body: bytes
    executed: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)


class Engine(Protocol):
    """Runs operations. Every method may also raise a `patrol.errors.Problem`; all else it raises is our mistake.

    A `BadRequest` counts as a request error, as if an `Outcome` with `executed=False` had been returned. With
    `read_only` (HTTP GET) anything but a query is refused with `MethodNotAllowed`. Cancellation may come at
    any await: the client went away.
    """

    async def execute(
        self, request: GraphQLRequest, principal: Any, *, read_only: bool
    ) -> Outcome: ...

    async def subscribe(
        self, request: GraphQLRequest, principal: Any, *, read_only: bool
    ) -> AsyncGenerator[bytes, None] | Outcome:
        """A live stream of encoded results, or the one outcome of a query, a mutation or a refusal.

        The stream is read by one task and always closed. It is read only as fast as the client takes it, so what
        feeds it must bound or coalesce what waits.
        """
        ...
