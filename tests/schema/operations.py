"""Operations made by chance over a contract: relations, unions, aliases, fragments, conditions, variables and mistakes."""

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
    GraphQLUnionType,
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

MEMBERS = ("nodes", "edges", "node", "pageInfo")
"""What a connection is made of, and no relation."""

SENSELESS: Mapping[str, list[Any]] = {
    "first": [0, -1, 201, 501, 10**6],
    "after": ["", "x", "\0", "WzFd", "W10", "bnVsbA", "WyJOQU1FIiwxLDJd", "WyJOQU1FIixudWxsLCJ4Il0", "é"],
    "BoundsInput": [
        {"south": 17, "west": 98, "north": 16, "east": 99},
        {"south": 16, "west": 99, "north": 17, "east": 98},
        {"south": -91, "west": 98, "north": 16, "east": 99},
        {"south": 16, "west": 98, "north": 17, "east": 181},
    ],
    "NearInput": [
        {"latitude": 16, "longitude": 98, "radiusM": 0},
        {"latitude": 16, "longitude": 98, "radiusM": 50_001},
        {"latitude": 98, "longitude": 16, "radiusM": 50},
        {"latitude": 16, "longitude": 179.99, "radiusM": 50_000},
        {"latitude": -89.9, "longitude": 0, "radiusM": 50_000},
    ],
    "PointInput": [
        {"latitude": 98.5, "longitude": 16},
        {"latitude": 16, "longitude": -181},
        {"latitude": 1e300, "longitude": 16},
    ],
}  # fmt: skip
"""Values of the right type that make no sense, by argument or type."""

