"""What one operation may ask for, measured before it is validated, because validating is what a large one makes slow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    parse,
)

from patrol.errors import OperationInvalid, OperationTooCostly

ENTRIES = 100
"""The longest list of words that a filter takes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes of one operation's text, and of what it asks for after fragments are resolved.

    `merges` counts the pairs of fields that share one place in the answer: the library compares each of them with each
    when it validates, so 300 times the same list would cost a second. `depth` lets the standard introspection pass.
    `values` are what a run can answer at most with its page sizes (see `schema.planner.cost`): so many take about 80 ms of
    one core, which all other requests of the process wait for, and are about three megabytes. The largest operation that
    an app is trusted with, 200 open alerts with all who were called, has two thirds of them.
    What the database does beside answering values is decided by the text: `statements` (roots, and lists below rows), `joins` of
    related rows, and root fields of `mutations`. `entries` are those of one list of words in variables or arguments.
    """

    source_bytes: int = 64 * 1024
    tokens: int = 5_000
    definitions: int = 100
    variables: int = 100
    fields: int = 1_000
    merges: int = 2_000
    depth: int = 16
    values: int = 200_000
    statements: int = 50
    joins: int = 60
    mutations: int = 10
    entries: int = ENTRIES


@dataclass(frozen=True, slots=True)
class _Size:
    fields: int
    depth: int


def parsed(text: str, limits: Limits) -> DocumentNode:
    """Parses an operation that keeps the limits.

    Raises:
        OperationTooCostly: over a limit; names it and what the operation has.
        OperationInvalid: not GraphQL.
    """
    size = len(text.encode("utf-8", "replace"))
    if size > limits.source_bytes:
        raise over("source_bytes", limits.source_bytes, size)
    try:
        document = parse(text, max_tokens=limits.tokens)
        _Measure(document, limits).check()
    except GraphQLSyntaxError as error:
        if "more than" in error.message and "tokens" in error.message:
            raise over("tokens", limits.tokens, limits.tokens + 1) from error
        raise OperationInvalid(
            error.message,
            locations=[{"line": at.line, "column": at.column} for at in error.locations or ()],
        ) from error
    except RecursionError as error:
        raise over("depth", limits.depth, limits.depth + 1) from error
    return document


def over(limit: str, allowed: int, cost: int) -> OperationTooCostly:
    """The refusal of what is over a limit."""
    return OperationTooCostly(
        f"The operation is over the limit {limit}: {cost}, and {allowed} are allowed.",
        limit=limit, allowed=allowed, cost=cost,
    )  # fmt: skip


class _Measure:
    """Sizes in time that is linear in the text: each fragment is counted once, however often it is spread."""

    def __init__(self, document: DocumentNode, limits: Limits) -> None:
        self.limits = limits
        self.definitions = document.definitions
        self.fragments = {
            one.name.value: one
            for one in document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }
        self.operations = [
            one for one in document.definitions if isinstance(one, OperationDefinitionNode)
        ]
        self._sizes: dict[str, _Size | None] = {}

    def check(self) -> None:
        """Compares with the limits, the cheapest first: each one bounds the cost of those after it."""
        self._keep("definitions", len(self.definitions))
        for operation in self.operations:
            self._keep("variables", len(operation.variable_definitions or ()))
        sizes = [self._size(one.selection_set) for one in self.operations]
        self._keep("depth", max((one.depth for one in sizes), default=0))
        self._keep("fields", sum(one.fields for one in sizes))
        unused = self.fragments.keys() - self._sizes.keys()
        if unused:
            # The library would compare the fields of each with each before it says so.
            raise OperationInvalid(f"Fragment '{min(unused)}' is never used.")
        self._keep("merges", sum(self._merges(one.selection_set) for one in self.operations))

    def _keep(self, limit: str, cost: int) -> None:
        allowed = getattr(self.limits, limit)
        if cost > allowed:
            raise over(limit, allowed, cost)

    def _size(self, selection_set: SelectionSetNode | None) -> _Size:
        fields = depth = 0
        for node in selection_set.selections if selection_set else ():
            if isinstance(node, FragmentSpreadNode):
                inner = self._size_of_fragment(node.name.value)
            else:
                inner = self._size(node.selection_set)  # type: ignore[attr-defined] # a field or an inline fragment
                if isinstance(node, FieldNode):
                    inner = _Size(inner.fields + 1, inner.depth + 1)
            fields, depth = fields + inner.fields, max(depth, inner.depth)
        return _Size(fields, depth)

    def _size_of_fragment(self, name: str) -> _Size:
        if name not in self._sizes:
            if name not in self.fragments:
                # With no field in it, a name spread twice by each of sixty fragments would pass every limit.
                raise OperationInvalid(f"Unknown fragment '{name}'.")
            self._sizes[name] = None
            self._sizes[name] = self._size(self.fragments[name].selection_set)
        size = self._sizes[name]
        if size is None:
            raise OperationInvalid(f"Cannot spread fragment '{name}' within itself.")
        return size

    def _merges(self, selection_set: SelectionSetNode) -> int:
        """The pairs of fields with one place in the answer. No fragment is in a cycle and no place is too deep here."""
        pairs = 0
        waiting: list[list[SelectionNode]] = [list(selection_set.selections)]
        while waiting:
            places: dict[str, list[FieldNode]] = {}
            for node in self._flat(waiting.pop()):
                key = node.alias.value if node.alias else node.name.value
                places.setdefault(key, []).append(node)
            for nodes in places.values():
                pairs += len(nodes) * (len(nodes) - 1) // 2
                below = [
                    one
                    for node in nodes
                    if node.selection_set
                    for one in node.selection_set.selections
                ]
                if below:
                    waiting.append(below)
        return pairs

    def _flat(self, selections: Sequence[SelectionNode]) -> Iterator[FieldNode]:
        for node in selections:
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, FragmentSpreadNode):
                yield from self._flat(self.fragments[node.name.value].selection_set.selections)
            else:
                yield from self._flat(node.selection_set.selections)  # type: ignore[attr-defined] # an inline fragment
