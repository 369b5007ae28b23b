"""Leaves that are computed from a row's place and time, the same in every contract that shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from patrol.errors import VariableInvalid
from patrol.geometry import check_position, distance_m
from schema.planner import Reading


@strawberry.input(description="A position on the map (WGS 84).")
class PointInput:
    latitude: float = strawberry.field(description="Degrees, WGS 84.")
    longitude: float = strawberry.field(description="Degrees, WGS 84.")

    def __post_init__(self) -> None:
        fault = check_position(self.latitude, self.longitude)
        if fault is not None:
            raise VariableInvalid(str(fault))


def distance_from(
    _: Reading,
    latitude: float | None,
    longitude: float | None,
    origin: Annotated[PointInput, strawberry.argument(name="from")],
) -> float | None:
    """Metres along the ground from a point; None where there is no position."""
    if latitude is None or longitude is None:
        return None
    return distance_m(origin.latitude, origin.longitude, latitude, longitude)


def age_seconds(reading: Reading, at: datetime) -> float:
    """Seconds from an instant to the time of the answer."""
    return (reading.now - at).total_seconds()


HOW_FAR = "Metres along the ground from a point; null without a position."
"""What `distance_from` answers, for the contracts."""

HOW_OLD = "Seconds since it happened, at the time of this answer."
"""What `age_seconds` answers, for the contracts."""
