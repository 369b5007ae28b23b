"""How a GraphQL type says, beside its fields, what each of them reads from the database.

A type is declared once::

    @reads(tables.Incident)
    class Incident:
        id: UUID                                     # the column of the same name
        zone: Zone | None = one("zone_id")           # the row that a column points to
        age_seconds: float = computed("occurred_at", by=age)   # a function on the row

What such a function takes beyond the columns are arguments of the field: `def distance(reading, latitude, longitude,
origin: PointInput)`.

Lists are functions that say which rows belong to them; they run when SQL is built, with bind parameters for
arguments::

    @page(returns=IncidentConnection, order={"OCCURRED": Order("occurred_at", descending=True)})
    def incidents(row: Columns, zone_id: UUID | None = None) -> Conditions:
        if zone_id is not None:
            yield row.zone_id == zone_id

Below rows the same is written with `@many("zone_id", returns=…)`: a list of rows, a connection, or a union of one with a
refusal.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar, dataclass_transform
from uuid import UUID

import strawberry
from sqlalchemy import FromClause, Table
from sqlmodel import SQLModel

from patrol.errors import Problem
from schema.context import Context
from schema.planner.branches import Condition
from storage.database import Connection

READ = "patrol-read"
"""Key of a field's declaration in Strawberry's field metadata."""

MOST = "patrol-most"
"""Key of the longest that a list of plain values can be, in the same metadata; see `at_most`."""

Columns = Any
"""The columns of the table that a list reads, by name: `row.zone_id`."""

T = TypeVar("T")


@dataclass(slots=True)
class Reading:
    """What one operation reads with: who asks, on which connection, at what time.

    `afterwards` is done when the connection has been given back, and before the answer is.
    """

    context: Context
    connection: Connection
    scopes: Sequence[UUID]
    now: datetime
    afterwards: list[Callable[[], Awaitable[None]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Column:
    """A leaf that is a column."""

    name: str


@dataclass(frozen=True, slots=True)
class Computed:
    """A leaf that is a function of columns of its row, called as `by(reading, *values, **arguments)`."""

    needs: tuple[str, ...]
    by: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Hop:
    """A table on the way to a related row: `local` of the table before equals `remote` of this one."""

    table: Table | None
    local: str
    remote: str


@dataclass(frozen=True, slots=True)
class One:
    """A single related row, read by a join in the statement of its parent."""

    hops: tuple[Hop, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """An order of a list, made total by the id. The column must not be null."""

    column: str
    descending: bool = False


Conditions = Iterator[Condition]
"""What a list's function yields: which rows belong to it."""

Declared = Callable[..., Conditions]
Admit = Callable[[Reading, Mapping[str, Any]], Awaitable[Sequence[UUID] | None]]
AdmitParents = Callable[
    [Reading, Sequence[Any], Mapping[str, Any]], Awaitable[Mapping[Any, Problem]]
]
"""Why some parents of a list are refused, by their keys (UUIDs as text)."""


@dataclass(frozen=True, slots=True)
class Many:
    """The rows that point to a parent: one statement for all parents. `admit` names the parents that are refused."""

    local: str
    remote: str
    order: Mapping[str, Order]
    conditions: Declared
    limit: int
    admit: AdmitParents | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A root list as a keyset connection. `admit` refuses, or names the scopes that are read."""

    order: Mapping[str, Order]
    conditions: Declared
    limit: int
    admit: Admit


@dataclass(frozen=True, slots=True)
class Single:
    """A root row."""

    conditions: Declared
    admit: Admit


Resolve = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Composed:
    """A root whose values are computed by a rule, with table-backed lists in it that the rule reads by the planner's
    selections. Called as `by(reading, selections, **arguments)`. Its lists hold `rows` rows together at most, or `first`.
    """

    by: Resolve
    rows: int


@dataclass(frozen=True, slots=True)
class Source:
    """The table or view that a type's rows come from."""

    table: FromClause
    key: str = "id"
    scope: str | None = "scope_id"
    columns: Mapping[str, str] = field(default_factory=dict)


def column(name: str, **options: Any) -> Any:
    """A leaf that reads a column of another name."""
    return strawberry.field(metadata={READ: Column(name)}, **options)


def computed(*needs: str, by: Callable[..., Any], **options: Any) -> Any:
    """A leaf that is computed from columns of its row.

    Args:
        by: called as `by(reading, *values)`; its further parameters are the arguments of the field.
    """
    if takes_arguments(by, len(needs)):
        options["resolver"] = _declared(by, 1 + len(needs), None)
    return strawberry.field(metadata={READ: Computed(needs, by)}, **options)


