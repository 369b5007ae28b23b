"""What the benches ask for: a station with zones, cameras and pictures, its incidents, and phones that are signed in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import orjson
from uuid_utils.compat import uuid7

from patrol.identity import AccessTokens
from patrol.keys import KeySet, load
from storage.buckets import Bucket
from storage.principal import Principal, PrincipalKind
from storage.vocabulary import (
    CameraKind,
    IncidentCategory,
    IncidentSeverity,
    IncidentStatus,
    StoredObjectState,
)

LATITUDE, LONGITUDE = 16.7131, 98.5708

TITLES = (
    "Motorcycle stolen in front of the market",
    "รถจักรยานยนต์หายหน้าตลาด",
    "A lorry blocks the lane to the temple",
    "พบกระเป๋าเดินทางต้องสงสัยที่ท่ารถ",
    "Fight between two groups near the bridge",
    "ไฟฟ้าดับทั้งซอย กล้องวงจรปิดใช้งานไม่ได้",
    "Tourist has lost a passport",
)
DESCRIPTION = "Seen from the pole at the corner; two people were asked, both will come to the station tomorrow. ผู้เสียหายรออยู่ที่ป้อม"


@dataclass(frozen=True)
class Signed:
    """An officer who is signed in on a phone."""

    principal: Principal
    token: str


@dataclass(frozen=True)
class Station:
    """A station with its zones and a supervisor who may read all of it."""

    id: UUID
    zones: tuple[UUID, ...]
    supervisor: Signed
    device: UUID


@dataclass(frozen=True)
class Town:
    """The station that is read, and the phones of another one that push, one for each connection."""

    station: Station
    incident: UUID
    pushing: Station
    phones: tuple[Signed, ...]


ADD_INCIDENTS = """
insert into incident
    (id, scope_id, station_id, zone_id, category, severity, status, title, description, latitude, longitude,
     accuracy_m, occurred_at, captured_at_raw, received_at, reported_by, device_id, created_at, updated_at)
select uuidv7(at - now()), zone, $1, zone,
       ($6::text[])[1 + n / 3 % cardinality($6)], ($7::text[])[1 + n / 5 % cardinality($7)],
       ($8::text[])[1 + n / 7 % cardinality($8)], ($9::text[])[1 + n % cardinality($9)] || ' ' || n, $10,
       $11 + n % 400 * 0.0001, $12 + n / 400 % 400 * 0.0001, 5 + n % 20,
       at, to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'), at + interval '2 s', $4, $5, at, at
