"""The short way in must take nothing that GraphQL refuses, and hand the rule the very values that the stock way does."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
import strawberry
from graphql import (
    GraphQLError,
    execute,
)
from graphql.execution.values import get_argument_values
from hypothesis import HealthCheck, given, settings
from strawberry import UNSET

from patrol.errors import NotFound
from patrol.keys import KeySet
from schema.changes import decoded
from schema.context import Context
from schema.door import Door
from schema.enums import IncidentSeverity, Lane
from schema.mutations import inputs, running, short_way
from schema.mutations.short import Short
from schema.phone import phone_door
from schema.planner import Operation, RequestErrors, converter
from schema.planner.reads import at_most
from schema.scalars import JSON, Long, PhoneTime, config
from storage.database import Database
from storage.faults import DatabaseUnavailable
from storage.principal import Role
from tests.personas import as_officer
from tests.phone import PUSH, Phone, ask, context
from tests.schema.variables import KEY, variables_of
from tests.world import World


@strawberry.input
class Fix:
    latitude: float
    accuracy_m: float | None = UNSET
    names: list[str] = strawberry.field(default_factory=lambda: ["none"])


@strawberry.input
class Plainly:
    """One member of each scalar, given or not."""

    key: UUID
    at: datetime | None = UNSET
    told: PhoneTime | None = None
    count: int = 5
    number: Long | None = UNSET
    share: float | None = UNSET
    right: bool = False
    text: str | None = UNSET
    words: list[IncidentSeverity] | None = UNSET
    severity: IncidentSeverity = IncidentSeverity.LOW
    document: JSON | None = UNSET
    times: list[datetime | None] | None = UNSET
    keys: list[list[UUID]] | None = UNSET


@strawberry.input(one_of=True)
class Choice:
    plainly: Plainly | None = UNSET
    word: str | None = UNSET
    at: datetime | None = UNSET


@strawberry.type
class Echo:
    said: str
    lane: Lane
    key: UUID | None
    parts: list[Echo] = strawberry.field(metadata=at_most(10))


@strawberry.type
class Query:
    nothing: int = 0


class Unheard(Exception):
    """A mistake of ours."""


@strawberry.type
class Mutation:
    @short_way()
    async def say(
        context: Context,
        choices: list[Choice],
        first: Plainly | None = None,
        lane: Lane = Lane.SOS,
        key: UUID | None = None,
        count: int | None = 3,
    ) -> Echo:
        said = repr(plain([choices, first, lane, key, count]))
        if any(one.word == "fail" for one in choices):
            raise NotFound("There is nothing to say.")
        if any(one.word == "break" for one in choices):
            raise Unheard
        if any(one.word == "away" for one in choices):
            raise DatabaseUnavailable
        part = Echo(said="part", lane=Lane.SOS, key=None, parts=[])
        return Echo(said=said, lane=Lane(lane), key=key, parts=[part, part])

    @short_way()
    async def fixed(context: Context, fix: Fix) -> bool | None:
        if fix.latitude > 90:
            raise NotFound("There is no such place.")
        return True


DOOR = Door.of(
    "test",
    Role.PHONE,
    strawberry.Schema(query=Query, mutation=Mutation, config=config()),
)
PHONE = phone_door()
SAY = """mutation Say($choices: [Choice!]!, $first: Plainly, $lane: Lane! = RECORDS, $key: UUID, $count: Int) {
  said: say(choices: $choices, first: $first, lane: $lane, key: $key, count: $count) {
    ...All again: lane parts { __typename key lane } }
}
fragment All on Echo { __typename said lane key }"""
ON_DUTY = "mutation ($fix: FixInput) { goOnDuty(fix: $fix) }"
ADDRESS = "mutation ($address: PushAddressInput!) { setPushAddress(address: $address) }"


def plain(value: Any) -> Any:
    """A value with its kind, where structs and Strawberry's inputs are the same."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(one) for name, one in sorted(msgspec.structs.asdict(value).items())}
    if dataclasses.is_dataclass(value):
        return {name: plain(one) for name, one in sorted(vars(value).items())}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return "left out" if value is UNSET else (type(value).__name__, value)


def short_of(door: Door, operation: Operation) -> Short | None:
    plan = operation.compiled(None, lambda one: door.mutations._compile(operation, one))
    return plan.short[2] if plan.short else None


def stock(door: Door, operation: Operation, variables: dict[str, Any]) -> dict[str, Any] | None:
    """The arguments as the stock executor makes them; None where it refuses."""
    kind = door.schema._schema.mutation_type
    assert kind is not None
    node: Any = operation.definition.selection_set.selections[0]
    field = kind.fields[node.name.value]
    try:
        values = get_argument_values(field, node, operation.variables(variables))
    except (RequestErrors, GraphQLError):
        return None
    return converter(door.schema)(field, values)


