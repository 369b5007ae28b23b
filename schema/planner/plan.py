"""A plan: what each root of an operation reads, and how the rows become its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol
from uuid import UUID

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLUnionType,
    VariableValues,
    get_named_type,
)
from graphql.execution.values import get_argument_values
from strawberry.types.arguments import convert_arguments

from patrol.errors import PageSizeInvalid, Problem
from schema.planner import keyset, statements
from schema.planner.reads import (
    Composed,
    Order,
    Page,
    Reading,
    Single,
)
from schema.planner.select import (
    Child,
    Document,
    PlanError,
    Row,
    Selection,
    Shape,
    object_type,
    read_of,
    source_of,
    subselections,
)
from storage.statements import Statement

Give = Callable[[Any], Any]
Converter = Callable[[GraphQLField, dict[str, Any]], dict[str, Any]]

RESERVED = ("first", "after", "order")
"""Arguments of lists that the planner serves itself."""


class Root(Protocol):
    """One root field of an operation, compiled."""

    async def answer(self, reading: Reading, variables: VariableValues | None) -> Any: ...


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one field: constants are read once, variables at each run."""

    field: GraphQLField
    node: FieldNode
    convert: Converter

    def read(self, variables: VariableValues | None) -> dict[str, Any]:
        """Values by Python name; a null counts as not given."""
        if not self.field.args:
            return {}
        values = get_argument_values(self.field, self.node, variables)
        return {
            name: value
            for name, value in self.convert(self.field, values).items()
            if value is not None
        }


def converter(schema: Any) -> Converter:
    """Turns GraphQL values into the Python ones that a Strawberry schema declares."""
    registry, config = schema.schema_converter.scalar_registry, schema.config

    def convert(field_: GraphQLField, values: dict[str, Any]) -> dict[str, Any]:
        definition = field_.extensions["strawberry-definition"]
        return convert_arguments(values, definition.arguments, registry, config)

    return convert


def always(value: Any) -> Callable[..., Any]:
    """Gives the same whatever it is asked about, as `__typename` does."""
    return lambda *_: value


def _first(arguments: Mapping[str, Any], limit: int) -> int:
    first = int(arguments.get("first", min(50, limit)))
    if not 1 <= first <= limit:
        raise PageSizeInvalid(f"`first` must be between 1 and {limit}, not {first}.", limit=limit)
    return first


def _order(arguments: Mapping[str, Any], orders: Mapping[str, Order]) -> tuple[str, Order]:
    chosen = arguments.get("order")
    name = str(chosen.value if isinstance(chosen, Enum) else chosen or next(iter(orders)))
    return name, orders[name]


async def expand(
    below: Sequence[Level],
    rows: Sequence[Row],
    reading: Reading,
    variables: VariableValues | None,
) -> list[Mapping[str, list[Any]]]:
    """Reads the lists below some rows: for each child, its shaped rows by the parent's key."""
    return [await level.read(rows, reading, variables) for level in below]


@dataclass(slots=True)
class Level:
    """A list below rows: one statement for all parents."""

    child: Child
    arguments: Arguments
    parent_place: int
    below: list[Level]
    _statements: dict[Any, Statement] = field(default_factory=dict)

    async def read(
        self, parents: Sequence[Row], reading: Reading, variables: VariableValues | None
    ) -> Mapping[str, list[Any]]:
        read, selection = self.child.read, self.child.selection
        given = self.arguments.read(variables)
        name, order = _order(given, read.order)
        limit = _first(given, read.limit)
        filters = {key: value for key, value in given.items() if key not in RESERVED}
        shape = (name, *sorted(filters))
        if shape not in self._statements:
            self._statements[shape] = statements.children(
                selection, read, order, given=sorted(filters)
            )
        statement = self._statements[shape]
        keys = list(dict.fromkeys(row[self.parent_place] for row in parents))
        if not keys:
            return {}
        rows = await reading.connection.fetch(
            statement.sql, *statement.values({**filters, "_parents": keys, "_limit": limit})
        )
        lists = await expand(self.below, rows, reading, variables)
        grouped: dict[str, list[Any]] = {}
        make = self.child.shape
        for row in rows:
            grouped.setdefault(str(row[-1]), []).append(make(row, reading, lists))
        return grouped


