"""Shapes values that are not rows: what a rule composed, a refusal, the facts of a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any
from uuid import UUID

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
)

from patrol.errors import Problem
from schema.planner.select import Document, subselections

Give = Callable[[Any], Any]


def always(value: Any) -> Callable[..., Any]:
    """Gives the same whatever it is asked about, as `__typename` does."""
    return lambda *_: value


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
        parts.append((key, python_name(field_), listed(inner)))

    def give(value: Any) -> Any:
        if value is None:
            return None
        return {
            key: make(None) if name is None else make(member(value, name))
            for key, name, make in parts
        }

    return give


def _typename(value: Any) -> str:
    """The type of a value under a union or an interface; one that is no object of a type says it itself."""
    if isinstance(value, Mapping):
        return str(value["__typename"])
    return str(type(value).__strawberry_definition__.name)


def as_refusal(refuse: Give) -> Callable[[Problem], Any]:
    """Shapes a problem as the refusal that a contract declares."""
    return lambda problem: refuse(
        {"code": problem.code, "message": problem.message, "what_to_do": problem.what_to_do}
    )


def member(value: Any, name: str) -> Any:
    return value[name] if isinstance(value, Mapping) else getattr(value, name)


def listed(inner: Give) -> Give:
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
