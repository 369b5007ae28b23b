"""A zones file gives rows in storable order, or every error in it, and never half of it."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patrol.geometry import ShapeCode
from patrol.imports import ParsedZones, RowCode, parse_zones
from patrol.imports.zones import MAX_FEATURES
from storage.vocabulary import ZoneKind


def square(west: float = 98.56, size: float = 0.02) -> dict[str, Any]:
    east, south, north = west + size, 16.70, 16.70 + size
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def feature(id_: Any = "Z-1", geometry: Any = None, **properties: Any) -> dict[str, Any]:
    named = {"name": "Zone", "name_th": "เขต", "kind": "COMMUNITY", **properties}
    return {
        "type": "Feature",
        "id": id_,
        "properties": named,
        "geometry": geometry or square(),
    }


def collection(*features: Any, **members: Any) -> str:
    return json.dumps({"type": "FeatureCollection", "features": list(features), **members})


def codes(parsed: ParsedZones) -> list[tuple[int | None, str | None, str]]:
    return [(error.row, error.field, error.code) for error in parsed.errors]


def test_a_feature_becomes_a_row() -> None:
    parsed = parse_zones(collection(feature(kind="Safety zone")))
    (zone,) = parsed.zones
    assert (zone.code, zone.name, zone.name_th) == ("Z-1", "Zone", "เขต")
    assert (zone.kind, zone.parent_code, zone.row) == (ZoneKind.SAFETY_ZONE, None, 1)
    assert zone.shape.covers(16.71, 98.57)
    assert (parsed.errors, parsed.warnings, parsed.rows_read) == ((), (), 1)


def test_the_code_may_be_a_property_and_then_wins_over_the_id_of_the_map_program() -> None:
    assert parse_zones(collection(feature(17, code="Z-9"))).zones[0].code == "Z-9"
    assert parse_zones(collection(feature(17))).zones[0].code == "17"


def test_parents_come_before_their_children_whatever_the_order_in_the_file() -> None:
    parsed = parse_zones(
        collection(feature("C", parent="B"), feature("B", parent="A"), feature("A"))
    )
    assert [zone.code for zone in parsed.zones] == ["A", "B", "C"]
    assert [zone.row for zone in parsed.zones] == [3, 2, 1]


def test_a_parent_may_be_stored_already() -> None:
    file = collection(feature("B", parent="A"))
    assert codes(parse_zones(file)) == [(1, "parent", RowCode.PARENT_UNKNOWN)]
    assert parse_zones(file, {"A": None}).zones[0].parent_code == "A"


def test_an_unknown_parent_is_named_with_the_nearest_known_code() -> None:
    parsed = parse_zones(collection(feature("MARKET"), feature("B", parent="Marked")))
    assert str(parsed.errors[0]) == (
        "feature 2 (code 'B'): parent 'Marked' is neither in this file nor stored;"
        " did you mean 'MARKET'?"
    )


@pytest.mark.parametrize(
    ("parents", "stored", "path"),
    [
        ({"A": "A"}, {}, "A → A"),
        ({"A": "B", "B": "C", "C": "A"}, {}, "A → B → C → A"),
        ({"X": "A", "A": "B", "B": "A"}, {}, "A → B → A"),
        ({"A": "B"}, {"B": "C", "C": "A"}, "A → B → C → A"),
    ],
)
def test_a_circle_of_parents_is_one_error_that_shows_the_way_round(
    parents: dict[str, str], stored: dict[str, str | None], path: str
) -> None:
    file = collection(*(feature(code, parent=parent) for code, parent in parents.items()))
    parsed = parse_zones(file, stored)
    (error,) = parsed.errors
    assert error.code is RowCode.PARENT_CYCLE
    assert error.message.endswith(f"circle: {path}")


def test_the_file_may_cut_a_circle_that_the_stored_zones_would_make() -> None:
    assert not parse_zones(collection(feature("A")), {"A": "B", "B": "A"}).errors


def test_a_deep_chain_of_parents_is_walked_in_reasonable_time() -> None:
    chain = [feature(f"Z{n}", parent=f"Z{n - 1}" if n else None) for n in range(2000)]
    parsed = parse_zones(collection(*reversed(chain)))
    assert [zone.code for zone in parsed.zones] == [f"Z{n}" for n in range(2000)]


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (feature(None), (1, "id", RowCode.CODE_MISSING)),
        (feature("  "), (1, "id", RowCode.CODE_MISSING)),
        (feature("two words"), (1, "id", RowCode.CODE_INVALID)),
        (feature(code="x" * 65), (1, "code", RowCode.CODE_INVALID)),
        (feature("x" * 65), (1, "id", RowCode.CODE_INVALID)),
        (feature(True), (1, "id", RowCode.CODE_INVALID)),
        (feature(1.5), (1, "id", RowCode.CODE_INVALID)),
        (feature(name=None, name_th=" "), (1, "name", RowCode.NAME_MISSING)),
        (feature(name=5), (1, "name", RowCode.NAME_INVALID)),
        (feature(name_th="เขต\x00"), (1, "name_th", RowCode.NAME_INVALID)),
        (feature(name="x" * 201), (1, "name", RowCode.NAME_INVALID)),
        (feature(kind=None), (1, "kind", RowCode.KIND_MISSING)),
        (feature(kind="PARK"), (1, "kind", RowCode.KIND_UNKNOWN)),
        (feature(kind=["COMMUNITY"]), (1, "kind", RowCode.KIND_UNKNOWN)),
        (feature(parent=["A"]), (1, "parent", RowCode.CODE_INVALID)),
        (feature(geometry={"type": "Point"}), (1, "geometry", ShapeCode.NOT_A_POLYGON)),
        (feature(geometry="x"), (1, "geometry", ShapeCode.NOT_A_POLYGON)),
        ("feature", (1, None, RowCode.NOT_A_FEATURE)),
        (square(), (1, None, RowCode.NOT_A_FEATURE)),
    ],
)
def test_a_bad_feature_is_refused_with_its_field(
    bad: Any, expected: tuple[int | None, str | None, str]
) -> None:
    parsed = parse_zones(collection(bad, feature("good")))
    assert codes(parsed) == [expected]
    assert parsed.zones == ()


def test_all_errors_of_all_features_are_listed_in_the_order_of_the_file() -> None:
    parsed = parse_zones(
        collection(
            feature("A", parent="nowhere", kind="?", name=1),
            feature("B"),
            feature("b", geometry={"type": "Point"}),
        )
    )
    assert codes(parsed) == [
        (1, "name", RowCode.NAME_INVALID),
        (1, "kind", RowCode.KIND_UNKNOWN),
        (1, "parent", RowCode.PARENT_UNKNOWN),
        (3, "id", RowCode.CODE_DUPLICATE),
        (3, "geometry", ShapeCode.NOT_A_POLYGON),
    ]
    assert all(error.message.startswith(f"feature {error.row} (code '") for error in parsed.errors)
    assert parsed.rows_read == 3


def test_a_broken_parent_does_not_make_its_children_errors_too() -> None:
    parsed = parse_zones(collection(feature("A", kind="?"), feature("B", parent="A")))
    assert codes(parsed) == [(1, "kind", RowCode.KIND_UNKNOWN)]


def test_a_feature_without_properties_is_only_missing_what_it_is_missing() -> None:
    bare = {"type": "Feature", "id": "A", "properties": None, "geometry": square()}
    assert [code for _, _, code in codes(parse_zones(collection(bare)))] == [
        RowCode.NAME_MISSING,
        RowCode.KIND_MISSING,
    ]


def test_a_name_in_one_language_is_enough_but_noticed() -> None:
    parsed = parse_zones(collection(feature("A", name=None), feature("B", name_th=None)))
    assert [(zone.name, zone.name_th) for zone in parsed.zones] == [("เขต", "เขต"), ("Zone", None)]
    assert [(note.row, note.field, note.code) for note in parsed.warnings] == [
        (1, "name", RowCode.NAME_ONE_LANGUAGE),
        (2, "name_th", RowCode.NAME_ONE_LANGUAGE),
    ]


def test_blanks_and_line_breaks_in_names_are_tidied() -> None:
    (zone,) = parse_zones(
        collection(feature(name="  Old \n town\u200b", name_th="เมือง\u200bเก่า"))
    ).zones
    assert (zone.name, zone.name_th) == ("Old town", "เมือง\u200bเก่า")


def test_a_child_that_lies_outside_its_parent_is_a_warning() -> None:
    parsed = parse_zones(
        collection(
            feature("A"),
            feature("inside", square(98.565, 0.01), parent="A"),
            feature("hairline", square(98.56 - 1e-6), parent="A"),
            feature("half", square(98.57), parent="A"),
        )
    )
    assert not parsed.errors
    assert [str(note) for note in parsed.warnings] == [
        "feature 4 (code 'half'): 50% of the zone lies outside its parent 'A'"
    ]


def test_a_zone_outside_thailand_is_a_hint_only() -> None:
    parsed = parse_zones(collection(feature(geometry=square(13.4))))
    assert [note.code for note in parsed.warnings] == [RowCode.OUTSIDE_THAILAND]
    assert len(parsed.zones) == 1


@pytest.mark.parametrize(
    "name",
    [
        "urn:ogc:def:crs:OGC:1.3:CRS84",
        "EPSG:4326",
        "urn:ogc:def:crs:EPSG::4326",
        "http://www.opengis.net/def/crs/EPSG/0/4326",
    ],
)
def test_wgs_84_under_any_of_its_names_is_taken(name: str) -> None:
    crs = {"type": "name", "properties": {"name": name}}
    assert parse_zones(collection(feature(), crs=crs)).zones
    assert parse_zones(collection(feature(), crs=None)).zones


@pytest.mark.parametrize(
    "crs",
    [
        {"properties": {"name": "urn:ogc:def:crs:EPSG::24047"}},
        {"properties": {"name": "EPSG:14326"}},
        4,
    ],
)
def test_another_coordinate_system_is_refused(crs: Any) -> None:
    assert codes(parse_zones(collection(feature(), crs=crs))) == [(None, "crs", RowCode.WRONG_CRS)]


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (b"", RowCode.FILE_EMPTY),
        ("\ufeff \n", RowCode.FILE_EMPTY),
        (collection(), RowCode.FILE_EMPTY),
        ("{", RowCode.NOT_GEOJSON),
        ("5", RowCode.NOT_GEOJSON),
        ("null", RowCode.NOT_GEOJSON),
        ("[" * 5000, RowCode.NOT_GEOJSON),
        ("<kml></kml>", RowCode.NOT_GEOJSON),
        (json.dumps(feature()), RowCode.NOT_GEOJSON),
        ('{"type": "FeatureCollection", "features": {}}', RowCode.NOT_GEOJSON),
        (collection(*[None] * (MAX_FEATURES + 1)), RowCode.TOO_MANY_ROWS),
        (b"PK\x03\x04zip", RowCode.FILE_NOT_TEXT),
    ],
)
def test_a_file_that_is_no_collection_is_one_error(file: bytes | str, code: RowCode) -> None:
    assert codes(parse_zones(file)) == [(None, None, code)]


def test_a_byte_order_mark_is_accepted() -> None:
    assert parse_zones(b"\xef\xbb\xbf" + collection(feature()).encode()).zones


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=20,
)
GOOD = collection(feature("A"), feature("B", square(98.565, 0.01), parent="A"))


def assert_rows_or_errors(parsed: ParsedZones) -> None:
    assert bool(parsed.zones) != bool(parsed.errors)
    assert all(finding.message for finding in (*parsed.errors, *parsed.warnings))


@given(st.binary() | st.text() | JSON.map(json.dumps))
def test_any_file_is_rows_or_errors(file: bytes | str) -> None:
    assert_rows_or_errors(parse_zones(file))


@given(st.data())
def test_a_good_file_with_one_value_replaced_is_rows_or_errors(data: st.DataObject) -> None:
    document = copy.deepcopy(json.loads(GOOD))
    holder: Any = document
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = data.draw(st.sampled_from(keys))
        if not (isinstance(holder[key], dict | list) and holder[key] and data.draw(st.booleans())):
            break
        holder = holder[key]
    holder[key] = data.draw(JSON)
    assert_rows_or_errors(parse_zones(json.dumps(document)))


CODES = st.sampled_from(["A", "B", "C", "D", "E"])


@given(
    st.dictionaries(CODES, st.none() | CODES, min_size=1),
    st.dictionaries(CODES, st.none() | CODES),
)
def test_parents_are_refused_exactly_when_a_way_up_does_not_end(
    parents: dict[str, str | None], stored: dict[str, str | None]
) -> None:
    parsed = parse_zones(
        collection(*(feature(code, parent=parent) for code, parent in parents.items())), stored
    )
    together = {**stored, **parents}

    def on_a_circle(code: str) -> bool:
        at = together[code]
        for _ in together:
            if at == code:
                return True
            at = together.get(at) if at else None
        return False

    wrong = any(
        (parent is not None and parent not in together) or on_a_circle(code)
        for code, parent in parents.items()
    )
    assert bool(parsed.errors) == wrong
    placed = set(stored)
    for zone in parsed.zones:
        assert zone.parent_code is None or zone.parent_code in placed
        placed.add(zone.code)
    if not wrong:
        assert {zone.code for zone in parsed.zones} == set(parents)
