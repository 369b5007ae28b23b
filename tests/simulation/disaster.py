"""The slower disasters: PostgreSQL is killed under a push, and the database goes back to an earlier copy of itself.

What was committed when the server died, and nobody was told of, is read from the stored answers before anything else
happens: the ledger then knows the same as the database. A restore takes the ledger back too; only what phones were told
stays true, because they hold it and bring it back.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import asyncpg
import orjson
import psutil

from mobile_contracts.reference import LANES, Away, Refused
from patrol.keys import KeySet, load
from patrol.sync.history import notice
from schema.phone import phone_door
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.principal import Role, system
from tests.conftest import LOGIN, SECRET, address_of, administer
from tests.simulation.handset import Died, Handset
from tests.simulation.ledger import ANYTHING, Ledger
from tests.simulation.schedule import Schedule, Site

WRITERS = 3
"""Long transactions that may be open at once."""


@dataclass
class Home:
    """A database that can be closed, killed, copied and put back."""

    postgres: EmbeddedPostgres
    name: str
    backup: str | None = None
    ledger: Ledger | None = None
    struck: dict[str, int] = field(default_factory=dict)

    async def connect(self) -> tuple[Database, list[asyncpg.Connection]]:
        """The application's pool, and the superuser's connections."""
        address = address_of(self.postgres, self.name)
        database = await Database.connect(address_of(self.postgres, self.name, LOGIN), size=4)
        return database, [await asyncpg.connect(address) for _ in range(WRITERS + 1)]

    async def open(self) -> Site:
        """What schedules share."""
        database, connections = await self.connect()
        async with database.write(system("keys"), role=Role.SYSTEM) as connection:
            keys: KeySet = await load(connection, SECRET)
        return Site(phone_door(), database, keys, connections[0], connections[1:])

    @staticmethod
    async def close(site: Site) -> None:
        """Nobody is connected any more."""
        for one in (site.owner, *site.writers):
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await one.close(timeout=5)
        await site.database.close()

    async def again(self, schedule: Schedule) -> None:
        """The server is there again, with other connections."""
        site, office = schedule.site, schedule.office
        site.database, connections = await self.connect()
        site.owner, site.writers = connections[0], connections[1:]
        schedule.server.database = schedule.world.database = site.database
        office.owner, office.writers = site.owner, list(site.writers)

    # Kill

    async def kill(self, schedule: Schedule, handset: Handset, rng: Random) -> None:
        """Kills PostgreSQL with all its processes while a phone syncs, and starts it again."""
        schedule.resting = True  # what the office did would be known to nobody
        syncing = asyncio.create_task(handset.app.sync())
        for _ in range(int(2 ** rng.uniform(0, 10))):
            await asyncio.sleep(0)  # so far the sync comes
        assert self.postgres.pid is not None
        server = psutil.Process(self.postgres.pid)
        for process in (server, *server.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        try:
            await syncing
        except (Away, Refused, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            pass
        except Died:
            handset.restart()
        schedule.office.open.clear()
        await self.close(schedule.site)
        await asyncio.to_thread(self.postgres.stop)
        await asyncio.to_thread(self.postgres.start)
        await self.again(schedule)
        await self._learn_what_was_stored(schedule)
        schedule.resting = False
        self._count("kills")

    async def _learn_what_was_stored(self, schedule: Schedule) -> None:
        ledger = schedule.server.ledger
        recorded = {
            one.id: one
            for handset in schedule.handsets
            for account in handset.app.accounts.values()
            for lane in LANES
            for one in account.outbox.held(lane)
        }
        rows = await schedule.site.owner.fetch(
            "select * from sync_outcome where device_id = any ($1) order by device_id, officer_id, lane, sequence",
            [one.device for one in schedule.handsets],
        )
        for row in rows:
            key = str(row["mutation_id"])
            if key not in ledger.outcomes:
                holder = (str(row["device_id"]), str(row["officer_id"]), row["lane"])
                answer = {**row, "mutationId": key, "detail": orjson.loads(row["detail"])}
                ledger.pushed(holder, [recorded[key].as_input()], {"answers": [answer]})
                self._count("stored and never told")

    # Restore

    async def take_backup(self, schedule: Schedule) -> None:
        """Copies the database. Phones are told that what was answered before is safe."""
        await schedule.office.end_all()
        await notice(schedule.site.database, None)
        await schedule.office.note_backup()
        if self.backup is not None:
            await administer(self.postgres, f"drop database {self.backup}")
        self.backup = f"{self.name}_backup"
        await self.close(schedule.site)
        await administer(self.postgres, _copied(self.backup, self.name))
        await self.again(schedule)
        self.ledger = copy.deepcopy(schedule.server.ledger)

    async def restore(self, schedule: Schedule) -> None:
        """Puts the copy in the database's place: what was stored since is gone from the server."""
        assert self.backup is not None
        assert self.ledger is not None
        await schedule.office.end_all()
        await self.close(schedule.site)
        await administer(
            self.postgres,
            f"drop database {self.name} with (force)",
            _copied(self.name, self.backup),
        )
        await self.again(schedule)
        assert await notice(schedule.site.database, None) is not None, "a restore is noticed"
        before = schedule.server.ledger
        ledger = schedule.server.ledger = schedule.office.ledger = copy.deepcopy(self.ledger)
        # What phones were told since is true again in the end, whatever it becomes when it is stored anew.
        ledger.acknowledged = {
            key: outcome if key in ledger.outcomes else ANYTHING
            for key, outcome in before.acknowledged.items()
        }
        self._count("restores")

    def _count(self, what: str) -> None:
        self.struck[what] = self.struck.get(what, 0) + 1

    async def strike(self, schedule: Schedule, rng: Random) -> None:
        """One disaster, or the precaution before it."""
        choices: list[Any] = ["kill", "backup"] + ["restore"] * 2 * (self.backup is not None)
        match rng.choice(choices):
            case "kill":
                await self.kill(schedule, rng.choice(schedule.handsets), rng)
            case "backup":
                await self.take_backup(schedule)
            case "restore":
                await self.restore(schedule)


def _copied(new: str, old: str) -> str:
    """Copies files after a checkpoint. Copied by way of the log, a sequence forgets in a crash what it gave out last."""
    return f"create database {new} template {old} strategy file_copy"


@asynccontextmanager
async def home(postgres: EmbeddedPostgres, template: str, name: str) -> AsyncIterator[Home]:
    """A database for disasters; its server must belong to nobody else."""
    await administer(postgres, f"create database {name} template {template}")
    here = Home(postgres, name)
    try:
        yield here
    finally:
        for one in (here.name, here.backup):
            if one is not None:
                await administer(postgres, f"drop database if exists {one} with (force)")
