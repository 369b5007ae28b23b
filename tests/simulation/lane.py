"""One process of a long run: every n-th seed, on a PostgreSQL of its own, a new database for each chunk."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pytest
import structlog
import uvloop

from storage.embedded import EmbeddedPostgres
from storage.migrations import migrate
from tests.conftest import LOGIN, TEMPLATE, address_of, administer
from tests.simulation.disaster import home
from tests.simulation.planted import BY_NAME
from tests.simulation.run import SeedFailed, play

CHUNK = 100
"""Seeds in one database: it grows, and an early seed should not be faster than a late one."""


class Lane(NamedTuple):
    """Every `step`-th seed from `first` up to `end`."""

    first: int
    end: int
    step: int = 1
    tell: bool = False
    disasters: bool = False
    plant: str | None = None


def run_lane(lane: Lane) -> str | None:
    """Plays seeds on a PostgreSQL of their own; what failed."""
    with pytest.MonkeyPatch.context() as patched:
        if lane.plant is not None:
            BY_NAME[lane.plant](patched)
        return _on_a_server(lane)


def _on_a_server(lane: Lane) -> str | None:
    logging.getLogger("asyncpg").setLevel(
        logging.CRITICAL
    )  # it complains when its server is killed
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with (
        tempfile.TemporaryDirectory(prefix="patrol-simulation-") as directory,
        EmbeddedPostgres(Path(directory), fast_for_tests=True) as postgres,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_run(postgres, lane))


async def _run(postgres: EmbeddedPostgres, lane: Lane) -> str | None:
    await administer(
        postgres,
        f"create role {LOGIN} login nosuperuser nobypassrls",
        f"create database {TEMPLATE}",
    )
    await migrate(address_of(postgres, TEMPLATE), login=LOGIN)
    seeds = list(range(lane.first, lane.end, lane.step))
    for start in range(0, len(seeds), CHUNK):
        began = time.monotonic()
        changes = repeats = 0
        chunk = seeds[start : start + CHUNK]
        async with home(postgres, TEMPLATE, f"patrol_chunk_{start}") as house:
            here = await house.open()
            try:
                for seed in chunk:
                    schedule = await play(
                        here,
                        seed,
                        print if lane.tell else _say_nothing,
                        home=house if lane.disasters else None,
                    )
                    changes += len(schedule.recorded)
                    repeats += schedule.server.ledger.repeats
            except SeedFailed as failed:
                return str(failed)
            finally:
                await house.close(here)
        seconds = time.monotonic() - began
        # Where the next run may go on, should this one be stopped.
        print(
            f"seeds {chunk[0]}–{chunk[-1]}: {changes} changes, {repeats} answered again, "
            f"{len(chunk) / seconds:.1f} schedules a second"
            + "".join(f", {count} {what}" for what, count in house.struck.items()),
            flush=True,
        )
    return None


def _say_nothing(_: str) -> None:
    """Steps are told on request only."""
