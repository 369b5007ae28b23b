"""The door of citizens: a pole's code opens a page, its one button calls for help, and a third page shows what became of it.

    GET  /help/{code}          the page of a scanned code; raises nothing
    POST /help                 calls for help, then leads to the page below
    GET  /help/call/{watch}    how far the help has come; asks again by itself

Calls are counted by network and by pole, apart from the presses of the pole's own button, which they can never hold up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from urllib.parse import parse_qsl

import anyio
import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from api.attempts import Attempts, network_of
from api.citizen_page import HEADERS, call_page, refused_page, state_page
from api.problems import as_problem
from api.services import Services
from patrol.errors import BodyTooLarge, CitizenLinkInvalid, Problem, TooMany
from patrol.fixes import Position, position_of
from patrol.sos.citizen_codes import Watch, read_visit, sign_visit, sign_watch
from patrol.sos.citizens import call_for_citizen, progress, scanned, unfinished
from storage.faults import StorageFault

log = structlog.get_logger(__name__)

FORM_BYTES = 4096

FORM_SECONDS = 10.0
"""How long a form is waited for; what has arrived by then is all there is. An honest one is a few hundred bytes."""

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class CitizenDesk:
    """How often somebody called lately."""

    networks: Attempts = field(default_factory=lambda: Attempts(burst=5, seconds=60))
    posts: Attempts = field(default_factory=lambda: Attempts(burst=60, seconds=5))

    @classmethod
    def of(cls, app: Starlette) -> CitizenDesk:
        """The application's desk; its first request opens it."""
        desk: CitizenDesk | None = getattr(app.state, "citizen_desk", None)
        if desk is None:
            desk = app.state.citizen_desk = cls()
        return desk


def _showing(endpoint: Endpoint) -> Endpoint:
    """Shows refusals as a page with the number to call."""

    @wraps(endpoint)
    async def shown(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ClientDisconnect:
            return Response(status_code=400)
        except (Problem, StorageFault) as error:
            problem = as_problem(error)
            log.warning("citizen_refused", code=problem.code)
            watching = "watch" in request.path_params
            if isinstance(problem, CitizenLinkInvalid):
                words = (
                    "ลิงก์หมดอายุ โปรดสแกนรหัสบนเสาอีกครั้ง",
                    "The link is over. Scan the code again.",
                )
            elif watching:
                # He has called; a page that cannot be shown just now must not read as if nobody had heard him.
                words = (
                    "แจ้งเหตุแล้ว แต่ขณะนี้แสดงสถานะไม่ได้",
                    "Help was told. What became of it cannot be shown just now.",
                )
            else:
                words = ("ขณะนี้แจ้งเหตุทางนี้ไม่ได้", "Calling this way does not work now.")
            headers = dict(HEADERS)
            if "retryAfter" in problem.extra:
                headers["retry-after"] = str(problem.extra["retryAfter"])
            page = refused_page(*words, again=watching and problem.http_status >= 500)
            return HTMLResponse(page, problem.http_status, headers)

    return shown


@_showing
async def show_code(request: Request) -> Response:
    """The page of a scanned code."""
    services: Services = request.app.state.services
    place = await scanned(services.database, services.keys, request.path_params["code"])
    visit = sign_visit(services.keys, place.code, datetime.now(UTC))
    page = call_page(place.name, place.name_th, place.station_name, place.station_name_th, visit)
    return HTMLResponse(page, headers=HEADERS)


@_showing
async def call(request: Request) -> Response:
    """Calls for help, and leads to the page that shows what becomes of it."""
    services: Services = request.app.state.services
    asked = await _form(request)
    now = datetime.now(UTC)
    text = asked.get("visit", "")
    visit = read_visit(services.keys, text, now)
    network = network_of(request.client.host if request.client else None)
    desk = CitizenDesk.of(request.app)
    try:
        desk.networks.take(f"{visit.post_id} {network}")
        desk.posts.take(str(visit.post_id))
    except TooMany:
        # Whoever called here already is told what became of it, and nobody is called twice as often for it.
        alert = await unfinished(services.database, services.keys, text, now)
        if alert is None:
            raise
    else:
        pressed = await call_for_citizen(
            services.database, services.keys, text, _position(asked), now
        )
        assert pressed.alert_id is not None  # a citizen's call is never muted
        alert = pressed.alert_id
        services.live.poke([pressed.scope_id], ["alerts"], [alert])
        services.live.wake_workers()
    watch = sign_watch(services.keys, Watch(alert, visit.post_id), now)
    return RedirectResponse(f"/help/call/{watch}", 303, HEADERS)


@_showing
async def show_state(request: Request) -> Response:
    """How far the help has come."""
    services: Services = request.app.state.services
    lamp = await progress(
        services.database, services.keys, request.path_params["watch"], datetime.now(UTC)
    )
    return HTMLResponse(state_page(lamp.state, lamp.drill), headers=HEADERS)


routes: list[Route] = [
    Route("/help", call, methods=["POST"]),
    Route("/help/call/{watch}", show_state, methods=["GET"]),
    Route("/help/{code}", show_code, methods=["GET"]),
]


async def _form(request: Request) -> dict[str, str]:
    body = b""
    with anyio.move_on_after(FORM_SECONDS):
        async for chunk in request.stream():
            body += chunk
            if len(body) > FORM_BYTES:
                raise BodyTooLarge(f"The body is larger than {FORM_BYTES} bytes.", limit=FORM_BYTES)
    with suppress(ValueError):
        return dict(parse_qsl(body.decode("ascii"), max_num_fields=20))
    return {}


def _position(asked: dict[str, str]) -> Position | None:
    """Where the browser says that the citizen is, if he let it."""
    numbers: dict[str, float] = {}
    for name, given in (("latitude", "lat"), ("longitude", "lon"), ("accuracy_m", "acc")):
        with suppress(ValueError):
            numbers[name] = float(asked.get(given, ""))
    return position_of(numbers)