def levels(selection: Selection, convert: Converter) -> list[Level]:
    """The lists below a selection, in the order in which its loop refers to them."""
    return [
        Level(
            child,
            Arguments(child.field, child.nodes[0], convert),
            selection.place(selection.rows, child.read.local),
            levels(child.selection, convert),
        )
        for child in selection.children
    ]


def plain(document: Document, kind: Any, selections: Sequence[Any]) -> Give:
    """Shapes values that are not rows: attributes or dictionary entries by Python name."""
    if isinstance(kind, GraphQLUnionType | GraphQLInterfaceType):
        possible = {
            one.name: plain(document, one, selections)
            for one in document.schema.get_possible_types(kind)
        }
        return lambda value: possible[_typename(value)](value)
    if not isinstance(kind, GraphQLObjectType):
        return leaf
    parts: list[tuple[str, str | None, Give]] = []
    for key, nodes in document.collect(kind, selections).items():
        name = nodes[0].name.value
        if name == "__typename":
            parts.append((key, None, always(kind.name)))
            continue
        field_ = kind.fields[name]
        inner = plain(document, get_named_type(field_.type), subselections(nodes))
        parts.append((key, python_name(field_), _listed(inner)))

    def give(value: Any) -> Any:
        if value is None:
            return None
        return {
            key: make(None) if name is None else make(_member(value, name))
            for key, name, make in parts
        }

    return give


def _typename(value: Any) -> str:
    return str(type(value).__strawberry_definition__.name)


def _member(value: Any, name: str) -> Any:
    return value[name] if isinstance(value, Mapping) else getattr(value, name)


