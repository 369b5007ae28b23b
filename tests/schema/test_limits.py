"""An operation that asks for too much is refused with one clear error before it costs anything, and mistakes at start-up."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from uuid import UUID

import pytest
import strawberry
from graphql import GraphQLObjectType, get_introspection_query
from sqlmodel import SQLModel

from patrol.errors import OperationTooCostly, Problem
from schema.admin import admin_door
from schema.door import Door
from schema.partner import partner_door
from schema.phone import phone_door
from schema.planner import (
    Columns,
    Conditions,
    Operations,
    Order,
    PlanError,
    RequestErrors,
    computed,
    converter,
    many,
    one,
    page,
    reads,
    variants,
)
from schema.planner.limits import Limits
from schema.scalars import config
from storage import tables
from storage.principal import Role
from storage.statements import Statement

DOORS = (phone_door(), partner_door(), admin_door())
PHONE = DOORS[0]


def zones(body: str, more: str = "") -> str:
    return f"{{ zones {{ nodes {{ {body} }} }} }} {more}"


def chain(length: int, spread: str = "...f%") -> str:
    """Fragments each of which spreads the next one."""
    middle = "".join(
        f"fragment f{n} on Zone {{ {spread.replace('%', str(n + 1))} }} " for n in range(length)
    )
    return zones("...f0", f"{middle} fragment f{length} on Zone {{ id }}")


def many_times(made: str, times: int, between: str = " ") -> str:
    return between.join(made.replace("%", str(number)) for number in range(times))


EVERY = many_times("...f%", 30)

BOMBS = {
    "500 kB of aliases": (zones(many_times("a%: id", 60_000)), "source_bytes"),
    "10,000 tokens": (zones("id " * 10_000), "tokens"),
    "1,001 fields": (zones(many_times("a%: id", 1_001)), "fields"),
    "two to the 60 fields by fragments": (chain(60, "...f% ...f%"), "fields"),
    "a chain of 300 fragments": (chain(300), "definitions"),
    "fragments and braces deeper than the stack": (
        chain(80, "...{" * 16 + "...f%" + "}" * 16), "depth",
    ),
    "relations 40 deep": (zones("cameras { zone { " * 20 + "id" + " } }" * 20), "depth"),
    "one field 900 times": (zones("id " * 900), "merges"),
    "one unknown field 900 times": (zones("nothing " * 900), "merges"),
    "one root 300 times": ("{" + "zones { nodes { id } } " * 300 + "}", "merges"),
    "one field in each of 80 fragments": (
        zones(many_times("...g%", 80), many_times("fragment g% on Zone { id name code }", 80)), "merges",
    ),
    "300 operations": (many_times("query q% { zones { nodes { id } } }", 300), "definitions"),
    "1,000 variables": (f"query ({many_times('$v%: Int', 1_000)}) {zones('id')}", "variables"),
}  # fmt: skip

INVALID = {
    "a cycle": zones("...a", "fragment a on Zone { ...b } fragment b on Zone { ...a }"),
    "two to the 60 spreads of an unknown fragment": chain(60, "...f% ...f%").replace(
        "fragment f60 on Zone { id }", "fragment f60 on Zone { ...nothing }"
    ),
    "a fragment in itself": zones("...a", "fragment a on Zone { id ...a }"),
    "fragments that all spread all": zones(
        "...f0",
        many_times(f"fragment f% on Zone {{ {EVERY} }}", 30),
    ),
    "an unused fragment of 900 fields": zones("id", f"fragment a on Zone {{ {'id ' * 900} }}"),
    "an unknown field": zones("ida"),
    "an unknown fragment": zones("...a"),
    "an unknown type": zones("... on Nothing { id }"),
    "an unknown argument": "{ zones(firts: 1) { nodes { id } } }",
    "a field with a name of 60,000 letters": zones("a" * 60_000),
    "an enum value of 60,000 letters": f"{{ zones(kind: {'A' * 60_000}) {{ nodes {{ id }} }} }}",
    "braces 3,000 deep": "{a" * 1_500 + "}" * 1_500,
    "a value 2,000 deep": f"{{ zones(first: {'[' * 2_000}{']' * 2_000}) {{ nodes {{ id }} }} }}",
    "a value 150 deep": f"{{ zones(first: {'[' * 150}{']' * 150}) {{ nodes {{ id }} }} }}",
    "nothing": "",
    "no GraphQL": "select 1",
    "a row without selection": "{ zones { nodes } }",
    "a leaf with selection": zones("id { id }"),
    "a subscription to two": "subscription { changed { subjects } b: changed { subjects } }",
}  # fmt: skip


def refused(text: str) -> tuple[Problem | RequestErrors, float]:
    """The refusal of an operation, and the least CPU seconds of some tries: other processes disturb the rest."""
    spent = []
    problem: Problem | RequestErrors | None = None
    for _ in range(5):
        started = time.process_time()
        try:
            PHONE.operations.get(text)
        except (Problem, RequestErrors) as refusal:
            problem = refusal
        spent.append(time.process_time() - started)
    assert problem is not None
    return problem, min(spent)


@pytest.mark.parametrize("name", BOMBS)
def test_an_operation_over_a_limit_is_refused_at_once_and_told_which(name: str) -> None:
    text, limit = BOMBS[name]
    problem, seconds = refused(text)
    assert isinstance(problem, OperationTooCostly)
    assert problem.extra["limit"] == limit
    assert problem.extra["cost"] > problem.extra["allowed"] == getattr(Limits(), limit)
    assert limit in problem.message
    assert seconds < 0.05


@pytest.mark.parametrize("name", INVALID)
def test_an_operation_that_does_not_fit_is_refused_at_once(name: str) -> None:
    problem, seconds = refused(INVALID[name])
    if isinstance(problem, Problem):
        assert problem.http_status == 400
        codes = {problem.code}
    else:
        assert 1 <= len(problem.errors) <= 21
        assert problem.errors[0]["message"]
        codes = {one["extensions"]["code"] for one in problem.errors}
    assert codes <= {"OPERATION_INVALID", "QUERY_MISSING"}
    assert seconds < 0.05


def test_without_the_limits_the_same_text_costs_a_second_of_validation() -> None:
    """A negative control: what the limit on merges saves."""
    generous = Limits(merges=10**9, fields=10**9)
    operations = Operations(PHONE.schema._schema, converter(PHONE.schema), limits=generous)
    started = time.process_time()
    operations.get(BOMBS["one root 300 times"][0])
    assert time.process_time() - started > 0.2


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_the_standard_introspection_keeps_the_limits(door: Door) -> None:
    assert door.operations.get(get_introspection_query()).is_query


def test_an_operation_at_its_limits_is_taken() -> None:
    fields = many_times("a%: id", Limits().fields - 2)
    assert PHONE.operations.get(zones(fields)).is_query
    fragments = many_times("fragment g% on Zone { id name code }", 30)
    assert PHONE.operations.get(zones(many_times("...g%", 30), fragments)).is_query


# What is found when a door opens


def opened(query: type) -> Door:
    return Door.of(
        "test", Role.PHONE, strawberry.Schema(query=strawberry.type(query), config=config())
    )


@reads(tables.Camera, name="Camera")
class Lens:
    id: UUID
    name: str


@strawberry.type
class LensConnection:
    nodes: list[Lens]


BY_NAME = {"NAME": Order("name")}


def whole(row: Columns) -> Conditions:
    yield row.deleted_at.is_(None)


def all_of(row: Columns) -> Conditions:
    yield from ()


def rows_of(kind: type) -> type:
    """A connection of rows of a type."""
    made = type("Rows", (), {"__annotations__": {"nodes": list[kind]}})  # type: ignore[valid-type] # made here
    return strawberry.type(made)


def with_rows(kind: type) -> type:
    """A query over rows of a type."""
    return type(
        "Query", (), {"rows": page(returns=rows_of(kind), order={"ID": Order("id")})(all_of)}
    )


def test_a_column_that_does_not_exist_is_named_with_its_field() -> None:
    @reads(tables.Zone)
    class Place:
        id: UUID
        nmae: str

    with pytest.raises(
        PlanError, match=r"Place\.nmae reads the column 'nmae', which zone does not have"
    ):
        opened(with_rows(Place))


def test_a_computed_field_that_needs_a_missing_column_is_named() -> None:
    @reads(tables.Zone)
    class Place:
        id: UUID
        age: str = computed("updated_at", "wisdom", by=lambda *_: "")

    with pytest.raises(PlanError, match=r"Place\.age reads the column 'wisdom'"):
        opened(with_rows(Place))


@pytest.mark.parametrize(
    ("local", "remote", "table"), [("lens", "id", "zone"), ("id", "plcae_id", "camera")]
)
def test_a_relation_over_a_missing_column_is_named(local: str, remote: str, table: str) -> None:
    @reads(tables.Zone)
    class Place:
        id: UUID
        lens: Lens | None = one(local, remote)

    wanted = local if table == "zone" else remote
    with pytest.raises(
        PlanError, match=rf"Place\.lens reads the column '{wanted}', which {table} does not have"
    ):
        opened(with_rows(Place))


def test_a_list_over_a_missing_column_is_named() -> None:
    @reads(tables.Zone)
    class Place:
        id: UUID

        @many("zone", returns=list[Lens], order=BY_NAME)
        def lenses(row: Columns, first: int = 50) -> Conditions:
            yield row.deleted_at.is_(None)

    with pytest.raises(
        PlanError, match=r"Place\.lenses reads the column 'zone', which camera does not have"
    ):
        opened(with_rows(Place))


def test_a_root_list_in_the_order_of_a_missing_column_is_named() -> None:
    query = type(
        "Query", (), {"rows": page(returns=LensConnection, order={"X": Order("colour")})(whole)}
    )
    with pytest.raises(
        PlanError, match=r"Query\.rows reads the column 'colour', which camera does not have"
    ):
        opened(query)


def test_a_rule_over_a_missing_column_is_named() -> None:
    def coloured(row: Columns, colour: str | None = None) -> Conditions:
        if colour is not None:
            yield row.colour == colour

    query = type("Query", (), {"rows": page(returns=LensConnection, order=BY_NAME)(coloured)})
    with pytest.raises(
        PlanError,
        match=r"Query\.rows has a rule over the column colour, which camera does not have",
    ):
        opened(query)


def test_a_field_of_a_row_that_reads_nothing_is_named() -> None:
    @reads(tables.Zone)
    class Place:
        id: UUID
        mood: str = strawberry.field(resolver=lambda: "good")

    with pytest.raises(PlanError, match=r"Place\.mood does not say what it reads"):
        opened(with_rows(Place))


def test_a_wrong_key_or_scope_of_a_type_is_named() -> None:
    @reads(tables.CameraState)
    class State:
        camera_id: UUID

    query = type(
        "Query",
        (),
        {"rows": page(returns=rows_of(State), order={"ID": Order("camera_id")})(all_of)},
    )
    with pytest.raises(
        PlanError, match=r"State reads the column 'id', which camera_state does not have"
    ):
        opened(query)


# What a contract is made of


def object_types(door: Door) -> Iterator[GraphQLObjectType]:
    for kind in door.schema._schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            yield kind


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_no_type_of_a_contract_is_a_table(door: Door) -> None:
    for kind in object_types(door):
        origin = kind.extensions["strawberry-definition"].origin
        assert not issubclass(origin, SQLModel), f"{kind.name} is a table model"


def test_the_contracts_share_no_classes() -> None:
    """Field objects carry the state of one schema, and what a partner must not see must not exist in its contract."""
    classes = [
        {kind.extensions["strawberry-definition"].origin for kind in object_types(door)}
        for door in DOORS
    ]
    for number, mine in enumerate(classes):
        for others in classes[number + 1 :]:
            assert not mine & others


def test_statements_share_one_bounded_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "_left", 3 * (variants.OVERHEAD + len("select 1")))
    monkeypatch.setattr(variants, "_kept", OrderedDict())
    one, other = variants.Variants(), variants.Variants()
    made: list[int] = []

    def build() -> Statement:
        made.append(1)
        return Statement(f"select {len(made)}", (), {})

    first = one.get("a", build)
    assert other.get("a", build) is not first
    assert one.get("a", build) is first
    for shape in "bc":
        other.get(shape, build)
    assert one.get("a", build) is first
    assert len(variants._kept) == 3
    other.get("a", build)
    assert len(made) == 5
