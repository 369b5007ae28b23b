"""Pages must bring a list whole, in order and once, and a wrong argument must be told where it stands."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import orjson
import pytest
from graphql import ExecutionResult, GraphQLError, execute, parse, validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.phone import Phone, ask
from tests.schema.station import DOOR, NOWHERE, Station
from tests.world import World, now


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_pages_of_any_size_bring_the_whole_list_in_order_and_once(
    station: Station, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(FILTERS)))
    filters, python = data.draw(st.sampled_from(FILTERS[name]))
    whole = [row["id"] for row in station.reference.listed(name, python)]
    text = f"""query ($first: Int!, $after: String) {{ {name}(first: $first, after: $after{filters}) {{
        nodes {{ id }} totalCount pageInfo {{ hasNextPage endCursor }} }} }}"""
    seen: list[str] = []
    after = None
    for _ in range(len(whole) + 1):
        first = data.draw(st.integers(1, 7))
        page = (await ask(DOOR, station.context, text, first=first, after=after))["data"][name]
        assert page["totalCount"] == len(whole)
        seen += [row["id"] for row in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == whole


FILTERS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "zones": [("", {}), (", kind: SAFETY_ZONE", {"kind": "SAFETY_ZONE"})],
    "cameras": [("", {}), (", kind: FIXED", {"kind": "FIXED"})],
    "incidents": [
        ("", {}),
        (
            ", severity: [LOW, HIGH], status: OPEN",
            {"severity": ["LOW", "HIGH"], "status": ["OPEN"]},
        ),
        (", category: []", {"category": []}),
    ],
    "alerts": [("", {}), (", status: [OPEN, CLOSED]", {"status": ["OPEN", "CLOSED"]})],
}


async def test_rows_that_come_between_two_pages_shift_nothing(kanya: Phone, world: World) -> None:
    text = "query ($after: String) { incidents(first: 2, after: $after) { nodes { id title } pageInfo { endCursor } } }"
    first = now() - timedelta(hours=1)
    there = [
        await world.add_incident(world.market, occurred_at=first - timedelta(minutes=number // 2))
        for number in range(6)
    ]
    seen: list[str] = []
    after = None
    for number in range(3):
        page = (await ask(kanya.door, kanya.context, text, after=after))["data"]["incidents"]
        seen += [row["id"] for row in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        await world.add_incident(world.market, occurred_at=first + timedelta(minutes=number))
        await world.change("update incident set deleted_at = now() where id::text = $1", seen[-1])
    assert sorted(seen) == sorted(map(str, there))


def test_a_numbered_page_would_have_shifted() -> None:
    """A negative control: with offsets a new first row repeats the last row of the page before."""
    rows = [3, 2, 1, 0]
    page = rows[:2]
    rows.insert(0, 4)
    assert rows[2:4][0] == page[-1]


def cursor(value: Any) -> str:
    return urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


@pytest.mark.parametrize(
    "made_up",
    [
        "", "x", "é", "....", "a" * 5000, "\0", cursor(5), cursor(None), cursor({}), cursor([]),
        cursor(["OCCURRED"]), cursor(["NAME", "x", NOWHERE]), cursor(["OCCURRED", "no time", NOWHERE]),
        cursor(["OCCURRED", "2026-01-01T00:00:00", NOWHERE]), cursor(["OCCURRED", "2026-01-01", NOWHERE]),
        cursor(["OCCURRED", 5, NOWHERE]), cursor(["OCCURRED", None, NOWHERE]), cursor(["OCCURRED", "2026-01-01T00:00:00Z", "x"]),
        cursor(["OCCURRED", "2026-01-01T00:00:00Z", 7]), cursor(["OCCURRED", "2026-01-01T00:00:00Z", None]),
        cursor(["OCCURRED", "2026-01-01T00:00:00Z", NOWHERE, 1]), cursor([["OCCURRED"], "2026-01-01T00:00:00Z", NOWHERE]),
        cursor(["OCCURRED", "0001-01-01T00:00:00+14:00", NOWHERE]), cursor(["OCCURRED", "9999-12-31T23:59:59-14:00", NOWHERE]),
    ],
)  # fmt: skip
async def test_a_foreign_or_made_up_cursor_is_refused(made_up: str, station: Station) -> None:
    text = "query ($after: String) { incidents(after: $after) { nodes { id } } }"
    answer = await ask(DOOR, station.context, text, after=made_up)
    [error] = answer["errors"]
    assert answer["data"] is None
    assert error["path"] == ["incidents"]
    wanted = "VARIABLE_INVALID" if made_up == "\0" else "CURSOR_INVALID"
    assert error["extensions"]["code"] == wanted


@pytest.mark.parametrize(
    "made_up",
    [
        cursor(["NAME", "a\0b", NOWHERE]),
        cursor(["NAME", 5, NOWHERE]),
        cursor(["OCCURRED", "a", NOWHERE]),
    ],
)
async def test_a_made_up_cursor_of_a_text_is_refused(made_up: str, station: Station) -> None:
    text = "query ($after: String) { zones(after: $after) { nodes { id } } }"
    answer = await ask(DOOR, station.context, text, after=made_up)
    assert answer["errors"][0]["extensions"]["code"] == "CURSOR_INVALID"


@pytest.mark.parametrize("first", [0, -1, 201, 2**31 - 1])
@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("query ($first: Int!) { incidents(first: $first) { nodes { id } } }", "incidents"),
        ("query ($first: Int!) { zones { nodes { cameras(first: $first) { id } } } }", "zones"),
    ],
)
async def test_a_page_keeps_its_limit(first: int, text: str, root: str, station: Station) -> None:
    answer = await ask(DOOR, station.context, text, first=first)
    assert answer["data"] is None
    assert answer["errors"][0]["extensions"]["code"] == "PAGE_SIZE_INVALID"
    assert answer["errors"][0]["path"][0] == root


# Arguments


WRONG = [
    ("{ incidents(status: WAR) { nodes { id } } }", {}),
    ('{ incidents(zoneId: "no uuid") { nodes { id } } }', {}),
    ('{ incidents(since: "2026-01-01T00:00:00") { nodes { id } } }', {}),
    ('{ incidents(since: "0001-01-01T00:00:00+14:00") { nodes { id } } }', {}),
    ("{ incidents(first: 3000000000) { nodes { id } } }", {}),
    ('{ incidents(first: "1") { nodes { id } } }', {}),
    ("{ incidents(first: null) { nodes { id } } }", {}),
    ("{ incident { id } }", {}),
    ("query ($v: UUID!) { incident(id: $v) { id } }", {}),
    ("query ($v: UUID!) { incident(id: $v) { id } }", {"v": None}),
    ("query ($v: UUID!) { incident(id: $v) { id } }", {"v": 7}),
    ("query ($v: UUID!) { incident(id: $v) { id } }", {"v": "7"}),
    ("query ($v: String!) { incident(id: $v) { id } }", {"v": "7"}),
    ("query ($v: DateTime) { incidents(since: $v) { nodes { id } } }", {"v": "2026-01-01T00:00:00"}),
    ("query ($v: DateTime) { incidents(since: $v) { nodes { id } } }", {"v": 5}),
    ("query ($v: DateTime) { incidents(since: $v) { nodes { id } } }", {"v": "9999-12-31T23:59:59-14:00"}),
    ("query ($v: [IncidentStatus!]) { incidents(status: $v) { nodes { id } } }", {"v": ["OPEN", "WAR"]}),
    ("query ($v: [IncidentStatus!]) { incidents(status: $v) { nodes { id } } }", {"v": ["OPEN", None]}),
    ("query ($v: [IncidentStatus!]) { incidents(status: $v) { nodes { id } } }", {"v": {"a": 1}}),
    ("query ($v: Int!) { incidents(first: $v) { nodes { id } } }", {"v": 2**31}),
    ("query ($v: Int!) { incidents(first: $v) { nodes { id } } }", {"v": True}),
    ("query ($v: Int = 5) { incidents(first: $v) { nodes { id } } }", {"v": None}),
    ("query ($v: Boolean!) { me { id @include(if: $v) name } }", {}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "variables"), WRONG)
async def test_a_wrong_argument_is_told_where_the_stock_executor_tells_it(
    text: str, variables: dict[str, Any], station: Station
) -> None:
    document = parse(text)
    wrong: list[GraphQLError] | None = validate(DOOR.schema._schema, document)
    if not wrong:
        stock = execute(DOOR.schema._schema, document, variable_values=variables)
        assert isinstance(stock, ExecutionResult)
        wrong = stock.errors
    [expected] = [one.formatted for one in wrong or ()]
    answer = await ask(DOOR, station.context, text, **variables)
    assert answer.get("data") is None
    [told] = answer["errors"]
    assert told["extensions"]["code"] in ("VARIABLE_INVALID", "OPERATION_INVALID")
    assert {**told, "extensions": None} == {**expected, "extensions": None}


async def test_what_decides_what_is_asked_for_may_not_be_null(station: Station) -> None:
    text = "query ($v: Boolean = true) { me { id @include(if: $v) name } }"
    answer = await ask(DOOR, station.context, text, v=None)
    assert "data" not in answer
    assert answer["errors"][0]["extensions"]["code"] == "VARIABLE_INVALID"
    assert await ask(DOOR, station.context, text) == station.reference.answer(text, {})


async def test_a_text_that_the_database_cannot_hold_is_refused(station: Station) -> None:
    text = "query ($after: String) { zones(after: $after) { nodes { id } } me { id } }"
    answer = await ask(DOOR, station.context, text, after="a\0")
    assert answer["errors"][0]["extensions"]["code"] == "VARIABLE_INVALID"
