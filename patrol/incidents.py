"""The rules of incidents: who may report and change them, how two changes are merged, which steps are allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson

from patrol.clock import read_phone_time
from patrol.errors import (
    AlreadyExists,
    FieldConflict,
    NotFound,
    NotInScope,
    StateNotReachable,
)
from patrol.places import station_zones
from patrol.sync.mutation import Author, Effect, Mutation, refused
from patrol.transitions import incident_may_become
from storage.database import Connection
from storage.incidents import INSERT_INCIDENTS, LOCK_INCIDENTS, UPDATE_INCIDENTS
from storage.vocabulary import IncidentStatus, MutationOutcome
from storage.zones import OWN_ZONES

FIELDS = (
    "zone_id",
    "category",
    "severity",
    "status",
    "title",
    "description",
    "latitude",
    "longitude",
    "accuracy_m",
    "occurred_at",
)
"""What a phone may set. A position is three fields that are one value: they conflict together."""

_TOGETHER = {"latitude": "position", "longitude": "position", "accuracy_m": "position"}

FIELDS_TOLD = {"zone_id": "zoneId", "occurred_at": "occurredAt"}
"""What a conflict calls fields that the contract names otherwise."""


async def report(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Adds incidents to the zone they name, else to the smallest one around their position, else to the station.

    An officer may report from every zone of the station, also from one that is not assigned: what happened there was seen.
    """
    named = await _own_zones(connection, author, mutations)
    around = await _around(connection, author, mutations)
    rows: list[dict[str, Any]] = []
    for one in mutations:
        zone_text = one.fields.get("zone_id")
        zone = around.get(one.row_id) if zone_text is None else named.get(zone_text)
        if zone is not None or zone_text is None:
            rows.append(_new_row(author, one, zone))
    added = {
        row["id"]: row["rev"]
        for row in await connection.fetch(
            INSERT_INCIDENTS, orjson.dumps(rows, default=str).decode()
        )
    }
    scopes = {row["id"]: (row["scope_id"],) for row in rows}
    effects = []
    for one in mutations:
        key = one.row_id
        if key not in scopes:
            effects.append(refused(one, NotInScope))
        elif (rev := added.get(key)) is None:
            effects.append(refused(one, AlreadyExists))
        else:
            effects.append(Effect(MutationOutcome.APPLIED, key, rev, scopes=scopes[key]))
    return effects


