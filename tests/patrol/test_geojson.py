"""An outline is refused with a sentence that helps, or comes out in one canonical form."""

import json
from typing import Any

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from patrol.geojson import MAX_VERTICES, read_shape
from patrol.geometry import ShapeCode, ShapeFault

SQUARE = [[98.56, 16.70], [98.58, 16.70], [98.58, 16.72], [98.56, 16.72], [98.56, 16.70]]


def polygon(*rings: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def shifted(ring: list[list[float]], by: float) -> list[list[float]]:
    return [[longitude + by, latitude] for longitude, latitude in ring]


@pytest.mark.parametrize(
    "drawn",
    [
        SQUARE,
        SQUARE[::-1],
        [*SQUARE[2:], *SQUARE[1:3]],
        [[longitude, latitude, 212.0] for longitude, latitude in SQUARE],
        [[longitude + 1e-9, latitude] for longitude, latitude in SQUARE],
        [SQUARE[0], *SQUARE],
    ],
    ids=["plain", "clockwise", "other corner", "with heights", "too many digits", "double click"],
)
def test_the_same_area_comes_out_as_the_same_text(drawn: list[list[float]]) -> None:
    assert read_shape(polygon(drawn)).geojson_text == read_shape(polygon(SQUARE)).geojson_text


def test_the_order_of_parts_does_not_matter() -> None:
    first, second = [SQUARE], [shifted(SQUARE, 0.1)]
    there = read_shape({"type": "MultiPolygon", "coordinates": [first, second]})
    back = read_shape({"type": "MultiPolygon", "coordinates": [second, first]})
    assert there == back
    assert there.geojson["type"] == "MultiPolygon"


def test_outer_rings_turn_counter_clockwise_and_holes_clockwise() -> None:
    hole = [[98.565, 16.705], [98.575, 16.705], [98.575, 16.715], [98.565, 16.705]]
    shape = read_shape(polygon(SQUARE[::-1], hole))
    assert shape.polygon.exterior.is_ccw
    assert not shape.polygon.interiors[0].is_ccw


def test_a_canonical_outline_can_be_read_from_its_text() -> None:
    shape = read_shape(polygon(SQUARE))
    assert read_shape(shape.geojson_text) == shape
    assert read_shape(shape.geojson_text.encode()) == shape


@pytest.mark.parametrize(
    ("geometry", "code", "says"),
    [
        (None, ShapeCode.NOT_A_POLYGON, "missing"),
        ("{", ShapeCode.NOT_A_POLYGON, "not JSON"),
        ({"type": "Point", "coordinates": [98.57, 16.71]}, ShapeCode.NOT_A_POLYGON, "'Point'"),
        ({"type": "Polygon"}, ShapeCode.BAD_COORDINATES, "list of rings"),
        (polygon(), ShapeCode.BAD_COORDINATES, "list of rings"),
        (polygon([]), ShapeCode.BAD_COORDINATES, "positions"),
        (polygon([[98.56]]), ShapeCode.BAD_COORDINATES, "[98.56]"),
        (polygon([["98.56", "16.70"]]), ShapeCode.BAD_COORDINATES, "numbers"),
        (polygon([[True, False]]), ShapeCode.BAD_COORDINATES, "numbers"),
        (
            polygon([[latitude, longitude] for longitude, latitude in SQUARE]),
            ShapeCode.SWAPPED,
            "GeoJSON writes longitude first",
        ),
        (polygon([[454000, 1848000], [454100, 1848000]]), ShapeCode.NOT_DEGREES, "UTM"),
        (polygon(SQUARE[:-1]), ShapeCode.RING_NOT_CLOSED, "repeat its first position"),
        (polygon([SQUARE[0], SQUARE[1], SQUARE[0]]), ShapeCode.TOO_FEW_POSITIONS, "three"),
        (
            polygon([SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3], SQUARE[0]]),
            ShapeCode.BORDER_CROSSES,
            "the border crosses itself near longitude 98.57, latitude 16.71",
        ),
        (polygon(SQUARE, shifted(SQUARE, 1)), ShapeCode.BORDER_CROSSES, "hole"),
        (
            {"type": "MultiPolygon", "coordinates": [[SQUARE], [shifted(SQUARE, 0.01)]]},
            ShapeCode.BORDER_CROSSES,
            "the border crosses itself",
        ),
        (
            polygon([[98 + step / 1e6, 16.7] for step in range(MAX_VERTICES + 1)]),
            ShapeCode.TOO_MANY_POSITIONS,
            "simplify",
        ),
    ],
)
def test_an_unusable_outline_is_refused_with_what_to_correct(
    geometry: object, code: ShapeCode, says: str
) -> None:
    with pytest.raises(ShapeFault) as refused:
        read_shape(geometry)
    assert refused.value.code is code
    assert says in refused.value.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=30,
)
NUMBERS = st.integers(-200, 200) | st.floats(-200, 200) | JSON
RINGS = st.lists(st.lists(st.lists(NUMBERS, min_size=1, max_size=3), max_size=8), max_size=3)
GEOMETRIES = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["Polygon", "MultiPolygon"]),
        "coordinates": RINGS | st.lists(RINGS, max_size=3) | JSON,
    }
)


@given(GEOMETRIES | JSON)
def test_anything_at_all_is_an_outline_or_a_fault(geometry: object) -> None:
    try:
        shape = read_shape(geometry)
    except ShapeFault:
        return
    assert read_shape(shape.geojson_text) == shape


GRID = st.tuples(st.integers(0, 6), st.integers(0, 6))


@given(st.lists(GRID, min_size=3, max_size=7))
def test_scribbles_on_a_grid_are_valid_canonical_outlines_or_faults(
    corners: list[tuple[int, int]],
) -> None:
    ring = [[98 + x / 100, 16 + y / 100] for x, y in [*corners, corners[0]]]
    if not shapely.is_valid(shapely.Polygon(ring)) or len(set(corners)) < 3:
        with pytest.raises(ShapeFault):
            read_shape(polygon(ring))
        return
    shape = read_shape(polygon(ring))
    assert shape.polygon.is_valid
    assert shape.polygon.exterior.is_ccw
    assert shape.square_kilometres > 0
    assert read_shape(json.loads(shape.geojson_text)) == shape
    assert read_shape(polygon(ring[::-1])) == shape
    assert all(shape.covers(latitude, longitude) for longitude, latitude in ring)
