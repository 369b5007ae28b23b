"""What a mutation answers: plain values, and rows among them that the planner reads after the commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import structlog
from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    VariableValues,
)
from sqlalchemy import any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from patrol.errors import Internal, Problem, VariableInvalid
from patrol.faults import problem_behind
from schema.context import Context
from schema.mutations.declare import Planned
from schema.planner.arguments import Converter
from schema.planner.check import bounded
from schema.planner.levels import Below, expand, levels
from schema.planner.reads import Reading
from schema.planner.select import (
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
from schema.planner.values import python_name
from storage.faults import StorageFault
from storage.principal import Role
from storage.statements import Statement, compiled

log = structlog.get_logger(__name__)

Found = Mapping[Any, Any]


@dataclass(slots=True)
class Rows:
    """One place for rows in an answer: one statement for all of them, however often the place occurs."""

    keys: Callable[[Any], list[Any]]
    selection: Selection
    below: list[Below]
    shape: Shape
    statement: Statement
    nodes: Sequence[FieldNode]
    path: tuple[str, ...]

    async def read(
        self, keys: Sequence[Any], reading: Reading, variables: VariableValues | None
    ) -> Found:
        rows: Sequence[Row] = await reading.connection.fetch(
            self.statement.sql, *self.statement.values({"_keys": keys})
        )
        lists = await expand(self.below, rows, reading, variables)
        return {row[-1]: self.shape(row, reading, lists) for row in rows}


@dataclass(slots=True)
class Payload:
    """The compiled answer of one mutation."""

    give: Callable[[Any, Sequence[Found]], Any]
    places: list[Rows]

    async def answer(
        self, context: Context, role: Role, value: Any, variables: VariableValues | None = None
    ) -> tuple[Any, list[tuple[GraphQLError, Problem]]]:
        """The answer as JSON values, and why rows of it could not be read.

        The mutation is done by now and may have answered a secret that is never shown again, so a failure to read costs
        only the rows.
        """
        found: list[Found] = [{} for _ in self.places]
        wanted = [place.keys(value) for place in self.places]
        if not any(wanted):
            return self.give(value, found), []
        problems = []
        try:
            found = await self._read(context, role, wanted, variables)
        except Exception as error:
            problem = _problem(error)
            problems = [
                (GraphQLError(problem.message, place.nodes, path=place.path), problem)
                for place, keys in zip(self.places, wanted, strict=True)
                if keys
            ]
        return self.give(value, found), problems

    async def _read(
        self,
        context: Context,
        role: Role,
        wanted: Sequence[list[Any]],
        variables: VariableValues | None,
    ) -> list[Found]:
        # One statement is a snapshot by itself.
        sent = sum(1 + sum(one.sends for one in place.below) for place in self.places)
        checkout = context.database.enter if sent == 1 else context.database.read
        async with checkout(role, context.principal) as entered:
            reading = Reading(context, entered.connection, entered.scopes, datetime.now(UTC))
            found = [
                await place.read(keys, reading, variables) if keys else {}
                for place, keys in zip(self.places, wanted, strict=True)
            ]
        for act in reading.afterwards:
            await act()
        return found


def _problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, GraphQLError):
        return VariableInvalid(error.message)
    problem = problem_behind(error) if isinstance(error, StorageFault) else None
    if problem is None:
        log.error("rows_of_a_mutation_failed", error=type(error).__qualname__, exc_info=error)
        problem = Internal()
    return problem


def payload(
    document: Document, field_: GraphQLField, nodes: Sequence[FieldNode], convert: Converter
) -> Payload:
    """Compiles what is asked of a mutation's answer."""
    key = nodes[0].alias or nodes[0].name
    return _Writer(document, convert, key.value).payload(field_, nodes)


