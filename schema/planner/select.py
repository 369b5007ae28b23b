"""A selection compiled: the columns that one statement must return, and the loop that turns a row into JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionNode,
    get_named_type,
    is_abstract_type,
)
from sqlalchemy import ColumnElement, FromClause, Text, Uuid, cast
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB
from sqlalchemy.types import TypeEngine

from patrol.sync.statements import shape_of
from schema.planner.reads import MOST, READ, Column, Computed, Many, One, Reading, Source

Row = Sequence[Any]
Shape = Callable[[Row, Reading, Sequence[Any]], Any]
"""Turns a row into its answer; what stands below rows comes by number, see `Child`."""

Loop = Callable[[Sequence[Row], Reading, Sequence[Any]], list[Any]]
"""Turns rows into their answers: in one compiled expression, a call for each row would cost as much as the row."""


class PlanError(Exception):
    """A type declares a read that the database cannot serve; found at start-up, never by a client."""


@dataclass(frozen=True, slots=True)
class Document:
    """What selections need to know about the operation around them.

    `included` holds the values of the variables that @skip and @include ask about: a plan is made for one combination.
    """

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    included: Mapping[str, bool]

    def collect(
        self, kind: GraphQLObjectType, selections: Sequence[SelectionNode]
    ) -> dict[str, list[FieldNode]]:
        """Fields by response key, fragments resolved and merged, in the order of the text."""
        collected: dict[str, list[FieldNode]] = {}
        self._collect(kind, selections, collected, set())
        return collected

    def _collect(
        self,
        kind: GraphQLObjectType,
        selections: Sequence[SelectionNode],
        collected: dict[str, list[FieldNode]],
        seen: set[str],
    ) -> None:
        for node in selections:
            if not self._wanted(node):
                continue
            if isinstance(node, FieldNode):
                key = node.alias.value if node.alias else node.name.value
                collected.setdefault(key, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                if node.type_condition is None or self._applies(
                    node.type_condition.name.value, kind
                ):
                    self._collect(kind, node.selection_set.selections, collected, seen)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                fragment = self.fragments[node.name.value]
                if self._applies(fragment.type_condition.name.value, kind):
                    self._collect(kind, fragment.selection_set.selections, collected, seen)

    def _applies(self, condition: str, kind: GraphQLObjectType) -> bool:
        if condition == kind.name:
            return True
        named = self.schema.get_type(condition)
        return is_abstract_type(named) and self.schema.is_sub_type(named, kind)

    def _wanted(self, node: SelectionNode) -> bool:
        for directive in node.directives or ():
            if directive.name.value not in ("skip", "include"):
                continue
            value: Any = directive.arguments[0].value if directive.arguments else None
            holds = self.included[value.name.value] if value.kind == "variable" else value.value
            if holds == (directive.name.value == "skip"):
                return False
        return True


def subselections(nodes: Sequence[FieldNode]) -> list[SelectionNode]:
    """The selections below a field that the text names more than once."""
    return [one for node in nodes if node.selection_set for one in node.selection_set.selections]


def read_of(field: GraphQLField) -> Any:
    """What a GraphQL field declares to read; None for a plain one."""
    definition = field.extensions.get("strawberry-definition")
    return (definition.metadata or {}).get(READ) if definition is not None else None


def most_of(field: GraphQLField) -> int | None:
    """How many a list of plain values declares to hold at most."""
    definition = field.extensions.get("strawberry-definition")
    most: int | None = (definition.metadata or {}).get(MOST) if definition is not None else None
    return most


def source_of(kind: GraphQLObjectType) -> Source | None:
    """The table of a GraphQL type; None for a plain one."""
    definition = kind.extensions.get("strawberry-definition")
    return getattr(definition.origin, "__reads__", None) if definition is not None else None


@dataclass(frozen=True, slots=True)
class Child:
    """What the loop over rows refers to by number: a list below them, or a function of a row and of arguments.

    `place` is where the key of a list's parent stands.
    """

    read: Many | Computed
    nodes: Sequence[FieldNode]
    field: GraphQLField
    place: int = 0


@dataclass(slots=True, eq=False)
class Selection:
    """The columns of one statement and what becomes of its rows."""

    source: Source
    rows: FromClause
    columns: list[ColumnElement[Any]] = field(default_factory=list)
    joins: list[tuple[FromClause, ColumnElement[bool]]] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)
    _joined: dict[tuple[int, FromClause, str, str], FromClause] = field(default_factory=dict)
    _places: dict[tuple[int, str], int] = field(default_factory=dict)
    _shape: tuple[int, str] = (0, "")

    @classmethod
    def of(cls, kind: GraphQLObjectType) -> Selection:
        """An empty selection of a type's rows."""
        source = source_or_fail(kind)
        return cls(source, source.table.alias("t"))

    def compile(
        self, document: Document, kind: GraphQLObjectType, selections: Sequence[SelectionNode]
    ) -> Shape:
        """Adds what is asked of a row to the columns, and returns what answers it."""
        return _Writer(document, self).shape(kind, selections)

    def loop(
        self, document: Document, kind: GraphQLObjectType, selections: Sequence[SelectionNode]
    ) -> Loop:
        """The same for many rows."""
        return _Writer(document, self).loop(kind, selections)

    def place(self, rows: FromClause, name: str) -> int:
        """The position of a column in the statement's rows, added if it is not there yet."""
        known = (id(rows), name)
        if known not in self._places:
            self._places[known] = len(self.columns)
            self.columns.append(_as_json(rows.c[name]).label(f"c{len(self.columns)}"))
        return self._places[known]

    def join(self, here: FromClause, table: FromClause, local: str, remote: str) -> FromClause:
        """The table joined to some rows of this statement: once, however often the text names the relation."""
        known = (id(here), table, local, remote)
        if known not in self._joined:
            there = table.alias(f"j{len(self.joins)}")
            self.joins.append((there, here.c[local] == there.c[remote]))
            self._joined[known] = there
        return self._joined[known]

    def shape_id(self) -> str:
        """The same for the same columns; see `patrol.sync.statements.Wanted`."""
        # Once the plan is made no column is added; each pull asks this of every subject.
        if self._shape[0] != len(self.columns):
            self._shape = len(self.columns), shape_of(self.columns)
        return self._shape[1]

    def from_clause(self) -> FromClause:
        """The rows with everything that is joined to them."""
        whole: FromClause = self.rows
        for joined, on in self.joins:
            whole = whole.outerjoin(joined, on)
        return whole


