"""What an operation can answer at most is known before it is read, and too much is refused with what it would have been."""

from __future__ import annotations

import time
from itertools import product
from typing import Any

import orjson
import pytest

from api.trusted import OPERATIONS
from patrol.errors import OperationTooCostly
from schema.partner import partner_door
from schema.phone import phone_door
from schema.planner import RequestErrors
from schema.planner.cost import KEPT
from schema.planner.limits import Limits
from tests.phone import Phone, ask
from tests.schema.station import DOOR, Station
from tests.schema.test_planner import counting

PHONE, PARTNER = phone_door(), partner_door()
FREE = phone_door(limits=Limits(values=10**12))


def cost(text: str, door: Any = FREE, **variables: Any) -> int:
    """The cost of an operation with these variables."""
    operation = door.operations.get(text)
    values = operation.variables(variables)
    return int(operation.plan(values).cost.of(values))


TYPES = len(PHONE.schema._schema.type_map)

COSTS: list[tuple[str, dict[str, Any], int]] = [
    ("{ me { id name } }", {}, 2),
    ('{ incident(id: "00000000-0000-7000-8000-000000000000") { id zone { id name } } }', {}, 3),
    ("{ zones { nodes { id } } }", {}, 50),
    ("{ zones(first: 7) { nodes { id name } } }", {}, 14),
    ("{ zones(first: 7) { totalCount pageInfo { endCursor hasNextPage } nodes { id } } }", {}, 1_009),
    ("{ zones(first: 7) { __typename edges { cursor node { id } } nodes { id } } }", {}, 22),
    ("{ zones(first: 3) { nodes { id cameras(first: 5) { id name } } } }", {}, 3 * (1 + 5 * 2)),
    ("{ zones(first: 3) { nodes { a: cameras(first: 5) { id } b: cameras(first: 2) { id } } } }", {}, 3 * 7),
    ("{ zones(first: 3) { nodes { incidents(first: 4) { totalCount nodes { id zone { id } } } } } }", {}, 3 * 1_008),
    ("{ zones(first: 3) { nodes { cameras(first: 2) { snapshots(first: 9) { nodes { id } } } } } }", {}, 54),
    ("{ a: zones(first: 3) { nodes { id } } b: zones(first: 2) { nodes { id name } } }", {}, 7),
    ("query ($n: Int!) { zones(first: $n) { nodes { id } } }", {"n": 9}, 9),
    ("query ($n: Int! = 8) { zones(first: $n) { nodes { id } } }", {}, 8),
    ("query ($n: Int! = 8) { zones(first: $n) { nodes { id } } }", {"n": 2}, 2),
    ("query ($v: Boolean!) { zones(first: 5) { nodes { id cameras(first: 9) @include(if: $v) { id } } } }", {"v": False}, 5),
    ("query ($v: Boolean!) { zones(first: 5) { nodes { id cameras(first: 9) @include(if: $v) { id } } } }", {"v": True}, 50),
    ("{ zones(first: 5) { ...a ... { ...a } } } fragment a on ZoneConnection { nodes { id name } }", {}, 10),
    # The rows of a pull are shared by its lists.
    ("{ pull(first: 10) { cursor incidents { id title } zones { id } } }", {}, 1 + 20),
    ("{ pull(first: 10) { incidents { id title } again: incidents { id } removals { id } } }", {}, 30),
    ("{ pull { incidents { id } } }", {}, 500),
    # A wrong page size is refused where it stands.
    ("query ($n: Int!) { zones(first: $n) { nodes { id } } }", {"n": 10**6}, 200),
    ("query ($n: Int!) { zones(first: $n) { nodes { id } } }", {"n": -5}, 1),
    ('{ __type(name: "Zone") { name kind } zones(first: 2) { nodes { id } } }', {}, 5 * 2 + 2),
    ("{ __schema { types { name } } zones(first: 2) { nodes { id } } }", {}, 5 * TYPES + 2),
]  # fmt: skip


@pytest.mark.parametrize(("text", "variables", "values"), COSTS)
def test_the_cost_is_the_number_of_values_that_can_be_answered(
    text: str, variables: dict[str, Any], values: int
) -> None:
    assert cost(text, **variables) == values


def test_of_a_list_and_its_refusal_the_larger_counts() -> None:
    text = """{ zones(first: 4) { ... on Refusal { code message whatToDo }
        ... on ZoneConnection { nodes { id cameras(first: 2) { __typename ... on Refusal { code }
            ... on CameraConnection { nodes { id } } } } } } }"""
    assert cost(text, PARTNER) == 4 * (1 + 1 + 2)