@dataclass(slots=True)
class _Writer:
    """Writes the answer as one Python expression of `v0`, what the rule gave, and `k`, the rows by place and key."""

    document: Document
    convert: Converter
    root: str
    places: list[Rows] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=lambda: {"text": _text, "word": _word})

    def payload(self, field_: GraphQLField, nodes: Sequence[FieldNode]) -> Payload:
        source = self.value(field_.type, nodes, "v0", [], (self.root,))
        return Payload(self._function(f"lambda v0, k: {source}"), self.places)

    def _function(self, source: str) -> Any:
        # The text is made from validated GraphQL names and the names of our own attributes.
        return eval(source, self.names)  # noqa: S307 # ours

    def value(
        self,
        kind: GraphQLOutputType,
        nodes: Sequence[FieldNode],
        source: str,
        loops: list[str],
        path: tuple[str, ...],
    ) -> str:
        """`loops` lead from the whole answer to where `source` stands, as clauses of a comprehension."""
        if isinstance(kind, GraphQLNonNull):
            return self.present(kind.of_type, nodes, source, loops, path)
        if isinstance(kind, GraphQLScalarType | GraphQLEnumType):
            return self.present(kind, nodes, source, loops, path)
        inner = self.present(kind, nodes, source, [*loops, f"if {source} is not None"], path)
        return f"(None if {source} is None else {inner})"

    def present(
        self,
        kind: GraphQLOutputType,
        nodes: Sequence[FieldNode],
        source: str,
        loops: list[str],
        path: tuple[str, ...],
    ) -> str:
        if isinstance(kind, GraphQLScalarType):
            return f"text({source})" if kind.name in ("ID", "UUID") else source
        if isinstance(kind, GraphQLEnumType):
            return f"word({source})"
        if isinstance(kind, GraphQLList):
            one = f"v{len(loops) + 1}"
            loop = f"for {one} in {source}"
            return f"[{self.value(kind.of_type, nodes, one, [*loops, loop], path)} {loop}]"
        if not isinstance(kind, GraphQLObjectType):
            raise PlanError(f"{kind} stands in the answer of a mutation, where no union may")
        return self.object(kind, nodes, source, loops, path)

    def object(
        self,
        kind: GraphQLObjectType,
        nodes: Sequence[FieldNode],
        source: str,
        loops: list[str],
        path: tuple[str, ...],
    ) -> str:
        parts = []
        for key, named in self.document.collect(kind, subselections(nodes)).items():
            name = named[0].name.value
            if name == "__typename":
                parts.append(f"{key!r}: {kind.name!r}")
                continue
            field_ = kind.fields[name]
            read = read_of(field_)
            if isinstance(read, Planned):
                inner = self.row(read, field_, named, source, loops, (*path, key))
            else:
                member = f"{source}.{python_name(field_)}"
                inner = self.value(field_.type, named, member, loops, (*path, key))
            parts.append(f"{key!r}: {inner}")
        return "{" + ", ".join(parts) + "}"

    def row(
        self,
        read: Planned,
        field_: GraphQLField,
        nodes: Sequence[FieldNode],
        source: str,
        loops: list[str],
        path: tuple[str, ...],
    ) -> str:
        number = len(self.places)
        key = f"key{number}"
        self.names[key] = read.key
        target = object_type(field_)
        selection = Selection.of(target)
        shape = selection.compile(self.document, target, subselections(nodes))
        self.places.append(
            Rows(
                self._function(f"lambda v0: {_keys(f'{key}({source})', loops)}"),
                selection,
                levels(self.document, selection, self.convert),
                shape,
                _by_key(selection, read),
                nodes,
                path,
            )
        )
        return f"k[{number}].get({key}({source}))"


def _keys(key: str, loops: Sequence[str]) -> str:
    # The single pass in front lets a condition stand before the first loop.
    return f"[key for _ in (0,) {' '.join(loops)} for key in ({key},) if key is not None]"


def _by_key(selection: Selection, read: Planned) -> Statement:
    """The rows of some keys; the last column is the key."""
    rows = selection.rows
    key = rows.c[selection.source.key]
    wanted = bindparam("_keys", type_=ARRAY(key.type))
    statement = (
        select(*selection.columns, key.label("_key"))
        .select_from(selection.from_clause())
        .where(key == any_(wanted))
    )
    if read.where is not None:
        statement = statement.where(read.where(rows.c))
    return compiled(statement)


def _text(value: Any) -> Any:
    """An id as the encoder takes it: it writes plain UUIDs by itself, and faster."""
    return value if value is None or type(value) is UUID else str(value)


def _word(value: Any) -> Any:
    return value.name if isinstance(value, Enum) else value


def check_payload(kind: GraphQLObjectType) -> None:
    """Finds fields of a mutation's answer that this module would not answer.

    Raises:
        PlanError: names the field.
    """
    for name, field_ in kind.fields.items():
        read = read_of(field_)
        definition = field_.extensions["strawberry-definition"]
        if isinstance(read, Planned):
            if source_of(object_type(field_)) is None or isinstance(field_.type, GraphQLNonNull):
                raise PlanError(f"{kind.name}.{name} is no row that may be null")
        elif read is not None or definition.base_resolver is not None:
            raise PlanError(f"{kind.name}.{name} is no plain value, as a mutation's answer has")
        bounded(f"{kind.name}.{name}", field_)
