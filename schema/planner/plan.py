"""A plan: what each root of an operation reads, and how the rows become its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
    VariableValues,
    get_named_type,
)

from patrol.errors import Problem
from schema.planner import keyset, statements
from schema.planner.arguments import RESERVED, Arguments, Converter, first_of, order_of
from schema.planner.connection import PageRows, connection
from schema.planner.levels import Level, expand, levels
from schema.planner.reads import (
    Composed,
    Page,
    Reading,
    Single,
    all_scopes,
    own_scopes,
)
from schema.planner.select import (
    Document,
    Selection,
    Shape,
    connection_of,
    object_type,
    read_of,
    source_of,
    subselections,
)
from schema.planner.values import Give, always, listed, member, plain, python_name
from schema.planner.variants import Variants


class Root(Protocol):
    """One root field of an operation, compiled. `alone`: a single statement answers it, so it needs no transaction."""

    @property
    def alone(self) -> bool: ...

    async def answer(self, reading: Reading, variables: VariableValues | None) -> Any: ...


@dataclass(slots=True)
class PageRoot:
    """A root list as a connection, or as a union of the connection and a refusal."""

    read: Page
    arguments: Arguments
    selection: Selection
    below: list[Level]
    give: Callable[[PageRows], Any]
    refuse: Give | None
    counted: bool
    variants: Variants = field(default_factory=Variants)

    @property
    def alone(self) -> bool:
        return not self.below and self.read.admit in (own_scopes, all_scopes)

    async def answer(self, reading: Reading, variables: VariableValues | None) -> Any:
        try:
            return self.give(await self._page(reading, variables))
        except Problem as problem:
            if self.refuse is None:
                raise
            return self.refuse(problem)

    async def _page(self, reading: Reading, variables: VariableValues | None) -> PageRows:
        given = self.arguments.read(variables)
        first = first_of(given, self.read.limit)
        name, order = order_of(given, self.read.order)
        filters = {key: value for key, value in given.items() if key not in RESERVED}
        bound: dict[str, Any] = {**filters, "_limit": first + 1}
        after = given.get("after")
        if after is not None:
            columns = self.selection.rows.c
            bound["_after_value"], bound["_after_key"] = keyset.decode(
                after, name, columns[order.column].type, columns[self.selection.source.key].type
            )
        scopes = await self.read.admit(reading, given)
        if scopes is not None:
            bound["_scopes"] = list(scopes)
        shape = (name, after is not None, scopes is None, *sorted(filters))
        statement = self.variants.get(
            shape,
            lambda: statements.page(
                self.selection,
                self.read.conditions,
                order,
                given=sorted(filters),
                after=after is not None,
                scoped=scopes is not None,
                counted=self.counted,
            ),
        )
        rows = await reading.connection.fetch(statement.sql, *statement.values(bound))
        total = None
        if self.counted:
            total = rows[0][-1]
            rows = [row for row in rows if row["_key"] is not None]
        lists = await expand(self.below, rows[:first], reading, variables)
        return PageRows(
            rows[:first], reading, lists, name, len(rows) > first, after is not None, total
        )


@dataclass(slots=True)
class SingleRoot:
    """A root row."""

    read: Single
    arguments: Arguments
    selection: Selection
    below: list[Level]
    shape: Shape
    variants: Variants = field(default_factory=Variants)

    @property
    def alone(self) -> bool:
        return not self.below and self.read.admit in (own_scopes, all_scopes)

    async def answer(self, reading: Reading, variables: VariableValues | None) -> Any:
        given = self.arguments.read(variables)
        scopes = await self.read.admit(reading, given)
        shape = (scopes is None, *sorted(given))
        statement = self.variants.get(
            shape,
            lambda: statements.single(
                self.selection, self.read.conditions, given=sorted(given), scoped=scopes is not None
            ),
        )
        bound = given if scopes is None else {**given, "_scopes": list(scopes)}
        row = await reading.connection.fetchrow(statement.sql, *statement.values(bound))
        if row is None:
            return None
        lists = await expand(self.below, [row], reading, variables)
        return self.shape(row, reading, lists)


@dataclass(slots=True)
class ComposedRoot:
    """A root that a rule composes: its table-backed lists come as selections, the rest as plain values."""

    read: Composed
    arguments: Arguments
    selections: dict[str, Selection]
    parts: list[tuple[str, str | None, Give | tuple[Shape, list[Level]]]]

    @property
    def alone(self) -> bool:
        return False

    async def answer(self, reading: Reading, variables: VariableValues | None) -> Any:
        given = self.arguments.read(variables)
        value = await self.read.by(reading, self.selections, **given)
        answer: dict[str, Any] = {}
        for key, name, make in self.parts:
            if name is None:
                assert callable(make)
                answer[key] = make(None)
            elif isinstance(make, tuple):
                shape, below = make
                rows = member(value, name)
                lists = await expand(below, rows, reading, variables)
                answer[key] = [shape(row, reading, lists) for row in rows]
            else:
                answer[key] = make(member(value, name))
        return answer


def composed_root(
    document: Document,
    read: Composed,
    field_: GraphQLField,
    nodes: Sequence[FieldNode],
    convert: Converter,
) -> ComposedRoot:
    """Compiles a root that a rule composes."""
    kind = object_type(field_)
    selections: dict[str, Selection] = {}
    parts: list[tuple[str, str | None, Any]] = []
    for key, named in document.collect(kind, subselections(nodes)).items():
        name = named[0].name.value
        if name == "__typename":
            parts.append((key, None, always(kind.name)))
            continue
        inner = kind.fields[name]
        python = python_name(inner)
        target = get_named_type(inner.type)
        if isinstance(target, GraphQLObjectType) and source_of(target) is not None:
            selection = selections.setdefault(python, Selection.of(target))
            shape = selection.compile(document, target, subselections(named))
            parts.append((key, python, (shape, selection)))
        else:
            parts.append((key, python, listed(plain(document, target, subselections(named)))))
    whole = [
        (key, name, (make[0], levels(make[1], convert)) if isinstance(make, tuple) else make)
        for key, name, make in parts
    ]
    return ComposedRoot(read, Arguments(field_, nodes[0], convert), selections, whole)


def root(
    document: Document, field_: GraphQLField, nodes: Sequence[FieldNode], convert: Converter
) -> Root | None:
    """Compiles a root field; None where it is not one that the planner reads."""
    read = read_of(field_)
    arguments = Arguments(field_, nodes[0], convert)
    below = subselections(nodes)
    if isinstance(read, Composed):
        return composed_root(document, read, field_, nodes, convert)
    if isinstance(read, Single):
        kind = object_type(field_)
        selection = Selection.of(kind)
        shape = selection.compile(document, kind, below)
        return SingleRoot(read, arguments, selection, levels(selection, convert), shape)
    if isinstance(read, Page):
        kind, refusal = connection_of(document.schema, field_)
        selection = Selection.of(object_type(kind.fields["nodes"]))
        give, counted = connection(document, kind, selection, below)
        refuse = None if refusal is None else plain(document, refusal, below)
        return PageRoot(
            read,
            arguments,
            selection,
            levels(selection, convert),
            give,
            None if refuse is None else (lambda problem: refuse(as_refusal(problem))),
            counted,
        )
    return None


def as_refusal(problem: Problem) -> dict[str, Any]:
    """A refusal as data."""
    return {"code": problem.code, "message": problem.message, "what_to_do": problem.what_to_do}
