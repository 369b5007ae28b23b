"""Conditions that have indexes of their own, so that a page never reads a whole scope to find its few rows.

A page under several scopes is one bounded index scan for each (see `statements.page`). A condition that takes one of
several values would make each of them read past all rows of other values. Declared as `Among`, each value becomes a scan
of its own; declared as `Sought`, a text is looked up first where that is shorter. Both are plain conditions anywhere else.
What no index serves is declared as `Beside`, so that PostgreSQL goes on reading in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    false,
    func,
    or_,
    select,
    true,
)

Finder: TypeAlias = Callable[[ColumnElement[Any], ColumnElement[Any], ColumnElement[Any]], Any]


@dataclass(frozen=True, slots=True)
class Among:
    """The column has one of the values, an array. An index goes on with the column `along` after it.

    `every`: these are all values there are, named only because the index has the column before others.
    `held`: conditions on columns that the index holds at its end. A scan for one value checks them without a look at the
    table; anywhere else they are asked beside.
    """

    column: ColumnElement[Any]
    values: ColumnElement[Any]
    along: str
    every: bool = False
    held: tuple[ColumnElement[bool], ...] = ()

    def plain(self) -> ColumnElement[bool]:
        if self.every:
            return true()
        return and_(self.column == any_(self.values), *(Beside(one).plain() for one in self.held))

    def each(self, number: int) -> FromClause:
        """The values as rows, each once: the same one twice would bring its rows twice."""
        return select(func.unnest(self.values).label("value")).distinct().subquery(f"among{number}")


@dataclass(frozen=True, slots=True)
class Sought:
    """One of the columns holds the text, whatever its case.

    `finder` makes, of the scopes, the time from which on older rows are wanted (or null) and whether that is the time of
    updates, the SQL that answers the ids of all rows that may hold it, or null where they are too many.
    """

    columns: tuple[ColumnElement[Any], ...]
    text: ColumnElement[Any]
    finder: Finder | None = None

    def plain(self) -> ColumnElement[bool]:
        text: ColumnElement[Any] = cast(self.text, Text)
        for special in ("\\", "%", "_"):
            text = func.replace(text, special, "\\" + special)
        pattern = func.concat("%", text, "%")
        return Beside(or_(*(column.ilike(pattern) for column in self.columns))).plain()


@dataclass(frozen=True, slots=True)
class Beside:
    """A condition that is asked of each row a scan brings, because no index that the list is read by serves it.

    PostgreSQL guesses that a comparison whose value it does not know yet keeps one row in two hundred, two of them one in
    forty thousand. It then reads a whole scope by any index and sorts, rather than in order until a page is full. What it
    cannot look into it takes to keep every other row.
    """

    condition: ColumnElement[bool]

    def plain(self) -> ColumnElement[bool]:
        return func.coalesce(self.condition, false())


Condition: TypeAlias = ColumnElement[bool] | Among | Sought | Beside


def plain(condition: Condition) -> ColumnElement[bool]:
    """A condition that is asked of each row."""
    return condition.plain() if isinstance(condition, Among | Sought | Beside) else condition


class Asked(Protocol):
    """The value of an argument that checks itself and becomes several values of a statement.

    `asked` answers its form, which the SQL depends on, and the values by name.
    """

    def asked(self) -> tuple[str, Mapping[str, Any]]: ...


FORMS: dict[str, tuple[str, ...]] = {}
"""The forms of such arguments, by the name of their GraphQL type."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Such an argument where SQL is built: its form, and bind parameters as attributes."""

    name: str
    form: str

    def __getattr__(self, part: str) -> Any:
        return bindparam(f"{self.name}_{part}")


def spread(filters: Mapping[str, Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The names that a statement is built with, `name` or `name:form`, and the values that it is run with.

    Raises:
        VariableInvalid: an argument makes no sense.
    """
    names: list[str] = []
    values: dict[str, Any] = {}
    for name in sorted(filters):
        value = filters[name]
        if hasattr(value, "asked"):
            form, parts = value.asked()
            names.append(f"{name}:{form}")
            values.update((f"{name}_{part}", one) for part, one in parts.items())
        else:
            names.append(name)
            values[name] = value
    return tuple(names), values


def parameters(names: Sequence[str]) -> dict[str, Any]:
    """What a list's function is called with where SQL is built."""
    given: dict[str, Any] = {}
    for one in names:
        name, _, form = one.partition(":")
        given[name] = Parts(name, form) if form else bindparam(name)
    return given
