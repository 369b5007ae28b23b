"""Operations made by chance over a contract: aliases, fragments, conditions, variables, arguments and relations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_enum_type,
    is_input_object_type,
    is_leaf_type,
    is_required_argument,
)
from hypothesis import strategies as st

DEPTH = 4
"""How far relations of rows are followed."""

MOMENTARY = ("ageSeconds",)
"""Leaves that depend on the moment of the answer."""

Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass
class Made:
    """An operation with its variables. `lists` is how many lists its text names: no more statements may be sent."""

    text: str
    variables: dict[str, Any]
    lists: int

    def __repr__(self) -> str:
        return f"{self.text}\n{orjson.dumps(self.variables).decode()}"


@dataclass
class Maker:
    """Draws one operation. `known` holds, by argument or scalar name, JSON values that exist in the data."""

    schema: GraphQLSchema
    draw: Draw
    known: Mapping[str, list[Any]]
    roots: tuple[str, ...]
    declared: list[str] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)
    fragments: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    number: int = 0

    def operation(self) -> Made:
        query = self.schema.query_type
        assert query is not None
        parts, lists = [], 0
        for name in self.draw(st.lists(st.sampled_from(self.roots), min_size=1, max_size=2)):
            field_ = query.fields[name]
            text, below = self.field(name, field_, DEPTH, root=name)
            parts.append(text)
            lists += below + (not is_page(field_))
        if self.chance(8):
            parts.append(
                self.draw(
                    st.sampled_from(["__typename", 'kind: __type(name: "Zone") { name kind }'])
                )
            )
        declared = f"({', '.join(self.declared)})" if self.declared else ""
        texts = [f"query{declared} {{ {' '.join(parts)} }}"]
        texts += [
            f"fragment {name} on {kind} {body}" for name, (kind, body, _) in self.fragments.items()
        ]
        return Made("\n".join(texts), self.variables, lists)

    def chance(self, of: int) -> bool:
        """True once in so many times; what hypothesis shrinks to is False."""
        return bool(self.draw(st.integers(0, of - 1)) == of - 1)

    def new(self, letter: str) -> str:
        self.number += 1
        return f"{letter}{self.number}"

    def selections(self, kind: GraphQLObjectType, depth: int, root: str = "") -> tuple[str, int]:
        parts: list[str] = []
        lists = 0
        names = [
            name
            for name, one in kind.fields.items()
            if name not in MOMENTARY and (depth or is_leaf_type(get_named_type(one.type)))
        ]
        for _ in range(self.draw(st.integers(1, 4))):
            if self.chance(6):
                text, below = self.fragment(kind, depth, root)
            elif self.chance(10):
                text, below = self.new("a") + ": __typename", 0
            else:
                name = self.draw(st.sampled_from(names))
                text, below = self.field(name, kind.fields[name], depth, root)
            parts.append(text)
            lists += below
        return "{ " + " ".join(parts) + " }", lists

    def fragment(self, kind: GraphQLObjectType, depth: int, root: str) -> tuple[str, int]:
        fitting = [
            name for name, (on, *_) in self.fragments.items() if on == kind.name and not root
        ]
        if fitting and self.chance(3):
            name = self.draw(st.sampled_from(fitting))
            return f"...{name}{self.condition()}", self.fragments[name][2]
        body, lists = self.selections(kind, depth, root)
        if self.chance(2):
            on = f" on {kind.name}" if self.chance(2) else ""
            return f"...{on}{self.condition()} {body}", lists
        name = self.new("F")
        self.fragments[name] = (kind.name, body, lists)
        return f"...{name}{self.condition()}", lists

    def condition(self) -> str:
        if not self.chance(5):
            return ""
        word, value = self.draw(st.sampled_from(["skip", "include"])), self.draw(st.booleans())
        if not self.chance(2):
            return f" @{word}(if: {str(value).lower()})"
        name = self.new("v")
        self.declared.append(f"${name}: Boolean!")
        self.variables[name] = value
        return f" @{word}(if: ${name})"

    def field(self, name: str, field_: GraphQLField, depth: int, root: str = "") -> tuple[str, int]:
        arguments = self.arguments(name, field_, root)
        # Two fields of one name and other arguments may not share a key.
        alias = f"{self.new('a')}: " if arguments or self.chance(4) else ""
        text = f"{alias}{name}{arguments}{self.condition()}"
        named = get_named_type(field_.type)
        if not isinstance(named, GraphQLObjectType):
            return text, 0
        member = name in ("nodes", "edges", "node", "pageInfo")
        free = member or name == root
        body, lists = self.selections(
            named, depth if free else depth - 1, root if is_page(field_) or member else ""
        )
        listed = isinstance(get_nullable_type(field_.type), GraphQLList) and not member
        return f"{text} {body}", lists + (listed or is_page(field_))

    def arguments(self, name: str, field_: GraphQLField, root: str) -> str:
        given = []
        for argument, declared in field_.args.items():
            if argument == "order" and any(one.startswith("after:") for one in given):
                continue  # the place is one of the first order
            needed = is_required_argument(declared)
            if needed or self.chance(3):
                given.append(f"{argument}: {self.value(argument, declared, name)}")
        return f"({', '.join(given)})" if given else ""

    def value(self, name: str, declared: GraphQLArgument, root: str) -> str:
        value = self.json(name, declared.type, root)
        if not self.chance(2):
            return literal(value, declared.type)
        variable = self.new("v")
        # An argument with a default that is left out is not the same as one that is null.
        omitted = not isinstance(declared.type, GraphQLNonNull) and self.chance(4)
        default = f" = {literal(value, declared.type)}" if omitted and self.chance(2) else ""
        self.declared.append(f"${variable}: {declared.type}{default}")
        if not omitted:
            self.variables[variable] = value
        return f"${variable}"

    def json(self, name: str, kind: Any, root: str) -> Any:
        if isinstance(kind, GraphQLNonNull):
            return self.sure(name, kind.of_type, root)
        return None if self.chance(6) else self.sure(name, kind, root)

    def sure(self, name: str, kind: Any, root: str) -> Any:
        if isinstance(kind, GraphQLList):
            return [
                self.json(name, kind.of_type, root) for _ in range(self.draw(st.integers(0, 2)))
            ]
        if is_enum_type(kind):
            return self.draw(st.sampled_from(list(kind.values)))
        if is_input_object_type(kind):
            return self.draw(st.sampled_from(self.known[kind.name]))
        if name == "first":
            return self.draw(st.integers(1, 6))
        if name == "after":
            return self.draw(st.sampled_from(self.known[f"after {root}"]))
        return self.draw(st.sampled_from(self.known.get(f"{name} {root}") or self.known[kind.name]))


def is_page(field_: GraphQLField) -> bool:
    """Whether a field is a connection."""
    return "nodes" in getattr(get_named_type(field_.type), "fields", ())


def literal(value: Any, kind: Any) -> str:
    """A JSON value as GraphQL writes it: enum values without quotes."""
    kind = get_nullable_type(kind)
    if value is None:
        return "null"
    if isinstance(value, list):
        return "[" + ", ".join(literal(one, kind.of_type) for one in value) + "]"
    if isinstance(value, dict):
        members = (f"{name}: {literal(one, kind.fields[name].type)}" for name, one in value.items())
        return "{" + ", ".join(members) + "}"
    return str(value) if is_enum_type(kind) else orjson.dumps(value).decode()


def operations(
    schema: GraphQLSchema, known: Mapping[str, list[Any]], roots: tuple[str, ...]
) -> st.SearchStrategy[Made]:
    """Operations of a contract."""
    return st.composite(lambda draw: Maker(schema, draw, known, roots).operation())()
