"""The questions whose time may not depend on how many incidents there are; a new filter is one more entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.cases import BYTES, text_of
from bench.data import LATITUDE, LONGITUDE

NODES = "{ nodes { id category severity status title latitude longitude occurredAt updatedAt } pageInfo { endCursor } }"

CHANGE_100 = """
update incident set severity = case severity when 'LOW' then 'HIGH' else 'LOW' end
where id in (select id from incident where station_id = $1 order by occurred_at desc limit 100)
"""


@dataclass(frozen=True)
class Question:
    """An operation with its variables for a place; `before` is run once, as the owner, with the station's id."""

    title: str
    text: str
    variables: Callable[[Any], dict[str, Any]] = lambda _: {}
    rows: Callable[[dict[str, Any]], int] = lambda answer: len(answer["data"]["incidents"]["nodes"])
    expected: int | None = 50
    before: str = ""

    @property
    def pull(self) -> str:
        return text_of("Pull")


def finding(title: str, arguments: str, *, expected: int | None = None) -> Question:
    """A page of incidents that match."""
    return Question(title, f"{{ incidents(first: 50, {arguments}) {NODES} }}", expected=expected)


def by_zone(title: str, arguments: str = "") -> Question:
    """A page of incidents of one zone."""
    text = f"query ($zone: UUID!) {{ incidents(first: 50, zoneId: $zone {arguments}) {NODES} }}"
    return Question(title, text, lambda place: {"zone": str(place.station.zones[0])}, expected=None)


def pulling(title: str, rows: int, before: str = "") -> Question:
    """A pull of somebody who has everything that stood there before."""
    return Question(
        title,
        text_of("Pull"),
        lambda place: {"cursor": place.cursor, "first": 500, "maxBytes": BYTES},
        lambda answer: len(answer["data"]["pull"]["incidents"]),
        rows,
        before,
    )


def hours_ago(hours: int) -> str:
    """An instant as it stands in an operation."""
    at = datetime.now(UTC) - timedelta(hours=hours)
    return f'"{at.isoformat()}"'


def street(side: float) -> str:
    """A box that begins in the south-west of the data; degrees."""
    south, west = LATITUDE + 0.01, LONGITUDE + 0.01
    return f"{{ south: {south}, west: {west}, north: {south + side:.4f}, east: {west + side:.4f} }}"


QUESTIONS: tuple[Question, ...] = (
    finding("page", "after: null", expected=50),
    Question(
        "lookup",
        text_of("Incident"),
        lambda place: {"id": place.incident},
        lambda answer: int(answer["data"]["incident"] is not None),
        1,
    ),
    pulling("empty pull", 0),
    by_zone("zone"),
    finding("category", "category: [FLOOD]"),
    finding("two categories", "category: [FLOOD, FIRE]"),
    finding("severity", "severity: [CRITICAL]"),
    finding("status", "status: [OPEN]"),
    finding("since", f"since: {hours_ago(2)}"),
    finding("until", f"until: {hours_ago(3)}"),
    by_zone("zone and status", ", status: [OPEN]"),
    finding("box of a street", f"within: {street(0.002)}"),
    finding("box of the town and category", f"within: {street(0.04)}, category: [FIRE]"),
    finding("near", "near: { latitude: 16.7231, longitude: 98.5808, radiusM: 300 }"),
    finding(
        "near and severity",
        "near: { latitude: 16.7231, longitude: 98.5808, radiusM: 2000 }, severity: [CRITICAL]",
    ),
    finding("text, frequent", 'text: "motorcycle"'),
    finding("text, Thai", 'text: "ตลาด"'),
    finding("text, two Thai letters", 'text: "รถ"'),
    finding("text, rare", 'text: "temple 16"'),
    finding("text, absent", 'text: "helicopter"', expected=0),
    finding("by update", "order: UPDATED"),
    finding("by update and status", "order: UPDATED, status: [IN_PROGRESS]"),
    # At the end: it changes rows.
    pulling("pull of 100 changed rows", 100, CHANGE_100),
)
