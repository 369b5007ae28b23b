"""Variables drawn for an operation from the types that it declares: right ones, and ones that are subtly wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    type_from_ast,
)
from hypothesis import strategies as st

from schema.door import Door

KEY = "01890000-0000-7000-8000-00000000000"

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        None, True, False, 0, 1, -1, 5.0, 1.5, -0.0, 2**31, -(2**31), 2**31 - 1, 2**53, 2**53 + 1, -(2**53) + 1, 10**25,
        "", "x" * 64, "x" * 65, "é" * 64, "a\0b", "LOW", "low", "RECORDS", "0", "1.5", "true", [], [None], {}, [[]],
        f"{KEY}a", f"{KEY}A", KEY.replace("-", "") + "a", f"{{{KEY}a}}", f"urn:uuid:{KEY}a", f" {KEY}a", f"{KEY}g",
        "2026-11-23T08:15:30Z", "2026-11-23T08:15:30.1234567+07:00", "2026-11-23 08:15:30", "20261123T081530Z", "noon",
        {"a": [1, None, {"b": "\0"}]}, "\ud7ff", "\U0001f6a8",
    ]
)  # fmt: skip
LEAVES: dict[str, st.SearchStrategy[Any]] = {
    "String": st.text(max_size=5),
    "Boolean": st.booleans(),
    "Int": st.integers(-(2**31), 2**31 - 1),
    "Float": st.floats(-180, 180) | st.integers(-180, 180),
    "UUID": st.uuids().map(str) | st.uuids().map(lambda one: one.hex),
    "Long": st.integers(-(2**53) + 1, 2**53 - 1),
    "PhoneTime": st.text(max_size=64),
    "DateTime": st.datetimes().map(lambda at: at.isoformat() + "Z"),
    "JSON": st.just({"type": "Point", "coordinates": [98.5, 16.7]}),
    "TrackPoints": st.just([["now", 16.7, 98.5], [1, "x", None]]),
}


def values_of(kind: GraphQLInputType, odd: st.SearchStrategy[bool]) -> st.SearchStrategy[Any]:
    """JSON values for a type, right but where `odd` says otherwise."""

    @st.composite
    def draw_one(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
        if draw(odd):
            return draw(ODD)
        inner: Any = kind
        if isinstance(inner, GraphQLNonNull):
            inner = inner.of_type
        elif draw(st.integers(0, 5)) == 0:
            return None
        if isinstance(inner, GraphQLList):
            return draw(st.lists(values_of(inner.of_type, odd), max_size=3))
        if isinstance(inner, GraphQLInputObjectType):
            return draw(object_of(inner, odd))
        if hasattr(inner, "values"):
            return draw(st.sampled_from(sorted(inner.values)))
        return draw(LEAVES[inner.name])

    return draw_one()


def object_of(
    kind: GraphQLInputObjectType, odd: st.SearchStrategy[bool]
) -> st.SearchStrategy[dict[str, Any]]:
    @st.composite
    def draw_one(draw: Callable[[st.SearchStrategy[Any]], Any]) -> dict[str, Any]:
        names = sorted(kind.fields)
        if kind.extensions["strawberry-definition"].is_one_of and not draw(odd):
            wanted = [draw(st.sampled_from(names))]
            members = {
                one: draw(values_of(GraphQLNonNull(kind.fields[one].type), odd)) for one in wanted
            }
        else:
            wanted = [
                one
                for one in names
                if isinstance(kind.fields[one].type, GraphQLNonNull) or draw(st.booleans())
            ]
            members = {one: draw(values_of(kind.fields[one].type, odd)) for one in wanted}
        if draw(odd):
            members[draw(st.sampled_from(["unknown", "ID", ""]))] = draw(ODD)
        if members and draw(odd):
            del members[draw(st.sampled_from(sorted(members)))]
        return members

    return draw_one()


def variables_of(door: Door, text: str, rare: int) -> st.SearchStrategy[dict[str, Any]]:
    """Variables of an operation in which about one value of `rare` is odd."""
    operation = door.operations.get(text)
    odd = st.integers(0, rare - 1).map(lambda one: one == 0)
    schema = door.schema._schema

    @st.composite
    def draw_all(draw: Callable[[st.SearchStrategy[Any]], Any]) -> dict[str, Any]:
        drawn = {"of another operation": draw(ODD)} if draw(odd) else {}
        for one in operation.definition.variable_definitions or ():
            kind: Any = type_from_ast(schema, one.type)
            if isinstance(kind, GraphQLNonNull) or draw(st.booleans()):
                drawn[one.variable.name.value] = draw(values_of(kind, odd))
        return drawn

    return draw_all()
