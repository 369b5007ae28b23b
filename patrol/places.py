"""Which zone a position belongs to, from outlines that are kept in memory until a zone changes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeAlias
from uuid import UUID

from patrol.fixes import Position
from patrol.geojson import read_shape
from patrol.geometry import ZoneIndex
from storage.database import Connection
from storage.zones import READ_STATION_ZONES, READ_STATION_ZONES_VERSION

Around: TypeAlias = Callable[[Position | None], UUID | None]
"""The smallest zone that covers a position; None where there is none."""

_indexes: OrderedDict[UUID, tuple[str, ZoneIndex[UUID]]] = OrderedDict()
_STATIONS = 200  # indexes kept at once; the least used is forgotten first


async def zone_at(
    connection: Connection, station: UUID, latitude: float, longitude: float
) -> UUID | None:
    """The smallest zone of a station that covers a position (WGS 84 degrees), or None."""
    return (await station_zones(connection, station)).find(latitude, longitude)


async def zones_around(
    connection: Connection, station: UUID, positions: Sequence[Position | None]
) -> Around:
    """`zone_at` for many positions: one statement at most, and none where nobody says where he is."""
    if not any(positions):
        return lambda _: None
    zones = await station_zones(connection, station)

    def around(position: Position | None) -> UUID | None:
        return None if position is None else zones.find(position.latitude, position.longitude)

    return around


async def station_zones(connection: Connection, station: UUID) -> ZoneIndex[UUID]:
    """The zones of a station as they stand in this transaction: one statement, however many positions are looked up."""
    version = await connection.fetchval(READ_STATION_ZONES_VERSION, station)
    known = _indexes.get(station)
    if known is None or known[0] != version:
        rows = await connection.fetch(READ_STATION_ZONES, station)
        known = version, ZoneIndex([(row["id"], read_shape(row["boundary"])) for row in rows])
        _indexes[station] = known
        if len(_indexes) > _STATIONS:
            _indexes.popitem(last=False)
    _indexes.move_to_end(station)
    return known[1]