from generate_series($2::int, $3::int) n
cross join lateral (select now() - n * interval '1 minute' as at, ($13::uuid[])[1 + n % cardinality($13)] as zone) as one
"""
"""Adds the incidents of some numbers, a minute apart and spread over the zones."""

ADD_PICTURES = """
with object as (
    insert into stored_object (id, scope_id, bucket, key, size_bytes, sha256, content_type, state)
    select gen_random_uuid(), scope_id, $2, 'original/' || id, 100000, sha256(id::text::bytea), 'image/jpeg', $3
    from camera where station_id = $1
    returning id, scope_id, key
),
picture as (
    insert into snapshot (id, camera_id, scope_id, object_id, sha256, taken_at, width, height,
                          thumb_320_key, thumb_960_key, ready_at)
    select gen_random_uuid(), split_part(key, '/', 2)::uuid, scope_id, id, sha256(key::bytea), now(), 1920, 1080,
           key || '/320.webp', key || '/960.webp', now()
    from object
    returning id, camera_id, scope_id, taken_at
)
insert into camera_state (camera_id, scope_id, last_seen_at, last_snapshot_id)
select camera_id, scope_id, taken_at, id from picture
"""
"""Gives every camera of a station a picture."""


@dataclass
class Maker:
    """Stores what the benches ask for, as the owner of the tables."""

    connection: asyncpg.Connection
    keys: KeySet

    @classmethod
    async def of(cls, connection: asyncpg.Connection, secret: str) -> Maker:
        return cls(connection, await load(connection, secret))

    async def town(self, *, zones: int, cameras: int, incidents: int, phones: int) -> Town:
        """Everything that the servers are asked for. `cameras` are those of each zone."""
        station = await self.station("READ", zones)
        for number in range(zones * cameras):
            await self._camera(station, number)
        await self.connection.execute(
            ADD_PICTURES, station.id, Bucket.SNAPSHOTS.value, StoredObjectState.READY.value
        )
        await self.incidents(station, 1, incidents)
        incident = await self.connection.fetchval(
            "select id from incident where station_id = $1 order by occurred_at offset $2 limit 1",
            station.id, incidents // 2,
        )  # fmt: skip
        pushing = await self.station("PUSH", 4)
        signed = [
            await self.officer(pushing.id, f"P{number}", [pushing.id]) for number in range(phones)
        ]
        return Town(station, UUID(str(incident)), pushing, tuple(signed))

    async def station(self, code: str, zones: int) -> Station:
        """A station with its supervisor."""
        station = uuid7()
        await self._add("station", id=station, scope_id=station, code=code, name="Mae Sot", name_th="แม่สอด",
                        latitude=LATITUDE, longitude=LONGITUDE)  # fmt: skip
        ids = tuple([await self._zone(station, number) for number in range(zones)])
        supervisor = await self.officer(station, "S1", [station], role="SUPERVISOR")
        assert supervisor.principal.device_id is not None
        return Station(station, ids, supervisor, supervisor.principal.device_id)

    async def officer(
        self, station: UUID, badge: str, scopes: Sequence[UUID], *, role: str = "OFFICER"
    ) -> Signed:
        """An officer who is signed in on a phone of his own for a day."""
        officer, device, session = uuid7(), uuid7(), uuid7()
        await self._add("officer", id=officer, station_id=station, badge=badge, role=role, rank="Pol. Sgt.",
                        name="Kanya", name_th="กันยา")  # fmt: skip
        for scope in scopes:
            await self._add("assignment", id=uuid7(), officer_id=officer, scope_id=scope,
                            valid_from=datetime.now(UTC) - timedelta(hours=1))  # fmt: skip
        await self._add("device", id=device, key_thumbprint=f"none {device}", public_key="{}", platform="android",
                        model="bench")  # fmt: skip
        await self._add("session", id=session, device_id=device, officer_id=officer,
                        expires_at=datetime.now(UTC) + timedelta(days=1))  # fmt: skip
        token = AccessTokens(self.keys, lifetime=timedelta(days=1)).issue(
            officer_id=officer, session_id=session, device_id=device, station_id=station, role=role
        )
        return Signed(Principal(PrincipalKind.OFFICER, officer, session, device), token)

    async def incidents(
        self, station: Station, first: int, last: int, *, description: str = DESCRIPTION
    ) -> None:
        """Incidents `first` to `last` of a station, the later the older."""
        await self.connection.execute(
            ADD_INCIDENTS, station.id, first, last, station.supervisor.principal.id, station.device,
            [one.value for one in IncidentCategory], [one.value for one in IncidentSeverity],
            [one.value for one in IncidentStatus], list(TITLES), description, LATITUDE, LONGITUDE,
            list(station.zones),
        )  # fmt: skip

    async def _zone(self, station: UUID, number: int) -> UUID:
        zone = uuid7()
        south, west = LATITUDE + number // 5 * 0.01, LONGITUDE + number % 5 * 0.01
        await self._add("zone", id=zone, scope_id=zone, station_id=station, code=f"Z{number:02}",
                        kind="SAFETY_ZONE", name=f"Zone {number:02}", name_th=f"เขต {number:02}",
                        boundary=orjson.dumps(outline(south, west)).decode(), area_km2=0.78,
                        min_latitude=south, min_longitude=west,
                        max_latitude=south + 0.01, max_longitude=west + 0.01)  # fmt: skip
        return zone

    async def _camera(self, station: Station, number: int) -> None:
        zone = station.zones[number % len(station.zones)]
        kinds = tuple(CameraKind)
        await self._add("camera", id=uuid7(), scope_id=zone, station_id=station.id, zone_id=zone,
                        code=f"C{number:03}", kind=kinds[number % len(kinds)].value,
                        name=f"Camera {number:03}", name_th=f"กล้อง {number:03}",
                        latitude=LATITUDE, longitude=LONGITUDE)  # fmt: skip

    async def _add(self, table: str, **values: object) -> None:
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        await self.connection.execute(
            f"insert into {table} ({', '.join(values)}) values ({places})",  # noqa: S608 # our own names
            *values.values(),
        )


def outline(south: float, west: float, corners: int = 24) -> dict[str, object]:
    """A GeoJSON polygon with as many corners as a real zone has."""
    ring = [
        [
            round(west + 0.005 + 0.005 * math.cos(2 * math.pi * corner / corners), 6),
            round(south + 0.005 + 0.005 * math.sin(2 * math.pi * corner / corners), 6),
        ]
        for corner in range(corners)
    ]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
