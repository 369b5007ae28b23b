"""What all doors of cameras and poles share: refusals that are logged and wait for no body, and ids in addresses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from uuid import UUID

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from api.hang_up import LastAnswer
from api.problems import answer, as_problem
from patrol.errors import Problem
from storage.faults import StorageFault

log = structlog.get_logger(__name__)

SIGNAL_BYTES = 64 * 1024
"""Largest body that is swallowed for the sake of its connection after an answer that did not need it."""

Endpoint = Callable[[Request], Awaitable[Response]]


def answering(endpoint: Endpoint) -> Endpoint:
    """Answers refusals, also where a body is still on its way."""

    @wraps(endpoint)
    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (Problem, StorageFault) as error:
            problem = as_problem(error)
            # The device by the id in its address; never the address itself, which may hold a secret.
            device = request.path_params.get("post_id") or request.path_params.get("camera_id")
            log.warning("device_refused", code=problem.code, device=str(device)[:40])
            return before_its_body(request, answer(problem))
        except ClientDisconnect:
            # Nobody is left to read this; what had arrived is gone with its temporary file.
            return Response(status_code=400)

    return answered


def id_in(request: Request, name: str, unknown: type[Problem]) -> UUID:
    """The id in an address. Raises `unknown` when it is none."""
    try:
        return UUID(request.path_params[name])
    except ValueError:
        raise unknown from None


def declared_length(request: Request) -> int | None:
    """The length that the head of a request states."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdecimal() and declared.isascii() else None


def before_its_body(request: Request, response: Response) -> Response:
    """An answer that waits for no body, and hangs up where the rest of the body would be too much to swallow."""
    length = declared_length(request)
    endless = length is None and "transfer-encoding" in request.headers
    return LastAnswer.of(response) if endless or (length or 0) > SIGNAL_BYTES else response
