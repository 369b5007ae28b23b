"""Turns problems and our own mistakes into GraphQL errors, and logs the mistakes without anybody's data."""

import secrets
import traceback
from typing import Any

import orjson
import structlog

from patrol.errors import Internal, Problem

log = structlog.get_logger(__name__)

_CAUSES = 8


def errors_of(problem: Problem) -> list[dict[str, Any]]:
    """The `errors` member that tells of one problem."""
    return [{"message": problem.message, "extensions": problem.as_extensions()}]


def body_of(problem: Problem) -> bytes:
    """A whole GraphQL response that tells of one problem."""
    return orjson.dumps({"errors": errors_of(problem)})


def mistake(error: BaseException, transport: str) -> Internal:
    """Log an exception nobody expected, once, and give what the client may know of it.

    The log has the types and the places but neither messages nor local values: a driver's message quotes the
    values of its statement, which may be coordinates. `reference` joins the answer to the log line.
    """
    reference = secrets.token_hex(6)
    log.error(
        "graphql_failed", transport=transport, reference=reference, error=_name(error),
        trail=_trail(error),
    )  # fmt: skip
    return Internal(reference=reference)


def _trail(error: BaseException) -> list[str]:
    """Exception types and code places from the outermost error to its causes."""
    trail: list[str] = []
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting and len(seen) < _CAUSES:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        trail.append(_name(current))
        trail += [
            f"  {frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(current.__traceback__)
        ]
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions
        if cause := current.__cause__ or current.__context__:
            waiting.append(cause)
    return trail


def _name(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"
