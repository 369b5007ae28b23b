"""A small station with its people and things, so that a test says only what matters to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from storage.database import Connection, Database
from storage.principal import system
from storage.vocabulary import (
    CameraKind,
    DetailLevel,
    IncidentCategory,
    IncidentSeverity,
    IncidentStatus,
    OfficerRole,
    Sector,
    SharingSubject,
    ZoneKind,
)

LATITUDE, LONGITUDE = 16.7131, 98.5708
SIDE = 0.004  # of a square zone, in degrees: about 430 metres


NOWHERE = UUID(int=0)


def now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


async def insert(connection: Connection, table: str, **values: Any) -> UUID:
    """Stores a row and returns its id; objects and lists of objects become JSON."""
    values.setdefault("id", uuid7())
    ready = [orjson.dumps(v).decode() if isinstance(v, dict) else v for v in values.values()]
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    await connection.execute(f"insert into {table} ({', '.join(values)}) values ({places})", *ready)
    return UUID(str(values["id"]))


def square(latitude: float, longitude: float, side: float = SIDE) -> dict[str, Any]:
    """A GeoJSON square with its south-west corner here."""
    north, east = latitude + side, longitude + side
    ring = [
        [longitude, latitude],
        [east, latitude],
        [east, north],
        [longitude, north],
        [longitude, latitude],
    ]
    return {"type": "Polygon", "coordinates": [ring]}


@dataclass
class World:
    """A station with two zones side by side, the market and the temple.

    Kanya patrols the market, Somkid the temple; Prasert, their supervisor, has the whole station; all of them have the
    scope of its staff. Each zone has a camera, the market an SOS post. The radio is a partner that was granted all of the market. Every `add_` stores one
    more row in a transaction of its own and returns its id.
    """

    database: Database
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    station: UUID = NOWHERE
    staff: UUID = NOWHERE
    market: UUID = NOWHERE
    temple: UUID = NOWHERE
    prasert: UUID = NOWHERE
    kanya: UUID = NOWHERE
    somkid: UUID = NOWHERE
    market_camera: UUID = NOWHERE
    temple_camera: UUID = NOWHERE
    post: UUID = NOWHERE
    radio: UUID = NOWHERE
    agreement: UUID = NOWHERE

    @classmethod
    async def make(cls, database: Database) -> World:
        """Stores the station and everything that the class describes."""
        world = cls(database)
        world.station = await world.add_station("Mae Sot", "แม่สอด")
        world.staff = await world.staff_of(world.station)
        world.market = await world.add_zone("Market", "ตลาด")
        world.temple = await world.add_zone("Temple", "วัด", longitude=LONGITUDE + SIDE)
        world.prasert = await world.add_officer(
            "Prasert", scopes=[world.station], role=OfficerRole.SUPERVISOR
        )
        world.kanya = await world.add_officer("Kanya", scopes=[world.market])
        world.somkid = await world.add_officer("Somkid", scopes=[world.temple])
        world.market_camera = await world.add_camera(world.market)
        world.temple_camera = await world.add_camera(world.temple)
        world.post = await world.add_post(world.market, camera=world.market_camera)
        world.radio = await world.add_organisation("Radio", sector=Sector.MEDIA)
        world.agreement = await world.add_agreement(world.radio, [world.market])
        return world

    async def store(self, table: str, **values: Any) -> UUID:
        """Stores a row of any table."""
        async with self.database.write(system("test")) as connection:
            return await insert(connection, table, **values)

    async def change(self, statement: str, *values: Any) -> Any:
        """Runs one statement as the writer and returns its first value."""
        async with self.database.write(system("test")) as connection:
            return await connection.fetchval(statement, *values)

    async def row(self, statement: str, *values: Any) -> Any:
        """Runs one statement as the writer and returns its first row."""
        async with self.database.write(system("test")) as connection:
            return await connection.fetchrow(statement, *values)

    async def add_station(self, name: str, name_th: str = "สถานี") -> UUID:
        """A police station."""
        station = uuid7()
        return await self.store(
            "station",
            id=station,
            scope_id=station,
            code=self._code("S"),
            name=name,
            name_th=name_th,
            latitude=LATITUDE,
            longitude=LONGITUDE,
        )

    async def staff_of(self, station: UUID) -> UUID:
        """The scope that everybody of a station has."""
        return UUID(str(await self.change("select access.staff_scope($1)", station)))

    async def add_zone(
        self,
        name: str,
        name_th: str = "เขต",
        *,
        kind: ZoneKind = ZoneKind.SAFETY_ZONE,
        station: UUID | None = None,
        parent: UUID | None = None,
        latitude: float = LATITUDE,
        longitude: float = LONGITUDE,
        code: str | None = None,
    ) -> UUID:
        """A square zone with its south-west corner at the given position."""
        zone = uuid7()
        return await self.store(
            "zone",
            id=zone,
            scope_id=zone,
            station_id=station or self.station,
            parent_id=parent,
            code=code or self._code("Z"),
            kind=kind.value,
            name=name,
            name_th=name_th,
            boundary=square(latitude, longitude),
            area_km2=0.19,
            min_latitude=latitude,
            min_longitude=longitude,
            max_latitude=latitude + SIDE,
            max_longitude=longitude + SIDE,
        )

    async def add_officer(
        self,
        name: str,
        *,
        scopes: Iterable[UUID] = (),
        role: OfficerRole = OfficerRole.OFFICER,
        station: UUID | None = None,
    ) -> UUID:
        """An officer, to whom zones or whole stations are assigned from an hour ago on."""
        officer = await self.store(
            "officer",
            station_id=station or self.station,
            badge=self._code("B"),
            role=role.value,
            rank="Pol. Sgt.",
            name=name,
            name_th="เจ้าหน้าที่",
        )
        for scope in scopes:
            await self.assign(officer, scope)
        return officer

    async def assign(self, officer: UUID, scope: UUID) -> UUID:
        """Gives an officer a zone, or a station with all its zones."""
        hour_ago = now() - timedelta(hours=1)
        return await self.store(
            "assignment", officer_id=officer, scope_id=scope, valid_from=hour_ago
        )

    async def add_camera(
        self,
        zone: UUID | None,
        *,
        kind: CameraKind = CameraKind.FIXED,
        name: str = "Camera",
        latitude: float = LATITUDE + SIDE / 2,
        longitude: float = LONGITUDE + SIDE / 2,
        code: str | None = None,
    ) -> UUID:
        """A camera of a zone, or of the station where there is no zone."""
        return await self.store(
            "camera",
            scope_id=zone or self.station,
            station_id=self.station,
            zone_id=zone,
            code=code or self._code("C"),
            kind=kind.value,
            name=name,
            name_th="กล้อง",
            latitude=latitude,
            longitude=longitude,
        )

    async def add_post(
        self, zone: UUID | None, *, camera: UUID | None = None, name: str = "Post"
    ) -> UUID:
        """An SOS post in the middle of its zone."""
        return await self.store(
            "sos_post",
            scope_id=zone or self.station,
            station_id=self.station,
            zone_id=zone,
            camera_id=camera,
            code=self._code("P"),
            name=name,
            name_th="เสา",
            latitude=LATITUDE + SIDE / 2,
            longitude=LONGITUDE + SIDE / 2,
        )

    async def add_device(self) -> UUID:
        """A phone that nobody holds the key of; `personas.Phone` is one that signs."""
        return await self.store(
            "device",
            key_thumbprint=f"no key {self._code('D')}",
            public_key={"kty": "OKP", "crv": "Ed25519"},
            platform="android",
            model="test",
        )

    async def add_incident(
        self,
        zone: UUID | None,
        officer: UUID | None = None,
        *,
        title: str = "Motorcycle stolen",
        description: str = "",
        category: IncidentCategory = IncidentCategory.THEFT,
        severity: IncidentSeverity = IncidentSeverity.MEDIUM,
        status: IncidentStatus = IncidentStatus.OPEN,
        device: UUID | None = None,
        occurred_at: datetime | None = None,
        received_at: datetime | None = None,
        **more: Any,
    ) -> UUID:
        """An incident in the middle of its zone, a minute ago."""
        at = occurred_at or now() - timedelta(minutes=1)
        more.setdefault("updated_at", received_at or at)
        more.setdefault("latitude", LATITUDE + SIDE / 2)
        more.setdefault("longitude", LONGITUDE + SIDE / 2)
        return await self.store(
            "incident",
            scope_id=zone or self.station,
            station_id=self.station,
            zone_id=zone,
            category=category.value,
            severity=severity.value,
            status=status.value,
            title=title,
            description=description,
            occurred_at=at,
            captured_at_raw=at.isoformat(),
            received_at=received_at or at,
            reported_by=officer or self.kanya,
            device_id=device or await self.add_device(),
            **more,
        )

    async def add_organisation(self, name: str, *, sector: Sector = Sector.BUSINESS) -> UUID:
        """A partner without any agreement."""
        return await self.store(
            "organisation",
            code=self._code("O"),
            name=name,
            name_th="หน่วยงาน",
            sector=sector.value,
        )

    async def add_agreement(
        self,
        organisation: UUID,
        zones: Iterable[UUID],
        *,
        subjects: Iterable[SharingSubject] = tuple(SharingSubject),
        detail: DetailLevel = DetailLevel.FULL,
        delay_seconds: int = 0,
        valid_until: datetime | None = None,
    ) -> UUID:
        """A sharing agreement, in force since yesterday."""
        agreement = await self.store(
            "agreement",
            organisation_id=organisation,
            subjects=[subject.value for subject in subjects],
            detail=detail.value,
            delay_seconds=delay_seconds,
            valid_from=now() - timedelta(days=1),
            valid_until=valid_until,
        )
        for zone in zones:
            await self.change("insert into agreement_zone values ($1, $2)", agreement, zone)
        return agreement

    def _code(self, letter: str) -> str:
        return f"{letter}{next(self.numbers):03}"
