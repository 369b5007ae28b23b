"""What one partner must be answered: the agreements' own words, applied row by row to tables that were loaded whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from operator import itemgetter
from typing import Any
from uuid import UUID

import strawberry

from schema.planner.limits import Limits
from tests.schema.reference.lists import INCIDENTS, LISTS, Given, List, Record, Rows
from tests.schema.reference.naive import Fault, Naive

TABLES = ("zone", "camera", "incident", "snapshot", "organisation", "agreement", "agreement_zone")
SUBJECTS = {"zones": "ZONES", "cameras": "CAMERAS", "incidents": "INCIDENTS"}
REMOTE = {"cameras": "zone_id", "incidents": "scope_id"}
BELOW = {"cameras": LISTS["cameras"], "incidents": INCIDENTS}


@dataclass(frozen=True)
class Until:
    """Up to when an organisation sees the rows of a zone at all, and in full."""

    visible: datetime
    full: datetime | None


class PartnerReference(Naive):
    """One organisation's answers."""

    def __init__(
        self,
        schema: strawberry.Schema,
        tables: Mapping[str, Rows],
        organisation: UUID,
        *,
        most: int = Limits().values,
    ) -> None:
        super().__init__(schema._schema, most=most)
        for union in ("ZonesAnswer", "CamerasAnswer", "IncidentsAnswer"):
            kind: Any = self.schema.type_map[union]
            kind.resolve_type = lambda value, *_: value["__typename"]  # rows here are dictionaries
        at = datetime.now(UTC)
        self.organisation = next(
            row for row in tables["organisation"] if row["id"] == str(organisation)
        )
        own = [row for row in tables["agreement"] if row["organisation_id"] == str(organisation)]
        self.agreements = sorted(
            (
                {
                    **row,
                    "zone_ids": sorted(
                        one["zone_id"]
                        for one in tables["agreement_zone"]
                        if one["agreement_id"] == row["id"]
                    ),
                }
                for row in own
                if row["revoked_at"] is None
                and row["valid_from"] <= at
                and (row["valid_until"] is None or row["valid_until"] > at)
            ),
            key=itemgetter("valid_from", "id"),
        )
        self.grants = {name: self._granted(subject, at) for name, subject in SUBJECTS.items()}
        pictures = tables["snapshot"]
        self.tables = {
            "zone": [
                row
                for row in tables["zone"]
                if row["id"] in self.grants["zones"] and row["deleted_at"] is None
            ],
            "camera": list(_cameras(tables["camera"], self.grants["cameras"], pictures)),
            "incident": list(_incidents(tables["incident"], self.grants["incidents"])),
        }

    def _granted(self, subject: str, at: datetime) -> dict[str, Until]:
        found: dict[str, Until] = {}
        for agreement in self.agreements:
            if subject not in agreement["subjects"]:
                continue
            until = at - timedelta(seconds=agreement["delay_seconds"])
            for zone in agreement["zone_ids"]:
                before = found.get(zone, Until(until, None))
                full = [until] if agreement["detail"] == "FULL" else []
                full += [before.full] if before.full is not None else []
                found[zone] = Until(max(until, before.visible), max(full, default=None))
        return found

    def cursors(self, name: str, order: str = "") -> list[str]:
        """The cursors of all rows of a list."""
        kind = LISTS[name].ordered({"order": order})
        rows = self.tables[kind.table]
        return [kind.cursor(row) for row in sorted(rows, key=itemgetter(kind.column, "id"))]

    def kind_of(self, parent: str, name: str, given: Given) -> List | None:
        kind = (LISTS if parent == "Query" else BELOW if parent == "Zone" else {}).get(name)
        return kind and kind.ordered(given)

    def admit(self, name: str, given: Given) -> None:
        zones = self.grants.get(name)
        if zones is None:
            return
        wanted = given.get("zoneId")
        if not zones or (wanted is not None and wanted not in zones):
            raise Fault("NOT_GRANTED")

    def admits(self, name: str, parent: Record) -> bool:
        return parent["id"] in self.grants[name]

    def value(self, parent: str, name: str, source: Any, given: Given) -> Any:
        if (parent, name) == ("Query", "organisation"):
            return {**self.organisation, "agreements": self.agreements}
        kind = self.kind_of(parent, name, given)
        if kind is not None:
            rows: Rows = self.tables[kind.table]
            if parent == "Zone":
                rows = [row for row in rows if row[REMOTE[name]] == source["id"]]
            return kind.page(kind.of(rows, given), given)
        if name == "zone":
            return self.one("zone", "zone_id", "id", source)
        if name == "ageSeconds":
            return (datetime.now(UTC) - source["occurred_at"]).total_seconds()
        return self.leaf(name, source, given)


def _rounded(degrees: float) -> float:
    """About a hundred metres: 15 digits of the number, to three decimals, half away from zero."""
    return float(Decimal(f"{degrees:.15g}").quantize(Decimal("0.001"), ROUND_HALF_UP))


def _shown(row: Record, *, fully: bool) -> Record:
    shown = {**row, "detail": "FULL" if fully else "COARSE"}
    if not fully and row["latitude"] is not None:
        shown |= {name: _rounded(row[name]) for name in ("latitude", "longitude")}
    return shown


def _cameras(rows: Rows, grants: Mapping[str, Until], pictures: Rows) -> Iterable[Record]:
    for row in rows:
        until = grants.get(row["scope_id"])
        if until is None or row["deleted_at"] is not None:
            continue
        seen = [
            one
            for one in pictures
            if one["camera_id"] == row["id"]
            and one["ready_at"] is not None
            and until.full is not None
            and one["taken_at"] <= until.full
        ]
        last = max(seen, key=itemgetter("taken_at", "id"), default=None)
        of_last = {
            f"picture{width}": last and last[f"thumb_{width}_key"] and f"signed:derived/{last[f'thumb_{width}_key']}"
            for width in (320, 960)
        }  # fmt: skip
        yield {
            **_shown(row, fully=until.full is not None),
            **of_last,
            "picture_taken_at": last and last["taken_at"],
        }


def _incidents(rows: Rows, grants: Mapping[str, Until]) -> Iterable[Record]:
    for row in rows:
        until = grants.get(row["scope_id"])
        if until is None or row["deleted_at"] is not None:
            continue
        latest = max(row["received_at"], row["updated_at"])
        if latest > until.visible:
            continue
        fully = until.full is not None and latest <= until.full
        text = {} if fully else {"title": None, "description": None}
        yield {**_shown(row, fully=fully), **text}
