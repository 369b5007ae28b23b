"""Zones: polygons of a station, the scope that most records belong to; and the communities within them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from storage.base import Synced, known, synced_index
from storage.vocabulary import ZoneKind


class Zone(Synced, table=True):
    """An area of a station. `boundary` is a GeoJSON Polygon or MultiPolygon (WGS 84); its own id is its scope."""

    __tablename__ = "zone"
    __table_args__ = (
        synced_index("zone"),
        UniqueConstraint("station_id", "code"),
        known("kind", ZoneKind),
        CheckConstraint("scope_id = id", name="own_scope"),
        CheckConstraint("parent_id <> id", name="parent"),
    )

    station_id: UUID = Field(foreign_key="station.id", index=True)
    parent_id: UUID | None = Field(default=None, foreign_key="zone.id", index=True)
    code: str
    kind: str
    name: str
    name_th: str
    boundary: dict[str, Any] = Field(sa_type=JSONB)
    area_km2: float
    min_latitude: float
    min_longitude: float
    max_latitude: float
    max_longitude: float


class Community(Synced, table=True):
    """A community that lives in a zone, with the person to call."""

    __tablename__ = "community"
    __table_args__ = (synced_index("community"), UniqueConstraint("zone_id"))

    zone_id: UUID = Field(foreign_key="zone.id")
    name: str
    name_th: str
    leader: str | None = None
    phone: str | None = None


READ_STATION_ZONES = """
select id, boundary, rev from zone where station_id = $1 and deleted_at is null order by id
"""
"""The zones of a station with their outlines."""

READ_STATION_ZONES_VERSION = """
select md5(string_agg(id::text || rev::text, ',' order by id)) from zone
where station_id = $1 and deleted_at is null
"""
"""Changes whenever a zone of the station does."""

OWN_ZONES = (
    "select id from zone where station_id = $1 and id = any ($2::uuid[]) and deleted_at is null"
)
"""Of some zones, those of a station."""

STORED_ZONES = """
select zone.id, zone.code, above.code as parent_code, zone.kind, zone.name, zone.name_th, zone.area_km2,
       zone.boundary
from zone left join zone above on above.id = zone.parent_id
where zone.station_id = $1 and zone.deleted_at is null order by zone.code
"""
"""The zones of a station as an administrator knows them, by code."""

IMPORT_ZONES = """
with given as (
    select * from jsonb_to_recordset($2::jsonb) as given (
        id uuid, code text, parent_code text, kind text, name text, name_th text, boundary jsonb, area_km2 float8,
        min_latitude float8, min_longitude float8, max_latitude float8, max_longitude float8)
),
placed as (
    select given.code, coalesce(stored.id, given.id) as id
    from given left join zone stored on stored.station_id = $1 and stored.code = given.code
)
insert into zone as stored (
    id, scope_id, station_id, parent_id, code, kind, name, name_th, boundary, area_km2,
    min_latitude, min_longitude, max_latitude, max_longitude)
select placed.id, placed.id, $1, coalesce(inside.id, above.id), given.code, given.kind, given.name, given.name_th,
       given.boundary, given.area_km2,
       given.min_latitude, given.min_longitude, given.max_latitude, given.max_longitude
from given
join placed on placed.code = given.code
left join placed inside on inside.code = given.parent_code
left join zone above
    on above.station_id = $1 and above.code = given.parent_code and above.deleted_at is null
on conflict (station_id, code) do update set
    parent_id = excluded.parent_id, kind = excluded.kind, name = excluded.name, name_th = excluded.name_th,
    boundary = excluded.boundary, area_km2 = excluded.area_km2, min_latitude = excluded.min_latitude,
    min_longitude = excluded.min_longitude, max_latitude = excluded.max_latitude,
    max_longitude = excluded.max_longitude, deleted_at = null
where stored.deleted_at is not null
   or (stored.parent_id, stored.kind, stored.name, stored.name_th, stored.boundary)
      is distinct from (excluded.parent_id, excluded.kind, excluded.name, excluded.name_th, excluded.boundary)
returning stored.id, stored.code
"""
"""Adds zones by code and updates those that differ; what is as it was is not touched, so nothing is sent again.

The area and the box follow from the outline and are not compared: another processor's last digit must not reach phones.
"""

IMPORT_COMMUNITIES = """
insert into community as stored (id, scope_id, zone_id, name, name_th)
select given.id, zone.id, zone.id, zone.name, zone.name_th
from jsonb_to_recordset($2::jsonb) as given (id uuid, code text)
join zone on zone.station_id = $1 and zone.code = given.code
on conflict (zone_id) do update set name = excluded.name, name_th = excluded.name_th, deleted_at = null
where stored.deleted_at is not null or (stored.name, stored.name_th) is distinct from (excluded.name, excluded.name_th)
returning stored.zone_id
"""
"""Gives each imported zone of kind COMMUNITY its community; leader and phone stay as people have set them."""

END_COMMUNITIES = """
update community set deleted_at = now()
from zone where zone.id = community.zone_id and zone.station_id = $1 and zone.kind <> 'COMMUNITY'
  and zone.code = any ($2::text[]) and community.deleted_at is null
returning zone.code
"""
"""Ends the communities of imported zones that are of another kind now."""