def _as_json(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """UUIDs travel as text, since the encoder would call back for each."""
    if isinstance(column.type, Uuid):
        return cast(column, Text)
    if isinstance(column.type, ARRAY) and isinstance(column.type.item_type, Uuid):
        return cast(column, ARRAY(Text))
    return column


def embedded(value: str | None) -> orjson.Fragment | None:
    """A JSON column's text, put into the answer as it is."""
    return None if value is None else orjson.Fragment(value)


def is_json(kind: TypeEngine[Any]) -> bool:
    return isinstance(kind, JSON | JSONB)


class _Writer:
    """Writes the row's loop as one Python expression: a compiled loop takes 1 % of the stock executor's time."""

    def __init__(self, document: Document, selection: Selection) -> None:
        self.document = document
        self.selection = selection
        self.names: dict[str, Any] = {"embedded": embedded}

    def shape(self, kind: GraphQLObjectType, selections: Sequence[SelectionNode]) -> Shape:
        shape: Shape = self.function("r", self.object(kind, selections, self.selection.rows))
        return shape

    def loop(self, kind: GraphQLObjectType, selections: Sequence[SelectionNode]) -> Loop:
        source = self.object(kind, selections, self.selection.rows)
        loop: Loop = self.function("rows", f"[{source} for r in rows]")
        return loop

    def function(self, first: str, source: str) -> Any:
        # The text is made from column positions, validated GraphQL names and names of our own; see `object`.
        return eval(f"lambda {first}, c, k: {source}", self.names)  # noqa: S307 # ours

    def object(
        self, kind: GraphQLObjectType, selections: Sequence[SelectionNode], rows: FromClause
    ) -> str:
        parts = []
        for key, nodes in self.document.collect(kind, selections).items():
            name = nodes[0].name.value
            if name == "__typename":
                parts.append(f"{key!r}: {kind.name!r}")
            else:
                parts.append(f"{key!r}: {self.value(kind, kind.fields[name], nodes, rows)}")
        return "{" + ", ".join(parts) + "}"

    def value(
        self,
        kind: GraphQLObjectType,
        field: GraphQLField,
        nodes: Sequence[FieldNode],
        rows: FromClause,
    ) -> str:
        read = read_of(field)
        if isinstance(read, Column):
            cell = f"r[{self.selection.place(rows, read.name)}]"
            return f"embedded({cell})" if is_json(rows.c[read.name].type) else cell
        if isinstance(read, Computed):
            return self.computed(read, field, nodes, rows)
        if isinstance(read, One):
            return self.one(read, field, nodes, rows)
        if isinstance(read, Many):
            key = self.selection.place(rows, read.local)
            return f"k[{self.child(Child(read, nodes, field, key))}][r[{key}]]"
        raise PlanError(f"{kind.name}.{nodes[0].name.value} does not say what it reads")

    def one(
        self, read: One, field: GraphQLField, nodes: Sequence[FieldNode], rows: FromClause
    ) -> str:
        target = object_type(field)
        source = source_or_fail(target)
        here = rows
        for hop in read.hops:
            table = source.table if hop.table is None else hop.table
            here = self.selection.join(here, table, hop.local, hop.remote)
        key = self.selection.place(here, source.key)
        inner = self.object(target, subselections(nodes), here)
        return f"(None if r[{key}] is None else {inner})"

    def computed(
        self, read: Computed, field: GraphQLField, nodes: Sequence[FieldNode], rows: FromClause
    ) -> str:
        cells = [f"r[{self.selection.place(rows, need)}]" for need in read.needs]
        if field.args:
            return f"k[{self.child(Child(read, nodes, field))}]({', '.join(cells)})"
        function = f"f{len(self.names)}"
        self.names[function] = read.by
        return f"{function}({', '.join(['c', *cells])})"

    def child(self, child: Child) -> int:
        """The number by which the loop refers to it."""
        self.selection.children.append(child)
        return len(self.selection.children) - 1


def is_rows(field: GraphQLField) -> bool:
    """Whether a field answers rows as they are, and no connection of them."""
    named = get_named_type(field.type)
    return isinstance(named, GraphQLObjectType) and source_of(named) is not None


def object_type(field: GraphQLField) -> GraphQLObjectType:
    """The object type behind a field's list and non-null wrappers."""
    named = get_named_type(field.type)
    if not isinstance(named, GraphQLObjectType):
        raise PlanError(f"{named} is not an object type, so no row can be read for it")
    return named


def source_or_fail(kind: GraphQLObjectType) -> Source:
    source = source_of(kind)
    if source is None:
        raise PlanError(f"{kind.name} does not say which table it reads")
    return source


def connection_of(
    schema: GraphQLSchema, field: GraphQLField
) -> tuple[GraphQLObjectType, GraphQLObjectType | None]:
    """The connection that a list answers, and the refusal where it is a union with one."""
    named = get_named_type(field.type)
    possible: Sequence[Any] = (
        schema.get_possible_types(named) if is_abstract_type(named) else [named]
    )
    found = [one for one in possible if "nodes" in getattr(one, "fields", ())]
    others = [one for one in possible if one not in found]
    if len(found) != 1 or len(others) > 1:
        raise PlanError(f"{named} is no connection, and no union of one with a refusal")
    return found[0], others[0] if others else None