def takes_arguments(by: Callable[..., Any], needs: int) -> bool:
    """Whether a computed leaf's function has parameters beyond the reading and its columns."""
    parameters = inspect.signature(by).parameters.values()
    named = [one for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    return len(named) > 1 + needs


def one(
    local: str,
    remote: str = "id",
    *,
    through: tuple[type[SQLModel], str, str] | None = None,
    **options: Any,
) -> Any:
    """A related row: the one whose `remote` column equals our `local` one.

    Args:
        through: a side table in between as (table, its column for our `local`, its column for their `remote`).
    """
    hops: tuple[Hop, ...]
    if through is None:
        hops = (Hop(None, local, remote),)
    else:
        table, entry, out = through
        hops = (Hop(table_of(table), local, entry), Hop(None, out, remote))
    return strawberry.field(metadata={READ: One(hops)}, **options)


def _declared(function: Callable[..., Any], hidden: int, returns: Any) -> Callable[..., Any]:
    """A list's or rule's arguments as Strawberry sees them: without the first ones, which the planner hands in."""

    @functools.wraps(function)
    def planned(*_: Any, **__: Any) -> Any:
        raise AssertionError(f"{function.__name__} is read by the planner, never by a resolver")

    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[hidden:]
    answer = signature.return_annotation if returns is None else returns
    planned.__signature__ = signature.replace(  # type: ignore[attr-defined]  # set on purpose
        parameters=parameters, return_annotation=answer
    )
    del planned.__wrapped__  # or the hidden parameters would be found again
    return planned


def many(
    remote: str,
    *,
    returns: Any = None,
    local: str = "id",
    order: Mapping[str, Order],
    limit: int = 200,
    admit: AdmitParents | None = None,
    **options: Any,
) -> Callable[[Callable[..., Any]], Any]:
    """Declares a list of rows whose `remote` column points to our `local` one.

    It is what `returns` says: a list of the rows, a connection of them, or a union of the connection with a refusal, by
    which `admit` answers for the parents that it refuses.
    """

    def declare(function: Callable[..., Any]) -> Any:
        read = Many(local, remote, order, function, limit, admit)
        return strawberry.field(_declared(function, 1, returns), metadata={READ: read}, **options)

    return declare


async def own_scopes(reading: Reading, _: Mapping[str, Any]) -> Sequence[UUID] | None:
    """Admits everybody to what their own scopes hold."""
    return reading.scopes


async def all_scopes(_: Reading, __: Mapping[str, Any]) -> Sequence[UUID] | None:
    """Admits without a scope predicate; the row policies decide alone."""
    return None


def page(
    *,
    returns: Any = None,
    order: Mapping[str, Order],
    limit: int = 200,
    admit: Admit = own_scopes,
    **options: Any,
) -> Callable[[Callable[..., Any]], Any]:
    """Declares a root list as a keyset connection of at most `limit` rows a page."""

    def declare(function: Callable[..., Any]) -> Any:
        read = Page(order, function, limit, admit)
        return strawberry.field(_declared(function, 1, returns), metadata={READ: read}, **options)

    return declare


def single(
    *, returns: Any = None, admit: Admit = own_scopes, **options: Any
) -> Callable[[Callable[..., Any]], Any]:
    """Declares a root that is one row or null."""

    def declare(function: Callable[..., Any]) -> Any:
        read = Single(function, admit)
        return strawberry.field(_declared(function, 1, returns), metadata={READ: read}, **options)

    return declare


def composed(returns: Any, by: Resolve, *, rows: int = 200, **options: Any) -> Any:
    """Declares a root that a rule composes: `by(reading, selections, **arguments)`; its further parameters are the
    arguments of the field. A rule that may answer None is declared with `returns` of that type.

    Args:
        rows: how many rows its lists can have, all together; `first` asks for fewer.
    """
    read = Composed(by, rows)
    return strawberry.field(_declared(by, 2, returns), metadata={READ: read}, **options)


def at_most(rows: int) -> dict[str, int]:
    """The metadata of a list that a resolver or a rule makes: what it holds counts so often in the cost of an operation."""
    return {MOST: rows}


def table_of(declared: Any) -> Table:
    """The table of an SQLModel class; a table or view as it is."""
    table: Table = getattr(declared, "__table__", declared)
    return table


@dataclass_transform(kw_only_default=True)
def reads(
    table: Any, *, name: str | None = None, key: str = "id", scope: str | None = "scope_id"
) -> Callable[[type[T]], type[T]]:
    """Makes a class a GraphQL type whose rows come from `table`.

    Args:
        table: an SQLModel table or an SQLAlchemy table (a view, for partners).
        name: the GraphQL name, where it differs from the class's.
        key: the column that identifies a row.
        scope: the column that decides who reads a row; None where the policies decide alone.
    """
    source = Source(table_of(table), key, scope)

    def declare(cls: type[T]) -> type[T]:
        for attribute in inspect.get_annotations(cls):
            if attribute not in cls.__dict__:
                setattr(cls, attribute, column(attribute))
        made = strawberry.type(cls, name=name, description=inspect.getdoc(cls))
        made.__reads__ = source  # type: ignore[attr-defined] # read back by the planner
        return made

    return declare
