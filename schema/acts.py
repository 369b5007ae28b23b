"""How an administrator's mutations run: one transaction with its audit entry, and refusals that are data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import strawberry
from strawberry.types import Info

from patrol.errors import NotAllowed, Problem, VariableInvalid
from schema.context import Context
from schema.enums import ErrorCode
from schema.planner import Reading
from schema.refusals import attempt
from storage.database import Connection
from storage.principal import Principal, PrincipalKind
from storage.stations import READ_ALL_SCOPES

T = TypeVar("T")
D = TypeVar("D", bound="AdminDone")

AdminInfo = Info[Context, None]


@strawberry.type(
    name="Refusal",
    description="Nothing was done. `whatToDo` says what would help; the code is stable.",
)
class AdminRefusal:
    code: ErrorCode
    message: str
    what_to_do: str


@strawberry.type
class AdminDone:
    """What every act answers. Each noun has a type of its own that adds the row as it stands afterwards."""

    id: UUID | None = strawberry.field(default=None, description="What was added or changed.")
    refusal: AdminRefusal | None = None


@strawberry.type
class AdminIssued:
    """What every act answers that makes a secret; see `AdminDone`."""

    id: UUID | None = None
    secret: str | None = strawberry.field(
        default=None, description="Shown this once: only its SHA-256 is kept."
    )
    expires_at: datetime | None = None
    refusal: AdminRefusal | None = None


def require_administrator(principal: Principal) -> None:
    """Refuses everybody else.

    The row policies show nothing to another principal, but the writing role trusts the rules.

    Raises:
        NotAllowed: who asks is no administrator.
    """
    if principal.kind is not PrincipalKind.ADMIN:
        raise NotAllowed("This contract is for administrators.")


async def administrators(reading: Reading, arguments: Mapping[str, Any]) -> Sequence[UUID] | None:
    """Admits administrators to every row; for others an empty page would look like "there is nothing".

    Raises:
        NotAllowed: who asks is no administrator.
        VariableInvalid: a text that PostgreSQL cannot hold, so nothing can equal it.
    """
    require_administrator(reading.context.principal)
    for name, value in arguments.items():
        if isinstance(value, str) and "\0" in value:
            raise VariableInvalid(f"`{name}` holds the character NUL.")
    return None


async def administrators_by_scope(
    reading: Reading, arguments: Mapping[str, Any]
) -> Sequence[UUID] | None:
    """Admits administrators to all scopes, or to those of the station or zone that they ask for, so that a long list is
    read by the indexes that begin with a scope; without them each page would sort the whole table.

    Raises:
        NotAllowed: who asks is no administrator.
    """
    await administrators(reading, arguments)
    zone = arguments.get("zone_id")
    if zone is not None:
        return [zone]
    rows = await reading.connection.fetch(READ_ALL_SCOPES, arguments.get("station_id"))
    return [row["id"] for row in rows]


async def act(info: AdminInfo, rule: Callable[[Connection], Awaitable[T]]) -> T | AdminRefusal:
    """Runs a rule in one transaction of the administrator, or says why it refused.

    Raises:
        Problem: who asks is no administrator, or our side is not able to answer.
    """
    require_administrator(info.context.principal)
    outcome = await attempt(info.context, rule)
    return refusal_of(outcome) if isinstance(outcome, Problem) else outcome


async def done(
    answer: type[D],
    info: AdminInfo,
    rule: Callable[[Connection], Awaitable[object]],
    id: UUID | None = None,
) -> D:
    """As `act`, for a rule that returns the id of what it made, or that changes what `id` names."""
    outcome = await act(info, rule)
    if isinstance(outcome, AdminRefusal):
        return answer(refusal=outcome)
    return answer(id=outcome if isinstance(outcome, UUID) else id)


def refusal_of(problem: Problem) -> AdminRefusal:
    """A refusal as data."""
    return AdminRefusal(
        code=ErrorCode[problem.code], message=problem.message, what_to_do=problem.what_to_do
    )
