"""What an operation has the database do is bounded as its values are: statements, joins, lists of words, and time."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
import strawberry
from graphql import get_introspection_query
from sqlmodel import SQLModel

from api.trusted import OPERATIONS
from patrol.errors import OperationTooCostly, Problem, TooLarge
from patrol.sync.push import BATCH
from schema import door as doors
from schema.admin import admin_door
from schema.door import Door
from schema.partner import partner_door
from schema.phone import phone_door
from schema.planner import Order, PlanError, page, reads
from schema.planner.cost import cost_of
from schema.planner.limits import ENTRIES, Limits
from schema.planner.reads import at_most, composed
from schema.scalars import config
from storage import tables
from storage.faults import DatabaseUnavailable
from tests.phone import Phone, ask
from tests.schema.station import DOOR, Station
from tests.schema.test_limits import all_of, many_times, opened, rows_of
from tests.schema.test_planner import counting

DOORS = (phone_door(), partner_door(), admin_door())
PHONE = DOORS[0]

ROWS = "{{ incidents(first: 200) {{ nodes {{ {} }} }} }}"
NAMES = many_times("a%: name", 200)

BURDENS = {
    "330 totals": ("{" + many_times('a%: incidents(text: "zzz") { totalCount }', 330) + "}", "values"),
    "51 roots": ("{" + many_times("a%: incidents(first: 1) { nodes { id } }", 51) + "}", "statements"),
    "50 lists below one root": (
        "{ zones(first: 1) { nodes { " + many_times("a%: incidents(first: 1) { nodes { id } }", 50) + " } } }", "statements",
    ),
    "three fields of the types of fields": (
        "{ __schema { types { fields { type { fields { name description isDeprecated } } } } } }", "values",
    ),
    "200 aliases of each type": (f"{{ __schema {{ types {{ fields {{ type {{ {NAMES} }} }} }} }} }}", "values"),
}  # fmt: skip


@pytest.mark.parametrize("name", BURDENS)
def test_what_burdens_the_database_or_the_executor_is_refused_at_once(name: str) -> None:
    text, limit = BURDENS[name]
    spent = []
    for _ in range(3):
        door = phone_door()
        started = time.process_time()
        with pytest.raises(OperationTooCostly) as refused:
            door.operations.get(text).plan(None)
        spent.append(time.process_time() - started)
        assert refused.value.extra["limit"] == limit
        assert refused.value.extra["cost"] > refused.value.extra["allowed"]
    assert min(spent) < 0.2


def text_of(text: str, door: Door = PHONE) -> dict[str, int]:
    """What an operation's text alone has the database do."""
    operation = door.operations.get(text)
    schema = door.schema._schema
    kind = schema.query_type if operation.is_query else schema.mutation_type
    assert kind is not None
    selections = operation.definition.selection_set.selections
    return dict(operation.compiled(None, lambda document: cost_of(document, kind, selections)).text)


def test_statements_and_joins_are_counted_as_they_are_sent() -> None:
    text = """{ a: incidents { edges { node { zone { id } } } nodes { zone { id } z: zone { name } reporter { id } } }
        zones { nodes { incidents { nodes { zone { id } } } cameras { id } } } }"""
    assert text_of(text) == {"mutations": 0, "statements": 4, "joins": 3}


@pytest.mark.parametrize("path", sorted(OPERATIONS.glob("*.graphql")), ids=lambda path: path.stem)
def test_a_trusted_operation_has_half_of_each_limit(path: Any) -> None:
    if PHONE.operations.get(path.read_text()).is_subscription:
        return
    for limit, cost in text_of(path.read_text()).items():
        assert cost <= getattr(Limits(), limit) / 2


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_the_standard_introspection_leaves_room_for_the_contract_to_grow(door: Door) -> None:
    assert door.operations.get(get_introspection_query()).plan(None).cost.of(None) < 150_000


def leaves(value: Any) -> int:
    if isinstance(value, dict):
        return sum(leaves(one) for one in value.values())
    return sum(leaves(one) for one in value) if isinstance(value, list) else 1