async def _own_zones(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> dict[str, UUID]:
    """Of the zones that mutations name, those of the author's station, by the text that names them."""
    named = {text for one in mutations if (text := one.fields.get("zone_id")) is not None}
    if not named:
        return {}
    zones = {text: UUID(str(text)) for text in named}
    rows = await connection.fetch(OWN_ZONES, author.station, list(zones.values()))
    own = {row["id"] for row in rows}
    return {text: zone for text, zone in zones.items() if zone in own}


async def _around(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> dict[UUID, UUID | None]:
    """The zones around the positions of mutations that name none, by the ids of their rows."""
    placed = [
        (one.row_id, one.fields["latitude"], one.fields["longitude"])
        for one in mutations
        if one.fields.get("zone_id") is None
        and one.fields.get("latitude") is not None
        and one.fields.get("longitude") is not None
    ]
    if not placed:
        return {}
    zones = await station_zones(connection, author.station)
    return {key: zones.find(latitude, longitude) for key, latitude, longitude in placed}


def _new_row(author: Author, one: Mutation, zone: UUID | None) -> dict[str, Any]:
    captured = read_phone_time(one.captured_at, author.received_at)
    occurred = one.fields.get("occurred_at")
    happened = captured
    if occurred and occurred != one.captured_at:
        happened = read_phone_time(occurred, author.received_at)
    return {
        **{name: one.fields.get(name) for name in FIELDS},
        "id": one.row_id,
        "scope_id": zone or author.station,
        "station_id": author.station,
        "zone_id": zone,
        "status": one.fields.get("status") or IncidentStatus.OPEN.value,
        "occurred_at": happened.at,
        "captured_at_raw": one.captured_at,
        "received_at": author.received_at,
        "time_suspect": captured.suspect or happened.suspect,
        "reported_by": author.officer,
        "device_id": author.device,
    }


async def change(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Changes incidents, three-way: a field that somebody else changed since `base_rev` keeps its stored value."""
    stored = {
        row["id"]: dict(row)
        for row in await connection.fetch(LOCK_INCIDENTS, [one.row_id for one in mutations])
    }
    named = await _own_zones(connection, author, mutations)
    effects: dict[UUID, Effect] = {}
    rows: list[dict[str, Any]] = []
    for one in mutations:
        row = stored.get(one.row_id)
        if row is None or row["deleted_at"] is not None:
            effects[one.row_id] = refused(one, NotFound)
        elif row["scope_id"] not in author.scopes or (
            (zone := one.fields.get("zone_id")) is not None and zone not in named
        ):
            effects[one.row_id] = refused(one, NotInScope)
        else:
            effect, merged = _merge(author, one, row, named)
            effects[one.row_id] = effect
            if merged is not None:
                rows.append(merged)
    if rows:
        revs = {
            row["id"]: row["rev"]
            for row in await connection.fetch(
                UPDATE_INCIDENTS, orjson.dumps(rows, default=str).decode()
            )
        }
        for key, rev in revs.items():
            before = effects[key]
            effects[key] = Effect(
                before.outcome, key, rev, before.code, before.detail, before.scopes
            )
    return [effects[one.row_id] for one in mutations]


def _merge(
    author: Author, one: Mutation, row: dict[str, Any], named: Mapping[str, UUID]
) -> tuple[Effect, dict[str, Any] | None]:
    """What one change makes of one row: the effect, and the row to write if anything differs."""
    wanted = {name: value for name, value in one.fields.items() if name in FIELDS}
    if "occurred_at" in wanted and wanted["occurred_at"] is not None:
        wanted["occurred_at"] = read_phone_time(wanted["occurred_at"], author.received_at).at
    if wanted.get("zone_id") is not None:
        wanted["zone_id"] = named[wanted["zone_id"]]
    revs: dict[str, tuple[int, str]] = orjson.loads(row["field_revs"])
    me = f"{author.officer} {author.device}"
    base = one.base_rev if one.base_rev is not None else row["rev"]
    differing = {name: value for name, value in wanted.items() if row[name] != value}
    status = differing.get("status")
    if status is not None and not incident_may_become(
        IncidentStatus(row["status"]), IncidentStatus(status)
    ):
        return refused(one, StateNotReachable, now=row["status"]), None
    touched = {_TOGETHER.get(name, name) for name in differing}
    # An allowed step of the state is taken whatever the version it was based on: the steps are the policy.
    # What this phone itself wrote since is no contest: it made both changes offline, one after the other.
    others = {name for name, (rev, writer) in revs.items() if rev > base and writer != me}
    contested = (touched & others) - {"status"}
    written = {
        name: value
        for name, value in differing.items()
        if _TOGETHER.get(name, name) not in contested
    }
    if contested:
        outcome, code = MutationOutcome.CONFLICT, FieldConflict.code
    else:
        outcome = MutationOutcome.MERGED if others else MutationOutcome.APPLIED
        code = None
    told = sorted(FIELDS_TOLD.get(name, name) for name in contested)
    detail = {"fields": told} if contested else {}
    if not written:
        return Effect(outcome, one.row_id, row["rev"], code, detail), None
    scope = (written["zone_id"] or author.station) if "zone_id" in written else row["scope_id"]
    merged = {
        **{name: row[name] for name in FIELDS},
        **written,
        "id": one.row_id,
        "scope_id": scope,
        "field_revs": revs | {_TOGETHER.get(name, name): (row["rev"] + 1, me) for name in written},
    }
    return Effect(
        outcome, one.row_id, row["rev"] + 1, code, detail, tuple({row["scope_id"], scope})
    ), merged
