"""What the planner answers must be what a naive reader of whole tables answers, in a number of statements fixed by text."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
from graphql import GraphQLObjectType, parse, print_ast, validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.trusted import OPERATIONS
from patrol.keys import load
from schema.context import Context
from schema.phone import phone_door
from schema.planner.select import source_of
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.principal import Role, system
from tests.conftest import LOGIN, SECRET, address_of, administer
from tests.personas import as_officer
from tests.phone import PULL, Phone, ask, context
from tests.schema.operations import Made, operations
from tests.schema.reference import LISTS, Reference
from tests.schema.seeds import add_picture, fill
from tests.world import World, now

DOOR = phone_door()
ROOTS = ("zones", "cameras", "incidents", "incident", "alerts", "alert", "me")


class Station:
    """A filled station that all tests of this module only read, or add to where they say so."""

    def __init__(
        self, world: World, context: Context, owner: asyncpg.Connection, reference: Reference
    ) -> None:
        self.world = world
        self.context = context
        self.owner = owner
        self.reference = reference


@pytest.fixture(scope="module")
async def station(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[Station]:
    """The filled station with Kanya's phone."""
    name = f"patrol_{secrets.token_hex(6)}"
    await administer(postgres, f"create database {name} template {template}")
    database = await Database.connect(address_of(postgres, name, LOGIN), size=4)
    owner = await asyncpg.connect(address_of(postgres, name))
    try:
        world = await World.make(database)
        await fill(world)
        principal = await as_officer(world, world.kanya)
        async with database.write(system("keys"), role=Role.SYSTEM) as connection:
            keys = await load(connection, SECRET)
        async with database.enter(Role.PHONE, principal) as entered:
            scopes = entered.scopes
        reference = await Reference.load(DOOR.schema, owner, world.kanya, scopes)
        yield Station(world, context(database, principal, keys), owner, reference)
    finally:
        await owner.close()
        await database.close()
        await administer(postgres, f"drop database {name} with (force)")


@contextmanager
def counting() -> Iterator[list[str]]:
    """The statements that are sent meanwhile, but for those that enter and end a checkout."""
    sent: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fetch", "fetchrow", "fetchval", "execute"):
            real = getattr(asyncpg.Connection, name)

            def call(self: Any, query: str, *given: Any, real: Any = real, **more: Any) -> Any:
                if not query.startswith(("BEGIN", "COMMIT", "ROLLBACK", "\nwith credential")):
                    sent.append(query)
                return real(self, query, *given, **more)

            patch.setattr(asyncpg.Connection, name, call)
        yield sent


def known_of(station: Station) -> dict[str, list[Any]]:
    """Values that exist in the data, and some that do not."""
    tables = station.reference.tables
    times = sorted({row["occurred_at"].isoformat() for row in tables["incident"]})
    nowhere = "00000000-0000-7000-8000-000000000000"
    return {
        "UUID": [row["id"] for row in tables["zone"]] + [nowhere],
        "id incident": [row["id"] for row in tables["incident"]] + [nowhere],
        "id alert": [row["id"] for row in tables["sos_alert"]] + [nowhere],
        "DateTime": [*times, "2026-01-01T07:00:00+07:00"],
        **{f"after {name}": station.reference.cursors(name) for name in LISTS},
    }


async def same(station: Station, made: Made) -> None:
    """Both answer alike, and the planner sends no more statements than the text names lists and roots."""
    with counting() as sent:
        answer = await ask(DOOR, station.context, made.text, **made.variables)
    assert answer == station.reference.answer(made.text, made.variables)
    assert len(sent) <= made.lists


# The same as the reference


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_generated_operations_are_answered_as_a_naive_reader_answers_them(
    station: Station, data: st.DataObject
) -> None:
    made = data.draw(operations(DOOR.schema._schema, known_of(station), ROOTS))
    await same(station, made)


def test_the_reference_tells_a_wrong_answer(station: Station) -> None:
    """A negative control: with one row less in the tables the reference answers otherwise."""
    text = "{ incidents(first: 200) { totalCount nodes { id } } }"
    whole = station.reference.answer(text, {})
    rows = station.reference.tables["incident"]
    visible = next(row for row in rows if row["deleted_at"] is None)
    rows.remove(visible)
    try:
        assert station.reference.answer(text, {}) != whole
    finally:
        rows.append(visible)


async def test_lists_below_a_related_row_belong_to_that_row(station: Station) -> None:
    text = "{ incidents { nodes { id zone { id cameras { id zone { id cameras(first: 1) { id } } } } } } }"
    made = Made(text, {}, 3)
    await same(station, made)
    answer = await ask(DOOR, station.context, text)
    assert any(
        one["zone"] and one["zone"]["cameras"] for one in answer["data"]["incidents"]["nodes"]
    )


async def test_nodes_and_edges_of_one_page_do_not_mix(station: Station) -> None:
    text = """{ zones {
        nodes { a: cameras(first: 1) { id } cameras { name } }
        edges { node { cameras(kind: FIXED) { id kind } a: cameras(first: 2) { code } } cursor }
        edges { node { id } } } }"""
    await same(station, Made(text, {}, 5))


async def test_introspection_stands_beside_what_is_read(station: Station) -> None:
    text = """{ __typename schema: __schema { queryType { name } }
        zones(first: 1) { __typename nodes { __typename } } __type(name: "Zone") { name } }"""
    await same(station, Made(text, {}, 1))


# Pages


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_pages_of_any_size_bring_the_whole_list_in_order_and_once(
    station: Station, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(LISTS)))
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


