"""One way to refuse over plain HTTP: the catalogue's problem as JSON, with the headers that its status asks for."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from starlette.responses import Response

from api.graphql.refusals import mistake
from patrol.errors import MethodNotAllowed, NotSignedIn, Problem, Unavailable
from patrol.faults import problem_behind

RETRY_SECONDS = 5
"""What a client is told to wait when our side cannot answer: as long as a PostgreSQL or a store takes to come back."""


def as_problem(error: Exception) -> Problem:
    """The catalogue's word for what was raised. A fault that no client can answer is logged and becomes `Internal`.

    A fault's own message is for operators, who find it in the log, so the client gets the catalogue's.
    """
    if isinstance(error, Problem):
        return error
    return problem_behind(error) or mistake(error, "http")


def answer(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The response that tells of one problem: `{"error": {"code", "message", "whatToDo", …}}`."""
    told = {"message": problem.message, **problem.as_extensions()}
    sent = {"cache-control": "no-store", **(headers or {})}
    if isinstance(problem, NotSignedIn):
        # A camera that knows Basic sends its key only after it was asked for.
        schemes = problem.extra.get("schemes", ["Bearer"])
        sent["www-authenticate"] = ", ".join(f'{scheme} realm="patrol"' for scheme in schemes)
    if isinstance(problem, MethodNotAllowed) and "allow" in problem.extra:
        sent["allow"] = str(problem.extra["allow"])
    if "retryAfter" in problem.extra:
        sent["retry-after"] = str(problem.extra["retryAfter"])
    elif isinstance(problem, Unavailable):
        sent["retry-after"] = str(RETRY_SECONDS)
    return Response(
        orjson.dumps({"error": told}, default=str),
        problem.http_status,
        sent,
        media_type="application/json",
    )
