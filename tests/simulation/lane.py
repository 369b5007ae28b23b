"""One process of a long run: every n-th seed, on a PostgreSQL of its own, a new database for each chunk."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from pathlib import Path

import structlog

from storage.embedded import EmbeddedPostgres
from storage.migrations import migrate
from tests.conftest import LOGIN, TEMPLATE, address_of, administer
from tests.simulation.run import SeedFailed, play, site

CHUNK = 100
"""Seeds in one database: it grows, and an early seed should not be faster than a late one."""


def run_lane(lane: tuple[int, int, int, bool]) -> str | None:
    """Every n-th seed, on a PostgreSQL of its own; what failed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with (
        tempfile.TemporaryDirectory(prefix="patrol-simulation-") as directory,
        EmbeddedPostgres(Path(directory), fast_for_tests=True) as postgres,
    ):
        return asyncio.run(_run(postgres, *lane))


async def _run(
    postgres: EmbeddedPostgres, first: int, end: int, step: int, tell: bool
) -> str | None:
    await administer(
        postgres,
        f"create role {LOGIN} login nosuperuser nobypassrls",
        f"create database {TEMPLATE}",
    )
    await migrate(address_of(postgres, TEMPLATE), login=LOGIN)
    seeds = list(range(first, end, step))
    for start in range(0, len(seeds), CHUNK):
        began = time.monotonic()
        changes = repeats = 0
        chunk = seeds[start : start + CHUNK]
        async with site(postgres, TEMPLATE) as here:
            for seed in chunk:
                try:
                    schedule = await play(here, seed, print if tell else lambda _: None)
                except SeedFailed as failed:
                    return str(failed)
                changes += len(schedule.recorded)
                repeats += schedule.server.ledger.repeats
        seconds = time.monotonic() - began
        # Where the next run may go on, should this one be stopped.
        print(
            f"seeds {chunk[0]}–{chunk[-1]}: {changes} changes, {repeats} answered again, "
            f"{len(chunk) / seconds:.1f} schedules a second",
            flush=True,
        )
    return None
