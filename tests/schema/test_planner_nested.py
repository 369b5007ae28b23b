"""Pages below rows must be, for each parent, what the same page would be at the root: rows, order, places and totals."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from graphql import parse, validate

from schema.planner.levels import Level
from tests.phone import Phone, ask
from tests.schema.operations import Made
from tests.schema.station import DOOR, Station
from tests.schema.test_planner import counting, same
from tests.world import World, now

PAGE = "nodes { id occurredAt } totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"


async def test_each_parent_has_a_page_of_its_own(station: Station) -> None:
    """The fullest zone has a next page and the emptiest has none, in one statement for all."""
    for first in (1, 2, 3, 50):
        text = f"{{ zones {{ nodes {{ id incidents(first: {first}) {{ {PAGE} }} }} }} }}"
        await same(station, Made(text, {}, 2))
    text = f"{{ zones {{ nodes {{ incidents(first: 2) {{ {PAGE} }} }} }} }}"
    answer = await ask(DOOR, station.context, text)
    pages = [zone["incidents"] for zone in answer["data"]["zones"]["nodes"]]
    assert {page["pageInfo"]["hasNextPage"] for page in pages} == {True, False} or all(
        page["totalCount"] > 2 for page in pages
    )
    for page in pages:
        assert page["pageInfo"]["hasNextPage"] == (page["totalCount"] > len(page["nodes"]))


async def test_a_parent_without_rows_has_an_empty_page(kanya: Phone, world: World) -> None:
    empty = await world.add_zone("Empty", parent=world.market)
    text = "{ zones { nodes { id incidents { nodes { id } edges { cursor } totalCount pageInfo { hasNextPage endCursor } } } } }"
    answer = await ask(kanya.door, kanya.context, text)
    [page] = [
        one["incidents"] for one in answer["data"]["zones"]["nodes"] if one["id"] == str(empty)
    ]
    nothing = {"hasNextPage": False, "endCursor": None}
    assert page == {"nodes": [], "edges": [], "totalCount": 0, "pageInfo": nothing}


async def test_pages_below_a_row_bring_the_whole_list_in_order_and_once(station: Station) -> None:
    text = """query ($after: String) { zones { nodes { id incidents(first: 2, after: $after) {
        nodes { id } pageInfo { hasNextPage hasPreviousPage endCursor } } } } }"""
    zones = (await ask(DOOR, station.context, "{ zones { nodes { id } } }"))["data"]["zones"]
    for zone in zones["nodes"]:
        whole = station.reference.listed("incidents", {"zoneId": zone["id"]})
        seen: list[str] = []
        after = None
        for _ in range(len(whole) + 1):
            answer = await ask(DOOR, station.context, text, after=after)
            page = next(
                one["incidents"]
                for one in answer["data"]["zones"]["nodes"]
                if one["id"] == zone["id"]
            )
            assert page["pageInfo"]["hasPreviousPage"] == (after is not None)
            seen += [row["id"] for row in page["nodes"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert seen == [row["id"] for row in whole]


async def test_rows_that_come_between_two_pages_shift_nothing(kanya: Phone, world: World) -> None:
    first = now() - timedelta(hours=1)
    there = [await world.add_incident(world.market, occurred_at=first) for _ in range(5)]
    text = """query ($after: String) { zones { nodes { id incidents(first: 2, after: $after) {
        nodes { id } pageInfo { endCursor } } } } }"""
    seen: list[str] = []
    after = None
    for number in range(3):
        answer = await ask(kanya.door, kanya.context, text, after=after)
        [page] = [
            one["incidents"]
            for one in answer["data"]["zones"]["nodes"]
            if one["id"] == str(world.market)
        ]
        seen += [row["id"] for row in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        await world.add_incident(world.market, occurred_at=first + timedelta(minutes=number + 1))
    assert sorted(seen) == sorted(map(str, there))


SAME = [
    ("aliases with other arguments", """{ zones { nodes { a: incidents(first: 1) { nodes { id } }
        b: incidents(first: 3, status: OPEN) { totalCount nodes { status } } incidents { totalCount } } } }""", 4),
    ("fragments that meet in one field", """{ zones { nodes { ...a ... on Zone { incidents(first: 2) { totalCount } } } } }
        fragment a on Zone { incidents(first: 2) { nodes { id ...b } } } fragment b on Incident { title }""", 2),
    ("nodes and edges of one page", """{ zones { nodes { incidents(first: 2) {
        nodes { id zone { id } } edges { cursor node { title zone { cameras(first: 1) { id } } } } } } } }""", 3),
    ("three levels", """{ zones { nodes { cameras(first: 3) { id snapshots(first: 2) { totalCount
        nodes { id takenAt original { id } } pageInfo { hasNextPage } } } } } }""", 3),
    ("the same page of a row that many others point to", """{ cameras { nodes { zone { id
        incidents(first: 1) { nodes { id } pageInfo { endCursor } } } } } }""", 2),
    ("posts and communities", "{ zones { nodes { posts { id camera { id } } communities { id name } } } }", 3),
    ("only the total", "{ zones { nodes { incidents { totalCount } } } }", 2),
    ("only the next page", "{ zones { nodes { incidents(first: 1) { pageInfo { hasNextPage } } } } }", 2),
    ("only cursors", "{ zones { nodes { incidents(first: 3) { edges { cursor } } } } }", 2),
    ("only names of types", """{ __typename zones { __typename edges { __typename } pageInfo { __typename } nodes { __typename
        incidents { __typename edges { __typename node { __typename } } pageInfo { __typename } } } } }""", 2),
    ("distances", """{ zones { nodes { cameras { distanceM(from: {latitude: 16.7, longitude: 98.5})
        there: distanceM(from: {latitude: 0, longitude: 0}) } posts { distanceM(from: {latitude: 1, longitude: 1}) } } } }""", 3),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "statements"), [one[1:] for one in SAME], ids=[one[0] for one in SAME]
)
async def test_what_stands_below_rows_is_what_a_naive_reader_answers(
    text: str, statements: int, station: Station
) -> None:
    assert not validate(DOOR.schema._schema, parse(text))
    await same(station, Made(text, {}, statements))


@pytest.mark.parametrize("included", [True, False])
async def test_what_is_skipped_below_rows_is_not_read(included: bool, station: Station) -> None:
    text = """query ($v: Boolean!) { zones { nodes { id incidents(first: 2) @include(if: $v) {
        totalCount @skip(if: $v) nodes { id title @include(if: $v) } } } } }"""
    with counting() as sent:
        answer = await ask(DOOR, station.context, text, v=included)
    assert answer == station.reference.answer(text, {"v": included})
    assert len(sent) == 1 + included
    assert "count(" not in "".join(sent)


async def test_the_number_of_statements_depends_on_the_text_only(
    station: Station, kanya: Phone, world: World
) -> None:
    text = """{ zones(first: 9) { nodes { cameras(first: 9) { snapshots { totalCount nodes { id } } } incidents { nodes { id } } posts { id } } }
        incidents { nodes { zone { communities { id } } } } }"""
    await world.add_incident(world.market)
    counts = []
    for door, context in ((DOOR, station.context), (kanya.door, kanya.context)):
        with counting() as sent:
            assert "errors" not in await ask(door, context, text)
        counts.append(len(sent))
    assert counts == [7, 7]


async def test_only_what_is_asked_of_a_page_is_read(station: Station) -> None:
    """No total is counted, no cursor's columns are sent and no row is read beyond the page unless it is asked for."""
    with counting() as sent:
        await ask(DOOR, station.context, "{ zones { nodes { incidents(first: 2) { nodes { title } } } } }")  # fmt: skip
    statement = sent[-1]
    assert "count(" not in statement
    assert "title" in statement
    assert "_key" not in statement.split("FROM")[0]
    with counting() as sent:
        await ask(DOOR, station.context, "{ zones { nodes { incidents { totalCount edges { cursor } } } } }")  # fmt: skip
    assert "count(" in sent[-1]


