"""The lists of the contracts in plain Python: which rows belong to them, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from sqlalchemy import DateTime, String, Uuid

from patrol.geometry import distance_m
from schema.planner import keyset

Record = dict[str, Any]
Rows = list[Record]
Given = Mapping[str, Any]


@dataclass(frozen=True)
class List:
    """A list: its table, the column of its order, and how a row is filtered."""

    table: str
    order: str
    column: str
    descending: bool
    matches: Callable[[Record, Given], bool]

    def ordered(self, given: Given) -> List:
        """The list in the order that is asked for."""
        if _word(given.get("order")) != "UPDATED":
            return self
        return replace(self, order="UPDATED", column="updated_at", descending=True)

    def of(self, rows: Iterable[Record], given: Given) -> Rows:
        """The rows that are not deleted and match, in order."""
        found = [row for row in rows if row.get("deleted_at") is None and self.matches(row, given)]
        return sorted(found, key=itemgetter(self.column, "id"), reverse=self.descending)

    def cursor(self, row: Record) -> str:
        """The place after a row. What a cursor holds is nobody's business but the planner's own module's."""
        return keyset.encode(self.order, row[self.column], row["id"])

    def place(self, cursor: str) -> tuple[Any, str]:
        """The order's value and the id that a cursor stands for.

        Raises:
            CursorInvalid: not one of this order.
        """
        column = DateTime() if self.column.endswith(("_at", "at", "_from")) else String()
        value, key = keyset.decode(cursor, self.order, column, Uuid())
        return value, str(key)

    def page(self, whole: Rows, given: Given) -> Record:
        """What a connection can be asked about one page."""
        rows, after = whole, given.get("after")
        if after is not None:
            place = self.place(after)
            rows = [
                row
                for row in whole
                if (row[self.column], row["id"]) != place
                and ((row[self.column], row["id"]) < place) == self.descending
            ]
        shown = rows[: given["first"]]
        cursors = [self.cursor(row) for row in shown]
        return {
            "nodes": shown,
            "edges": [
                {"cursor": one, "node": row} for one, row in zip(cursors, shown, strict=True)
            ],
            "total_count": len(whole),
            "page_info": {
                "has_next_page": len(rows) > len(shown),
                "has_previous_page": after is not None,
                "start_cursor": cursors[0] if shown else None,
                "end_cursor": cursors[-1] if shown else None,
            },
        }


def _word(value: Any) -> Any:
    return getattr(value, "value", value)


def _words(column: str, row: Record, given: Given) -> bool:
    wanted = given.get(column)
    return wanted is None or row[column] in [_word(one) for one in wanted]


def same(row: Record, given: Given, column: str, name: str) -> bool:
    """Whether a row has the value that an argument asks for."""
    wanted = given.get(name)
    return wanted is None or row[column] == _word(wanted)


def _during(row: Record, given: Given, column: str) -> bool:
    return (given.get("since") is None or row[column] >= given["since"]) and (
        given.get("until") is None or row[column] < given["until"]
    )


def _holds(row: Record, given: Given, *columns: str) -> bool:
    wanted = given.get("text")
    return wanted is None or any(wanted.lower() in (row[one] or "").lower() for one in columns)


def _placed(row: Record, given: Given) -> bool:
    box, circle = given.get("within"), given.get("near")
    place = row["latitude"], row["longitude"]
    if None in place:
        return box is None and circle is None
    return (
        box is None
        or (box["south"] <= place[0] <= box["north"] and box["west"] <= place[1] <= box["east"])
    ) and (
        circle is None
        or distance_m(circle["latitude"], circle["longitude"], *place) <= circle["radiusM"]
    )


def camera(row: Record, given: Given) -> bool:
    return (
        same(row, given, "kind", "kind")
        and same(row, given, "zone_id", "zoneId")
        and _holds(row, given, "name", "name_th", "code")
        and _placed(row, given)
    )


def zone(row: Record, given: Given) -> bool:
    return same(row, given, "kind", "kind") and _holds(row, given, "name", "name_th", "code")


def incident(row: Record, given: Given) -> bool:
    return (
        same(row, given, "zone_id", "zoneId")
        and all(_words(column, row, given) for column in ("category", "severity", "status"))
        and _during(row, given, "occurred_at")
        and _holds(row, given, "title", "description")
        and _placed(row, given)
    )


def alert(row: Record, given: Given) -> bool:
    return _words("status", row, given) and same(
        row, given, "resolution_missing", "resolutionMissing"
    )


def picture(row: Record, given: Given) -> bool:
    return _during(row, given, "taken_at")


def track(row: Record, given: Given) -> bool:
    return same(row, given, "officer_id", "officerId") and _during(row, given, "at")


INCIDENTS = List("incident", "OCCURRED", "occurred_at", True, incident)
LISTS = {
    "zones": List("zone", "NAME", "name", False, zone),
    "cameras": List("camera", "NAME", "name", False, camera),
    "incidents": INCIDENTS,
    "alerts": List("sos_alert", "RAISED", "raised_at", True, alert),
    "tracks": List("track_point", "AT", "at", False, track),
}
"""The lists of both contracts, by the name of their root."""
