"""The HTTP application: every door of the product at its address."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from api import citizens, clips, health, ingest, pole_clips, signin, surrender, texting
from api.graphql import HTTPLimits, graphql_routes
from api.graphql.application import DoorsFirst, compressed
from api.graphql.doors import DoorEngine
from api.problems import answer, as_problem
from api.services import Services
from api.trusted import trusted_operations
from patrol.errors import AddressUnknown, MethodNotAllowed, Problem
from schema.admin import admin_door
from schema.partner import partner_door
from schema.phone import phone_door
from storage.faults import StorageFault


def create_app(services: Services) -> Starlette:
    """The application over services that are open for as long as it runs."""
    settings = services.settings
    limits = HTTPLimits(body_bytes=settings.body_bytes)
    phone = DoorEngine(
        phone_door(),
        services.context,
        trusted=trusted_operations(),
        only_trusted=settings.trusted_operations == "only",
    )
    partner = DoorEngine(partner_door(), services.context, audited=True)
    admin = DoorEngine(admin_door(), services.context, audited=True)
    routes: list[BaseRoute] = [
        *graphql_routes("/graphql", phone, signin.authenticate_officer, http=limits),
        *graphql_routes("/partner/graphql", partner, signin.authenticate_partner, http=limits),
        *graphql_routes("/admin/graphql", admin, signin.authenticate_admin, http=limits),
        *signin.routes,
        *surrender.routes,
        *ingest.routes,
        *citizens.routes,
        *texting.routes,
        *pole_clips.routes,
        *clips.routes,
        *health.routes,
    ]
    app = DoorsFirst(
        routes=routes,
        middleware=[Middleware(compressed)],
        exception_handlers={
            Problem: _refuse,
            StorageFault: _refuse,
            404: _unknown_address,
            405: _wrong_method,
        },
    )
    app.state.services = services
    surrender.SurrenderDesk.open(app)
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    return answer(as_problem(error))


async def _unknown_address(request: Request, _: Exception) -> Response:
    return answer(AddressUnknown())


async def _wrong_method(request: Request, error: Exception) -> Response:
    allowed = getattr(error, "headers", None) or {}
    return answer(MethodNotAllowed(), headers=dict(allowed))
