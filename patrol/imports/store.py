"""Stores checked rows of an import, so that a second import of the same file changes and sends nothing.

Rows are found again by their code. Everything happens in the caller's transaction, one import of a station after the
other; a camera of kind SOS_POST brings its post with it, and a zone of kind COMMUNITY its community.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from patrol.audit import audit
from patrol.errors import ImportRefused, NotFound
from patrol.geojson import read_shape
from patrol.geometry import GeoShape
from patrol.imports.cameras import CameraRow, ParsedCameras
from patrol.imports.rows import RowCode, RowError
from patrol.imports.zones import ParsedZones, ZoneRow
from storage.cameras import IMPORT_CAMERAS, MOVE_CAMERA_STATES
from storage.database import Connection
from storage.posts import IMPORT_POSTS, MOVE_POST_STATES, POSTS_WITHOUT_CAMERA
from storage.stations import LOCK_STATION
from storage.vocabulary import CameraKind, ZoneKind
from storage.zones import END_COMMUNITIES, IMPORT_COMMUNITIES, IMPORT_ZONES, STORED_ZONES


@dataclass(frozen=True, slots=True)
class Imported:
    """How many rows of the file were new, differed, or were stored already as they are."""

    added: int
    changed: int
    unchanged: int
    warnings: tuple[RowError, ...]


@dataclass(frozen=True, slots=True)
class StoredZones:
    """The zones that a station has before an import: what the parsers need to know of them."""

    parents: Mapping[str, str | None]
    shapes: Mapping[str, GeoShape]


async def stored_zones(connection: Connection, station_id: UUID) -> StoredZones:
    """The station's zones by code. Other imports of the station wait from here on until the transaction ends.

    Raises:
        NotFound: there is no such station.
    """
    await _one_at_a_time(connection, station_id)
    rows = await connection.fetch(STORED_ZONES, station_id)
    return StoredZones(
        {row["code"]: row["parent_code"] for row in rows},
        {row["code"]: read_shape(row["boundary"]) for row in rows},
    )


async def import_zones(connection: Connection, station_id: UUID, parsed: ParsedZones) -> Imported:
    """Adds the zones whose code is new and updates those that differ; a deleted zone of the same code returns.

    Raises:
        ImportRefused: the file has errors (`extra["rows"]` lists them all).
        NotFound: there is no such station.
    """
    _refuse(parsed.errors)
    await _one_at_a_time(connection, station_id)
    fresh = {row.code: uuid7() for row in parsed.zones}
    rows = [_zone(row, fresh[row.code]) for row in parsed.zones]
    touched = await connection.fetch(IMPORT_ZONES, station_id, _json(rows))
    added = {row["code"] for row in touched if row["id"] == fresh[row["code"]]}
    changed = {row["code"] for row in touched} - added
    await connection.fetch(
        IMPORT_COMMUNITIES,
        station_id,
        _with_ids(row.code for row in parsed.zones if row.kind is ZoneKind.COMMUNITY),
    )
    await connection.fetch(END_COMMUNITIES, station_id, list(fresh))
    done = Imported(len(added), len(changed), len(rows) - len(touched), parsed.warnings)
    await _note(connection, "zones.import", station_id, done)
    return done


async def import_cameras(
    connection: Connection, station_id: UUID, parsed: ParsedCameras
) -> Imported:
    """Adds the cameras whose code is new and updates those that differ; SOS_POST cameras bring their post.

    A camera that is of another kind now keeps its post, with a warning: a button that may still be pressed is never
    taken away by an import.

    Raises:
        ImportRefused: the file has errors, or a zone that it names is gone (`extra["rows"]` lists them all).
        NotFound: there is no such station.
    """
    _refuse(parsed.errors)
    await _one_at_a_time(connection, station_id)
    _refuse(await _vanished_zones(connection, station_id, parsed))
    fresh = {row.code: uuid7() for row in parsed.cameras}
    rows = [_camera(row, fresh[row.code]) for row in parsed.cameras]
    touched = await connection.fetch(IMPORT_CAMERAS, station_id, _json(rows))
    added = {row["code"] for row in touched if row["id"] == fresh[row["code"]]}
    changed = {row["code"] for row in touched} - added
    posts = await connection.fetch(
        IMPORT_POSTS,
        station_id,
        _with_ids(row.code for row in parsed.cameras if row.kind is CameraKind.SOS_POST),
    )
    changed |= {row["code"] for row in posts} - added
    for move in (MOVE_CAMERA_STATES, MOVE_POST_STATES):
        await connection.execute(move, station_id, list(fresh))
    kept = await connection.fetch(POSTS_WITHOUT_CAMERA, station_id, list(fresh))
    warnings = (*parsed.warnings, *_posts_kept([row["code"] for row in kept], parsed))
    done = Imported(len(added), len(changed), len(rows) - len(added) - len(changed), warnings)
    await _note(connection, "cameras.import", station_id, done)
    return done


def _refuse(errors: Iterable[RowError]) -> None:
    if found := list(errors):
        more = "" if len(found) == 1 else f" (and {len(found) - 1} more)"
        rows = [
            {"row": one.row, "field": one.field, "code": one.code.value, "message": one.message}
            for one in found
        ]
        raise ImportRefused(f"Nothing was imported: {found[0].message}{more}.", rows=rows)


async def _one_at_a_time(connection: Connection, station_id: UUID) -> None:
    if await connection.fetchval(LOCK_STATION, station_id) is None:
        raise NotFound("There is no such station.")


async def _vanished_zones(
    connection: Connection, station_id: UUID, parsed: ParsedCameras
) -> list[RowError]:
    """A file may have been checked before another import; without this its cameras would be left out in silence."""
    stored = {row["code"] for row in await connection.fetch(STORED_ZONES, station_id)}
    return [
        RowError(
            row.row,
            "zone_code",
            RowCode.ZONE_UNKNOWN,
            f"line {row.row} (code '{row.code}'): there is no zone '{row.zone_code}' any more",
        )
        for row in parsed.cameras
        if row.zone_code not in stored
    ]


def _posts_kept(codes: Iterable[str], parsed: ParsedCameras) -> Iterable[RowError]:
    lines = {row.code: row.row for row in parsed.cameras}
    for code in codes:
        text = f"line {lines[code]} (code '{code}'): its SOS post stays although the kind is another one now"
        yield RowError(lines[code], "kind", RowCode.POST_KEPT, text)


def _zone(row: ZoneRow, fresh: UUID) -> dict[str, Any]:
    box = row.shape.box
    return {
        "id": fresh,
        "code": row.code,
        "parent_code": row.parent_code,
        "kind": row.kind.value,
        "name": row.name,
        "name_th": row.name_th or row.name,
        "boundary": orjson.Fragment(row.shape.geojson_text),
        "area_km2": row.shape.square_kilometres,
        "min_latitude": box.min_latitude,
        "min_longitude": box.min_longitude,
        "max_latitude": box.max_latitude,
        "max_longitude": box.max_longitude,
    }


def _camera(row: CameraRow, fresh: UUID) -> dict[str, Any]:
    return {
        "id": fresh,
        "code": row.code,
        "zone_code": row.zone_code,
        "kind": row.kind.value,
        "name": row.name,
        "name_th": row.name_th or row.name,
        "latitude": row.latitude,
        "longitude": row.longitude,
    }


def _with_ids(codes: Iterable[str]) -> str:
    return _json([{"id": uuid7(), "code": code} for code in codes])


def _json(rows: list[dict[str, Any]]) -> str:
    return orjson.dumps(rows).decode()


async def _note(connection: Connection, act: str, station_id: UUID, done: Imported) -> None:
    await audit(
        connection,
        act,
        station_id,
        added=done.added,
        changed=done.changed,
        unchanged=done.unchanged,
    )
