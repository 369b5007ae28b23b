"""A naive door: whole tables in memory, run by the stock executor, and mistakes found by looking at one field at a time.

It shares the contract's types and nothing of the planner, so that what both answer alike is what the contract says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import asin, cos, degrees, radians, sin
from typing import Any
from uuid import UUID

from graphql import (
    ExecutionResult,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLUnionType,
    OperationDefinitionNode,
    VariableValues,
    execute,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    parse,
    validate,
)
from graphql.execution.collect_fields import FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import get_argument_values, get_variable_values
from strawberry.utils.str_converters import to_snake_case

from patrol.errors import CursorInvalid
from patrol.geometry import MEAN_RADIUS_M, distance_m
from tests.schema.reference.lists import Given, List, Record

SIZE = {"tracks": 500}
"""The largest pages of lists, where they are not 200."""

COMPOSED = 200
"""How many rows the lists of a root have together that a rule composes."""

MOMENTARY = ("ageSeconds", "fixAgeSeconds")
"""Leaves that depend on the moment of the answer."""

SECONDS = 120
"""How far two answers may be apart that tell an age."""


class Fault(Exception):
    """What is wrong with a field. A `hard` one is the request's own fault, which no union answers."""

    def __init__(self, code: str, *, hard: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.hard = hard


class About(float):
    """A number that depends on the moment of the answer."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int | float) and abs(float(self) - float(other)) < SECONDS

    __hash__ = float.__hash__


class AnyText(str):
    """A text for people, equal to any other."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and bool(other)

    __hash__ = str.__hash__


@dataclass
class Run:
    """One operation with its variables, and the union-typed fields that must be refused, by their path.

    The flag of a refusal says whether the field's own arguments are at fault. `moments` are the places of answers that
    depend on when they were made.
    """

    schema: GraphQLSchema
    definition: OperationDefinitionNode
    fragments: dict[str, FragmentDetails]
    variables: VariableValues
    refused: dict[tuple[str, ...], tuple[str, bool]] = field(default_factory=dict)
    moments: list[list[str | int]] = field(default_factory=list)

    def roots(self) -> Mapping[str, Any]:
        query = self.schema.query_type
        assert query is not None
        return collect_fields(
            self.schema, self.fragments, self.variables, query, self.definition
        ).grouped_field_set

    def below(self, kind: GraphQLObjectType, details: Any) -> Mapping[str, Any]:
        return collect_subfields(
            self.schema, self.fragments, self.variables, self.definition, kind, details
        ).grouped_field_set

    def given(self, field: GraphQLField, details: Any) -> dict[str, Any]:
        """The arguments; a null where none may be is a fault of the request."""
        try:
            return plain(get_argument_values(field, details[0].node, self.variables))
        except GraphQLError as error:
            raise Fault("VARIABLE_INVALID", hard=True) from error


class Naive:
    """Answers a contract's queries."""

    def __init__(self, schema: GraphQLSchema, *, most: int) -> None:
        self.schema = schema
        self.most = most
        self.tables: dict[str, list[Record]] = {}
        self.refusals: Counter[str] = Counter()

    # What a contract says

    def kind_of(self, parent: str, name: str, given: Given) -> List | None:
        """The list behind a connection."""
        raise NotImplementedError

    def value(self, parent: str, name: str, source: Any, given: Given) -> Any:
        """What a field answers."""
        raise NotImplementedError

    def admit(self, name: str, given: Given) -> None:
        """Raises what refuses a root."""

    def admits(self, name: str, parent: Record) -> bool:
        """Whether a list below a row is not refused."""
        return True

    # How an operation is answered

    def answer(self, text: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The data, and the errors by code and path."""
        document = parse(text)
        wrong = validate(self.schema, document, max_errors=20)
        if wrong:
            return {"errors": [("OPERATION_INVALID", None)] * len(wrong)}
        [definition] = [
            one for one in document.definitions if isinstance(one, OperationDefinitionNode)
        ]
        values = get_variable_values(
            self.schema, definition.variable_definitions or (), dict(variables), max_errors=20
        )
        if not isinstance(values, VariableValues):
            return {"errors": [("VARIABLE_INVALID", None)] * len(values)}
        fragments = {
            one.name.value: FragmentDetails(one)
            for one in document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }
        run = Run(self.schema, definition, fragments, values)
        if self._null_condition(text, values):
            return {"errors": [("VARIABLE_INVALID", None)]}
        query = self.schema.query_type
        assert query is not None
        if self._cost(run, query, run.roots(), None) > self.most:
            return {"errors": [("OPERATION_TOO_COSTLY", None)]}
        faults: dict[str, str] = {}
        for key, details in run.roots().items():
            try:
                self._examine(run, query, details, (key,))
            except Fault as fault:
                faults[key] = fault.code

        # The library takes functions only.
        def resolve(follow: Any, source: Any, info: GraphQLResolveInfo[Any], **given: Any) -> Any:
            if info.path.prev is None and info.path.key in faults:
                raise Fault(faults[str(info.path.key)])
            return self._resolve(run, follow, source, info, plain(given))

        result = execute(
            self.schema, document, variable_values=dict(variables), middleware=[resolve]
        )
        assert isinstance(result, ExecutionResult)
        for error in result.errors or ():
            assert error.path is not None
            assert error.path[0] in faults, error
        if result.data is not None:
            for *way, last in run.moments:
                place: Any = result.data
                for step in way:
                    place = place[step]
                place[last] = About(place[last])
        answer: dict[str, Any] = {"data": result.data}
        if faults:
            answer["errors"] = [(code, [key]) for key, code in faults.items()]
        return answer

    @staticmethod
    def _null_condition(text: str, values: VariableValues) -> bool:
        """Whether a variable that decides what is asked for is null."""
        return any(
            value is None and f"(if: ${name})" in text for name, value in values.coerced.items()
        )

    def _examine(
        self, run: Run, parent: GraphQLObjectType, details: Any, path: tuple[str, ...]
    ) -> None:
        """Looks for the first fault of a field and of all below it, whatever rows there are."""
        name = details[0].node.name.value
        field = parent.fields.get(name)
        if field is None:
            return
        named = get_named_type(field.type)
        own = True
        try:
            given = run.given(field, details)
            self._own(parent.name, name, given)
            if parent is self.schema.query_type:
                self.admit(name, given)
                if name in ("incident", "alert") and self.value("Query", name, None, given) is None:
                    return
            own = False
            for kind in _objects(named):
                for key, below in run.below(kind, details).items():
                    self._examine(run, kind, below, (*path, key))
        except Fault as fault:
            if fault.hard or not isinstance(named, GraphQLUnionType):
                raise
            run.refused[path] = fault.code, own

    def _own(self, parent: str, name: str, given: Given) -> None:
        if any("\0" in text for text in _texts(given)) or not all(map(_sensible, _places(given))):
            raise Fault("VARIABLE_INVALID")
        if "first" in given and not 1 <= given["first"] <= SIZE.get(name, 200):
            raise Fault("PAGE_SIZE_INVALID")
        after, kind = given.get("after"), self.kind_of(parent, name, given)
        if after is not None and kind is not None:
            try:
                kind.place(after)
            except CursorInvalid as error:
                raise Fault("CURSOR_INVALID") from error

    def _cost(
        self, run: Run, kind: GraphQLObjectType, fields: Mapping[str, Any], rows: int | None
    ) -> int:
        """A leaf counts once for each row that it can stand in."""
        cost = 0
        for details in fields.values():
            name = details[0].node.name.value
            field = kind.fields.get(name)
            named = field and get_named_type(field.type)
            if name == "__type":
                # The stock executor answers it, which is as slow as five values each.
                cost += 5 * len(run.below(self.schema.type_map["__Type"], details))
                continue
            if field is None or is_leaf_type(named):
                # A total looks at as many rows as it likes.
                cost += 1_000 if name == "totalCount" else 1
                continue
            size = rows
            if "first" in field.args:
                size = self._size(run, field, details, name)
            elif name in ("checkpointKeys", "organisation", "me"):
                size = COMPOSED
            listed = is_list_type(get_nullable_type(field.type))
            below = max(
                self._cost(run, one, run.below(one, details), None if listed else size)
                for one in _objects(named)
            )
            cost += size * below if listed and size is not None else below
        return cost

    @staticmethod
    def _size(run: Run, field: GraphQLField, details: Any, name: str) -> int:
        first = field.args["first"].default_value
        with suppress(Fault):  # a null counts as nothing
            first = run.given(field, details).get("first", first)
        return max(1, min(first, SIZE.get(name, 200)))

    def _resolve(
        self, run: Run, follow: Any, source: Any, info: GraphQLResolveInfo[Any], given: Given
    ) -> Any:
        name, kind = info.field_name, info.parent_type.name
        if name.startswith("__") or kind.startswith("__"):
            return follow(source, info, **given)
        named = get_named_type(info.return_type)
        if isinstance(named, GraphQLUnionType):
            refusal = self._refusal(run, name, source, info)
            if refusal is not None:
                return refusal
            [connection] = [one for one in named.types if one.name != "Refusal"]
            value = self.value(kind, name, source, given)
            return {**value, "__typename": connection.name}
        value = self.value(kind, name, source, given)
        if name in MOMENTARY and value is not None:
            run.moments.append(info.path.as_list())
        return _enumerated(named, value) if isinstance(named, GraphQLEnumType) else value

    def _refusal(
        self, run: Run, name: str, source: Any, info: GraphQLResolveInfo[Any]
    ) -> Record | None:
        path = tuple(str(one) for one in info.path.as_list() if isinstance(one, str))
        code, own = run.refused.get(path, (None, False))
        if not own and info.parent_type is not self.schema.query_type:
            code = code if self.admits(name, source) else "NOT_GRANTED"
        if code is None:
            return None
        self.refusals[code] += 1
        text = AnyText("for people")
        return {"__typename": "Refusal", "code": code, "message": text, "what_to_do": text}

    def leaf(self, name: str, source: Any, given: Given) -> Any:
        """A leaf that both contracts compute alike, or a column."""
        if name == "distanceM":
            place = source["latitude"], source["longitude"]
            here = given["from"]["latitude"], given["from"]["longitude"]
            return None if None in place else distance_m(*here, *place)
        return source[to_snake_case(name)]

    def one(self, table: str, local: str, remote: str, source: Record) -> Record | None:
        """The row whose column has our value."""
        return next((row for row in self.tables[table] if row[remote] == source[local]), None)


def plain(value: Any) -> Any:
    """Ids as text, as tables have them here."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return str(value) if isinstance(value, UUID) else value


def _enumerated(kind: GraphQLEnumType, value: Any) -> Any:
    if isinstance(value, list):
        return [_enumerated(kind, one) for one in value]
    return value if value is None else kind.values[value].value


def _objects(kind: Any) -> list[GraphQLObjectType]:
    """The types of what stands below a field, but for refusals, which have nothing below."""
    if isinstance(kind, GraphQLUnionType):
        return list(kind.types)
    return [kind] if isinstance(kind, GraphQLObjectType) else []


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


def _places(given: Given) -> Iterator[Mapping[str, float]]:
    for name in ("within", "near", "from"):
        if given.get(name) is not None:
            yield given[name]


def _sensible(place: Mapping[str, float]) -> bool:
    """Whether a box, circle or point is on the map."""
    if "south" in place:
        corners = (place["south"], place["west"]), (place["north"], place["east"])
        in_turn = place["south"] <= place["north"] and place["west"] <= place["east"]
        return in_turn and all(_on_map(*corner) for corner in corners)
    if not _on_map(place["latitude"], place["longitude"]):
        return False
    radius = place.get("radiusM")
    if radius is None:
        return True
    if not 1 <= radius <= 50_000:
        return False
    angle = radius / MEAN_RADIUS_M
    if abs(place["latitude"]) + degrees(angle) >= 90:
        return False
    wide = degrees(asin(sin(angle) / cos(radians(place["latitude"]))))
    return abs(place["longitude"]) + wide <= 180


def _on_map(latitude: float, longitude: float) -> bool:
    return -90 <= latitude <= 90 and -180 <= longitude <= 180
