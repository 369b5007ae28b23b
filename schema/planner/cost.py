"""How many values an operation can answer at most, so that one which asks for too many is refused before it is read.

A leaf counts once for each row that it can stand in: the leaves of zones × their page size, those of the cameras below
× both page sizes. Only lists decide more than the text does, so a plan keeps a small sum over its lists, and remembers
it by the page sizes that were asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
    IntValueNode,
    SelectionNode,
    VariableNode,
    VariableValues,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
)

from schema.planner.connection import MEMBERS
from schema.planner.introspection import ROOTS, introspected
from schema.planner.limits import Limits, over
from schema.planner.reads import Composed, Many, One, Page
from schema.planner.select import (
    Document,
    most_of,
    object_type,
    read_of,
    source_of,
    source_or_fail,
    subselections,
)
from schema.planner.window import FIRST

Count = Callable[[Mapping[str, Any]], int]
"""A number that depends on the variables of a run."""

Place = tuple[Any, ...]

COUNTED = 1_000
"""Values that a total counts as: the database looks at all rows of a list for it."""

KEPT = 100
"""How many combinations of page sizes a plan remembers the cost of."""


class Cost:
    """The cost of one plan. `text` is what the text alone decides, by limit."""

    __slots__ = ("_count", "_known", "_names", "text")

    def __init__(self, count: Count, names: Sequence[str], text: Mapping[str, int]) -> None:
        self._count = count
        self._names = tuple(names)
        self._known: dict[tuple[Any, ...], int] = {}
        self.text = text

    def of(self, variables: VariableValues | None) -> int:
        """The values that a run with these variables can answer."""
        coerced = variables.coerced if variables is not None else {}
        sizes = tuple([coerced.get(name) for name in self._names])
        cost = self._known.get(sizes)
        if cost is None:
            if len(self._known) >= KEPT:
                self._known.clear()
            cost = self._known[sizes] = self._count(coerced)
        return cost

    def keep(self, variables: VariableValues | None, limits: Limits) -> None:
        """Refuses what is over a limit.

        Raises:
            OperationTooCostly: names the limit, what is allowed and the cost.
        """
        cost = self.of(variables)
        if cost > limits.values:
            raise over("values", limits.values, cost)
        self.keep_text(limits)

    def keep_text(self, limits: Limits) -> None:
        """The same for what the text alone decides.

        Raises:
            OperationTooCostly: names the limit, what is allowed and the cost.
        """
        for limit, cost in self.text.items():
            allowed = getattr(limits, limit)
            if cost > allowed:
                raise over(limit, allowed, cost)


def cost_of(
    document: Document, kind: GraphQLObjectType, selections: Sequence[SelectionNode]
) -> Cost:
    """The cost of what is selected of a type."""
    measure = _Measure(document)
    count = measure.object(kind, selections, None, ())
    return Cost(count, sorted(measure.names), measure.text())


class _Measure:
    """Writes the sum over the lists of a plan, and counts what it has the database do.

    A `Place` is where a row stands: the number of its statement, and the relations that lead to it there. Relations of one name
    from one place are one join, as `Selection.join` makes them.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.names: set[str] = set()
        self.statements: set[Place] = set()
        self.joins: set[Place] = set()
        self.mutations = 0

    def text(self) -> dict[str, int]:
        return {
            "mutations": self.mutations,
            "statements": len(self.statements),
            "joins": len(self.joins),
        }

    def object(
        self,
        kind: GraphQLObjectType,
        selections: Sequence[SelectionNode],
        rows: Count | None,
        here: Place,
        *,
        together: bool = False,
    ) -> Count:
        """The values of one object; lists of it have `rows` rows each, or all together."""
        leaves = 0
        parts: list[Count] = []
        lists: dict[str, list[Count]] = {}
        for nodes in self.document.collect(kind, selections).values():
            name = nodes[0].name.value
            if name in ROOTS:
                leaves += introspected(self.document, name, subselections(nodes))
                continue
            field = kind.fields.get(name)
            if field is None or is_leaf_type(get_named_type(field.type)):
                leaves += COUNTED if name == "totalCount" and "nodes" in kind.fields else 1
                self.mutations += field is not None and kind is self.document.schema.mutation_type
                continue
            size, shared = self.size(field, nodes[0]) or rows, isinstance(read_of(field), Composed)
            listed = is_list_type(get_nullable_type(field.type))
            there = self.place(kind, field, name, here)
            below = self.below(field, nodes, None if listed else size, there, together=shared)
            if listed and size is not None:
                lists.setdefault(name, []).append(_product(size, below))
            else:
                parts.append(below)
        each = [_sum(0, one) for one in lists.values()]
        if together and each:
            parts.append(lambda sizes: max(one(sizes) for one in each))
        else:
            parts += each
        return _sum(leaves, parts)

    def place(self, kind: GraphQLObjectType, field: GraphQLField, name: str, here: Place) -> Place:
        """Where what a field answers stands."""
        schema, read, target = self.document.schema, read_of(field), get_named_type(field.type)
        if isinstance(read, One):
            for hop in read.hops:
                table = source_or_fail(object_type(field)).table if hop.table is None else hop.table
                here = (*here, (table, hop.local, hop.remote))
                self.joins.add(here)
            return here
        self.mutations += kind is schema.mutation_type
        composed = (
            isinstance(target, GraphQLObjectType)
            and source_of(target) is not None
            and source_of(kind) is None
            and read is None
            and name not in MEMBERS
            and name != "node"
        )
        if composed:
            # Lists of one name in what a rule composes are read together.
            there = (*here, name)
        elif kind is schema.query_type or (read is not None and kind is not schema.mutation_type):
            there = (len(self.statements),)
        else:
            return here
        self.statements.add(there)
        return there

    def below(
        self,
        field: GraphQLField,
        nodes: Sequence[FieldNode],
        rows: Count | None,
        here: Place,
        *,
        together: bool,
    ) -> Count:
        named: Any = get_named_type(field.type)
        selections = subselections(nodes)
        if not is_abstract_type(named):
            return self.object(named, selections, rows, here, together=together)
        possible = [
            self.object(one, selections, rows, here, together=together)
            for one in self.document.schema.get_possible_types(named)
        ]
        return lambda sizes: max(one(sizes) for one in possible)

    def size(self, field: GraphQLField, node: FieldNode) -> Count | None:
        """The rows that a list can have; a wrong size is refused at its place, so it counts as the nearest good one."""
        read = read_of(field)
        if isinstance(read, Page | Many):
            limit = read.limit
        elif isinstance(read, Composed):
            limit = read.rows
        else:
            limit = most_of(field) or 0
            return None if limit == 0 else lambda _: limit
        if "first" not in field.args:
            return lambda _: limit
        usual = field.args["first"].default_value
        usual = usual if isinstance(usual, int) else min(FIRST, limit)
        written = next(
            (one.value for one in node.arguments or () if one.name.value == "first"), None
        )
        if isinstance(written, VariableNode):
            name = written.name.value
            self.names.add(name)
            return lambda sizes: _within(sizes.get(name) or usual, limit)
        first = _within(int(written.value) if isinstance(written, IntValueNode) else usual, limit)
        return lambda _: first


def _within(size: int, limit: int) -> int:
    return max(1, min(size, limit))


def _product(size: Count, below: Count) -> Count:
    return lambda sizes: size(sizes) * below(sizes)


def _sum(leaves: int, parts: Sequence[Count]) -> Count:
    return lambda sizes: leaves + sum(part(sizes) for part in parts)
