"""What one officer's phone must be answered, from tables that were loaded whole."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import strawberry

from schema.planner.limits import Limits
from tests.schema.reference.lists import INCIDENTS, LISTS, Given, List, Record, Rows, picture, same
from tests.schema.reference.naive import Naive

TABLES = (
    "station", "zone", "camera", "camera_state", "sos_post", "incident", "sos_alert", "sos_step", "sos_recipient", "sos_response",
    "sos_clip", "sos_clip_segment", "sos_event", "sos_post_mute", "sos_post_state",
    "officer", "officer_state", "snapshot", "stored_object", "community", "incident_note", "media", "notice",
    "track_point", "checkpoint_key", "signing_key",
)  # fmt: skip

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
    ("Notice", "zone"): ("zone", "zone_id", "id"),
    ("Notice", "poster"): ("officer", "posted_by", "id"),
    ("Alert", "zone"): ("zone", "zone_id", "id"),
    ("Alert", "raiser"): ("officer", "officer_id", "id"),
    ("Alert", "post"): ("sos_post", "post_id", "id"),
    ("Alert", "responder"): ("officer", "acknowledged_by", "id"),
    ("AlertRecipient", "officer"): ("officer", "officer_id", "id"),
    ("AlertResponse", "officer"): ("officer", "officer_id", "id"),
    ("AlertEvent", "officer"): ("officer", "officer_id", "id"),
    ("SosPost", "state"): ("sos_post_state", "id", "post_id"),
}

MANIES = {
    ("Zone", "cameras"): ("camera", "zone_id", "name"),
    ("Zone", "posts"): ("sos_post", "zone_id", "name"),
    ("Zone", "communities"): ("community", "zone_id", "name"),
    ("Alert", "steps"): ("sos_step", "alert_id", "number"),
    ("Alert", "recipients"): ("sos_recipient", "alert_id", "attempted_at"),
    ("Alert", "responses"): ("sos_response", "alert_id", "created_at"),
    ("Alert", "media"): ("media", "alert_id", "taken_at"),
    ("Alert", "clips"): ("sos_clip", "alert_id", "started_at"),
    ("Alert", "events"): ("sos_event", "alert_id", "at"),
    ("SosPost", "mutes"): ("sos_post_mute", "post_id", "created_at"),
    ("Clip", "segments"): ("sos_clip_segment", "clip_id", "sequence"),
    ("Incident", "notes"): ("incident_note", "incident_id", "occurred_at"),
    ("Incident", "media"): ("media", "incident_id", "taken_at"),
}

PAGES = {
    ("Zone", "incidents"): (INCIDENTS, "zone_id"),
    ("Camera", "snapshots"): (List("snapshot", "TAKEN", "taken_at", True, picture), "camera_id"),
}
"""Connections below rows: the list, and the column that points to the parent."""


def _notice(row: Record, given: Given) -> bool:
    ended = row["expires_at"] is not None and row["expires_at"] <= datetime.now(UTC)
    return not ended and same(row, given, "zone_id", "zoneId")


ROOTS = {**LISTS, "notices": List("notice", "VALID_FROM", "valid_from", True, _notice)}


class Reference(Naive):
    """One officer's answers."""

    def __init__(
        self,
        schema: strawberry.Schema,
        tables: Mapping[str, Rows],
        officer: UUID,
        scopes: Iterable[UUID],
        *,
        most: int = Limits().values,
    ) -> None:
        super().__init__(schema._schema, most=most)
        self.officer = str(officer)
        held = {str(scope) for scope in scopes}
        [me] = [row for row in tables["officer"] if row["id"] == self.officer]
        stations = {row["id"]: row["station_id"] for row in tables["officer"]}
        supervised = {me["station_id"]} if me["role"] == "SUPERVISOR" else set()

        def visible(name: str, row: Record) -> bool:
            if name == "officer_state":
                return bool(stations[row["officer_id"]] == me["station_id"])
            if name == "track_point":
                return row["officer_id"] == self.officer or row["station_id"] in supervised
            return "scope_id" not in row or row["scope_id"] in held

        self.tables = {
            name: [row for row in rows if visible(name, row)] for name, rows in tables.items()
        }

    @classmethod
    async def load(
        cls,
        schema: strawberry.Schema,
        owner: asyncpg.Connection,
        officer: UUID,
        scopes: Iterable[UUID],
        **more: Any,
    ) -> Reference:
        """Reads every table whole, past all policies."""
        tables = {name: await read_whole(owner, name) for name in TABLES}
        return cls(schema, tables, officer, scopes, **more)

    def listed(self, name: str, given: Given) -> Rows:
        """All rows of a root list, in its order."""
        kind = ROOTS[name].ordered(given)
        return kind.of(self.tables[kind.table], given)

    def cursors(self, name: str, order: str = "") -> list[str]:
        """The cursors of all rows of a root list, or of one below rows whoever its parents are."""
        kinds = {**ROOTS, **{name: kind for (_, name), (kind, _) in PAGES.items()}}
        kind = kinds[name].ordered({"order": order})
        rows = self.tables[kind.table]
        return [kind.cursor(row) for row in sorted(rows, key=itemgetter(kind.column, "id"))]

    def kind_of(self, parent: str, name: str, given: Given) -> List | None:
        if parent == "Query":
            return ROOTS[name].ordered(given) if name in ROOTS else None
        kind, _ = PAGES.get((parent, name), (None, None))
        return kind and kind.ordered(given)

    def value(self, parent: str, name: str, source: Any, given: Given) -> Any:
        if parent == "Query":
            if name not in ROOTS:
                return self._root(name, given)
            return ROOTS[name].ordered(given).page(self.listed(name, given), given)
        if (parent, name) in ONES:
            return self.one(*ONES[parent, name], source)
        if (parent, name) in PAGES:
            kind, remote = PAGES[parent, name]
            kind = kind.ordered(given)
            rows = [row for row in self.tables[kind.table] if row[remote] == source["id"]]
            return kind.page(kind.of(rows, given), given)
        if (parent, name) in MANIES:
            table, remote, column = MANIES[parent, name]
            rows = [
                row
                for row in self.tables[table]
                if row[remote] == source["id"]
                and row.get("deleted_at") is None
                and same(row, given, "kind", "kind")
            ]
            return sorted(rows, key=itemgetter(column, "id"))[: given["first"]]
        return self._leaf(parent, name, source, given)

    def _leaf(self, parent: str, name: str, source: Record, given: Given) -> Any:
        if (parent, name) == ("Camera", "lastSnapshot"):
            state = self.one("camera_state", "id", "camera_id", source)
            return state and self.one("snapshot", "last_snapshot_id", "id", state)
        if parent in ("Snapshot", "Media") and name in ("url320", "url960"):
            key = source[f"thumb_{name[3:]}_key"]
            return key and f"signed:derived/{key}"
        if parent == "Clip" and name in ("url320", "url960"):
            key = source[f"poster_{name[3:]}_key"]
            return key and f"signed:derived/{key}"
        if (parent, name) == ("Clip", "fileUrl"):
            return source["file_key"] and f"signed:derived/{source['file_key']}"
        if (parent, name) == ("Clip", "fileSha256"):
            return source["file_sha256"] and source["file_sha256"].hex()
        if (parent, name) == ("StoredObject", "url"):
            return f"signed:{source['bucket']}/{source['key']}"
        if name == "sha256":
            return source["sha256"].hex()
        if name == "ageSeconds":
            return (datetime.now(UTC) - source["occurred_at"]).total_seconds()
        if name == "fixAgeSeconds":
            at = source["fix_at"]
            return at and int((datetime.now(UTC) - at).total_seconds())
        return self.leaf(name, source, given)

    def _root(self, name: str, given: Given) -> Any:
        if name == "me":
            me = self.one("officer", "id", "id", {"id": self.officer})
            state = self.one("officer_state", "id", "officer_id", {"id": self.officer})
            return {**(me or {}), "on_duty": bool(state and state["on_duty"])}
        if name == "checkpointKeys":
            return {"keys": [self._key(row) for row in self.tables["checkpoint_key"]]}
        table = {"incident": "incident", "alert": "sos_alert"}[name]
        row = self.one(table, "id", "id", dict(given))
        return row if row and row["deleted_at"] is None else None

    def _key(self, row: Record) -> Record:
        signing = self.one("signing_key", "kid", "kid", row)
        return {
            "kid": row["kid"],
            "public_key": urlsafe_b64encode(row["public_key"]).decode().rstrip("="),
            "believed_until": signing and signing["believed_until"],
        }


async def read_whole(owner: asyncpg.Connection, table: str) -> Rows:
    """All rows of a table; ids as text, JSON documents parsed."""
    rows = []
    for row in await owner.fetch(f"select * from {table}"):
        record = {
            key: str(value) if isinstance(value, UUID) else value for key, value in row.items()
        }
        for key in ("boundary", "field_revs"):
            if isinstance(record.get(key), str):
                record[key] = orjson.loads(record[key])
        rows.append(record)
    return rows
