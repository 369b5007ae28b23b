"""Stations and their officers: who belongs to a station, and which zones are assigned to whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from patrol.audit import audit
from patrol.errors import AlreadyExists, NotFound
from storage.database import Connection
from storage.officers import (
    END_ASSIGNMENTS,
    FIND_OFFICER,
    INSERT_ASSIGNMENTS,
    INSERT_OFFICER,
    KNOWN_SCOPES,
    READ_ASSIGNMENTS,
    READ_STAFF,
    SET_OFFICER_ACTIVE,
)
from storage.stations import FIND_STATION, INSERT_STATION, STORED_STATIONS
from storage.vocabulary import OfficerRole
from storage.zones import STORED_ZONES


async def add_station(
    connection: Connection, *, code: str, name: str, name_th: str, latitude: float, longitude: float
) -> UUID:
    """Adds a station; `latitude` and `longitude` are WGS 84 degrees.

    Raises:
        AlreadyExists: the code is taken.
    """
    station = await connection.fetchval(
        INSERT_STATION, uuid7(), code, name, name_th, latitude, longitude
    )
    if station is None:
        raise AlreadyExists(f"There is a station {code} already.")
    await audit(connection, "station.add", station, code=code)
    return UUID(str(station))


async def find_station(connection: Connection, code: str | None = None) -> UUID:
    """The station of a code; without one, the only station that there is.

    Raises:
        NotFound: there is no such station, or none was named although there are several.
    """
    if code is not None:
        row = await connection.fetchrow(FIND_STATION, code)
        if row is None:
            raise NotFound(f"There is no station {code}.")
        return UUID(str(row["id"]))
    rows = await connection.fetch(STORED_STATIONS)
    if not rows:
        raise NotFound("There is no station yet.")
    if len(rows) > 1:
        codes = ", ".join(row["code"] for row in rows[:10])
        raise NotFound(f"There are several stations; name one of {codes}.")
    return UUID(str(rows[0]["id"]))


async def zones_by_code(
    connection: Connection, station_id: UUID, codes: Sequence[str], *, inner: bool = False
) -> list[UUID]:
    """The ids of a station's zones, in the order of `codes`; with `inner`, also of all zones inside them.

    Raises:
        NotFound: the station has no zone of one of the codes.
    """
    rows = {row["code"]: row for row in await connection.fetch(STORED_ZONES, station_id)}
    if unknown := [code for code in codes if code not in rows]:
        raise NotFound(f"The station has no zone {', '.join(unknown)}.")
    wanted = dict.fromkeys(codes)
    grown = inner
    while grown:
        children = {code: None for code, row in rows.items() if row["parent_code"] in wanted}
        grown = bool(children.keys() - wanted.keys())
        wanted |= children
    return [rows[code]["id"] for code in wanted]


async def add_officer(
    connection: Connection,
    station_id: UUID,
    *,
    badge: str,
    role: OfficerRole,
    rank: str,
    name: str,
    name_th: str,
    scopes: Sequence[UUID],
) -> UUID:
    """Adds an officer and assigns zones, or the whole station by its own id, from now on.

    Raises:
        AlreadyExists: the station has this badge already.
    """
    officer = await connection.fetchval(
        INSERT_OFFICER, uuid7(), station_id, badge, role.value, rank, name, name_th
    )
    if officer is None:
        raise AlreadyExists(f"The station has an officer {badge} already.")
    await audit(connection, "officer.add", officer, badge=badge, role=role.value)
    await assign(connection, officer, scopes)
    return UUID(str(officer))


async def require_scopes(connection: Connection, scopes: Sequence[UUID]) -> None:
    """Refuses to assign what is neither a zone nor a station: the database does not refer a scope to one table.

    Raises:
        NotFound: names what there is not.
    """
    known = {row["id"] for row in await connection.fetch(KNOWN_SCOPES, list(scopes))}
    if unknown := [str(scope) for scope in scopes if scope not in known]:
        raise NotFound(f"There is no zone or station {', '.join(unknown[:10])}.")


async def assign(connection: Connection, officer_id: UUID, scopes: Sequence[UUID]) -> None:
    """Makes `scopes` (zones, or a station with all its zones) all that is assigned to the officer from now on."""
    wanted = list(dict.fromkeys(scopes))
    ended = await connection.fetch(END_ASSIGNMENTS, officer_id, wanted)
    held = {row["scope_id"] for row in await connection.fetch(READ_ASSIGNMENTS, officer_id)}
    fresh = [scope for scope in wanted if scope not in held]
    await connection.execute(
        INSERT_ASSIGNMENTS, [uuid7() for _ in fresh], [officer_id] * len(fresh), fresh
    )
    if fresh or ended:
        taken = [row["scope_id"] for row in ended]
        await audit(connection, "officer.assign", officer_id, given=fresh, taken=taken)


async def find_officer(connection: Connection, station_id: UUID, badge: str) -> dict[str, Any]:
    """An officer of a station: id, badge, role, rank, name, name_th, active.

    Raises:
        NotFound: the station has no such badge.
    """
    row = await connection.fetchrow(FIND_OFFICER, station_id, badge)
    if row is None:
        raise NotFound(f"The station has no officer {badge}.")
    return dict(row)


async def staff_of(connection: Connection, subject: UUID) -> list[UUID]:
    """Whom to poke about an officer, a session or a phone: the staff's scope is held by the officer and his colleagues."""
    return [row["scope_id"] for row in await connection.fetch(READ_STAFF, subject)]


async def set_officer_active(connection: Connection, officer_id: UUID, active: bool) -> bool:
    """Takes an officer off, which ends all his sessions at once, or back; False if it was so already."""
    if await connection.fetchval(SET_OFFICER_ACTIVE, officer_id, active) is None:
        return False
    await audit(connection, "officer.restore" if active else "officer.revoke", officer_id)
    return True