def compare(door: Door, text: str, variables: dict[str, Any]) -> bool:
    """Whether the short way takes the variables; if it does, the stock way must take them as the same values."""
    operation = door.operations.get(text)
    way = short_of(door, operation)
    assert way is not None
    taken = way.arguments(variables)
    if taken is None:
        return False
    expected = stock(door, operation, variables)
    assert expected is not None, "the short way took what GraphQL refuses"
    assert plain(taken) == plain(expected)
    return True


OPERATIONS = [(DOOR, SAY), (PHONE, PUSH), (PHONE, ON_DUTY), (PHONE, ADDRESS)]


IDS = ["say", "push", "on duty", "address"]


def prove(door: Door, text: str, rare: int, examples: int) -> None:
    taken: list[bool] = []

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(variables=variables_of(door, text, rare))
    def holds(variables: dict[str, Any]) -> None:
        taken.append(compare(door, text, variables))

    holds()
    # Nothing would be proven by a way that takes nothing, nor by one that was shown nothing odd.
    assert sum(taken) > len(taken) / 20
    assert rare > 4 or not all(taken)


@pytest.mark.parametrize(("door", "text"), OPERATIONS, ids=IDS)
@pytest.mark.parametrize("rare", [4, 40])
def test_what_the_short_way_takes_the_stock_way_takes_as_the_same_values(
    door: Door, text: str, rare: int
) -> None:
    prove(door, text, rare, 60)


@pytest.mark.prove
@pytest.mark.parametrize(("door", "text"), OPERATIONS, ids=IDS)
@pytest.mark.parametrize("rare", [4, 12, 40])
def test_it_holds_for_thousands_of_variables(door: Door, text: str, rare: int) -> None:
    prove(door, text, rare, 3000)


@pytest.mark.parametrize(
    ("leaf", "wrong", "variables"),
    [
        ("Float", float, {"choices": [], "first": {"key": f"{KEY}a", "share": 2**53 + 1}}),
        ("PhoneTime", str, {"choices": [], "first": {"key": f"{KEY}a", "told": "x" * 65}}),
        ("Long", int, {"choices": [], "first": {"key": f"{KEY}a", "number": 2**53}}),
        ("Int", int, {"choices": [], "count": 2**31}),
        ("UUID", str, {"choices": [], "key": f"{KEY}g"}),
    ],
)
def test_a_planted_fault_is_caught(
    monkeypatch: pytest.MonkeyPatch, leaf: str, wrong: type, variables: dict[str, Any]
) -> None:
    """The negative control: a leaf that msgspec would read too freely."""
    assert not compare(DOOR, SAY, variables)
    monkeypatch.setitem(inputs._LEAVES, leaf, wrong)
    faulty = Door.of("test", Role.PHONE, DOOR.schema)
    with pytest.raises(AssertionError):
        compare(faulty, SAY, variables)


