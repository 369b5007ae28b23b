"""A naive phone door: tables loaded whole, filtered and sorted in Python, and run by the stock executor.

It shares the contract's types and nothing of the planner, so that what both answer alike is what the contract says.
Cursors are made by the planner's own module: what they hold is nobody's business but theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import strawberry
from graphql import (
    ExecutionResult,
    GraphQLEnumType,
    GraphQLResolveInfo,
    execute,
    get_named_type,
    parse,
)
from sqlalchemy import DateTime, String, Uuid
from strawberry.utils.str_converters import to_snake_case

from patrol.geometry import distance_m
from schema.planner import keyset

Record = dict[str, Any]
Rows = list[Record]

TABLES = (
    "station", "zone", "camera", "camera_state", "sos_post", "incident", "sos_alert", "sos_step", "sos_recipient",
    "officer", "officer_state", "snapshot", "stored_object", "community",
    "incident_note", "media",
)  # fmt: skip


@dataclass(frozen=True)
class List:
    """A list: its table, the column of its order, and how a row is filtered."""

    table: str
    order: str
    column: str
    descending: bool
    matches: Callable[[Record, Mapping[str, Any]], bool]


def _words(column: str, row: Record, given: Mapping[str, Any]) -> bool:
    wanted = given.get(column)
    return wanted is None or row[column] in [getattr(one, "value", one) for one in wanted]


def _same(row: Record, given: Mapping[str, Any], column: str, name: str) -> bool:
    wanted = given.get(name)
    return wanted is None or row[column] == getattr(wanted, "value", wanted)


def _within(row: Record, given: Mapping[str, Any], column: str) -> bool:
    return (given.get("since") is None or row[column] >= given["since"]) and (
        given.get("until") is None or row[column] < given["until"]
    )


def _holds(row: Record, given: Mapping[str, Any], *columns: str) -> bool:
    wanted = given.get("text")
    return wanted is None or any(wanted.lower() in row[column].lower() for column in columns)


def _placed(row: Record, given: Mapping[str, Any]) -> bool:
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


def _camera(row: Record, given: Mapping[str, Any]) -> bool:
    return (
        _same(row, given, "kind", "kind")
        and _same(row, given, "zone_id", "zoneId")
        and _holds(row, given, "name", "name_th", "code")
        and _placed(row, given)
    )


def _zone(row: Record, given: Mapping[str, Any]) -> bool:
    return _same(row, given, "kind", "kind") and _holds(row, given, "name", "name_th", "code")


def _incident(row: Record, given: Mapping[str, Any]) -> bool:
    return (
        _same(row, given, "zone_id", "zoneId")
        and all(_words(column, row, given) for column in ("category", "severity", "status"))
        and _within(row, given, "occurred_at")
        and _holds(row, given, "title", "description")
        and _placed(row, given)
    )


LISTS = {
    "zones": List("zone", "NAME", "name", False, _zone),
    "cameras": List("camera", "NAME", "name", False, _camera),
    "incidents": List("incident", "OCCURRED", "occurred_at", True, _incident),
    "alerts": List("sos_alert", "RAISED", "raised_at", True, lambda row, given: _words("status", row, given)),
}  # fmt: skip

ONES = {
    ("Camera", "zone"): ("zone", "zone_id", "id"),
    ("Camera", "state"): ("camera_state", "id", "camera_id"),
    ("SosPost", "zone"): ("zone", "zone_id", "id"),
    ("SosPost", "camera"): ("camera", "camera_id", "id"),
    ("Incident", "zone"): ("zone", "zone_id", "id"),
    ("Incident", "reporter"): ("officer", "reported_by", "id"),
    ("Officer", "state"): ("officer_state", "id", "officer_id"),
    ("Snapshot", "original"): ("stored_object", "object_id", "id"),
    ("Media", "original"): ("stored_object", "object_id", "id"),
    ("Note", "writer"): ("officer", "written_by", "id"),
    ("Alert", "zone"): ("zone", "zone_id", "id"),
    ("Alert", "raiser"): ("officer", "officer_id", "id"),
    ("Alert", "post"): ("sos_post", "post_id", "id"),
    ("Alert", "responder"): ("officer", "acknowledged_by", "id"),
    ("AlertRecipient", "officer"): ("officer", "officer_id", "id"),
}

MANIES = {
    ("Zone", "cameras"): ("camera", "zone_id", "name"),
    ("Zone", "posts"): ("sos_post", "zone_id", "name"),
    ("Zone", "communities"): ("community", "zone_id", "name"),
    ("Alert", "steps"): ("sos_step", "alert_id", "number"),
    ("Alert", "recipients"): ("sos_recipient", "alert_id", "attempted_at"),
    ("Alert", "media"): ("media", "alert_id", "taken_at"),
    ("Incident", "notes"): ("incident_note", "incident_id", "occurred_at"),
    ("Incident", "media"): ("media", "incident_id", "taken_at"),
}

PAGES = {
    ("Zone", "incidents"): (LISTS["incidents"], "zone_id"),
    ("Camera", "snapshots"): (
        List("snapshot", "TAKEN", "taken_at", True, lambda row, given: _within(row, given, "taken_at")), "camera_id",
    ),
}  # fmt: skip
"""Connections below rows: the list, and the column that points to the parent."""


def _in_order(kind: List, given: Mapping[str, Any]) -> List:
    """The list in the order that is asked for."""
    order = given.get("order")
    if getattr(order, "value", order) != "UPDATED":
        return kind
    return replace(kind, order="UPDATED", column="updated_at", descending=True)


class Reference:
    """What one officer's phone must be answered."""

    def __init__(
        self,
        schema: strawberry.Schema,
        tables: Mapping[str, Rows],
        officer: UUID,
        scopes: Iterable[UUID],
    ) -> None:
        self.schema = schema._schema
        self.officer = str(officer)
        held = {str(scope) for scope in scopes}
        [me] = [row for row in tables["officer"] if row["id"] == self.officer]
        colleagues = {
            row["id"] for row in tables["officer"] if row["station_id"] == me["station_id"]
        }
        self.tables = {
            name: [
                row
                for row in rows
                if ("scope_id" not in row or row["scope_id"] in held)
                and (name != "officer" or row["id"] in colleagues)
                and (name != "officer_state" or row["officer_id"] in colleagues)
            ]
            for name, rows in tables.items()
        }

    @classmethod
    async def load(
        cls,
        schema: strawberry.Schema,
        owner: asyncpg.Connection,
        officer: UUID,
        scopes: Iterable[UUID],
    ) -> Reference:
        """Reads every table whole, past all policies."""
        tables = {
            name: [_record(row) for row in await owner.fetch(f"select * from {name}")]
            for name in TABLES
        }
        return cls(schema, tables, officer, scopes)

    def answer(self, text: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The answer as JSON says it."""

        # The library takes functions only.
        def resolve(follow: Any, source: Any, info: GraphQLResolveInfo[Any], **given: Any) -> Any:
            return self._resolve(follow, source, info, **given)

        result = execute(
            self.schema, parse(text), variable_values=dict(variables), middleware=[resolve]
        )
        assert isinstance(result, ExecutionResult)
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [one.formatted for one in result.errors]
        read: dict[str, Any] = orjson.loads(orjson.dumps(answer))
        return read

    def listed(self, name: str, given: Mapping[str, Any]) -> Rows:
        """All rows of a root list, in its order."""
        return self._listed(_in_order(LISTS[name], given), given)

    def _listed(self, kind: List, given: Mapping[str, Any]) -> Rows:
        rows = [
            row
            for row in self.tables[kind.table]
            if row.get("deleted_at") is None and kind.matches(row, given)
        ]
        return sorted(rows, key=itemgetter(kind.column, "id"), reverse=kind.descending)

    def cursors(self, name: str) -> list[str]:
        """The cursors of all rows of a root list, or of one below rows whoever its parents are."""
        kinds = {**LISTS, **{name: kind for (_, name), (kind, _) in PAGES.items()}}
        return [self._cursor(kinds[name], row) for row in self._listed(kinds[name], {})]

    @staticmethod
    def _cursor(kind: List, row: Record) -> str:
        return keyset.encode(kind.order, row[kind.column], row["id"])

    def _resolve(
        self, follow: Any, source: Any, info: GraphQLResolveInfo[Any], **given: Any
    ) -> Any:
        name, kind = info.field_name, info.parent_type.name
        if name.startswith("__") or kind.startswith("__"):
            return follow(source, info, **given)
        given = {
            key: str(value) if isinstance(value, UUID) else value for key, value in given.items()
        }
        value = self._value(kind, name, source, given)
        named = get_named_type(info.return_type)
        if isinstance(named, GraphQLEnumType) and value is not None:
            return named.values[value].value
        return UUID(value) if named.name == "UUID" and value is not None else value

    def _value(self, kind: str, name: str, source: Any, given: dict[str, Any]) -> Any:
        if kind == "Query":
            if name not in LISTS:
                return self._root(name, given)
            return self._page(_in_order(LISTS[name], given), self.listed(name, given), given)
        if (kind, name) in ONES:
            return self._one(*ONES[kind, name], source)
        if (kind, name) in PAGES:
            listed, remote = PAGES[kind, name]
            rows = [row for row in self._listed(listed, given) if row[remote] == source["id"]]
            return self._page(listed, rows, given)
        if (kind, name) in MANIES:
            table, remote, column = MANIES[kind, name]
            rows = [
                row
                for row in self.tables[table]
                if row[remote] == source["id"]
                and row.get("deleted_at") is None
                and _same(row, given, "kind", "kind")
            ]
            return sorted(rows, key=itemgetter(column, "id"))[: given["first"]]
        if (kind, name) == ("Camera", "lastSnapshot"):
            state = self._one("camera_state", "id", "camera_id", source)
            return state and self._one("snapshot", "last_snapshot_id", "id", state)
        if kind in ("Snapshot", "Media") and name in ("url320", "url960"):
            key = source[f"thumb_{name[3:]}_key"]
            return key and f"signed:derived/{key}"
        if (kind, name) == ("StoredObject", "url"):
            return f"signed:{source['bucket']}/{source['key']}"
        if name == "sha256":
            return source["sha256"].hex()
        if name == "distanceM":
            place = source["latitude"], source["longitude"]
            here = given["from"]["latitude"], given["from"]["longitude"]
            return None if None in place else distance_m(*here, *place)
        if (kind, name) == ("OfficerState", "fixAgeSeconds"):
            assert source["fix_at"] is None  # else the answer would depend on the moment
            return None
        return source[to_snake_case(name)]

    def _one(self, table: str, local: str, remote: str, source: Record) -> Record | None:
        return next((row for row in self.tables[table] if row[remote] == source[local]), None)

    def _root(self, name: str, given: Mapping[str, Any]) -> Record | None:
        if name == "me":
            me = self._one("officer", "id", "id", {"id": self.officer})
            state = self._one("officer_state", "id", "officer_id", {"id": self.officer})
            return {**(me or {}), "on_duty": bool(state and state["on_duty"])}
        table = {"incident": "incident", "alert": "sos_alert"}[name]
        row = self._one(table, "id", "id", dict(given))
        return row if row and row["deleted_at"] is None else None

    def _page(self, kind: List, whole: Rows, given: Mapping[str, Any]) -> Record:
        rows = whole
        after = given.get("after")
        if after is not None:
            column = DateTime() if kind.column.endswith("_at") else String()
            value, key = keyset.decode(after, kind.order, column, Uuid())
            place = (value, str(key))
            rows = [
                row
                for row in rows
                if ((row[kind.column], row["id"]) < place) == kind.descending
                and (row[kind.column], row["id"]) != place
            ]
        page = rows[: given["first"]]
        return {
            "nodes": page,
            "edges": [{"cursor": self._cursor(kind, row), "node": row} for row in page],
            "total_count": len(whole),
            "page_info": {
                "has_next_page": len(rows) > len(page),
                "has_previous_page": after is not None,
                "start_cursor": self._cursor(kind, page[0]) if page else None,
                "end_cursor": self._cursor(kind, page[-1]) if page else None,
            },
        }


def _record(row: Any) -> Record:
    """A row as Python values; ids as text, JSON documents parsed."""
    record = {key: str(value) if isinstance(value, UUID) else value for key, value in row.items()}
    for key in ("boundary", "field_revs"):
        if isinstance(record.get(key), str):
            record[key] = orjson.loads(record[key])
    return record
