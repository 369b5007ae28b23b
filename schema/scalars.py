"""The scalars of all contracts: times in UTC, times as phones write them, JSON documents and large whole numbers."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NewType

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.types.scalar import ScalarDefinition

JSON = NewType("JSON", object)
Long = NewType("Long", int)
PhoneTime = NewType("PhoneTime", str)
SearchText = NewType("SearchText", str)
TrackPoints = NewType("TrackPoints", list[list[str | float | None]])

_EXACT = 2**53


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**53:
        raise ValueError(
            f"Long cannot represent {value!r}: a whole number of up to 53 bits is needed."
        )
    return value


def _instant(value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"DateTime cannot represent {value!r}: ISO 8601 is needed.") from error
    if at.tzinfo is None:
        raise ValueError(f"DateTime cannot represent {value!r}: an offset such as Z is needed.")
    return at.astimezone(UTC)


def _told(value: Any) -> str:
    return str(value)[:64]


def _searched(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    told = sum(unicodedata.category(one)[0] in "LMN" for one in text)
    # Two letters of a script without cases are a word of Thai; of another one they stand in every second text.
    enough = len(text) > 2 or all(not one.isascii() and one.lower() == one.upper() for one in text)
    if told < 2 or not enough or len(text) > 100:
        raise ValueError(
            "SearchText needs 3 to 100 characters, or 2 of a script such as Thai, with at least two letters or digits."
        )
    return text


def _points(value: Any) -> list[list[str | float | None]]:
    if not isinstance(value, list):
        raise ValueError("TrackPoints is a list of points.")
    # Anything is taken within the list: a point that makes no sense is dropped by the rules, and counted.
    return [
        [_member(one) for one in point[:8]] if isinstance(point, list) else [] for point in value
    ]


def _member(value: Any) -> str | float | None:
    if type(value) is float and -_EXACT < value < _EXACT:
        return value
    if isinstance(value, str):
        return value[:64].replace("\0", "\ufffd")
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _EXACT:
        return None
    return float(value)


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


_SCALARS: Mapping[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="An instant in UTC, as RFC 3339: `2026-11-23T08:15:30.5Z`.",
        specified_by_url="https://scalars.graphql.org/andimarek/date-time",
        serialize=_rfc3339,
        parse_value=_instant,
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="A JSON document, such as a GeoJSON geometry.",
        serialize=lambda value: value,
        parse_value=lambda value: value,
    ),
    Long: strawberry.scalar(
        name="Long",
        description="A whole number of up to 53 bits, which every JSON reader keeps exactly.",
        serialize=int,
        parse_value=_whole,
    ),
    PhoneTime: strawberry.scalar(
        name="PhoneTime",
        description="A time as the phone's clock wrote it. It is never refused: an implausible one is kept beside a "
        "plausible one, and Buddhist-era years are converted.",
        serialize=str,
        parse_value=_told,
    ),
    SearchText: strawberry.scalar(
        name="SearchText",
        description="What a text must hold, in Thai or English, whatever its case: 3 to 100 characters, or 2 of a script "
        "such as Thai.",
        serialize=str,
        parse_value=_searched,
    ),
    TrackPoints: strawberry.scalar(
        name="TrackPoints",
        description="A list of points, each `[time, latitude, longitude, accuracyM, speedMps, headingDeg, "
        "batteryPercent]`: the time as the phone's clock wrote it, then numbers; what is unknown is null or left out at "
        "the end.",
        serialize=lambda value: value,
        parse_value=_points,
    ),
}


def config() -> StrawberryConfig:
    """The configuration that every contract is built with."""
    return StrawberryConfig(scalar_map=dict(_SCALARS), sort_schema=True)