async def test_no_answer_has_more_values_than_its_cost(station: Station) -> None:
    text = """query ($z: Int!, $c: Int!) { zones(first: $z) { totalCount nodes { id
        cameras(first: $c) { id zone { id } snapshots(first: $c) { nodes { id } } }
        incidents(first: $c) { totalCount edges { cursor node { id } } } } } }"""
    for zones, below in product((1, 3, 50), (1, 2, 9)):
        answer = await ask(DOOR, station.context, text, z=zones, c=below)
        assert "errors" not in answer
        assert leaves(answer["data"]) <= cost(text, DOOR, z=zones, c=below)


def leaves(value: Any) -> int:
    if isinstance(value, dict):
        return sum(leaves(one) for one in value.values())
    return sum(leaves(one) for one in value) if isinstance(value, list) else 1


TWELVE = "id code name nameTh kind latitude longitude rev updatedAt zoneId stationId scopeId"
WIDE = f"query ($z: Int!, $c: Int!) {{ zones(first: $z) {{ nodes {{ cameras(first: $c) {{ {TWELVE} }} }} }} }}"


async def test_too_many_values_are_refused_before_anything_is_read(kanya: Phone) -> None:
    operation = PHONE.operations.get(WIDE)
    with counting() as sent, pytest.raises(OperationTooCostly) as refused:
        await PHONE.execute(operation, {"z": 200, "c": 200}, kanya.context)
    assert sent == []
    assert refused.value.extra == {"limit": "values", "allowed": Limits().values, "cost": 480_000}
    assert "values: 480000" in refused.value.message
    answer = await PHONE.execute(operation, {"z": 20, "c": 20}, kanya.context)
    assert "errors" not in orjson.loads(answer)


def test_without_the_limit_the_same_text_would_be_run() -> None:
    """A negative control."""
    assert cost(WIDE, z=200, c=200) == 480_000


AT_MOST: dict[str, dict[str, Any]] = {"ZonesWithCameras": {"zones": 200, "cameras": 98}}
"""Page sizes that fill the limit, where the largest ones would be over it: a map has few zones, and few cameras each."""


@pytest.mark.parametrize("path", sorted(OPERATIONS.glob("*.graphql")), ids=lambda path: path.stem)
def test_a_trusted_operation_keeps_the_limit_at_its_largest_pages(path: Any) -> None:
    operation = PHONE.operations.get(path.read_text())
    if not operation.is_query:
        return
    names = [one.variable.name.value for one in operation.definition.variable_definitions or ()]
    sizes = AT_MOST.get(path.stem, {"first": 10**6} if "first" in names else {})
    assert operation.compiled(None, operation._priced).cost._count(sizes) <= Limits().values


def test_costs_without_end_keep_little_memory() -> None:
    operation = PHONE.operations.get(WIDE)
    for zones, cameras in product(range(1, 41), range(1, 21)):
        operation.plan(operation.variables({"z": zones, "c": cameras}))
    cost = operation.plan(operation.variables({"z": 1, "c": 1})).cost
    assert len(cost._known) <= KEPT


def deep(levels: int) -> str:
    return "{ zones(first: 200) { nodes { " + "cameras(first: 200) { zone { " * levels + "id" + " } }" * levels + " } } }"  # fmt: skip


COSTLY = {
    "pages in pages": deep(4),
    "hundreds of pages in pages": "{ zones(first: 200) { nodes { "
    + " ".join(f"a{n}: cameras(first: 200) {{ id }}" for n in range(150))
    + " } } }",
    "fragments in fragments": "{ zones(first: 200) { nodes { ...f0 } } } "
    + " ".join(
        f"fragment f{n} on Zone {{ a{n}: cameras(first: 200) {{ zone {{ ...f{n + 1} }} }} }}"
        for n in range(6)
    )
    + " fragment f6 on Zone { id }",
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_costly_operation_is_refused_at_once(name: str) -> None:
    spent = []
    for _ in range(3):
        door = phone_door()
        started = time.process_time()
        with pytest.raises(OperationTooCostly) as refused:
            door.operations.get(COSTLY[name]).plan(None)
        spent.append(time.process_time() - started)
        assert refused.value.extra["limit"] in ("values", "depth")
    assert min(spent) < 0.05


def test_a_page_size_that_is_no_number_is_no_cost() -> None:
    with pytest.raises(RequestErrors):
        cost(WIDE, z="many", c=1)
