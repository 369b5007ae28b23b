"""The door of SMS gateways: hands on the texts that officers without data send.

    POST /ingest/sms             form or JSON; the secret as Bearer, or as the password of Basic
    POST /ingest/sms/{secret}    for a gateway that can only call an address

A text that is no call for help, or that no phone of ours has signed, is refused and logged by its code: neither the text nor
the number that it came from is kept.
"""

from __future__ import annotations

import hmac
from base64 import b64decode
from binascii import Error as Base64Error
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import orjson
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.attempts import Attempts, network_of
from api.device_door import answering
from api.services import Services
from patrol.errors import AddressUnknown, BodyTooLarge, NotSignedIn, TextMessageInvalid
from patrol.sos.texting import raise_from_text

log = structlog.get_logger(__name__)

BODY_BYTES = 16 * 1024
USUAL_FIELDS = ("text", "message", "body", "content", "msg")
"""How gateways call what was written; `PATROL_SMS_TEXT_FIELD` names another."""


@dataclass(frozen=True)
class TextDesk:
    """Who sent a wrong secret lately."""

    wrong: Attempts = field(default_factory=lambda: Attempts(burst=20, seconds=10))

    @classmethod
    def of(cls, app: Starlette) -> TextDesk:
        """The application's desk; its first request opens it."""
        desk: TextDesk | None = getattr(app.state, "text_desk", None)
        if desk is None:
            desk = app.state.text_desk = cls()
        return desk


@answering
async def take_text(request: Request) -> Response:
    """Raises the alert of one text message."""
    services: Services = request.app.state.services
    _require_gateway(request, services)
    text = _written(await _body(request), services.settings.sms_text_field)
    raised = await raise_from_text(services.database, text, datetime.now(UTC))
    log.info("sos_texted", alert_id=str(raised.alert_id), created=raised.created)
    if raised.created:
        services.live.poke([raised.scope_id], ["alerts"], [raised.alert_id])
        services.live.wake_workers()
    told = {"outcome": "RAISED" if raised.created else "KNOWN", "alertId": str(raised.alert_id)}
    return JSONResponse(told, 201 if raised.created else 200, {"cache-control": "no-store"})


routes: list[Route] = [
    Route("/ingest/sms", take_text, methods=["POST"]),
    Route("/ingest/sms/{secret}", take_text, methods=["POST"]),
]


def _require_gateway(request: Request, services: Services) -> None:
    """Refuses whoever does not have the secret of the gateway.

    Raises:
        AddressUnknown: no secret is set, so there is no gateway.
        NotSignedIn, TooMany.
    """
    secret = services.settings.sms_secret
    if secret is None:
        raise AddressUnknown
    network = network_of(request.client.host if request.client else None)
    wanted = secret.get_secret_value().encode()
    if hmac.compare_digest(_given(request).encode("utf-8", "surrogatepass"), wanted):
        # Not held up by what others guess behind the same address: sixteen characters are not guessed at any speed.
        return
    TextDesk.of(request.app).wrong.take(network)
    raise NotSignedIn("This is not the gateway's secret.", schemes=["Bearer", "Basic"])


def _given(request: Request) -> str:
    if "secret" in request.path_params:
        return str(request.path_params["secret"])
    scheme, _, credential = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "basic":
        with suppress(Base64Error, ValueError):
            return b64decode(credential.strip(), validate=True).decode().partition(":")[2]
        return ""
    return credential.strip() if scheme.lower() == "bearer" else ""


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES:
            raise BodyTooLarge(f"The body is larger than {BODY_BYTES} bytes.", limit=BODY_BYTES)
    return body


def _written(body: bytes, name: str | None) -> str:
    """The text in a form or a JSON object.

    Raises:
        TextMessageInvalid: there is none.
    """
    said: object = None
    try:
        if body.lstrip()[:1] == b"{":
            said = orjson.loads(body)
        else:
            said = dict(parse_qsl(body.decode(), max_num_fields=100))
    except (ValueError, RecursionError):
        raise TextMessageInvalid from None
    if isinstance(said, dict):
        for one in (name,) if name else USUAL_FIELDS:
            found = said.get(one)
            if isinstance(found, str):
                return found
    raise TextMessageInvalid("The request has no text; PATROL_SMS_TEXT_FIELD names its field.")
