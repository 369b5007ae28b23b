"""What the planner answers must be what a naive reader of whole tables answers, in a number of statements fixed by text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from graphql import GraphQLObjectType, print_ast

from api.trusted import OPERATIONS
from schema.planner import Operations, converter
from schema.planner.operation import PLANS
from schema.planner.select import source_of
from storage.history import FLUSH_AT_COMMIT
from tests.phone import PULL, Phone, ask
from tests.schema.operations import Made
from tests.schema.seeds import add_picture
from tests.schema.station import DOOR, NOWHERE, Station


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


async def same(station: Station, made: Made) -> None:
    """Both answer alike, and the planner sends no more statements than the text names lists and roots."""
    with counting() as sent:
        answer = await ask(DOOR, station.context, made.text, **made.variables)
    assert answer == station.reference.answer(made.text, made.variables)
    assert len(sent) <= made.lists


# The same as the reference; `test_equality` asks both what chance makes


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


# Statements


TRUSTED = {
    "Me": ({}, 1),
    "Incident": ({"id": NOWHERE}, 1),
    "IncidentPage": ({}, 1),
    "OpenAlerts": ({}, 3),
    "ZonesWithCameras": ({}, 2),
}


COUNTED_ELSEWHERE = {
    "Pull": "below",
    "CheckpointKeys": "tests/schema/test_checkins.py",
    "Tracks": "tests/schema/test_tracks.py",
    "Phones": "below",
    "Refused": "below",
    "AlertClips": "below",
    "AlertTimeline": "below",
    "AlertTrail": "below",
    "CalledAlert": "below",
    "Reachability": "below",
    "UnsaidEndings": "below",
}

SOME = {"DateTime!": "2026-11-23T08:15:30Z"}
"""Values of variables that must be given, by type; all others are ids."""


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


@pytest.mark.parametrize("name", ["Phones", "Refused"])
async def test_a_list_of_what_is_kept_takes_one_statement(name: str, station: Station) -> None:
    with counting() as sent:
        answer = await ask(DOOR, station.context, (OPERATIONS / f"{name}.graphql").read_text())
    assert "errors" not in answer
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("name", "statements"),
    [
        ("AlertClips", 3),
        ("AlertTimeline", 2),
        ("AlertTrail", 3),
        ("CalledAlert", 5),
        ("Reachability", 2),
        ("UnsaidEndings", 2),
    ],
)
async def test_what_is_asked_about_an_alert_takes_a_fixed_number_of_statements(
    name: str, statements: int, station: Station
) -> None:
    alert = next(one for one in station.reference.tables["sos_alert"] if one["deleted_at"] is None)
    text = (OPERATIONS / f"{name}.graphql").read_text()
    variables = {"id": str(alert["id"])} if "$id" in text else {}
    with counting() as sent:
        answer = await ask(DOOR, station.context, text, **variables)
    assert "errors" not in answer
    assert len(sent) <= statements


FILTERS: dict[str, Any] = {
    "zoneId": NOWHERE,
    "status": ["OPEN", "CLOSED"],
    "category": ["THEFT"],
    "severity": ["LOW", "MEDIUM", "HIGH"],
    "since": "2026-01-01T00:00:00Z",
    "until": "2027-01-01T00:00:00Z",
    "text": "stolen",
    "within": {"south": 16.0, "west": 98.0, "north": 17.0, "east": 99.0},
    "near": {"latitude": 16.7131, "longitude": 98.5706, "radiusM": 900},
    "order": "UPDATED",
}
"""What a page of incidents may be asked by."""


@pytest.mark.parametrize("names", [*((name,) for name in FILTERS), tuple(FILTERS)], ids="+".join)
async def test_a_page_of_incidents_is_asked_by_any_filter(
    names: tuple[str, ...], station: Station
) -> None:
    text = (OPERATIONS / "IncidentPage.graphql").read_text()
    variables = {name: FILTERS[name] for name in names}
    with counting() as sent:
        answer = await ask(DOOR, station.context, text, **variables)
    assert answer == station.reference.answer(text, variables)
    assert len(sent) == 1


async def test_a_pull_takes_as_many_statements_for_many_rows_as_for_few(station: Station) -> None:
    counts = []
    for _ in range(2):
        await ask(DOOR, station.context, PULL)  # remembers the sets that cursors name
        with counting() as sent:
            answer = await ask(DOOR, station.context, PULL)
        assert "errors" not in answer
        # Whether the log is on disk already is no matter of rows; where it is not, one statement more waits for it.
        assert sent.count(FLUSH_AT_COMMIT) <= 1
        counts.append(len([one for one in sent if one != FLUSH_AT_COMMIT]))
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
            one.variable.name.value: SOME.get(str(print_ast(one.type)), NOWHERE)
            for one in operation.definition.variable_definitions or ()
            if one.default_value is None and str(print_ast(one.type)).endswith("!")
        }
        assert operation.plan(operation.variables(coerced)).stock is None


def test_every_trusted_query_has_its_statements_counted() -> None:
    queries = {
        path.stem for path in OPERATIONS.glob("*.graphql") if path.read_text().count("query ")
    }
    assert queries == {*TRUSTED, *COUNTED_ELSEWHERE}


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
    assert len(operation._plans) == PLANS


def test_operations_without_end_keep_little_text() -> None:
    operations = Operations(DOOR.schema._schema, converter(DOOR.schema), characters=10_000)
    often = operations.get("{ me { id } }")
    for number in range(200):
        operations.get(f"{{ me {{ a{number}: id }} }}")
        assert operations.get("{ me { id } }") is often
    assert 20 < len(operations._known) < 60
    assert sum(len(text) for text, _ in operations._known) <= 10_000
