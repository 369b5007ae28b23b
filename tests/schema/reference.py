"""A naive phone door: tables loaded whole, filtered and sorted in Python, and run by the stock executor.

It shares the contract's types and nothing of the planner, so that what both answer alike is what the contract says.
Cursors are made by the planner's own module: what they hold is nobody's business but theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
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

from schema.planner import keyset

Record = dict[str, Any]
Rows = list[Record]

TABLES = (
    "station", "zone", "camera", "camera_state", "sos_post", "incident", "sos_alert", "sos_step", "sos_recipient",
    "officer", "officer_state", "snapshot", "stored_object",
)  # fmt: skip


@dataclass(frozen=True)
class List:
    """A root list: its table, the column of its order, and how a row is filtered."""

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


def _incident(row: Record, given: Mapping[str, Any]) -> bool:
    return (
        _same(row, given, "zone_id", "zoneId")
        and all(_words(column, row, given) for column in ("category", "severity", "status"))
        and (given.get("since") is None or row["occurred_at"] >= given["since"])
        and (given.get("until") is None or row["occurred_at"] < given["until"])
    )


LISTS = {
    "zones": List("zone", "NAME", "name", False, lambda row, given: _same(row, given, "kind", "kind")),
    "cameras": List(
        "camera", "NAME", "name", False,
        lambda row, given: _same(row, given, "kind", "kind") and _same(row, given, "zone_id", "zoneId"),
    ),
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
    ("Alert", "zone"): ("zone", "zone_id", "id"),
    ("Alert", "raiser"): ("officer", "officer_id", "id"),
    ("Alert", "post"): ("sos_post", "post_id", "id"),
    ("Alert", "responder"): ("officer", "acknowledged_by", "id"),
    ("AlertRecipient", "officer"): ("officer", "officer_id", "id"),
}

MANIES = {
    ("Zone", "cameras"): ("camera", "zone_id", "name"),
    ("Alert", "steps"): ("sos_step", "alert_id", "number"),
    ("Alert", "recipients"): ("sos_recipient", "alert_id", "attempted_at"),
}


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
        kind = LISTS[name]
        rows = [
            row
            for row in self.tables[kind.table]
            if row["deleted_at"] is None and kind.matches(row, given)
        ]
        return sorted(rows, key=itemgetter(kind.column, "id"), reverse=kind.descending)

    def cursors(self, name: str) -> list[str]:
        """The cursors of all rows of a root list."""
        return [self._cursor(LISTS[name], row) for row in self.listed(name, {})]

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
            return self._page(name, given) if name in LISTS else self._root(name, given)
        if (kind, name) in ONES:
            return self._one(*ONES[kind, name], source)
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
        if kind == "Snapshot" and name in ("url320", "url960"):
            key = source[f"thumb_{name[3:]}_key"]
            return key and f"signed:derived/{key}"
        if (kind, name) == ("StoredObject", "url"):
            return f"signed:{source['bucket']}/{source['key']}"
        if (kind, name) == ("StoredObject", "sha256"):
            return source["sha256"].hex()
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

    def _page(self, name: str, given: Mapping[str, Any]) -> Record:
        kind = LISTS[name]
        whole = rows = self.listed(name, given)
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