def _listed(inner: Give) -> Give:
    def give(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [give(one) for one in value]
        return None if value is None else inner(value)

    return give


def leaf(value: Any) -> Any:
    """A leaf as the encoder takes it."""
    if isinstance(value, Enum):
        return value.name
    return str(value) if isinstance(value, UUID) else value


def python_name(field_: GraphQLField) -> str:
    """The name that a field has in Python."""
    definition = field_.extensions["strawberry-definition"]
    return str(definition.python_name)


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
    _statements: dict[Any, Statement] = field(default_factory=dict)

    async def answer(self, reading: Reading, variables: VariableValues | None) -> Any:
        try:
            given = self.arguments.read(variables)
            first = _first(given, self.read.limit)
            name, order = _order(given, self.read.order)
            filters = {key: value for key, value in given.items() if key not in RESERVED}
            bound: dict[str, Any] = {**filters, "_limit": first + 1}
            if after := given.get("after"):
                columns = self.selection.rows.c
                bound["_after_value"], bound["_after_key"] = keyset.decode(
                    after, name, columns[order.column].type, columns[self.selection.source.key].type
                )
            scopes = await self.read.admit(reading, given)
        except Problem as problem:
            if self.refuse is None:
                raise
            return self.refuse(problem)
        if scopes is not None:
            bound["_scopes"] = list(scopes)
        shape = (name, bool(after), scopes is None, *sorted(filters))
        if shape not in self._statements:
            self._statements[shape] = statements.page(
                self.selection,
                self.read.conditions,
                order,
                given=sorted(filters),
                after=bool(after),
                scoped=scopes is not None,
                counted=self.counted,
            )
        statement = self._statements[shape]
        rows = await reading.connection.fetch(statement.sql, *statement.values(bound))
        total = None
        if self.counted:
            total = rows[0][-1]
            rows = [row for row in rows if row["_key"] is not None]
        lists = await expand(self.below, rows[:first], reading, variables)
        return self.give(
            PageRows(rows[:first], reading, lists, name, len(rows) > first, bool(after), total)
        )


@dataclass(frozen=True, slots=True)
class PageRows:
    """The rows of one page and what its connection can be asked."""

    rows: Sequence[Any]
    reading: Reading
    lists: Sequence[Mapping[str, list[Any]]]
    order: str
    more: bool
    continued: bool
    total: int | None

    def cursor(self, row: Any) -> str:
        return keyset.encode(self.order, row["_value"], str(row["_key"]))


def _connection(
    document: Document, kind: GraphQLObjectType, selection: Selection, selections: Sequence[Any]
) -> tuple[Callable[[PageRows], Any], bool]:
    """What a connection answers, and whether its total is asked for."""
    parts: list[tuple[str, Callable[[PageRows], Any]]] = []
    counted = False
    for key, nodes in document.collect(kind, selections).items():
        name = nodes[0].name.value
        below = subselections(nodes)
        if name == "__typename":
            parts.append((key, always(kind.name)))
        elif name == "nodes":
            shape = selection.compile(document, object_type(kind.fields[name]), below)
            parts.append((key, _nodes(shape)))
        elif name == "edges":
            parts.append((key, _edges(document, object_type(kind.fields[name]), selection, below)))
        elif name == "pageInfo":
            info = plain(document, get_named_type(kind.fields[name].type), below)
            parts.append((key, _page_info(info)))
        elif name == "totalCount":
            counted = True
            parts.append((key, lambda page: page.total))
        else:
            raise PlanError(f"{kind.name}.{name} is not a member of a connection")
    return (lambda page: {key: give(page) for key, give in parts}), counted


def _nodes(shape: Shape) -> Callable[[PageRows], Any]:
    return lambda page: [shape(row, page.reading, page.lists) for row in page.rows]


def _edges(
    document: Document, kind: GraphQLObjectType, selection: Selection, selections: Sequence[Any]
) -> Callable[[PageRows], Any]:
    parts: list[tuple[str, Callable[[PageRows, Any], Any]]] = []
    for key, nodes in document.collect(kind, selections).items():
        name = nodes[0].name.value
        if name == "__typename":
            parts.append((key, always(kind.name)))
        elif name == "cursor":
            parts.append((key, lambda page, row: page.cursor(row)))
        else:
            node_type = object_type(kind.fields[name])
            shape = selection.compile(document, node_type, subselections(nodes))
            parts.append((key, _node(shape)))
    return lambda page: [{key: give(page, row) for key, give in parts} for row in page.rows]


def _node(shape: Shape) -> Callable[[PageRows, Any], Any]:
    return lambda page, row: shape(row, page.reading, page.lists)


def _page_info(info: Give) -> Callable[[PageRows], Any]:
    return lambda page: info(
        {
            "has_next_page": page.more,
            "has_previous_page": page.continued,
            "start_cursor": page.cursor(page.rows[0]) if page.rows else None,
            "end_cursor": page.cursor(page.rows[-1]) if page.rows else None,
        }
    )


@dataclass(slots=True)
class SingleRoot:
    """A root row."""

    read: Single
    arguments: Arguments
    selection: Selection
    below: list[Level]
    shape: Shape
    _statements: dict[Any, Statement] = field(default_factory=dict)

    async def answer(self, reading: Reading, variables: VariableValues | None) -> Any:
        given = self.arguments.read(variables)
        scopes = await self.read.admit(reading, given)
        shape = (scopes is None, *sorted(given))
        if shape not in self._statements:
            self._statements[shape] = statements.single(
                self.selection, self.read.conditions, given=sorted(given), scoped=scopes is not None
            )
        statement = self._statements[shape]
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
                rows = _member(value, name)
                lists = await expand(below, rows, reading, variables)
                answer[key] = [shape(row, reading, lists) for row in rows]
            else:
                answer[key] = make(_member(value, name))
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
            parts.append((key, python, _listed(plain(document, target, subselections(named)))))
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
        connection, refusal = _page_types(document, field_)
        selection = Selection.of(object_type(connection.fields["nodes"]))
        give, counted = _connection(document, connection, selection, below)
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


def _page_types(
    document: Document, field_: GraphQLField
) -> tuple[GraphQLObjectType, GraphQLObjectType | None]:
    named = get_named_type(field_.type)
    if isinstance(named, GraphQLObjectType):
        return named, None
    possible = document.schema.get_possible_types(named)  # type: ignore[arg-type] # a union, as declared
    connection = next(one for one in possible if "nodes" in one.fields)
    refusal = next(one for one in possible if one is not connection)
    return connection, refusal
