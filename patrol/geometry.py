"""Outlines and positions on the map, so that one place decides what a usable zone is and what lies inside it.

Everything is WGS 84. GeoJSON puts longitude first (RFC 7946); every function here that takes a position puts latitude
first, as people say it. Outlines are read by `patrol.geojson`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Generic, TypeVar

import orjson
import shapely

from storage.vocabulary import Term

MEAN_RADIUS_M = 6_371_008.8
"""Mean radius of the WGS 84 ellipsoid in metres (IUGG R1)."""

_SEMI_MAJOR_M = 6_378_137.0
_FLATTENING = 1 / 298.257223563
_ECCENTRICITY = math.sqrt(_FLATTENING * (2 - _FLATTENING))


class ShapeCode(Term):
    """Why a position or an outline cannot be used."""

    NOT_A_POLYGON = "NOT_A_POLYGON", "The geometry is missing, or is no Polygon or MultiPolygon."
    BAD_COORDINATES = (
        "BAD_COORDINATES",
        "The coordinates are not lists of [longitude, latitude] numbers.",
    )
    SWAPPED = "SWAPPED", "Latitude and longitude seem to be in the wrong order."
    NOT_DEGREES = "NOT_DEGREES", "The numbers are metres of a map grid such as UTM, not degrees."
    OUT_OF_RANGE = "OUT_OF_RANGE", "A latitude is beyond 90 or a longitude beyond 180 degrees."
    RING_NOT_CLOSED = "RING_NOT_CLOSED", "The last position of a ring is not its first."
    TOO_FEW_POSITIONS = "TOO_FEW_POSITIONS", "A ring needs at least three different corners."
    TOO_MANY_POSITIONS = (
        "TOO_MANY_POSITIONS",
        "The outline has more corners than a phone should carry.",
    )
    BORDER_CROSSES = "BORDER_CROSSES", "The border crosses or touches itself, or parts overlap."


class ShapeFault(ValueError):
    """A position or outline that cannot be used; `code` is stable, the message is for people."""

    def __init__(self, code: ShapeCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """The smallest upright rectangle around an outline, in degrees."""

    min_latitude: float
    min_longitude: float
    max_latitude: float
    max_longitude: float


@dataclass(frozen=True)
class GeoShape:
    """A valid outline in canonical form; made by `patrol.geojson.read_shape` only."""

    polygon: Any = field(repr=False, compare=False)
    """The shapely Polygon or MultiPolygon, x = longitude, y = latitude, prepared for point tests."""

    geojson_text: str
    """The canonical GeoJSON geometry: what is stored, sent and compared."""

    @property
    def geojson(self) -> dict[str, Any]:
        """The canonical geometry as a fresh dictionary."""
        geometry: dict[str, Any] = orjson.loads(self.geojson_text)
        return geometry

    @cached_property
    def box(self) -> BoundingBox:
        """The bounding box in degrees."""
        west, south, east, north = (float(edge) for edge in self.polygon.bounds)
        return BoundingBox(south, west, north, east)

    @cached_property
    def square_kilometres(self) -> float:
        """The area on the ellipsoid, see `area_square_kilometres`."""
        return area_square_kilometres(self.polygon)

    def covers(self, latitude: float, longitude: float) -> bool:
        """Whether the position is inside or on the border (a street corner on the border belongs)."""
        # For a point, "intersects" and "covers" are the same set; this spelling needs no Point object.
        return bool(shapely.intersects_xy(self.polygon, longitude, latitude))


def check_position(latitude: float, longitude: float) -> ShapeFault | None:
    """What is wrong with a position, or None. Returned rather than raised: importers collect all faults."""
    if -90 <= latitude <= 90 and -180 <= longitude <= 180:
        return None
    where = f"latitude {latitude:g}, longitude {longitude:g}"
    if 90 < abs(latitude) <= 180 and abs(longitude) <= 90:
        return ShapeFault(
            ShapeCode.SWAPPED,
            f"{where}: a latitude is never beyond 90, so the two seem to be swapped (Thailand is at latitude 5 to 21,"
            " longitude 97 to 106)",
        )
    if abs(latitude) > 1000 or abs(longitude) > 1000:
        return ShapeFault(
            ShapeCode.NOT_DEGREES,
            f"{where}: these look like metres of a map grid (UTM); export the file as WGS 84 degrees (EPSG:4326)",
        )
    return ShapeFault(ShapeCode.OUT_OF_RANGE, f"{where}: this is nowhere on Earth")


def in_thailand(latitude: float, longitude: float) -> bool:
    """Whether the position lies in the rectangle around Thailand: good for a hint, never for a refusal."""
    return 5 <= latitude <= 21 and 97 <= longitude <= 106


def distance_m(
    from_latitude: float, from_longitude: float, to_latitude: float, to_longitude: float
) -> float:
    """Great-circle distance in metres (haversine on the mean sphere: within 0.6 % of the ellipsoid)."""
    phi, psi = math.radians(from_latitude), math.radians(to_latitude)
    half_lat = math.sin((psi - phi) / 2)
    half_lon = math.sin(math.radians(to_longitude - from_longitude) / 2)
    chord = half_lat * half_lat + math.cos(phi) * math.cos(psi) * half_lon * half_lon
    return 2 * MEAN_RADIUS_M * math.asin(math.sqrt(min(1.0, chord)))


def area_square_kilometres(polygon: Any) -> float:
    """Area of a shapely geometry in longitude/latitude degrees, on the WGS 84 ellipsoid; lines and points have none.

    The corners are projected with Lambert's cylindrical equal-area projection in its ellipsoidal form (Snyder, *Map
    Projections: A Working Manual*, equations 3-12, 10-14 and 10-15), in which plane area is true area. The only error
    left is that an edge is taken as straight in that plane; for edges of a few kilometres that is far below 0.001 %.
    """
    square_metres = 0.0
    for part in shapely.get_parts(polygon):
        if part.geom_type != "Polygon" or part.is_empty:
            continue
        square_metres += _ring_area(part.exterior)
        square_metres -= sum(_ring_area(hole) for hole in part.interiors)
    return square_metres / 1e6


def _ring_area(ring: Any) -> float:
    """Square metres inside a ring (shoelace formula on the equal-area plane)."""
    # Measured from a corner of the ring, not from the equator: differences of large numbers would cost digits.
    west, south = ring.coords[0]
    origin = _authalic(south)
    plane = [
        (math.radians(longitude - west), _authalic(latitude) - origin)
        for longitude, latitude in ring.coords
    ]
    doubled = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise(plane))
    return abs(doubled) / 2 * _SEMI_MAJOR_M * _SEMI_MAJOR_M / 2


Key = TypeVar("Key", bound=Hashable)


class ZoneIndex(Generic[Key]):
    """Finds the zones of a position; built once from all zones, then only read."""

    def __init__(self, zones: Iterable[tuple[Key, GeoShape]]) -> None:
        """`zones` are (key, outline). Smallest first from here on; ties go by key text, so answers are stable."""
        self._zones = sorted(zones, key=lambda zone: (zone[1].square_kilometres, str(zone[0])))
        self._tree = shapely.STRtree([shape.polygon for _, shape in self._zones])

    def __len__(self) -> int:
        return len(self._zones)

    def find(self, latitude: float, longitude: float) -> Key | None:
        """The smallest zone that covers the position, or None."""
        return next(iter(self.find_all(latitude, longitude)), None)

    def find_all(self, latitude: float, longitude: float) -> list[Key]:
        """All zones that cover the position, smallest first."""
        if not (math.isfinite(latitude) and math.isfinite(longitude)):
            return []
        hits = self._tree.query(shapely.Point(longitude, latitude), predicate="intersects")
        return [self._zones[place][0] for place in sorted(int(hit) for hit in hits)]


def _authalic(latitude: float) -> float:
    """Snyder's q (equation 3-12) of a latitude in degrees: area from the equator, per radian of longitude."""
    e, sine = _ECCENTRICITY, math.sin(math.radians(latitude))
    return (1 - e * e) * (sine / (1 - (e * sine) ** 2) + math.atanh(e * sine) / e)
