"""The rules of check-ins: each is kept, and what makes it a weaker proof is written beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from patrol.checkpoints import ScannedCode, read_code
from patrol.clock import read_phone_time
from patrol.errors import AlreadyExists
from patrol.fixes import Fix, Position, as_columns, lost_position, note_fixes, position_of
from patrol.geometry import distance_m
from patrol.places import Around, zones_around
from patrol.sync.mutation import Author, Effect, Mutation, refused
from storage.checkpoints import CHECKED_POINTS, INSERT_CHECKINS, READ_CHECKPOINT_KEYS
from storage.database import Connection
from storage.statements import as_json
from storage.vocabulary import CheckinFlag, MutationOutcome

NEAR_M = 100.0
"""Metres from the point that are taken as being there, beyond what the phone says of its own accuracy: between houses
a phone's place is easily wrong by that much."""

LONGEST_CONTENT = 300
"""Characters kept of what was scanned; a code of ours has about 150."""


@dataclass(frozen=True, slots=True)
class _Scan:
    """What a scanned text is worth: the checkpoint it names, if it is one of ours, and what is wrong with it."""

    content: str
    flags: tuple[CheckinFlag, ...]
    number: int | None = None
    point: Mapping[str, Any] | None = None


async def check_in(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Keeps check-ins in the scope of their checkpoint; one whose code names none, where the phone was.

    The number of statements does not depend on the number of check-ins.
    """
    scans = await _scans(connection, author, mutations)
    nowhere = [position_of(one.fields) for one in mutations if scans[one.row_id].point is None]
    around = await zones_around(connection, author.station, nowhere)
    rows: dict[UUID, dict[str, Any]] = {}
    fixes: dict[UUID, Fix] = {}
    for one in mutations:
        scan, position = scans[one.row_id], position_of(one.fields)
        captured = read_phone_time(one.captured_at, author.received_at)
        if position is not None:
            fixes[one.row_id] = Fix(captured.at, captured.suspect, position)
        scope, zone = _place(author, scan, around, position)
        distance, where = _distance(scan, position)
        rows[one.row_id] = {
            "id": one.row_id,
            "scope_id": scope,
            "station_id": author.station,
            "zone_id": zone,
            "checkpoint_id": scan.point and scan.point["id"],
            "patrol_id": one.fields.get("patrol_id"),
            "officer_id": author.officer,
            "device_id": author.device,
            "checked_in_at": captured.at,
            "captured_at_raw": captured.raw,
            "received_at": author.received_at,
            "time_suspect": captured.suspect,
            **as_columns(position),
            "note": one.fields.get("note"),
            "code_content": scan.content,
            "code_number": scan.number,
            "code_valid": not scan.flags,
            "distance_m": distance,
            "flags": [flag.value for flag in (*scan.flags, *where)],
        }
    stored = await connection.fetch(INSERT_CHECKINS, as_json(list(rows.values())))
    added = {row["id"]: row["rev"] for row in stored}
    await note_fixes(connection, author.officer, [fixes[key] for key in added if key in fixes])
    return [
        Effect(
            MutationOutcome.APPLIED,
            one.row_id,
            added[one.row_id],
            detail={
                "flags": rows[one.row_id]["flags"],
                **lost_position(one.fields, position_of(one.fields)),
            },
            scopes=(rows[one.row_id]["scope_id"],),
        )
        if one.row_id in added
        else refused(one, AlreadyExists)
        for one in mutations
    ]


async def _scans(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> dict[UUID, _Scan]:
    read = {one.row_id: read_code(one.fields["content"]) for one in mutations}
    codes = [code for code in read.values() if code is not None]
    keys: dict[str, Any] = {}
    points: dict[UUID, Any] = {}
    if codes:
        keys = {row["kid"]: row for row in await connection.fetch(READ_CHECKPOINT_KEYS)}
        ids = [code.checkpoint_id for code in codes]
        points = {row["id"]: row for row in await connection.fetch(CHECKED_POINTS, ids)}
    return {
        one.row_id: _scan(
            author, one.fields["content"][:LONGEST_CONTENT], read[one.row_id], keys, points
        )
        for one in mutations
    }


def _scan(
    author: Author,
    content: str,
    code: ScannedCode | None,
    keys: Mapping[str, Any],
    points: Mapping[UUID, Any],
) -> _Scan:
    if code is None:
        return _Scan(content, (CheckinFlag.UNREADABLE,))
    key = keys.get(code.kid)
    if key is None or not code.is_signed_by(key["public_key"]):
        # Whoever made it up may name any point: it is not believed to be about one.
        return _Scan(content, (CheckinFlag.FORGED,))
    point = points.get(code.checkpoint_id)
    if point is None:
        return _Scan(content, (CheckinFlag.UNKNOWN_POINT,), code.number)
    if point["station_id"] != author.station and point["scope_id"] not in author.scopes:
        return _Scan(content, (CheckinFlag.OTHER_STATION,), code.number)
    flags = []
    if _retired(key["believed_until"]):
        flags.append(CheckinFlag.KEY_RETIRED)
    # A higher number than the stored one was signed by us after the backup that we were restored from.
    if code.number < point["code_number"]:
        flags.append(CheckinFlag.SUPERSEDED)
    if not point["active"]:
        flags.append(CheckinFlag.RETIRED)
    return _Scan(content, tuple(flags), code.number, point)


def _retired(believed_until: datetime | None) -> bool:
    return believed_until is not None and believed_until <= datetime.now(UTC)


def _place(
    author: Author, scan: _Scan, around: Around, position: Position | None
) -> tuple[UUID, UUID | None]:
    """The scope and the zone of a check-in."""
    if scan.point is not None:
        return scan.point["scope_id"], scan.point["zone_id"]
    zone = around(position)
    return zone or author.station, zone


def _distance(
    scan: _Scan, position: Position | None
) -> tuple[float | None, tuple[CheckinFlag, ...]]:
    """Metres between the phone and the point, and what that says about the check-in."""
    if position is None:
        return None, (CheckinFlag.NO_FIX,)
    if scan.point is None:
        return None, ()
    away = distance_m(
        position.latitude, position.longitude, scan.point["latitude"], scan.point["longitude"]
    )
    allowed = NEAR_M + min(position.accuracy_m or 0.0, 1_000.0)
    return round(away, 1), () if away <= allowed else (CheckinFlag.FAR_AWAY,)
