"""The door that stays open to a revoked phone: it hands in what it holds, is told to erase itself, and reads nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import orjson
from msgspec import Meta, Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.attempts import Attempts, network_of
from api.json_body import read_json
from patrol.errors import DeviceProofInvalid, DeviceWipe, SessionRevoked
from patrol.sync.surrender import confirm_wipe, recognise_surrender, surrender
from schema.surrender import read_batch

if TYPE_CHECKING:
    from api.services import Services

LARGEST = 2 * 1024 * 1024
"""Bytes of one request; a full outbox is handed in by several."""

SessionId = Annotated[str, Meta(min_length=1, max_length=64)]
Proof = Annotated[str, Meta(min_length=1, max_length=4096)]


class Surrendering(Struct, rename="camel"):
    """The body of POST /sync/surrender. `batch` is JSON as text, so that its hash is that of what was sent."""

    session_id: SessionId
    batch: str
    proof: Proof


class Wiped(Struct, rename="camel"):
    """The body of POST /sync/wiped."""

    session_id: SessionId
    proof: Proof


@dataclass(frozen=True)
class SurrenderDesk:
    """What the door of one application remembers: wrong proofs by network, and how often each session came."""

    wrong_proofs: Attempts = field(default_factory=lambda: Attempts(burst=10, seconds=30))
    visits: Attempts = field(default_factory=lambda: Attempts(burst=60, seconds=2))

    @classmethod
    def open(cls, app: Starlette) -> None:
        """Opens the desk of an application."""
        app.state.surrender_desk = cls()


async def post_surrender(request: Request) -> Response:
    """POST /sync/surrender: a revoked phone hands in mutations of one lane. They are kept for a person to decide about."""
    desk, services = _desk(request), _services(request)
    asked = await read_json(request, Surrendering, LARGEST)
    with desk.wrong_proofs.bounded(_network(request), wrong=DeviceProofInvalid):
        phone = await recognise_surrender(
            services.database, asked.session_id, asked.batch, asked.proof
        )
    desk.visits.take(f"session {phone.session}")
    batch = read_batch(asked.batch)
    await surrender(services.database, phone, batch.lane, batch.mutations)
    problem = DeviceWipe if phone.wipe else SessionRevoked
    # How many were new is not told: it would let a thief ask which records the station has.
    told = {"kept": len(batch.mutations), "code": problem.code, "whatToDo": problem.what_to_do}
    return Response(
        orjson.dumps(told), headers={"cache-control": "no-store"}, media_type="application/json"
    )


async def post_wiped(request: Request) -> Response:
    """POST /sync/wiped: a lost phone has erased its copy; saying it twice is no error."""
    desk = _desk(request)
    asked = await read_json(request, Wiped)
    with desk.wrong_proofs.bounded(_network(request), wrong=DeviceProofInvalid):
        await confirm_wipe(_services(request).database, asked.session_id, asked.proof)
    return Response(status_code=204, headers={"cache-control": "no-store"})


def _desk(request: Request) -> SurrenderDesk:
    desk: SurrenderDesk = request.app.state.surrender_desk
    return desk


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _network(request: Request) -> str:
    return f"network {network_of(request.client.host if request.client else None)}"


routes = [
    Route("/sync/surrender", post_surrender, methods=["POST"]),
    Route("/sync/wiped", post_wiped, methods=["POST"]),
]
