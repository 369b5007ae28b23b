"""The plain HTTP door of SOS poles: any box that can call an address can call for help.

    POST /ingest/posts/{id}/alarm          any body or none       201 alert raised, 200 joined the unfinished one
    POST /ingest/posts/{id}/heartbeat      query, form or JSON    204
    GET  /ingest/posts/{id}/state                                 200 what the pole's lamp shows

Each takes the pole's own key as Bearer, or as the password of Basic; a short password of this one pole as the password of
Basic; or a secret as the address's last part. GET raises an alarm only where an administrator has allowed it for the pole.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from api.attempts import network_of
from api.device_door import answering, before_its_body, declared_length, id_in
from api.pole_signin import PoleDesk
from api.services import Services
from patrol.errors import MethodNotAllowed, PostUnknown
from patrol.sos.beats import Beat, beat_post, read_beat
from patrol.sos.posts import takes_get
from patrol.sos.pressing import press_button, read_lamp
from storage.principal import Principal
from storage.vocabulary import PostAction

BEAT_BYTES = 4096
"""What a heartbeat may say; a longer one counts as a sign of life and no more."""

BEAT_SECONDS = 1.0
"""How long a heartbeat's body is waited for."""

NOT_KEPT = {"cache-control": "no-store"}


@answering
async def press(request: Request) -> Response:
    """Raises an alert for a pole's button, or joins the unfinished one, whatever becomes of the body: it is not read."""
    services: Services = request.app.state.services
    if request.method == "HEAD":
        # Whoever only looks whether an address is there, as previews and monitors do, has pressed nothing.
        raise MethodNotAllowed("A question by HEAD raises no alarm.", allow="POST, GET")
    post_id, pole = await _pole(request, PostAction.ALARM)
    if request.method == "GET" and not await takes_get(services.database, pole, post_id):
        raise MethodNotAllowed(
            "This post raises alarms by POST; an administrator may allow GET for it.", allow="POST"
        )
    press_id = (
        request.headers.get("idempotency-key")
        or request.headers.get("x-press-id")
        or request.query_params.get("press")
    )
    drill = _is_yes(request.headers.get("x-drill") or request.query_params.get("drill", ""))
    pressed = await press_button(
        services.database, pole, post_id, press_id, datetime.now(UTC), drill=drill
    )
    if pressed.alert_id is not None:
        services.live.poke([pressed.scope_id], ["alerts"], [pressed.alert_id])
        services.live.wake_workers()
    told = {
        "alertId": str(pressed.alert_id) if pressed.alert_id else None,
        "status": pressed.status.value if pressed.status else None,
        "joined": pressed.joined,
        "state": pressed.lamp.value,
        "drill": pressed.drill,
    }
    raised = not pressed.joined and not pressed.muted
    return before_its_body(request, _told(request, told, 201 if raised else 200))


@answering
async def beat(request: Request) -> Response:
    """Notes that a pole lives, and what it says of itself; a body that cannot be read is no reason to refuse."""
    services: Services = request.app.state.services
    post_id, pole = await _pole(request, PostAction.HEARTBEAT)
    said = await _said(request)
    await beat_post(services.database, pole, post_id, said, datetime.now(UTC))
    return before_its_body(request, Response(status_code=204))


@answering
async def state(request: Request) -> Response:
    """What a pole's lamp shows."""
    services: Services = request.app.state.services
    post_id, pole = await _pole(request, None)
    lamp = await read_lamp(services.database, pole, post_id)
    told = {
        "alertId": str(lamp.alert_id) if lamp.alert_id else None,
        "state": lamp.state.value,
        "drill": lamp.drill,
    }
    return before_its_body(request, _told(request, told, 200))


def _addresses(action: str) -> tuple[str, str]:
    return f"/ingest/posts/{{post_id}}/{action}", f"/ingest/posts/{{post_id}}/{action}/{{secret}}"


routes: list[Route] = [
    Route(path, endpoint, methods=methods)
    for action, endpoint, methods in (
        ("alarm", press, ["POST", "GET"]),
        ("heartbeat", beat, ["POST", "GET"]),
        ("state", state, ["GET"]),
    )
    for path in _addresses(action)
]


async def _pole(request: Request, action: PostAction | None) -> tuple[UUID, Principal]:
    post_id = id_in(request, "post_id", PostUnknown)
    network = network_of(request.client.host if request.client else None)
    return post_id, await PoleDesk.of(request.app).recognise(request, post_id, action, network)


async def _said(request: Request) -> Beat:
    """What a heartbeat says, wherever it says it: the address, a form, or JSON."""
    length = declared_length(request)
    body = b""
    if length is None and "transfer-encoding" not in request.headers:
        length = 0
    if length is None or 0 < length <= BEAT_BYTES:
        with anyio.move_on_after(BEAT_SECONDS):
            try:
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > BEAT_BYTES:
                        body = b""
                        break
            except ClientDisconnect:
                body = b""
    return read_beat(dict(request.query_params), body)


def _told(request: Request, told: Mapping[str, object], status: int) -> Response:
    """JSON, or the one word of the state for a box that asks for plain text."""
    accepted = request.headers.get("accept", "")
    if "text/plain" in accepted and "json" not in accepted:
        return PlainTextResponse(f"{told['state']}\n", status, NOT_KEPT)
    return JSONResponse(told, status, NOT_KEPT)


def _is_yes(text: str) -> bool:
    return text.strip().lower() in ("1", "true", "yes", "on")