MISTYPED: Mapping[str, list[Any]] = {
    "first": [2**31, "3", True],
    "UUID": ["nothing", "", 7, "\0"],
    "DateTime": ["yesterday", "2026-01-01T00:00:00", "", 0],
    "SearchText": ["", "a", "ก", "x" * 101, "--", 5, "mo\0tor"],
    "BoundsInput": [{"south": 16, "west": 98, "north": 17}, "16,98,17,99"],
    "NearInput": [{"latitude": 16, "longitude": 98, "radiusM": 10, "unit": "km"}],
    "PointInput": [{"latitude": "16", "longitude": 98}],
}
"""Values that are of no type of the contract; words of enums that do not exist come on top."""

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
    conditions: list[str] = field(default_factory=list)
    number: int = 0
    faulty: bool = False

    def operation(self) -> Made:
        query = self.schema.query_type
        assert query is not None
        self.faulty = self.chance(3)
        depth = self.draw(st.integers(1, DEPTH))
        parts, lists = [], 0
        for name in self.draw(st.lists(st.sampled_from(self.roots), min_size=1, max_size=3)):
            field_ = query.fields[name]
            text, below = self.field(name, field_, depth, root=name)
            lists += below + (not is_page(field_))
            if self.chance(6):
                text = self.wrapped(query, text)
            parts.append(text)
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

    # What is selected

    def selections(self, kind: Any, depth: int, root: str = "") -> tuple[str, int]:
        if isinstance(kind, GraphQLUnionType):
            return self.members(kind, depth, root)
        parts: list[str] = []
        lists = 0
        names = [
            name
            for name, one in kind.fields.items()
            if depth or name in MEMBERS or is_leaf_type(get_named_type(one.type))
        ]
        for _ in range(self.draw(st.integers(1, 4))):
            if self.chance(6):
                text, below = self.fragment(kind, depth, root)
            elif self.chance(10):
                text, below = self.new("a") + ": __typename", 0
            elif parts and self.chance(10):
                text, below = parts[-1], 0  # the same twice is the same once
            else:
                name = self.draw(st.sampled_from(names))
                text, below = self.field(name, kind.fields[name], depth, root)
            parts.append(text)
            lists += below
        return "{ " + " ".join(parts) + " }", lists

    def members(self, kind: GraphQLUnionType, depth: int, root: str) -> tuple[str, int]:
        """A union's selections: mostly its connection, and its refusal."""
        parts, lists = [], 0
        if self.chance(2):
            parts.append("__typename")
        refusal, connection = sorted(kind.types, key=lambda one: one.name != "Refusal")
        for one in (connection, refusal, *([connection] if self.chance(6) else [])):
            if one is connection or self.chance(2):
                body, below = self.selections(one, depth, root)
                lists += below
                parts.append(f"... on {one.name}{self.condition()} {body}")
        if self.chance(8):
            # A fragment on the union itself, which every member fits.
            parts = [f"... on {kind.name} {{ {' '.join(parts)} }}"]
        if self.chance(8):
            parts = [self.wrapped(kind, " ".join(parts))]
        return "{ " + " ".join(parts) + " }", lists

    def wrapped(self, kind: Any, text: str) -> str:
        """The same selections by a fragment that is named, has a type, or has not."""
        number = self.draw(st.integers(0, 2))
        if number == 2:
            name = self.new("F")
            self.fragments[name] = (kind.name, f"{{ {text} }}", -1)
            return f"...{name}"
        return f"...{f' on {kind.name}' if number else ''} {{ {text} }}"

    def fragment(self, kind: GraphQLObjectType, depth: int, root: str) -> tuple[str, int]:
        fitting = [
            name
            for name, (on, _, lists) in self.fragments.items()
            if on == kind.name and lists >= 0 and not root
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
        if self.conditions and self.chance(3):
            return f" @{word}(if: ${self.draw(st.sampled_from(self.conditions))})"
        name = self.new("v")
        self.conditions.append(name)
        if self.chance(3):
            # With a default it may be left out, or be null, which nothing can be decided by.
            self.declared.append(f"${name}: Boolean = {str(value).lower()}")
            if self.faulty and self.chance(3):
                self.variables[name] = None
            elif self.chance(2):
                self.variables[name] = self.draw(st.booleans())
        else:
            self.declared.append(f"${name}: Boolean!")
            self.variables[name] = value
        both = f" @{word}(if: ${name})"
        return f"{both} @include(if: true)" if word == "skip" and self.chance(6) else both

    def field(self, name: str, field_: GraphQLField, depth: int, root: str = "") -> tuple[str, int]:
        arguments = self.arguments(name, field_)
        # Two fields of one name and other arguments may not share a key.
        alias = f"{self.new('a')}: " if arguments or self.chance(4) else ""
        text = f"{alias}{name}{arguments}{self.condition()}"
        named = get_named_type(field_.type)
        if is_leaf_type(named):
            return text, 0
        member = name in MEMBERS
        free = member or name == root
        body, lists = self.selections(
            named, depth if free else depth - 1, root if is_page(field_) or member else ""
        )
        listed = isinstance(get_nullable_type(field_.type), GraphQLList) and not member
        return f"{text} {body}", lists + (listed or is_page(field_))

    # What is asked with

    def arguments(self, name: str, field_: GraphQLField) -> str:
        given = []
        order = ""
        for argument, declared in sorted(field_.args.items(), key=lambda one: one[0] != "order"):
            needed = is_required_argument(declared)
            if not needed and not self.chance(2 if self.faulty else 3):
                continue
            if argument == "order":
                order = self.draw(st.sampled_from(list(get_named_type(declared.type).values)))
                given.append(f"order: {self.told(declared, order)}")
            elif argument == "after":
                # A place of another order, too, where mistakes are made.
                place = f"after {name} {'' if self.wrongly() else order}".strip()
                value = None if self.chance(6) else self.draw(st.sampled_from(self.known[place]))
                wrong = self.draw(st.sampled_from(SENSELESS["after"])) if self.wrongly() else value
                given.append(f"after: {self.told(declared, wrong)}")
            else:
                given.append(f"{argument}: {self.value(argument, declared, name)}")
        return f"({', '.join(given)})" if given else ""

    def wrongly(self) -> bool:
        """Whether a mistake is made here."""
        return self.faulty and self.chance(3)

    def value(self, name: str, declared: GraphQLArgument, root: str) -> str:
        return self.told(declared, self.json(name, declared.type, root))

    def told(self, declared: GraphQLArgument, value: Any) -> str:
        """A value as the text writes it: itself, partly variables, or a variable that is given, null or left out."""
        kind, plain = declared.type, declared.default_value is not None
        if self.chance(2):
            return self.literal(value, kind)
        needed = isinstance(kind, GraphQLNonNull)
        # Where the argument has a default, a variable may be null by its type.
        loose = needed and plain and not is_required_argument(declared) and self.chance(2)
        variable = self.new("v")
        shown = kind.of_type if needed and loose else kind
        # An argument with a default that is left out is not the same as one that is null.
        omitted = (not needed or loose) and self.chance(4)
        usual = omitted and value is not None and self.chance(2)
        default = f" = {self.literal(value, kind, open_=False)}" if usual else ""
        self.declared.append(f"${variable}: {shown}{default}")
        if loose and self.faulty and self.chance(2):
            self.variables[variable] = None
        elif not omitted:
            self.variables[variable] = value
        return f"${variable}"

    def json(self, name: str, kind: Any, root: str) -> Any:
        if self.wrongly():
            named = get_named_type(kind)
            choice = MISTYPED if self.chance(4) else SENSELESS
            wrong = choice.get(name) or choice.get(named.name)
            if wrong:
                return self.draw(st.sampled_from(wrong))
            if is_enum_type(named) and choice is MISTYPED:
                return "NOTHING"
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
        if kind.name == "Boolean":
            return self.chance(2)
        if name == "first":
            return 200 if self.chance(12) else self.draw(st.integers(1, 6))
        return self.draw(st.sampled_from(self.known.get(f"{name} {root}") or self.known[kind.name]))

    def literal(self, value: Any, kind: Any, *, open_: bool = True) -> str:
        """A JSON value as GraphQL writes it, enum values without quotes; parts may be variables where `open_`."""
        named = get_nullable_type(kind)
        if value is None:
            return "null"
        if isinstance(value, list) and isinstance(named, GraphQLList):
            parts = (self.part(one, named.of_type, open_=open_) for one in value)
            return "[" + ", ".join(parts) + "]"
        if isinstance(value, dict) and is_input_object_type(named):
            members = (
                f"{name}: {self.part(one, named.fields[name].type, open_=open_) if name in named.fields else orjson.dumps(one).decode()}"
                for name, one in value.items()
            )
            return "{" + ", ".join(members) + "}"
        if is_enum_type(get_named_type(named)) and isinstance(value, str):
            return value
        return orjson.dumps(value).decode()

    def part(self, value: Any, kind: Any, *, open_: bool) -> str:
        """A member of a list or an object: itself or a variable."""
        if not open_ or not self.chance(6):
            return self.literal(value, kind, open_=open_)
        variable = self.new("v")
        self.declared.append(f"${variable}: {kind}")
        self.variables[variable] = value
        return f"${variable}"


def is_page(field_: GraphQLField) -> bool:
    """Whether a field is a connection, or a union of one with a refusal."""
    named = get_named_type(field_.type)
    possible = named.types if isinstance(named, GraphQLUnionType) else [named]
    return any("nodes" in getattr(one, "fields", ()) for one in possible)


def operations(
    schema: GraphQLSchema, known: Mapping[str, list[Any]], roots: tuple[str, ...]
) -> st.SearchStrategy[Made]:
    """Operations of a contract."""
    return st.composite(lambda draw: Maker(schema, draw, known, roots).operation())()