ID = "01a20a40-2370-76fe-8c7b-8b8bf246946d"


@pytest.mark.parametrize(
    "made_up",
    [
        "", "x", "é", "....", "a" * 5000, "\0", cursor(5), cursor(None), cursor({}), cursor([]),
        cursor(["OCCURRED"]), cursor(["NAME", "x", ID]), cursor(["OCCURRED", "no time", ID]),
        cursor(["OCCURRED", "2026-01-01T00:00:00", ID]), cursor(["OCCURRED", "2026-01-01", ID]),
        cursor(["OCCURRED", 5, ID]), cursor(["OCCURRED", None, ID]), cursor(["OCCURRED", "2026-01-01T00:00:00Z", "x"]),
        cursor(["OCCURRED", "2026-01-01T00:00:00Z", 7]), cursor(["OCCURRED", "2026-01-01T00:00:00Z", None]),
        cursor(["OCCURRED", "2026-01-01T00:00:00Z", ID, 1]), cursor([["OCCURRED"], "2026-01-01T00:00:00Z", ID]),
        cursor(["OCCURRED", "0001-01-01T00:00:00+14:00", ID]), cursor(["OCCURRED", "9999-12-31T23:59:59-14:00", ID]),
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
    [cursor(["NAME", "a\0b", ID]), cursor(["NAME", 5, ID]), cursor(["OCCURRED", "a", ID])],
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
    invalid = validate(DOOR.schema._schema, document)
    stock = (
        {"errors": [one.formatted for one in invalid]}
        if invalid
        else station.reference.answer(text, variables)
    )
    answer = await ask(DOOR, station.context, text, **variables)
    assert answer.get("data") is None
    [told], [expected] = answer["errors"], stock["errors"]
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


# Statements


TRUSTED = {
    "Me": ({}, 1),
    "Incident": ({"id": ID}, 1),
    "IncidentPage": ({}, 1),
    "OpenAlerts": ({}, 3),
    "ZonesWithCameras": ({}, 2),
}


@pytest.mark.parametrize("name", sorted(TRUSTED))
async def test_a_trusted_operation_takes_a_fixed_number_of_statements(
    name: str, station: Station, kanya: Phone
) -> None:
    text = (OPERATIONS / f"{name}.graphql").read_text()
    variables, statements = TRUSTED[name]
    if name == "Incident":
        visible = next(
            one for one in station.reference.tables["incident"] if one["deleted_at"] is None
        )
        variables = {"id": visible["id"]}
    with counting() as of_many:
        answer = await ask(DOOR, station.context, text, **variables)
    assert "errors" not in answer
    assert answer == station.reference.answer(text, variables)
    with counting() as of_few:
        await ask(kanya.door, kanya.context, text, **variables)
    assert len(of_many) == statements
    # Below a list without rows there is nothing to ask for.
    assert len(of_few) <= statements


async def test_a_pull_takes_as_many_statements_for_many_rows_as_for_few(station: Station) -> None:
    counts = []
    for _ in range(2):
        await ask(DOOR, station.context, PULL)  # remembers the sets that cursors name
        with counting() as sent:
            answer = await ask(DOOR, station.context, PULL)
        assert "errors" not in answer
        counts.append(len(sent))
        for _ in range(20):
            await station.world.add_incident(station.world.temple)
            await add_picture(station.world, await station.world.add_camera(station.world.temple))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("path", sorted(OPERATIONS.glob("*.graphql")), ids=lambda path: path.stem)
def test_a_trusted_operation_fits_the_contract_and_is_the_only_one_of_its_file(path: Path) -> None:
    operation = DOOR.operations.get(path.read_text())
    assert operation.definition.name is not None
    assert operation.definition.name.value == path.stem
    if operation.is_query:
        coerced = {
            one.variable.name.value: ID
            for one in operation.definition.variable_definitions or ()
            if one.default_value is None and str(print_ast(one.type)).endswith("!")
        }
        assert operation.plan(operation.variables(coerced)).stock is None


def test_every_trusted_query_has_its_statements_counted() -> None:
    queries = {
        path.stem for path in OPERATIONS.glob("*.graphql") if path.read_text().count("query ")
    }
    assert queries == {*TRUSTED, "Pull"}


async def test_no_planned_field_ever_runs_a_resolver(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All planned fields are given a resolver that fails; the operations still answer."""
    ran: list[str] = []
    for kind in DOOR.schema._schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and (kind.name == "Query" or source_of(kind)):
            for name, one in kind.fields.items():
                monkeypatch.setattr(one, "resolve", lambda *_, name=name, **__: ran.append(name))
    for name, (variables, _) in TRUSTED.items():
        text = (OPERATIONS / f"{name}.graphql").read_text()
        assert "errors" not in await ask(DOOR, station.context, text, **variables)
    assert "errors" not in await ask(DOOR, station.context, PULL)
    assert ran == []


def test_conditions_without_end_keep_few_plans(station: Station) -> None:
    names = [f"v{number}" for number in range(12)]
    declared = ", ".join(f"${name}: Boolean!" for name in names)
    fields = " ".join(f"a{name}: id @include(if: ${name})" for name in names)
    operation = DOOR.operations.get(f"query ({declared}) {{ zones {{ nodes {{ id {fields} }} }} }}")
    for number in range(300):
        given = {name: bool(number >> place & 1) for place, name in enumerate(names)}
        operation.plan(operation.variables(given))
    assert len(operation._plans) <= 64