INTROSPECTIONS = (
    get_introspection_query(),
    "{ __schema { types { name fields { name args { name } type { name ofType { name ofType { name } } } } } } }",
    "{ __schema { queryType { fields { args { name type { enumValues { name } } } } } } }",
    "{ __schema { types { possibleTypes { fields { name } } interfaces { name } inputFields { name } } } }",
    '{ __type(name: "PullPage") { fields { type { ofType { ofType { ofType { fields { name } } } } } } } }',
)


@pytest.mark.parametrize("text", INTROSPECTIONS)
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
async def test_no_introspection_answers_more_than_its_cost(
    text: str, door: Door, kanya: Phone
) -> None:
    operation = door.operations.get(text)
    answer = orjson.loads(await door.execute(operation, {}, kanya.context))
    assert "errors" not in answer
    assert leaves(answer["data"]) <= operation.plan(None).cost.of(None)


def test_more_joins_than_allowed_are_refused() -> None:
    roots = many_times("a%: incidents(first: 1) { nodes { zone { id } reporter { id } } }", 31)
    with pytest.raises(OperationTooCostly) as refused:
        PHONE.operations.get(f"{{ {roots} }}").plan(None)
    assert refused.value.extra == {"limit": "joins", "allowed": 60, "cost": 62}


async def test_aliases_of_a_relation_share_one_join(station: Station) -> None:
    text = ROWS.format(many_times("z%: zone { id }", 300))
    with counting() as sent:
        answer = await ask(DOOR, station.context, text)
    assert [one.upper().count("LEFT OUTER JOIN") for one in sent] == [1]
    assert answer == station.reference.answer(text, {})


# Mutations


def push(selection: str) -> str:
    return f"mutation ($m: [MutationInput!]!) {{ push(lane: RECORDS, mutations: $m) {{ {selection} }} }}"


async def test_rows_in_the_answers_of_a_push_count_for_each_answer(kanya: Phone) -> None:
    text = push(
        "answers { incident { zone { incidents(first: 200) { nodes { id title status } } } } }"
    )
    with counting() as sent, pytest.raises(OperationTooCostly) as refused:
        await PHONE.execute(PHONE.operations.get(text), {"m": []}, kanya.context)
    assert sent == []
    assert refused.value.extra == {"limit": "values", "allowed": 200_000, "cost": BATCH * 200 * 3}


async def test_eleven_mutations_are_refused_and_ten_are_done(kanya: Phone) -> None:
    for number in (10, 11):
        text = "mutation {" + many_times("a%: goOffDuty", number) + "}"
        operation = PHONE.operations.get(text)
        if number == 10:
            assert len(orjson.loads(await PHONE.execute(operation, {}, kanya.context))) >= 1
            continue
        with counting() as sent, pytest.raises(OperationTooCostly) as refused:
            await PHONE.execute(operation, {}, kanya.context)
        assert sent == []
        assert refused.value.extra == {"limit": "mutations", "allowed": 10, "cost": 11}


# Lists in variables and arguments

PAGE = "query ($s: [IncidentStatus!]) { incidents(first: 1, status: $s) { nodes { id } } }"


async def refusal(door: Door, phone: Phone, text: str, variables: dict[str, Any]) -> Problem:
    """What is refused, within 50 ms of the process."""
    operation = door.operations.get(text)
    spent = []
    for _ in range(3):
        started = time.process_time()
        with counting() as sent, pytest.raises(Problem) as refused:
            await door.execute(operation, variables, phone.context)
        spent.append(time.process_time() - started)
        assert sent == []
    assert min(spent) < 0.05
    return refused.value


@pytest.mark.parametrize("word", ["OPEN", "NOPE", None])
async def test_a_list_of_words_that_is_too_long_is_refused_at_once(
    word: str | None, kanya: Phone
) -> None:
    problem = await refusal(PHONE, kanya, PAGE, {"s": [word] * 400_000})
    assert isinstance(problem, OperationTooCostly)
    assert problem.extra == {"limit": "entries", "allowed": ENTRIES, "cost": 400_000}


