"""Many seeds: each chunk has a database of its own, copied from a migrated one, and may run beside others."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg

from patrol.keys import load
from schema.phone import phone_door
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.principal import Role, system
from tests.conftest import LOGIN, SECRET, address_of, administer
from tests.simulation.judge import judge
from tests.simulation.ledger import Broken
from tests.simulation.schedule import Schedule, Site

WRITERS = 3
"""Long transactions that may be open at once."""


class SeedFailed(AssertionError):
    """Names the seed, so that it can be replayed."""

    def __init__(self, seed: int, what: str) -> None:
        super().__init__(
            f"seed {seed}: {what}\nreplay it: python -m tests.simulation --seeds 1 --from {seed} --tell"
        )
        self.seed = seed


@asynccontextmanager
async def site(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[Site]:
    """A database of its own."""
    name = f"patrol_{secrets.token_hex(6)}"
    await administer(postgres, f"create database {name} template {template}")
    database = await Database.connect(address_of(postgres, name, LOGIN), size=4)
    connections = [await asyncpg.connect(address_of(postgres, name)) for _ in range(WRITERS + 1)]
    try:
        async with database.write(system("keys"), role=Role.SYSTEM) as connection:
            keys = await load(connection, SECRET)
        yield Site(phone_door(), database, keys, connections[0], connections[1:])
    finally:
        for one in connections:
            await one.close()
        await database.close()
        await administer(postgres, f"drop database {name} with (force)")


async def play(site: Site, seed: int, tell: Callable[[str], None] = lambda _: None) -> Schedule:
    """Plays one seed to its judgement.

    Raises:
        SeedFailed: the promise was broken.
    """
    schedule = await Schedule.begin(site, seed, tell)
    try:
        await schedule.play()
        await judge(schedule)
    except Broken as broken:
        raise SeedFailed(seed, str(broken)) from broken
    except Exception as fault:
        fault.add_note(f"seed {seed}")
        raise
    finally:
        await schedule.office.end_all()
        for handset in schedule.handsets:
            handset.close()
    return schedule
