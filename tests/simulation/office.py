"""What happens on the server's side of a simulation while the phones are out: people move, records move, others write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from patrol.sync.epoch import begin_epoch
from storage.principal import Role, system
from tests.simulation.ledger import Incident, Ledger
from tests.world import LATITUDE, LONGITUDE, World, now

ADD = """
insert into incident (id, scope_id, station_id, zone_id, category, severity, status, title, occurred_at,
                      captured_at_raw, received_at, reported_by, device_id, updated_at)
values ($1, $2, $3, $2, 'THEFT', 'LOW', 'OPEN', $4, now(), '', now(), $5, $6, clock_timestamp())
"""
_CODES: Iterator[int] = count(1)


@dataclass
class SimWorld(World):
    """A station of its own among those of other seeds in one database."""

    numbers: Iterator[int] = field(default_factory=lambda: _CODES)


@dataclass
class Writer:
    """A transaction that stays open for a while, with what becomes true when it commits."""

    connection: asyncpg.Connection
    transaction: Any
    added: dict[str, Incident] = field(default_factory=dict)


@dataclass
class Office:
    """Acts at random. Every act is told to the ledger, so that rows can be compared in the end."""

    world: SimWorld
    owner: asyncpg.Connection
    ledger: Ledger
    rng: Random
    tell: Callable[[str], None]
    writers: list[asyncpg.Connection]
    device: UUID
    open: list[Writer] = field(default_factory=list)
    expiring: bool = False
    epochs: int = 0

    @property
    def zones(self) -> list[UUID]:
        """Both zones of the station."""
        return [self.world.market, self.world.temple]

    async def act(self) -> None:
        """One act."""
        acts = [
            self.move_incident, self.move_incident, self.change_camera, self.assign, self.assign, self.post_notice,
            self.withdraw_notice, self.rename, self.delete, self.begin, self.begin, self.end, self.end,
        ]  # fmt: skip
        act = self.rng.choice(acts)
        self.tell(f"  the office: {act.__name__}")
        await act()

    async def move_incident(self) -> None:
        """An incident goes to another zone, so it leaves some phones and reaches others."""
        known = sorted(self.ledger.incidents)
        if known:
            key, zone = self.rng.choice(known), self.rng.choice(self.zones)
            await self.owner.execute(
                "update incident set zone_id = $2, scope_id = $2 where id = $1", UUID(key), zone
            )
            self.ledger.incidents[key].change({"zoneId": str(zone)})

    async def delete(self) -> None:
        """An incident becomes a tombstone."""
        known = sorted(self.ledger.incidents)
        if known and self.rng.random() < 0.5:
            key = self.rng.choice(known)
            await self.owner.execute(
                "update incident set deleted_at = now() where id = $1", UUID(key)
            )
            self.ledger.incidents[key].rev += 1

    async def change_camera(self) -> None:
        """The temple's camera is named or placed anew. The market's belongs to the long transactions."""
        zone = self.rng.choice(self.zones)
        await self.owner.execute(
            "update camera set name = $2, zone_id = $3, scope_id = $3 where id = $1",
            self.world.temple_camera, f"Camera {self.rng.random()}", zone,
        )  # fmt: skip

    async def assign(self) -> None:
        """An officer is given or loses a zone, or the whole station."""
        officer = self.rng.choice([self.world.kanya, self.world.somkid, self.world.prasert])
        scope = self.rng.choice([*self.zones, self.world.station])
        ended = await self.owner.fetch(
            "update assignment set valid_until = clock_timestamp() where officer_id = $1 and scope_id = $2 "
            "and valid_until is null returning id", officer, scope,
        )  # fmt: skip
        if not ended:
            await self.owner.execute(
                "insert into assignment (id, officer_id, scope_id, valid_from) values ($1, $2, $3, $4)",
                uuid7(), officer, scope, now() - timedelta(hours=1),
            )  # fmt: skip

    async def post_notice(self) -> None:
        """A notice; some are over in a moment, so that they expire under the phones."""
        over = self.rng.choice([None, timedelta(hours=1), timedelta(milliseconds=60)])
        self.expiring = self.expiring or over is not None
        at = now()
        await self.owner.execute(
            "insert into notice (id, scope_id, station_id, zone_id, severity, title, body, valid_from, expires_at) "
            "values ($1, $2, $2, $3, 'INFO', 'Notice', 'Text', $4, $5)",
            uuid7(), self.world.station, self.rng.choice([None, *self.zones]), at, None if over is None else at + over,
        )  # fmt: skip

    async def withdraw_notice(self) -> None:
        """The oldest notice is withdrawn."""
        await self.owner.execute(
            "update notice set deleted_at = now() where id = (select id from notice where station_id = $1 "
            "and deleted_at is null order by id limit 1)", self.world.station,
        )  # fmt: skip

    async def rename(self) -> None:
        """A colleague's profile changes."""
        officer = self.rng.choice([self.world.kanya, self.world.somkid, self.world.prasert])
        await self.owner.execute(
            "update officer set name = $2 where id = $1", officer, f"Name {self.rng.random()}"
        )

    async def begin(self) -> None:
        """A long transaction adds rows that nobody sees yet; others will be stamped later and commit before."""
        if not self.writers:
            return
        connection = self.writers.pop()
        writer = Writer(connection, connection.transaction())
        await writer.transaction.start()
        self.open.append(writer)
        for _ in range(self.rng.randint(1, 3)):
            key, zone = uuid7(), self.rng.choice(self.zones)
            async with connection.transaction():
                await connection.execute(
                    ADD, key, zone, self.world.station, "Long", self.world.prasert, self.device
                )
            writer.added[str(key)] = Incident(
                {
                    "title": "Long", "description": "", "severity": "LOW", "category": "THEFT", "status": "OPEN",
                    "zoneId": str(zone),
                }
            )  # fmt: skip
        if len(self.open) == 1:
            await connection.execute(
                "update camera set name = $2 where id = $1",
                self.world.market_camera, f"Camera {self.rng.random()}",
            )  # fmt: skip

    async def end(self) -> None:
        """One of the long transactions commits, or is rolled back; not always the oldest."""
        if self.open:
            writer = self.open.pop(self.rng.randrange(len(self.open)))
            if self.rng.random() < 0.75:
                await writer.transaction.commit()
                self.ledger.incidents |= writer.added
            else:
                await writer.transaction.rollback()
            self.writers.append(writer.connection)

    async def end_all(self) -> None:
        """No transaction is open any more."""
        while self.open:
            await self.end()

    async def note_backup(self) -> None:
        """A backup is safe: phones may let go of what was answered before."""
        await self.owner.execute(
            "insert into sync_backup (id, epoch_id, durable_through, note) "
            "select $1, (select id from sync_epoch order by number desc limit 1), clock_timestamp(), 'simulated'",
            uuid7(),
        )

    async def begin_epoch(self) -> None:
        """A failover without loss: every phone begins its copy anew and offers again what it holds."""
        if not self.open:
            self.epochs += 1
            async with self.world.database.write(system("history"), Role.SYSTEM) as connection:
                await begin_epoch(connection, "simulated")


def somewhere(rng: Random) -> dict[str, float]:
    """A position in or around the zones."""
    return {
        "latitude": LATITUDE + rng.uniform(-0.002, 0.006),
        "longitude": LONGITUDE + rng.uniform(-0.002, 0.01),
    }
