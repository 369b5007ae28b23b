"""What is said beside a mutation, and beside the rows in its answer, so that both are declared where they are read."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import strawberry
from sqlalchemy import ColumnElement
from strawberry.types import Info

from schema.context import Context
from schema.planner.reads import READ, Columns

Rule = Callable[..., Awaitable[Any]]
"""What a mutation does: `rule(context, **arguments)`."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A row in a mutation's answer: `key` finds its id in the answer, `where` says which rows are shown at all."""

    key: Callable[[Any], Any]
    where: Callable[[Columns], ColumnElement[bool]] | None


@dataclass(frozen=True, slots=True)
class Sift:
    """A list of which each entry is taken or refused by itself: the argument, and which misfits the rule can answer at all."""

    argument: str
    answerable: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class ShortWay:
    """A mutation whose variables msgspec may decode; see `schema.mutations.short`."""

    rule: Rule
    sift: Sift | None = None


def planned(
    key: str | Callable[[Any], Any],
    *,
    where: Callable[[Columns], ColumnElement[bool]] | None = None,
    **options: Any,
) -> Any:
    """Declares a row in a mutation's answer: the planner reads it after the commit, as who asks may see it then.

    Args:
        key: what the row is found by: an attribute of the answer, or a function of it. None: there is no row.
        where: a further condition, such as that the row is not deleted.
    """
    found = attrgetter(key) if isinstance(key, str) else key
    return strawberry.field(default=None, metadata={READ: Planned(found, where)}, **options)


def short_way(*, sift: Sift | None = None, **options: Any) -> Callable[[Rule], Any]:
    """Declares a mutation with a short way in: for an operation of it alone, with variables that fit at once.

    The rule is called as `rule(context, **arguments)`, either way with the same values; inputs come as structs or as
    Strawberry's dataclasses, with the same attributes.

    Args:
        sift: entries of this argument that do not fit come as they were sent, in `context.unread`, instead of refusing the
            whole request. An operation that has no short way is refused whole.
    """

    def declare(rule: Rule) -> Any:
        @functools.wraps(rule)
        async def resolver(info: Info[Context, None], **given: Any) -> Any:
            return await rule(info.context, **given)

        signature = inspect.signature(rule)
        asks = inspect.Parameter(
            "info", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Info[Context, None]
        )
        resolver.__signature__ = signature.replace(  # type: ignore[attr-defined] # set on purpose
            parameters=[asks, *list(signature.parameters.values())[1:]]
        )
        del resolver.__wrapped__  # or the rule's own signature would be found
        return strawberry.mutation(resolver, metadata={READ: ShortWay(rule, sift)}, **options)

    return declare
