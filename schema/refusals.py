"""How a plain mutation runs, in every contract: one transaction, and refusals that are data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import strawberry
from strawberry.types import Info

from patrol.constraints import problem_of
from patrol.errors import Problem
from schema.context import Context
from schema.enums import ErrorCode
from storage.database import Connection

T = TypeVar("T")


@strawberry.type(
    description="Nothing was done. `whatToDo` says what would help; the code is stable."
)
class Refusal:
    code: ErrorCode
    message: str
    what_to_do: str


@strawberry.type
class Done:
    """What every plain mutation answers. Each noun has a type of its own that adds the row as it stands afterwards."""

    id: UUID | None = strawberry.field(default=None, description="What was added or changed.")
    refusal: Refusal | None = None


async def attempt(context: Context, rule: Callable[[Connection], Awaitable[T]]) -> T | Problem:
    """Runs a rule in one transaction of who asks, or says why it refused; each contract has a type of its own for that."""
    try:
        async with context.database.write(context.principal) as connection:
            return await rule(connection)
    except Problem as problem:
        return problem
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        kind, detail = problem_of(error)
        field = detail.get("field")
        return kind(f"{kind.default_message()[:-1]}: {field}." if field else None)


async def act(info: Info[Context, Any], rule: Callable[[Connection], Awaitable[T]]) -> T | Refusal:
    """Runs a rule in one transaction of the officer, or says why it refused."""
    outcome = await attempt(info.context, rule)
    return refusal_of(outcome) if isinstance(outcome, Problem) else outcome


def refusal_of(problem: Problem) -> Refusal:
    """A refusal as data."""
    return Refusal(
        code=ErrorCode[problem.code], message=problem.message, what_to_do=problem.what_to_do
    )
