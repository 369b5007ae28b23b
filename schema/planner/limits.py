"""What one operation may ask for, measured before it is validated, in time that is linear in its text."""

from __future__ import annotations

from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
)

from patrol.errors import OperationInvalid, OperationTooCostly


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes of one operation: bytes and tokens of its text, fields after fragments are resolved, nesting."""

    source_bytes: int = 64 * 1024
    tokens: int = 8_000
    fields: int = 1_000
    depth: int = 14


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
        raise _over("source_bytes", limits.source_bytes, size)
    try:
        document = parse(text, max_tokens=limits.tokens)
    except GraphQLSyntaxError as error:
        if "more than" in error.message and "tokens" in error.message:
            raise _over("tokens", limits.tokens, limits.tokens + 1) from error
        raise OperationInvalid(
            error.message,
            locations=[{"line": at.line, "column": at.column} for at in error.locations or ()],
        ) from error
    except RecursionError as error:
        raise _over("depth", limits.depth, limits.depth + 1) from error
    _measure(document, limits)
    return document


def _over(limit: str, allowed: int, cost: int) -> OperationTooCostly:
    return OperationTooCostly(
        f"The operation is over the limit {limit}: {cost}, and {allowed} are allowed.",
        limit=limit, allowed=allowed, cost=cost,
    )  # fmt: skip


def _measure(document: DocumentNode, limits: Limits) -> None:
    """Counts each fragment once, however often it is spread: the stock limiters are exponential here."""
    fragments = {
        one.name.value: one
        for one in document.definitions
        if isinstance(one, FragmentDefinitionNode)
    }
    sizes: dict[str, _Size | None] = {}

    def of(selection_set: SelectionSetNode | None) -> _Size:
        fields = depth = 0
        for node in selection_set.selections if selection_set else ():
            if isinstance(node, FragmentSpreadNode):
                inner = fragment(node.name.value)
            else:
                inner = of(node.selection_set)  # type: ignore[attr-defined] # a field or an inline fragment
                if isinstance(node, FieldNode):
                    inner = _Size(inner.fields + 1, inner.depth + 1)
            fields, depth = fields + inner.fields, max(depth, inner.depth)
        return _Size(fields, depth)

    def fragment(name: str) -> _Size:
        if name in sizes:
            # None: a cycle, which validation refuses with a better message than ours.
            return sizes[name] or _Size(0, 0)
        sizes[name] = None
        sizes[name] = size = of(fragments[name].selection_set) if name in fragments else _Size(0, 0)
        return size

    total, deepest = 0, 0
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            size = of(definition.selection_set)
            total, deepest = total + size.fields, max(deepest, size.depth)
    for name in fragments:
        deepest = max(deepest, fragment(name).depth)
    if total > limits.fields:
        raise _over("fields", limits.fields, total)
    if deepest > limits.depth:
        raise _over("depth", limits.depth, deepest)
