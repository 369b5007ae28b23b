"""Where phones sign in over plain JSON, and how every door learns who is asking."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
from msgspec import Meta, Struct
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route

from api.attempts import Attempts, network_of
from api.json_body import read_json
from api.problems import as_problem
from patrol.errors import EnrolmentCodeInvalid, NotSignedIn
from patrol.identity import (
    AccessTokens,
    Phone,
    PhoneKey,
    Recognition,
    SignedIn,
    enrol,
    issue_code_as_supervisor,
    refresh,
    sign_out,
)
from patrol.identity.codes import normalised
from storage.faults import StorageFault
from storage.principal import Principal

if TYPE_CHECKING:
    from api.services import Services

Words = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""What a phone says of itself: shown to staff, never believed."""

Secret = Annotated[str, Meta(min_length=1, max_length=4096)]


class Enrolment(Struct, rename="camel"):
    """The body of POST /auth/enrol."""

    code: Annotated[str, Meta(min_length=1, max_length=100)]
    public_key: dict[str, Any]
    proof: Secret
    platform: Words
    model: Words
    app_version: Words | None = None


class Refreshing(Struct, rename="camel"):
    """The body of POST /auth/refresh."""

    refresh_token: Secret
    proof: Secret
    app_version: Words | None = None


class CodeWanted(Struct, rename="camel"):
    """The body of POST /auth/enrolment-codes."""

    officer_id: UUID
    valid_minutes: Annotated[int, Meta(ge=1, le=7 * 24 * 60)] = 60


@dataclass(frozen=True)
class SignInDesk:
    """What the sign-in of one application remembers: verified tokens, known keys, wrong guesses."""

    services: Services
    recognition: Recognition
    session_lifetime: timedelta
    wrong_codes: Attempts = field(default_factory=lambda: Attempts(burst=10, seconds=30))

    @classmethod
    def of(cls, app: Starlette) -> SignInDesk:
        """The application's desk; its first request opens it."""
        desk: SignInDesk | None = getattr(app.state, "sign_in_desk", None)
        if desk is None:
            services: Services = app.state.services
            settings = services.settings
            access = AccessTokens(
                services.keys, lifetime=timedelta(seconds=settings.access_token_seconds)
            )
            recognition = Recognition(services.database, access)
            desk = cls(services, recognition, timedelta(days=settings.session_days))
            app.state.sign_in_desk = desk
        return desk


# Who is asking


async def authenticate_officer(connection: HTTPConnection) -> Principal:
    """The officer of an access token. Raises NotSignedIn or TokenExpired."""
    return _desk(connection).recognition.officer(_bearer(connection))


async def authenticate_partner(connection: HTTPConnection) -> Principal:
    """The organisation of an API key. Raises NotSignedIn; Unavailable when nobody can be asked."""
    try:
        return await _desk(connection).recognition.partner(_bearer(connection))
    except StorageFault as fault:
        raise as_problem(fault) from fault


async def authenticate_admin(connection: HTTPConnection) -> Principal:
    """The administrator of a token. Raises NotSignedIn; Unavailable when nobody can be asked."""
    try:
        return await _desk(connection).recognition.admin(_bearer(connection))
    except StorageFault as fault:
        raise as_problem(fault) from fault


async def authenticate_device(connection: HTTPConnection) -> Principal:
    """The camera or SOS post of a device key, sent as Bearer, or as the password of Basic, which is all that many
    cameras can do. Raises NotSignedIn; Unavailable when nobody can be asked.
    """
    try:
        return await _desk(connection).recognition.device(_device_key(connection))
    except NotSignedIn as problem:
        raise NotSignedIn(problem.message, schemes=["Bearer", "Basic"]) from None
    except StorageFault as fault:
        raise as_problem(fault) from fault


def _desk(connection: HTTPConnection) -> SignInDesk:
    return SignInDesk.of(connection.app)


def _authorization(connection: HTTPConnection) -> tuple[str, str]:
    given = connection.headers.getlist("authorization")
    if len(given) != 1:
        # Two would let a proxy and us believe different ones.
        raise NotSignedIn("Send one Authorization header." if given else None)
    scheme, _, credential = given[0].strip().partition(" ")
    return scheme.lower(), credential.strip()


