"""Areas, distances and point lookups decide whose officer is called; they are compared with independent figures."""

import math

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from patrol.geojson import read_shape
from patrol.geometry import (
    BoundingBox,
    GeoShape,
    ShapeCode,
    ZoneIndex,
    area_square_kilometres,
    check_position,
    distance_m,
)


def rectangle(south: float, west: float, north: float, east: float) -> GeoShape:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return read_shape({"type": "Polygon", "coordinates": [ring]})


def ellipsoid_rectangle(latitude: float, height: float, width: float) -> float:
    """Square kilometres from the radii of curvature: another way to the same figure, for small rectangles."""
    a, f = 6_378_137.0, 1 / 298.257223563
    e2 = f * (2 - f)
    w2 = 1 - e2 * math.sin(math.radians(latitude)) ** 2
    meridian, prime_vertical = a * (1 - e2) / (w2 * math.sqrt(w2)), a / math.sqrt(w2)
    north = math.radians(height) * meridian
    east = math.radians(width) * prime_vertical * math.cos(math.radians(latitude))
    return north * east / 1e6


def test_the_whole_earth_has_its_known_area() -> None:
    assert area_square_kilometres(shapely.box(-180, -90, 180, 90)) == pytest.approx(
        510_065_621.724, rel=1e-10
    )


@given(
    latitude=st.floats(-80, 80),
    longitude=st.floats(-179, 179),
    height=st.floats(0.001, 0.01),
    width=st.floats(0.001, 0.01),
)
def test_the_area_of_a_small_rectangle_agrees_with_the_radii_of_curvature(
    latitude: float, longitude: float, height: float, width: float
) -> None:
    box = shapely.box(longitude, latitude - height / 2, longitude + width, latitude + height / 2)
    assert area_square_kilometres(box) == pytest.approx(
        ellipsoid_rectangle(latitude, height, width), rel=1e-6
    )


def test_a_hole_is_not_part_of_the_area() -> None:
    outer = rectangle(16.70, 98.56, 16.72, 98.58)
    inner = rectangle(16.705, 98.565, 16.715, 98.575)
    holed = read_shape(
        {
            "type": "Polygon",
            "coordinates": [outer.geojson["coordinates"][0], inner.geojson["coordinates"][0]],
        }
    )
    assert holed.square_kilometres == pytest.approx(
        outer.square_kilometres - inner.square_kilometres
    )
    assert not holed.covers(16.71, 98.57)


def test_the_bounding_box_names_its_edges() -> None:
    assert rectangle(16.70, 98.56, 16.72, 98.58).box == BoundingBox(16.70, 98.56, 16.72, 98.58)


def test_a_point_on_the_border_or_corner_belongs_to_the_zone() -> None:
    zone = rectangle(16.70, 98.56, 16.72, 98.58)
    assert zone.covers(16.71, 98.57)
    assert zone.covers(16.70, 98.57)
    assert zone.covers(16.70, 98.56)
    assert not zone.covers(16.6999999, 98.57)
    # The naive predicate, as the control: it would send a call from the border street to nobody.
    assert not zone.polygon.contains(shapely.Point(98.57, 16.70))


def test_a_position_that_is_no_number_is_in_no_zone() -> None:
    zone = rectangle(16.70, 98.56, 16.72, 98.58)
    assert not zone.covers(math.nan, 98.57)
    assert ZoneIndex([("Z", zone)]).find(math.nan, 98.57) is None
    assert ZoneIndex([("Z", zone)]).find(math.inf, 98.57) is None


def test_the_smallest_covering_zone_wins() -> None:
    index = ZoneIndex(
        [
            ("station", rectangle(16.70, 98.56, 16.72, 98.58)),
            ("community", rectangle(16.70, 98.56, 16.71, 98.57)),
        ]
    )
    assert index.find(16.705, 98.565) == "community"
    assert index.find(16.715, 98.575) == "station"
    assert index.find(16.71, 98.57) == "community"
    assert index.find(16.80, 98.57) is None
    assert index.find_all(16.705, 98.565) == ["community", "station"]


def test_on_a_shared_border_the_answer_does_not_depend_on_the_order_of_the_zones() -> None:
    west, east = rectangle(16.70, 98.56, 16.72, 98.57), rectangle(16.70, 98.57, 16.72, 98.58)
    there = ZoneIndex([("W", west), ("E", east)])
    back = ZoneIndex([("E", east), ("W", west)])
    assert there.find(16.71, 98.57) == back.find(16.71, 98.57)
    assert set(there.find_all(16.71, 98.57)) == {"W", "E"}


def test_an_empty_index_finds_nothing() -> None:
    assert ZoneIndex([]).find(16.71, 98.57) is None


@given(
    latitude=st.floats(16.69, 16.73),
    longitude=st.floats(98.55, 98.59),
    corners=st.lists(
        st.tuples(st.integers(0, 38), st.integers(0, 38), st.integers(1, 12), st.integers(1, 12)),
        max_size=12,
    ),
)
def test_the_index_answers_as_a_plain_search_over_all_zones(
    latitude: float, longitude: float, corners: list[tuple[int, int, int, int]]
) -> None:
    zones = [
        (
            number,
            rectangle(
                16.69 + south / 1000,
                98.55 + west / 1000,
                16.69 + (south + height) / 1000,
                98.55 + (west + width) / 1000,
            ),
        )
        for number, (south, west, height, width) in enumerate(corners)
    ]
    covering = [
        (shape.square_kilometres, str(number), number)
        for number, shape in zones
        if shape.covers(latitude, longitude)
    ]
    assert ZoneIndex(zones).find(latitude, longitude) == min(covering, default=(0, "", None))[2]


def test_distances_are_metres_on_the_ground() -> None:
    assert distance_m(16.7131, 98.5708, 16.7131, 98.5708) == 0
    assert distance_m(0, 0, 0, 180) == pytest.approx(math.pi * 6_371_008.8)
    assert distance_m(16.0, 98.57, 17.0, 98.57) == pytest.approx(110_652, rel=6e-3)
    assert distance_m(16.7131, 98.0, 16.7131, 99.0) == pytest.approx(106_637, rel=6e-3)


POSITIONS = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@given(POSITIONS, POSITIONS)
def test_a_distance_is_the_same_both_ways_and_never_beyond_half_the_earth(
    here: tuple[float, float], there: tuple[float, float]
) -> None:
    distance = distance_m(*here, *there)
    assert 0 <= distance <= math.pi * 6_371_008.8 * (1 + 1e-12)
    assert distance == pytest.approx(distance_m(*there, *here), abs=1e-6)


@pytest.mark.parametrize(
    ("latitude", "longitude", "code"),
    [
        (16.7131, 98.5708, None),
        (-90, 180, None),
        (98.5708, 16.7131, ShapeCode.SWAPPED),
        (1848000, 454000, ShapeCode.NOT_DEGREES),
        (91, 200, ShapeCode.OUT_OF_RANGE),
        (16.7, 185, ShapeCode.OUT_OF_RANGE),
        (math.nan, 98.5, ShapeCode.OUT_OF_RANGE),
        (math.inf, 98.5, ShapeCode.NOT_DEGREES),
    ],
)
def test_a_position_that_cannot_be_right_says_what_it_looks_like(
    latitude: float, longitude: float, code: ShapeCode | None
) -> None:
    fault = check_position(latitude, longitude)
    assert (fault.code if fault else None) == code
