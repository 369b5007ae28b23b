"""Many seeds: each chunk has a database of its own, copied from a migrated one, and may run beside others."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

from storage.embedded import EmbeddedPostgres
from tests.simulation.disaster import Home, home
from tests.simulation.judge import judge
from tests.simulation.ledger import Broken
from tests.simulation.schedule import STEPS, Schedule, Site

DISASTERS = 4
"""In one schedule."""


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
    async with home(postgres, template, f"patrol_{secrets.token_hex(6)}") as here:
        opened = await here.open()
        try:
            yield opened
        finally:
            await here.close(opened)


async def play(
    site: Site, seed: int, tell: Callable[[str], None] = lambda _: None, *, home: Home | None = None
) -> Schedule:
    """Plays one seed to its judgement; with disasters where it is given the `home` of the site.

    Raises:
        SeedFailed: the promise was broken.
    """
    schedule = await Schedule.begin(site, seed, tell)
    try:
        if home is None:
            await schedule.play()
        else:
            await _with_disasters(schedule, home)
        await schedule.end_of_shift()
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


async def _with_disasters(schedule: Schedule, home: Home) -> None:
    schedule.backups = False  # only a real one may tell phones to let go
    rng = Random(f"{schedule.seed}/disasters")
    home.ledger = None
    await home.take_backup(schedule)
    for _ in range(DISASTERS):
        await schedule.play(STEPS // DISASTERS)
        await home.strike(schedule, rng)
    await schedule.play(STEPS // DISASTERS)