async def test_a_list_as_long_as_allowed_is_taken(kanya: Phone) -> None:
    answer = await ask(PHONE, kanya.context, PAGE, s=["OPEN"] * ENTRIES)
    assert "errors" not in answer


async def test_a_list_in_the_text_is_no_way_around(kanya: Phone) -> None:
    text = f"{{ incidents(first: 1, status: [{'OPEN ' * (ENTRIES + 1)}]) {{ nodes {{ id }} }} }}"
    answer = await ask(PHONE, kanya.context, text)
    assert answer["errors"][0]["extensions"]["limit"] == "entries"


@pytest.mark.parametrize("entry", [None, {}, {"sequence": "x"}])
async def test_a_push_that_is_too_large_is_refused_before_it_is_decoded(
    entry: Any, kanya: Phone
) -> None:
    problem = await refusal(PHONE, kanya, push("appliedSequence"), {"m": [entry] * 400_000})
    assert isinstance(problem, TooLarge)
    assert problem.extra == {"limit": BATCH}


# Time


async def test_an_answer_that_takes_too_long_is_given_up_and_its_connection_with_it(
    kanya: Phone, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "{ incidents(first: 1) { nodes { id } } zones { nodes { id } } }"
    assert "errors" not in await ask(PHONE, kanya.context, text)
    with monkeypatch.context() as patched:
        patched.setattr(doors, "DEADLINE_SECONDS", 0.3)
        async with owner.transaction():
            await owner.execute("lock table incident in access exclusive mode")
            with pytest.raises(DatabaseUnavailable):
                await PHONE.execute(PHONE.operations.get(text), {}, kanya.context)
    # Whoever is served next is answered, and as himself.
    assert "errors" not in await ask(PHONE, kanya.context, text)


# What is found when a door opens


def test_an_order_over_a_column_that_may_be_empty_is_named() -> None:
    @reads(tables.Zone)
    class Place:
        id: UUID

    column = next(one.name for one in SQLModel.metadata.tables["zone"].c if one.nullable)
    query = type(
        "Query",
        (),
        {"rows": page(returns=rows_of(Place), order={"X": Order(column)})(all_of)},
    )
    with pytest.raises(
        PlanError, match=rf"Query\.rows is ordered by '{column}', which zone may leave"
    ):
        opened(query)


@strawberry.type
class Part:
    said: str


@strawberry.type
class Parts:
    parts: list[Part]


@strawberry.type
class BoundedParts:
    parts: list[Part] = strawberry.field(metadata=at_most(5))


@strawberry.type
class Nested:
    inner: list[Parts]


@strawberry.type
class Fault:
    code: str


def opened_with(answer: Any) -> Door:
    async def act() -> Any: ...

    act.__annotations__["return"] = answer
    query = strawberry.type(type("Query", (), {"__annotations__": {"nothing": int}, "nothing": 0}))
    mutation = strawberry.type(type("Mutation", (), {"act": strawberry.mutation(act)}))
    schema = strawberry.Schema(query=query, mutation=mutation, config=config())
    return Door.of("test", PHONE.role, schema)


def test_a_list_of_an_answer_says_how_long_it_can_be() -> None:
    assert opened_with(BoundedParts)
    with pytest.raises(PlanError, match=r"Parts\.parts is a list without `at_most`"):
        opened_with(Parts)
    with pytest.raises(PlanError, match=r"Mutation\.act is a list without `at_most`"):
        opened_with(list[Part])


def test_a_member_of_a_union_that_a_mutation_answers_is_checked() -> None:
    with pytest.raises(PlanError, match=r"Parts\.parts"):
        opened_with(Parts | Fault)


def test_a_list_in_the_list_of_a_composed_root_is_named() -> None:
    async def by(reading: Any, selections: Any) -> Any: ...

    with pytest.raises(PlanError, match=r"Parts\.parts is a list without"):
        opened(type("Query", (), {"rows": composed(Nested, by)}))
    assert opened(type("Query", (), {"rows": composed(Parts, by)}))
