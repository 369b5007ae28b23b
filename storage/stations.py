"""Stations: the outermost scope, to which every officer, zone and record belongs."""

from __future__ import annotations

from sqlmodel import Field

from storage.base import Synced, position_checks, synced_index


class Station(Synced, table=True):
    """A police station; its own id is its scope."""

    __tablename__ = "station"
    __table_args__ = (synced_index("station"), *position_checks())

    code: str = Field(unique=True)
    name: str
    name_th: str
    latitude: float
    longitude: float


INSERT_STATION = """
insert into station (id, scope_id, code, name, name_th, latitude, longitude)
values ($1, $1, $2, $3, $4, $5, $6)
on conflict (code) do nothing returning id
"""
"""Adds a station unless its code is taken."""

FIND_STATION = "select id, code, name, name_th from station where code = $1 and deleted_at is null"
"""A station by its code."""

STORED_STATIONS = """
select station.id, station.code, station.name, station.name_th, station.latitude, station.longitude
from station where deleted_at is null order by code
"""
"""All stations."""

LOCK_STATION = "select id from station where id = $1 and deleted_at is null for no key update"
"""Lets one import of a station wait for another; readers and officers' pushes go on."""

READ_ALL_SCOPES = """
select id from station where $1::uuid is null or id = $1
union all
select id from zone where $1::uuid is null or station_id = $1
"""
"""Every scope that rows may have, or those of one station; also of zones that were removed."""

READ_STATION_NAMES = "select id, code, name, name_th from station where id = any ($1::uuid[])"
"""Stations by their ids."""
