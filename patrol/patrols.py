"""The rules of patrols: who may start one and move it on, by allowed steps that keep their order and their times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from patrol.clock import PhoneTime, read_phone_time
from patrol.errors import AlreadyExists, NotFound, NotInScope, StateNotReachable
from patrol.fixes import Fix, as_columns, lost_position, note_fixes, position_of
from patrol.places import zones_around
from patrol.sync.mutation import Author, Effect, Mutation, refused
from patrol.transitions import patrol_may_become
from storage.database import Connection
from storage.patrols import INSERT_PATROLS, LOCK_PATROLS, OPEN_PATROLS, UPDATE_PATROLS
from storage.statements import as_json
from storage.vocabulary import MutationOutcome, OfficerRole, PatrolStatus
from storage.zones import OWN_ZONES


async def start(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Begins patrols of the zone they name, else of the smallest one around their position, else of the station.

    A second patrol ends nothing: the first may go on elsewhere, or its end is still on the way from another phone. It
    is stored beside the first, with `overlaps_id` for whoever looks at both.
    """
    named = {zone for one in mutations if (zone := _uuid(one.fields.get("zone_id"))) is not None}
    found = await connection.fetch(OWN_ZONES, author.station, list(named)) if named else []
    own = {row["id"] for row in found}
    open_one = await connection.fetchval(OPEN_PATROLS, author.officer)
    around = await zones_around(
        connection, author.station, [position_of(one.fields) for one in mutations]
    )
    effects: dict[UUID, Effect] = {}
    rows: dict[UUID, dict[str, Any]] = {}
    fixes: dict[UUID, Fix] = {}
    for one in mutations:
        zone, position = _uuid(one.fields.get("zone_id")), position_of(one.fields)
        if zone is not None and zone not in own:
            effects[one.row_id] = refused(one, NotInScope)
            continue
        zone = zone or around(position)
        captured = read_phone_time(one.captured_at, author.received_at)
        if position is not None:
            fixes[one.row_id] = Fix(captured.at, captured.suspect, position)
        rows[one.row_id] = {
            "id": one.row_id,
            "scope_id": zone or author.station,
            "station_id": author.station,
            "zone_id": zone,
            "officer_id": author.officer,
            "device_id": author.device,
            "started_at": captured.at,
            "captured_at_raw": captured.raw,
            "received_at": author.received_at,
            "time_suspect": captured.suspect,
            **as_columns(position),
            "note": one.fields.get("note"),
            "overlaps_id": open_one,
            "steps": [_step(author, PatrolStatus.ACTIVE, captured)],
        }
        open_one = one.row_id
    added = {
        row["id"]: row["rev"]
        for row in await connection.fetch(INSERT_PATROLS, as_json(list(rows.values())))
    }
    for one in mutations:
        if one.row_id in added:
            effects[one.row_id] = Effect(
                MutationOutcome.APPLIED,
                one.row_id,
                added[one.row_id],
                detail=lost_position(one.fields, position_of(one.fields)),
                scopes=(rows[one.row_id]["scope_id"],),
            )
        elif one.row_id in rows:
            effects[one.row_id] = refused(one, AlreadyExists)
    await note_fixes(connection, author.officer, [fixes[key] for key in added if key in fixes])
    return [effects[one.row_id] for one in mutations]


async def change(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Pauses patrols, goes on with them, or ends them.

    Whose patrol it is may always move it on, from any phone and also when its zone is no longer his; so may a
    supervisor who sees it, for one that was forgotten.
    """
    stored = {
        row["id"]: dict(row)
        for row in await connection.fetch(LOCK_PATROLS, [one.row_id for one in mutations])
    }
    effects: dict[UUID, Effect] = {}
    rows: list[dict[str, Any]] = []
    fixes: list[Fix] = []
    for one in mutations:
        row = stored.get(one.row_id)
        if row is None or row["deleted_at"] is not None:
            effects[one.row_id] = refused(one, NotFound)
        elif row["officer_id"] != author.officer and not (
            author.role is OfficerRole.SUPERVISOR and row["scope_id"] in author.scopes
        ):
            effects[one.row_id] = refused(one, NotInScope)
        elif not patrol_may_become(PatrolStatus(row["status"]), PatrolStatus(one.fields["status"])):
            effects[one.row_id] = refused(one, StateNotReachable, now=row["status"])
        else:
            moved, fix = _moved(author, one, row)
            rows.append(moved)
            if fix is not None and row["officer_id"] == author.officer:
                fixes.append(fix)
            effects[one.row_id] = Effect(
                MutationOutcome.APPLIED,
                one.row_id,
                row["rev"] + 1,
                detail=lost_position(one.fields, position_of(one.fields)),
                scopes=(row["scope_id"],),
            )
    if rows:
        await connection.execute(UPDATE_PATROLS, as_json(rows))
    await note_fixes(connection, author.officer, fixes)
    return [effects[one.row_id] for one in mutations]


def _moved(author: Author, one: Mutation, row: dict[str, Any]) -> tuple[dict[str, Any], Fix | None]:
    """What a step makes of a patrol, and the officer's fix with it."""
    wanted = PatrolStatus(one.fields["status"])
    captured = read_phone_time(one.captured_at, author.received_at)
    steps = orjson.loads(row["steps"])
    before = datetime.fromisoformat(steps[-1]["at"])
    # The steps are in order, whatever the clock says of them: none is before the one that it follows.
    at, suspect = max(captured.at, before), captured.suspect or captured.at < before
    position = position_of(one.fields)
    stored = {name: row[name] for name in ("latitude", "longitude", "accuracy_m")}
    moved = {
        "id": one.row_id,
        "status": wanted.value,
        "paused_at": at if wanted is PatrolStatus.PAUSED else None,
        "ended_at": at if wanted is PatrolStatus.ENDED else None,
        "time_suspect": row["time_suspect"] or suspect,
        **(stored if position is None else as_columns(position)),
        "note": one.fields.get("note") or row["note"],
        "steps": [*steps, _step(author, wanted, captured) | {"at": at, "suspect": suspect}],
    }
    return moved, None if position is None else Fix(captured.at, captured.suspect, position)


def _step(author: Author, status: PatrolStatus, captured: PhoneTime) -> dict[str, Any]:
    """One line of a patrol's history."""
    return {
        "status": status.value,
        "at": captured.at,
        "raw": captured.raw,
        "receivedAt": author.received_at,
        "suspect": captured.suspect,
        "officerId": str(author.officer),
    }


def _uuid(value: Any) -> UUID | None:
    return None if value is None else UUID(str(value))
