"""The sign-in as an app uses it, and an address behind each door that says whom it let in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api import signin
from api.live import Live
from api.problems import answer, as_problem
from api.push.silent import SilentNotifier
from api.services import Services
from api.settings import Settings
from api.telling import AppriseTeller
from patrol.errors import Problem
from patrol.keys import KeySet
from storage.buckets import ObjectStore
from storage.database import Database
from storage.faults import StorageFault
from storage.principal import Principal, Role
from tests import personas
from tests.conftest import SECRET
from tests.signing_phone import SigningPhone
from tests.world import World

Door = Callable[[Request], Awaitable[Principal]]
DOORS: dict[str, tuple[Door, Role]] = {
    "phone": (signin.authenticate_officer, Role.PHONE),
    "partner": (signin.authenticate_partner, Role.PARTNER),
    "device": (signin.authenticate_device, Role.WRITER),
    "admin": (signin.authenticate_admin, Role.ADMIN),
}


def doorway(name: str) -> Route:
    """An address that serves whom the door lets in, and says who that is."""
    authenticate, role = DOORS[name]

    async def enter(request: Request) -> Response:
        principal = await authenticate(request)
        async with request.app.state.services.database.enter(role, principal):
            return JSONResponse({"principal": str(principal)})

    return Route(f"/{name}", enter)


async def refuse(_: Request, error: Exception) -> Response:
    return answer(as_problem(error))


def bearer(credential: str) -> dict[str, str]:
    return {"authorization": f"Bearer {credential}"}


@dataclass
class Desk:
    """The sign-in as an app uses it."""

    client: httpx.AsyncClient
    world: World
    keys: KeySet

    async def code(self, officer: UUID) -> str:
        token = await personas.token_of_officer(self.world, self.keys, self.world.prasert)
        response = await self.client.post(
            "/auth/enrolment-codes", json={"officerId": str(officer)}, headers=bearer(token)
        )
        assert response.status_code == 201, response.text
        return str(response.json()["code"])

    def enrolment(self, phone: SigningPhone, code: str, /, **changed: Any) -> dict[str, Any]:
        body = {
            "code": code,
            "publicKey": phone.jwk,
            "proof": phone.enrol_proof(code),
            "platform": "android",
            "model": "Test",
            "appVersion": "1.0",
        }
        return {**body, **changed}

    async def enrol(self, phone: SigningPhone, code: str) -> httpx.Response:
        return await self.client.post("/auth/enrol", json=self.enrolment(phone, code))

    async def refresh(self, phone: SigningPhone, token: str) -> httpx.Response:
        body = {"refreshToken": token, "proof": phone.refresh_proof(token)}
        return await self.client.post("/auth/refresh", json=body)


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["cache-control"] == "no-store"
    error: dict[str, Any] = response.json()["error"]
    assert error["message"]
    assert error["whatToDo"]
    return error


@asynccontextmanager
async def client_of(
    database: Database, keys: KeySet, store: ObjectStore
) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of an application that has only the sign-in and the doorways."""
    app = Starlette(
        routes=[*signin.routes, *map(doorway, DOORS)],
        exception_handlers={Problem: refuse, StorageFault: refuse},
    )
    settings = Settings(public_url="https://patrol.example")
    app.state.services = Services(
        settings,
        database,
        keys,
        store,
        Live(database.url),
        SilentNotifier(),
        AppriseTeller(SECRET),
    )
    transport = httpx.ASGITransport(app, client=("198.51.100.7", 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as opened:
        yield opened
