"""The doors of GraphQL: exact transports (HTTP, server-sent events, WebSocket) over one small engine interface."""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Route, WebSocketRoute

from api.graphql.engine import Authenticate, Engine
from api.graphql.http import GraphQLEndpoint, HTTPLimits
from api.graphql.websocket import GraphQLSocket, SocketLimits

__all__ = ["GraphQLEndpoint", "GraphQLSocket", "HTTPLimits", "SocketLimits", "graphql_routes"]


def graphql_routes(
    path: str,
    engine: Engine,
    authenticate: Authenticate,
    *,
    http: HTTPLimits | None = None,
    socket: SocketLimits | None = None,
) -> Sequence[BaseRoute]:
    """One address that answers GET and POST (JSON or an event stream) and takes WebSockets."""
    return [
        Route(path, GraphQLEndpoint(engine, authenticate, http)),
        WebSocketRoute(path, GraphQLSocket(engine, authenticate, socket)),
    ]
