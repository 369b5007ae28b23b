"""How people narrow a list to what is written and where it is, the same in every contract."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import strawberry
from sqlalchemy import BigInteger, ColumnElement, cast, func
from sqlalchemy.dialects.postgresql import ARRAY

from patrol.errors import VariableInvalid
from patrol.geometry import MEAN_RADIUS_M, check_position, distance_m
from schema.enums import register
from schema.planner import Columns, Order
from schema.planner.branches import FORMS, Among, Beside, Condition, Finder, Sought
from storage.vocabulary import Term

SQUARES = 64
"""How many squares a box is looked up by; one that touches more is looked up by larger squares, or read in order."""

FARTHEST_M = 50_000.0
"""The largest radius, in metres."""

_AREA = 32  # cells of 0.001 degrees along the side of an area
_BOX = ("south", "west", "north", "east")

FORMS["BoundsInput"] = FORMS["NearInput"] = ("cell", "area", "wide")


_BY_UPDATE = (
    "By the last change, latest first; for people who look. A row that changes moves to the front, so copying goes "
    "through `pull` and never through this order."
)


class IncidentOrder(Term):
    """The orders of incidents."""

    OCCURRED = (
        "OCCURRED",
        "By the time it happened, latest first. Every filter is quick in this order.",
    )
    UPDATED = (
        "UPDATED",
        f"{_BY_UPDATE} It has no indexes by what is filtered: a filter that few rows meet is slow in a large station.",
    )


class PlaceOrder(Term):
    """The orders of zones and cameras."""

    NAME = "NAME", "By name."
    UPDATED = "UPDATED", _BY_UPDATE


for _words in (IncidentOrder, PlaceOrder):
    register(_words)

BY_NAME_OR_UPDATE = {"NAME": Order("name"), "UPDATED": Order("updated_at", descending=True)}


@strawberry.input(description="A box on the map (WGS 84 degrees), its edges included.")
class BoundsInput:
    south: float = strawberry.field(description="The least latitude.")
    west: float = strawberry.field(description="The least longitude.")
    north: float = strawberry.field(description="The greatest latitude.")
    east: float = strawberry.field(
        description="The greatest longitude. A box over the 180th meridian is asked for as two."
    )

    def __post_init__(self) -> None:
        for latitude, longitude in ((self.south, self.west), (self.north, self.east)):
            _check(latitude, longitude)
        if self.south > self.north:
            raise VariableInvalid(f"The box's south {self.south:g} is north of {self.north:g}.")
        if self.west > self.east:
            raise VariableInvalid(
                f"The box's west {self.west:g} is east of {self.east:g}. Ask for a box over the 180th meridian as two."
            )

    def asked(self) -> tuple[str, Mapping[str, Any]]:
        return _of_box(self.south, self.west, self.north, self.east)


@strawberry.input(description="A circle on the map (WGS 84).")
class NearInput:
    latitude: float = strawberry.field(description="Degrees, WGS 84.")
    longitude: float = strawberry.field(description="Degrees, WGS 84.")
    radius_m: float = strawberry.field(description="Metres along the ground, from 1 to 50000.")

    def __post_init__(self) -> None:
        _check(self.latitude, self.longitude)
        if not 1 <= self.radius_m <= FARTHEST_M:
            raise VariableInvalid(
                f"`radiusM` must be between 1 and {FARTHEST_M:.0f} metres, not {self.radius_m:g}."
            )
        _, west, _, east = self._box()
        if west < -180 or east > 180:
            raise VariableInvalid(
                "The circle goes over a pole or the 180th meridian, which is not supported."
            )

    def _box(self) -> tuple[float, float, float, float]:
        """A box around the circle, a thousandth larger than it must be, so that rounding loses nobody."""
        angle = self.radius_m / MEAN_RADIUS_M * 1.001
        high = math.degrees(angle)
        south, north = self.latitude - high, self.latitude + high
        if south <= -90 or north >= 90:
            return -90.0, -math.inf, 90.0, math.inf
        wide = math.degrees(math.asin(math.sin(angle) / math.cos(math.radians(self.latitude))))
        return south, self.longitude - wide, north, self.longitude + wide

    def _reaches(self, south: float, west: float, north: float, east: float) -> bool:
        """Whether a square may hold a place of the circle: its corner that is nearest by degrees is, a little off."""
        nearest = min(max(self.latitude, south), north), min(max(self.longitude, west), east)
        return distance_m(self.latitude, self.longitude, *nearest) <= self.radius_m * 1.01 + 1

    def asked(self) -> tuple[str, Mapping[str, Any]]:
        form, parts = _of_box(*self._box(), reaches=self._reaches)
        own = {
            "latitude": self.latitude,
            "longitude": self.longitude,
            "radius_m": self.radius_m,
        }
        return form, {**parts, **own}


def _check(latitude: float, longitude: float) -> None:
    fault = check_position(latitude, longitude)
    if fault is not None:
        raise VariableInvalid(str(fault))


def _thousandths(degrees: float) -> int:
    """As the database rounds: 15 digits of the number, half away from zero."""
    return int(Decimal(f"{degrees:.15g}").quantize(Decimal("0.001"), ROUND_HALF_UP).scaleb(3))


def _edges(row: int, column: int, size: int) -> tuple[float, float, float, float]:
    """South, west, north and east of a square, in degrees; a rounded place is at most half a cell away."""
    south, west = row * size - 90_000.5, column * size - 180_000.5
    return south / 1000, west / 1000, (south + size) / 1000, (west + size) / 1000


def _of_box(
    south: float,
    west: float,
    north: float,
    east: float,
    *,
    reaches: Callable[[float, float, float, float], bool] = lambda *_: True,
) -> tuple[str, Mapping[str, Any]]:
    """By which squares a box is looked up, and the values of the statement; see `storage.incidents.Incident`."""
    box = dict(zip(_BOX, (south, west, north, east), strict=True))
    rows = _thousandths(south) + 90_000, _thousandths(north) + 90_000
    columns = _thousandths(west) + 180_000, _thousandths(east) + 180_000
    for form, size, factor in (("cell", 1, 1_000_000), ("area", _AREA, 100_000)):
        high = range(rows[0] // size, rows[1] // size + 1)
        wide = range(columns[0] // size, columns[1] // size + 1)
        if len(high) * len(wide) <= SQUARES:
            squares = [
                one * factor + two
                for one in high
                for two in wide
                if reaches(*_edges(one, two, size))
            ]
            return form, {**box, "squares": squares}
    return "wide", box


def inside(row: Columns, within: Any, near: Any, *, form: str | None = None) -> Iterator[Condition]:
    """Rows whose position is in the box and in the circle, looked up by squares of a form that one of them has."""
    asked = [one for one in (within, near) if one is not None]
    edges = [
        between
        for one in asked
        for between in (
            row.latitude.between(one.south, one.north),
            row.longitude.between(one.west, one.east),
        )
    ]
    if form is None:
        yield from map(Beside, edges)
    else:
        # The smaller of two places is enough. Comparisons of numbers leak nothing, so the index may answer them.
        squares = next(one.squares for one in asked if one.form == form)
        yield Among(
            getattr(row, form),
            cast(squares, ARRAY(BigInteger)),
            "occurred_at",
            held=tuple(edges),
        )
    if near is not None:
        phi, psi = func.radians(near.latitude), func.radians(row.latitude)
        half_lat = func.sin((psi - phi) / 2)
        half_lon = func.sin(func.radians(row.longitude - near.longitude) / 2)
        chord = half_lat * half_lat + func.cos(phi) * func.cos(psi) * half_lon * half_lon
        yield Beside(
            2 * MEAN_RADIUS_M * func.asin(func.sqrt(func.least(1.0, chord))) <= near.radius_m
        )


def written(text: Any, *columns: ColumnElement[Any], finder: Finder | None = None) -> Iterator[Any]:
    """Rows that hold a text in one of the columns."""
    if text is not None:
        yield Sought(columns, text, finder)