def _bearer(connection: HTTPConnection) -> str:
    scheme, credential = _authorization(connection)
    if scheme != "bearer" or not credential:
        raise NotSignedIn("Send `Authorization: Bearer …`.")
    return credential


def _device_key(connection: HTTPConnection) -> str:
    scheme, credential = _authorization(connection)
    if scheme != "basic":
        return _bearer(connection)
    try:
        _, _, password = b64decode(credential, validate=True).decode().partition(":")
    except (Base64Error, ValueError):
        raise NotSignedIn("The Basic credential is not base64 of `user:key`.") from None
    return password


# The addresses of phones


async def post_enrol(request: Request) -> Response:
    """POST /auth/enrol: a code and the phone's key become a session."""
    desk = _desk(request)
    asked = await read_json(request, Enrolment)
    phone = Phone(PhoneKey.of(asked.public_key), asked.platform, asked.model, asked.app_version)
    with desk.wrong_codes.bounded(*_guesser(request, asked.code), wrong=EnrolmentCodeInvalid):
        signed_in = await enrol(
            desk.services.database,
            desk.recognition.access,
            code=asked.code,
            proof=asked.proof,
            phone=phone,
            session_lifetime=desk.session_lifetime,
        )
    return _json(_told(signed_in))


def _guesser(request: Request, code: str) -> list[str]:
    """Whom a wrong code counts against: where it came from, and, because half of a code may have been seen over a
    shoulder, everybody who tries codes that begin like it.
    """
    names = [f"network {network_of(request.client.host if request.client else None)}"]
    with suppress(EnrolmentCodeInvalid):
        names.append(f"code {normalised(code)[:5]}")
    return names


async def post_refresh(request: Request) -> Response:
    """POST /auth/refresh: a refresh token becomes its successor and a new access token."""
    desk = _desk(request)
    asked = await read_json(request, Refreshing)
    signed_in = await refresh(
        desk.services.database,
        desk.recognition.access,
        refresh_token=asked.refresh_token,
        proof=asked.proof,
        app_version=asked.app_version,
        session_lifetime=desk.session_lifetime,
    )
    return _json(_told(signed_in))


async def post_sign_out(request: Request) -> Response:
    """POST /auth/sign-out: the session of the access token ends; saying it twice is no error."""
    officer = await authenticate_officer(request)
    await sign_out(_desk(request).services.database, officer)
    return Response(status_code=204, headers={"cache-control": "no-store"})


async def post_enrolment_code(request: Request) -> Response:
    """POST /auth/enrolment-codes: a supervisor makes a code for an officer of the own station."""
    supervisor = await authenticate_officer(request)
    asked = await read_json(request, CodeWanted)
    services = _desk(request).services
    issued = await issue_code_as_supervisor(
        services.database, supervisor, asked.officer_id, timedelta(minutes=asked.valid_minutes)
    )
    server = services.settings.public_url or str(request.base_url).rstrip("/")
    told = {
        "officerId": issued.officer_id,
        "code": issued.code,
        "qr": issued.qr_payload(server),
        "expiresAt": issued.expires_at,
    }
    return _json(told, 201)


def _told(signed_in: SignedIn) -> dict[str, Any]:
    return {
        "sessionId": signed_in.session_id,
        "deviceId": signed_in.device_id,
        "officer": signed_in.officer,
        "accessToken": signed_in.access_token,
        "accessTokenSeconds": signed_in.access_seconds,
        "refreshToken": signed_in.refresh_token,
        "sessionExpiresAt": signed_in.session_expires_at,
        "serverTime": signed_in.server_time,
    }


def _json(body: dict[str, Any], status: int = 200) -> Response:
    # asyncpg's UUIDs are its own subclass of UUID, which orjson takes only by way of `default`.
    data = orjson.dumps(body, default=str, option=orjson.OPT_UTC_Z)
    return Response(data, status, {"cache-control": "no-store"}, media_type="application/json")


routes = [
    Route("/auth/enrol", post_enrol, methods=["POST"]),
    Route("/auth/refresh", post_refresh, methods=["POST"]),
    Route("/auth/sign-out", post_sign_out, methods=["POST"]),
    Route("/auth/enrolment-codes", post_enrolment_code, methods=["POST"]),
]
