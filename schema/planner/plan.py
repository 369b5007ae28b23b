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
from schema.planner import statements
from schema.planner.arguments import Arguments, Converter
from schema.planner.connection import Asked, PageRows, connection
from schema.planner.connection import Give as GivePage
from schema.planner.levels import Below, expand, levels
from schema.planner.reads import (
    Admit,
    Composed,
    Page,
    Reading,
    Single,
    all_scopes,
    own_scopes,
)
from schema.planner.select import (
    Document,
    Loop,
    Selection,
    Shape,
    connection_of,
    object_type,
    read_of,
    source_of,
    subselections,
)
from schema.planner.values import Give, always, as_refusal, listed, member, plain, python_name
from schema.planner.variants import Variants
from schema.planner.window import Window


class Root(Protocol):
    """One root field of an operation, compiled. `alone`: a single statement answers it, so it needs no transaction."""

    @property
    def alone(self) -> bool: ...

    async def answer(self, reading: Reading, variables: VariableValues | None) -> Any: ...


def _alone(admit: Admit, below: Sequence[Below]) -> bool:
    return admit in (own_scopes, all_scopes) and not any(one.sends for one in below)


@dataclass(slots=True)
class PageRoot:
    """A root list as a connection, or as a union of the connection and a refusal."""

    read: Page
    arguments: Arguments
    selection: Selection
    below: list[Below]
    give: GivePage
    asked: Asked
    refuse: Callable[[Problem], Any] | None
    variants: Variants = field(default_factory=Variants)

    @property
    def alone(self) -> bool:
        return _alone(self.read.admit, self.below)

    async def answer(self, reading: Reading, variables: VariableValues | None) -> Any:
        try:
            return self.give(await self._page(reading, variables))
        except Problem as problem:
            if self.refuse is None:
                raise
            return self.refuse(problem)

    async def _page(self, reading: Reading, variables: VariableValues | None) -> PageRows:
        given = self.arguments.read(variables)
        window = Window.of(self.read, given)
        bound = window.bound(self.selection, window.first + self.asked.peeks)
        scopes = await self.read.admit(reading, given)
        if scopes is not None:
            bound["_scopes"] = scopes
        shape = window.shape
        statement = self.variants.get(
            (scopes is None, *shape),
            lambda: statements.page(
                self.selection,
                self.read.conditions,
                window.order,
                given=shape[2:],
                after=window.after is not None,
                scoped=scopes is not None,
                counted=self.asked.counted,
                placed=self.asked.placed,
            ),
        )
        rows = await reading.connection.fetch(statement.sql, *statement.values(bound))
        total = None
        if self.asked.counted:
            total = rows[0][-1]
            rows = [row for row in rows if row["_key"] is not None]
        more = len(rows) > window.first
        if more:
            rows = rows[: window.first]
        below = await expand(self.below, rows, reading, variables)
        return PageRows(rows, reading, below, window.name, more, window.after is not None, total)


@dataclass(slots=True)
class SingleRoot:
    """A root row."""

    read: Single
    arguments: Arguments
    selection: Selection
    below: list[Below]
    shape: Shape
    variants: Variants = field(default_factory=Variants)

    @property
    def alone(self) -> bool:
        return _alone(self.read.admit, self.below)

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
        bound = given if scopes is None else {**given, "_scopes": scopes}
        row = await reading.connection.fetchrow(statement.sql, *statement.values(bound))
        if row is None:
            return None
        return self.shape(row, reading, await expand(self.below, [row], reading, variables))


@dataclass(slots=True)
class ComposedRoot:
    """A root that a rule composes: its table-backed lists come as selections, the rest as plain values."""

    read: Composed
    arguments: Arguments
    selections: dict[str, Selection]
    parts: list[tuple[str, str | None, Give | tuple[Loop, list[Below]]]]

    @property
    def alone(self) -> bool:
        return False

    async def answer(self, reading: Reading, variables: VariableValues | None) -> Any:
        given = self.arguments.read(variables)
        value = await self.read.by(reading, self.selections, **given)
        if value is None:
            return None
        answer: dict[str, Any] = {}
        for key, name, make in self.parts:
            if name is None:
                assert callable(make)
                answer[key] = make(None)
            elif isinstance(make, tuple):
                loop, below = make
                rows = member(value, name)
                answer[key] = loop(rows, reading, await expand(below, rows, reading, variables))
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
            loop = selection.loop(document, target, subselections(named))
            parts.append((key, python, (loop, selection)))
        else:
            parts.append((key, python, listed(plain(document, target, subselections(named)))))
    whole = [
        (
            key,
            name,
            (make[0], levels(document, make[1], convert)) if isinstance(make, tuple) else make,
        )
        for key, name, make in parts
    ]
    return ComposedRoot(read, Arguments.of(field_, nodes[0], convert), selections, whole)


def root(
    document: Document, field_: GraphQLField, nodes: Sequence[FieldNode], convert: Converter
) -> Root | None:
    """Compiles a root field; None where it is not one that the planner reads."""
    read = read_of(field_)
    arguments = Arguments.of(field_, nodes[0], convert)
    below = subselections(nodes)
    if isinstance(read, Composed):
        return composed_root(document, read, field_, nodes, convert)
    if isinstance(read, Single):
        kind = object_type(field_)
        selection = Selection.of(kind)
        shape = selection.compile(document, kind, below)
        return SingleRoot(read, arguments, selection, levels(document, selection, convert), shape)
    if isinstance(read, Page):
        kind, refusal = connection_of(document.schema, field_)
        selection = Selection.of(object_type(kind.fields["nodes"]))
        give, asked = connection(document, kind, selection, below)
        return PageRoot(
            read,
            arguments,
            selection,
            levels(document, selection, convert),
            give,
            asked,
            None if refusal is None else as_refusal(plain(document, refusal, below)),
        )
    return None
