"""Partners with agreements of all kinds over the same four zones, and what a naive reader says of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import asyncpg

from schema.partner import partner_door
from storage.principal import Principal
from storage.vocabulary import (
    CameraKind,
    DetailLevel,
    IncidentCategory,
    IncidentSeverity,
    IncidentStatus,
    SharingSubject,
)
from tests.personas import as_partner
from tests.schema.reference import PartnerReference, read_whole
from tests.schema.reference.partner import TABLES
from tests.schema.seeds import add_picture
from tests.world import LATITUDE, LONGITUDE, World, now

HOUR = timedelta(hours=1)
# No age is near a delay, so that a slow test changes no answer.
AGES = (timedelta(minutes=5), 3 * HOUR, 3 * HOUR, 50 * HOUR)
DELAYS = (0, 0, 2 * 3600, 48 * 3600)


@dataclass(frozen=True)
class Agency:
    """A partner, and what it must be answered."""

    principal: Principal
    reference: PartnerReference


class Agencies:
    """Partners that tests only read as."""

    def __init__(self, world: World, zones: list[UUID], all: list[Agency]) -> None:
        self.world = world
        self.zones = zones
        self.all = all


async def add_agencies(
    world: World, owner: asyncpg.Connection, *, seed: int = 3, number: int = 12
) -> Agencies:
    """Fills four zones, one of which is deleted, and makes partners with up to four agreements each."""
    chance = Random(seed)
    inside = await world.add_zone("Gate", "ประตูตลาด", parent=world.market)
    gone = await world.add_zone("Gone")
    zones = [world.market, world.temple, inside, gone]
    for zone in zones:
        await _fill(world, chance, zone)
    await world.change("update zone set deleted_at = now() where id = $1", gone)
    organisations = [world.radio]
    for _ in range(number):
        organisations.append(await world.add_organisation("Agency"))
        for _ in range(chance.randrange(5)):
            await _agree(world, chance, organisations[-1], zones)
    # All subjects, but each with other detail and delay.
    await world.add_agreement(organisations[1], zones, detail=DetailLevel.COARSE)
    await world.add_agreement(organisations[1], zones[:2], delay_seconds=2 * 3600)
    tables = {name: await read_whole(owner, name) for name in TABLES}
    schema = partner_door().schema
    agencies = [
        Agency(await as_partner(world, one), PartnerReference(schema, tables, one))
        for one in organisations
    ]
    return Agencies(world, zones, agencies)


async def _fill(world: World, chance: Random, zone: UUID) -> None:
    for number in range(4):
        camera = await world.add_camera(
            zone,
            name=chance.choice(["Camera", "North", "กล้อง"]),
            kind=chance.choice(list(CameraKind)[:3]),
            latitude=LATITUDE + 0.00012345 * (number + 1),
            longitude=LONGITUDE + chance.choice([0.0005, 0.00054321]),
        )
        if number < 3:
            await add_picture(world, camera, ready=number < 2)
            await world.change(
                "update snapshot set taken_at = $2 where camera_id = $1", camera, now() - chance.choice(AGES)
            )  # fmt: skip
    at = now()
    for number in range(14):
        age = chance.choice(AGES)
        placed: dict[str, Any] = {"latitude": None, "longitude": None}
        if number % 7:
            placed = {
                "latitude": LATITUDE + chance.choice([0.00012345, 0.0021, -0.0016]),
                "longitude": LONGITUDE + chance.choice([0.00054321, 0.0019]),
            }
        incident = await world.add_incident(
            zone,
            title=chance.choice(["Title one", "ไฟไหม้ตลาด", "Motorcycle"]),
            description=chance.choice(["", "Secret ลักทรัพย์"]),
            category=chance.choice(list(IncidentCategory)[:4]),
            severity=chance.choice(list(IncidentSeverity)),
            status=chance.choice(list(IncidentStatus)),
            received_at=at - age,
            # Several at one moment.
            occurred_at=at - 51 * HOUR + timedelta(minutes=chance.randrange(5)),
            **placed,
        )
        if number == 3:
            await world.change(
                "update incident set title = 'Motorcycle found' where id = $1", incident
            )
        if number == 5:
            await world.change("update incident set deleted_at = now() where id = $1", incident)


async def _agree(world: World, chance: Random, organisation: UUID, zones: list[UUID]) -> None:
    begins = now() - chance.choice([24 * HOUR, 24 * HOUR, 24 * HOUR, -9 * HOUR])
    ends = chance.choice([None, None, begins + 10 * HOUR, begins + 99 * HOUR])
    agreement = await world.store(
        "agreement", organisation_id=organisation, detail=chance.choice(list(DetailLevel)).value,
        subjects=[one.value for one in chance.sample(list(SharingSubject), chance.randrange(1, 4))],
        delay_seconds=chance.choice(DELAYS), valid_from=begins, valid_until=ends,
        revoked_at=chance.choice([None, None, None, None, now()]),
    )  # fmt: skip
    for zone in chance.sample(zones, chance.randrange(1, 4)):
        await world.change("insert into agreement_zone values ($1, $2)", agreement, zone)
