"""Reads GeoJSON geometries strictly, so that only outlines that can be stored, drawn and searched get further.

The result is canonical: the same area drawn from another corner, in the other direction, with heights or with more
than a centimetre's worth of digits comes out as the same text, so that a re-import of an unchanged file changes nothing.
"""

from __future__ import annotations

from typing import Any

import orjson
import shapely

from patrol.geometry import GeoShape, ShapeCode, ShapeFault, check_position

MAX_VERTICES = 5_000
"""An outline with more is a drawing mistake or a coastline, and every phone of the zone would have to carry it."""

DIGITS = 7
"""Digits kept of a degree: about one centimetre, finer than any survey that reaches us."""


def read_shape(geometry: object) -> GeoShape:
    """The canonical outline of a GeoJSON geometry object (decoded, or its JSON text).

    Heights are dropped, rings are closed already or refused, outer rings come out counter-clockwise and holes
    clockwise (RFC 7946, section 3.1.6), positions are rounded to `DIGITS`.

    Raises:
        ShapeFault: with a `ShapeCode` and a sentence that says what to correct.
    """
    if isinstance(geometry, str | bytes):
        try:
            geometry = orjson.loads(geometry)
        except orjson.JSONDecodeError as fault:
            raise ShapeFault(
                ShapeCode.NOT_A_POLYGON, f"the geometry is not JSON: {fault}"
            ) from fault
    if not isinstance(geometry, dict):
        raise ShapeFault(
            ShapeCode.NOT_A_POLYGON, "the geometry is missing; draw the zone as a Polygon"
        )
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind == "Polygon":
        parts = [coordinates]
    elif kind == "MultiPolygon":
        parts = _items(coordinates, "a MultiPolygon holds a list of polygons")
    else:
        raise ShapeFault(
            ShapeCode.NOT_A_POLYGON,
            f"the type of the geometry is {_short(kind)}; a zone is a Polygon or a MultiPolygon",
        )
    budget = _Budget(MAX_VERTICES)
    polygons = [_polygon(part, budget) for part in parts]
    shape = polygons[0] if kind == "Polygon" else shapely.MultiPolygon(polygons)
    if not shapely.is_valid(shape):
        raise ShapeFault(ShapeCode.BORDER_CROSSES, _explain(shapely.is_valid_reason(shape)))
    # normalize() picks the starting corner and the order of parts, orient_polygons() the direction.
    shape = shapely.orient_polygons(shapely.normalize(shape), exterior_cw=False)
    shapely.prepare(shape)
    return GeoShape(polygon=shape, geojson_text=_geojson_text(shape))


class _Budget:
    """Counts corners while reading, so that a huge file is refused before geometry is computed on it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.left = limit

    def spend(self, corners: int) -> None:
        self.left -= corners
        if self.left < 0:
            raise ShapeFault(
                ShapeCode.TOO_MANY_POSITIONS,
                f"the outline has more than {self.limit:,} positions; simplify it",
            )


def _polygon(rings: object, budget: _Budget) -> Any:
    shell, *holes = [
        _ring(ring, budget) for ring in _items(rings, "a Polygon holds a list of rings")
    ]
    return shapely.Polygon(shell, holes)


def _ring(ring: object, budget: _Budget) -> list[tuple[float, float]]:
    positions = _items(ring, "a ring is a list of [longitude, latitude] positions")
    budget.spend(len(positions))
    corners = [_position(position) for position in positions]
    if corners[0] != corners[-1]:
        raise ShapeFault(
            ShapeCode.RING_NOT_CLOSED,
            "a ring is not closed: repeat its first position as its last one",
        )
    # Repeated clicks on one corner are harmless, so they are dropped instead of refused.
    corners = [
        here for here, before in zip(corners, [None, *corners], strict=False) if here != before
    ]
    if len(set(corners)) < 3:
        raise ShapeFault(
            ShapeCode.TOO_FEW_POSITIONS,
            "a ring needs at least three different corners (four positions with the closing one)",
        )
    return corners


def _position(position: object) -> tuple[float, float]:
    if not isinstance(position, list) or not 2 <= len(position) <= 4:
        raise ShapeFault(
            ShapeCode.BAD_COORDINATES,
            f"a position is [longitude, latitude], not {_short(position)}",
        )
    # bool is an int in Python, and true is not a longitude.
    if not all(type(number) in (int, float) for number in position[:2]):
        raise ShapeFault(
            ShapeCode.BAD_COORDINATES,
            f"longitude and latitude are numbers, not {_short(position[:2])}",
        )
    longitude, latitude = (float(number) for number in position[:2])
    fault = check_position(latitude, longitude)
    if fault and fault.code is ShapeCode.SWAPPED:
        raise ShapeFault(fault.code, f"{fault.message}; GeoJSON writes longitude first")
    if fault:
        raise fault
    # Adding 0.0 turns -0.0 into 0.0, which would be another text for the same place.
    return round(longitude, DIGITS) + 0.0, round(latitude, DIGITS) + 0.0


def _items(value: object, expected: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise ShapeFault(ShapeCode.BAD_COORDINATES, f"{expected}, not {_short(value)}")
    return value


def _short(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _explain(reason: str) -> str:
    """Plain words for GEOS's reason, which reads like `Self-intersection[98.57 16.71]`."""
    what, _, place = reason.partition("[")
    plain = {
        "Self-intersection": "the border crosses itself",
        "Ring Self-intersection": "the border touches itself",
        "Hole lies outside shell": "a hole lies outside the outline",
        "Holes are nested": "a hole lies inside another hole",
        "Nested shells": "one part lies inside another part",
        "Duplicate Rings": "the same ring is there twice",
        "Interior is disconnected": "holes cut the zone in two",
    }.get(what, f"the outline is not valid ({what.lower()})")
    longitude, _, latitude = place.rstrip("]").partition(" ")
    return f"{plain} near longitude {longitude}, latitude {latitude}" if latitude else plain


def _geojson_text(shape: Any) -> str:
    def rings(polygon: Any) -> list[list[list[float]]]:
        return [
            [[float(x), float(y)] for x, y in ring.coords]
            for ring in (polygon.exterior, *polygon.interiors)
        ]

    if shape.geom_type == "Polygon":
        coordinates: list[Any] = rings(shape)
    else:
        coordinates = [rings(part) for part in shape.geoms]
    return orjson.dumps({"type": shape.geom_type, "coordinates": coordinates}).decode()