def test_a_planted_fault_is_found_among_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control of the search itself."""
    monkeypatch.setitem(inputs._LEAVES, "UUID", str)
    text = (
        "mutation ($choices: [Choice!]!, $key: UUID) { say(choices: $choices, key: $key) { said } }"
    )
    with pytest.raises((AssertionError, ExceptionGroup)):
        prove(Door.of("test", Role.PHONE, DOOR.schema), text, 12, 300)


@pytest.mark.parametrize(
    "text",
    [
        SAY.replace("parts {", "parts @include(if: $yes) {").replace("($choices", "($yes: Boolean!, $choices"),
        "mutation ($choices: [Choice!]!) { a: say(choices: $choices) { said } b: say(choices: $choices) { said } }",
        "mutation ($word: String) { say(choices: [{word: $word}]) { said } }",
        'mutation { say(choices: [{word: "x"}]) { said } }',
        "mutation ($fix: Fix!) { fixed(fix: $fix) }",
        "mutation ($choices: [Choice!]!) { say(choices: $choices) { said } __typename }",
    ],
)  # fmt: skip
def test_an_operation_that_does_not_fit_goes_the_stock_way(text: str) -> None:
    assert short_of(DOOR, DOOR.operations.get(text)) is None


async def answer(door: Door, text: str, variables: dict[str, Any]) -> Any:
    nobody: Any = None
    return await ask(door, context(nobody, nobody), text, **variables)


ANSWERS = [
    {"choices": []},
    {"choices": [{"word": "x"}], "first": {"key": f"{KEY}A"}, "lane": "TRACKS", "key": KEY + "b"},
    {"choices": [{"word": "fail"}]},
    {"choices": [{"word": "break"}]},
    {"choices": [{"word": "away"}]},
    {"choices": {"word": "one for a list"}, "count": 4.0},
    {"choices": [{"word": "x", "at": None}]},
    {"choices": [{}]},
    {"choices": [{"at": "noon"}], "first": {"unknown": 1}},
    {"choices": None},
    {"lane": None, "choices": []},
    {"lane": "WAR", "choices": []},
    {},
]


@pytest.mark.parametrize("variables", ANSWERS, ids=repr)
async def test_answers_and_errors_are_the_same_either_way(
    variables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = await answer(Door.of("test", Role.PHONE, DOOR.schema), SAY, variables)
    monkeypatch.setattr(running, "short", lambda *_: None)
    slow = await answer(Door.of("test", Role.PHONE, DOOR.schema), SAY, variables)
    assert quick == slow
    # And as graphql-core answers by itself, where it does.
    bare = execute(
        DOOR.schema._schema, DOOR.operations.get(SAY).document, variable_values=variables
    )
    alone: Any = bare if not hasattr(bare, "__await__") else await bare
    assert quick.get("data") == alone.data
    paths = [one.path for one in alone.errors or ()]
    assert [one.get("path") for one in quick.get("errors", ())] == paths or "away" in repr(
        variables
    )


async def test_a_nullable_root_that_was_refused_is_null_beside_its_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A default that is made for each call goes the stock way; without it the short one is gone.
    text = "mutation ($latitude: Float!) { fixed(fix: {latitude: $latitude}) }"
    said = await answer(DOOR, text, {"latitude": 91})
    assert said["data"] == {"fixed": None}
    assert said["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert said["errors"][0]["path"] == ["fixed"]


VECTOR: list[tuple[dict[str, Any], str]] = [
    (
        {"reportIncident": {"id": f"{KEY}A", "category": "TRAFFIC_OBSTRUCTION", "severity": "LOW", "title": "รถ\0บรรทุก",
                            "description": None, "zoneId": "{0189000000007000800000000000000B}", "latitude": 16,
                            "longitude": 98.5, "occurredAt": "x" * 70}},
        "ae078977c2eab168023eb0c36d55617299e1691fdc09321d32141d5397078f3c",
    ),
    (
        {"changeIncident": {"id": f"{KEY}a", "baseRev": 3, "status": "CLOSED", "title": "Second", "zoneId": None}},
        "7c37828825f11db3ce42ce8518762d2d141f529309629912a149991a8b688938",
    ),
    (
        {"raiseAlert": {"id": f"{KEY}a", "latitude": 16.7, "longitude": None}},
        "b5c5a303102ddb268b5ecb7f6e9a7268e19b17a0f1c87cdae4f52812bddea341",
    ),
    (
        {"answerAlert": {"id": f"{KEY}a", "status": "ACKNOWLEDGED"}},
        "0cc508d0d02e99122125f40d58e14968d3f315e186e22230cf7a3886a3b1fc3f",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("change", "digest"), VECTOR, ids=[next(iter(one)) for one, _ in VECTOR])
def test_the_digest_of_a_change_is_the_one_that_was_stored_before(
    change: dict[str, Any], digest: str
) -> None:
    """Computed by the release before the short way: a phone that repeats itself must be recognised for ever."""
    mutation: dict[str, Any] = {
        "sequence": 7, "mutationId": f"{KEY}1", "capturedAt": "2569-11-23T08:15:30+07:00 \0", "change": change,
    }  # fmt: skip
    variables = {"lane": "RECORDS", "mutations": [mutation]}
    operation = PHONE.operations.get(PUSH)
    slow = stock(PHONE, operation, variables)
    assert slow is not None
    assert decoded(slow["mutations"][0]).digest.hex() == digest
    # What the short way leaves to the stock one is written here as it takes it.
    [(kind, inner)] = change.items()
    taken = {"zoneId": f"{KEY}b", "occurredAt": "x" * 64}
    again = {name: taken.get(name, value) if value else value for name, value in inner.items()}
    mutation["change"] = {kind: again}
    way = short_of(PHONE, operation)
    assert way is not None
    quick = way.arguments({"lane": "RECORDS", "mutations": [mutation]})
    assert quick is not None
    assert decoded(quick["mutations"][0]).digest.hex() == digest


async def test_a_push_is_answered_the_same_either_way(
    kanya: Phone, world: World, database: Database, keys: KeySet, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = kanya.report("a\0b", zoneId=str(world.market), latitude=16, longitude=98.5)
    late = kanya.change(str(world.market), 1, title="Nothing")
    first = await kanya.push("RECORDS", report, late)
    again = await kanya.push("RECORDS", report, late)
    monkeypatch.setattr(running, "short", lambda *_: None)
    slow = Phone(phone_door(), context(database, await as_officer(world, world.kanya), keys))
    slow.context = kanya.context
    assert [one["outcome"] for one in first] == ["APPLIED", "REJECTED"]
    assert await slow.push("RECORDS", report, late) == again
    assert [one["first"] for one in again] == ["APPLIED", "REJECTED"]
