"""Starlette with a short way to its GraphQL doors: what lies between costs more than a small read takes to answer."""

from typing import Any

from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from api.graphql.http import GraphQLEndpoint

SMALLEST_COMPRESSED = 1024
"""Bytes; what is smaller fits one packet anyway."""

LEVEL = 6
"""Level 9 takes twice the time and saves one byte in twenty. From 128 KiB on a thread does it."""


class DoorsFirst(Starlette):
    """An application that hands requests to its GraphQL addresses straight to them.

    The doors answer every error themselves and take every method, so that the router and the middleware of other
    addresses would do nothing for them but compress, which they are given here.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._doors: dict[str, tuple[ASGIApp, ASGIApp]] = {
            route.path: (route.app, compressed(route.app))
            for route in self.routes
            if isinstance(route, Route) and isinstance(route.app, GraphQLEndpoint)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope.get("root_path"):
            door = self._doors.get(scope["path"])
            if door is not None:
                scope["app"] = self
                plain, compressing = door
                wished = any(name == b"accept-encoding" for name, _ in scope["headers"])
                await (compressing if wished else plain)(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


def compressed(app: ASGIApp) -> ASGIApp:
    """An application whose answers are compressed for clients that take it."""
    return GZipMiddleware(app, minimum_size=SMALLEST_COMPRESSED, compresslevel=LEVEL)