WRONG = [
    ("{ zones { nodes { incidents(first: 0) { nodes { id } } } } }", "PAGE_SIZE_INVALID"),
    ('{ zones { nodes { incidents(after: "x") { nodes { id } } } } }', "CURSOR_INVALID"),
    ("{ zones { nodes { cameras { distanceM(from: {latitude: 98.5, longitude: 16}) } } } }", "VARIABLE_INVALID"),
    ("{ incidents { nodes { distanceM(from: {latitude: 1e9, longitude: 16}) } } }", "VARIABLE_INVALID"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code"), WRONG)
async def test_a_wrong_argument_below_rows_refuses_the_root(
    text: str, code: str, station: Station
) -> None:
    answer = await ask(DOOR, station.context, text)
    [error] = answer["errors"]
    assert error["extensions"]["code"] == code
    assert error["path"] == list(answer["data"] or {text.split()[1]: None})
    assert answer["data"] is None


async def test_a_point_comes_by_variables_too(kanya: Phone, world: World) -> None:
    await world.add_incident(world.market, latitude=16.7, longitude=98.5)
    await world.add_incident(world.market, latitude=None, longitude=None)
    whole = "query ($p: PointInput!) { incidents { nodes { latitude distanceM(from: $p) } } }"
    parts = "query ($a: Float!) { incidents { nodes { latitude distanceM(from: {latitude: $a, longitude: 98.5}) } } }"
    for text, given in ((whole, {"p": {"latitude": 16.71, "longitude": 98.5}}), (parts, {"a": 16.71})):  # fmt: skip
        answer = await ask(kanya.door, kanya.context, text, **given)
        by_place = {
            row["latitude"]: row["distanceM"] for row in answer["data"]["incidents"]["nodes"]
        }
        assert by_place[None] is None
        assert by_place[16.7] == pytest.approx(1112, abs=1)


async def test_an_age_counts_from_when_it_happened(kanya: Phone, world: World) -> None:
    await world.add_incident(world.market, occurred_at=now() - timedelta(hours=2))
    answer = await ask(kanya.door, kanya.context, "{ incidents { nodes { ageSeconds } } }")
    [row] = answer["data"]["incidents"]["nodes"]
    assert 7200 <= row["ageSeconds"] < 7260


async def test_the_tests_see_a_page_that_forgets_its_parent(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A negative control: the rows of one parent are handed to another."""
    real = Level._by_parent

    def mixed(self: Level, rows: Any, keys: Any, *more: Any) -> Any:
        return list(reversed(real(self, rows, keys, *more)))

    monkeypatch.setattr(Level, "_by_parent", mixed)
    text = "{ zones { nodes { id incidents(first: 2) { nodes { id } } } } }"
    with pytest.raises(AssertionError):
        await same(station, Made(text, {}, 2))
