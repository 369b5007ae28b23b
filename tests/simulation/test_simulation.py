"""A few seeds at every run of the tests, many under `make prove`; and faults that are planted on purpose are found."""

from __future__ import annotations

import asyncio
import sys

import pytest

from storage.embedded import EmbeddedPostgres
from tests.simulation.planted import FAULTS, IN_DISASTERS, Plant
from tests.simulation.run import SeedFailed, play, site

FEW, MANY, DISASTROUS = 20, 600, 40
PATIENCE = 40
"""Seeds within which each planted fault is found."""


async def test_a_few_seeds_keep_the_promise(postgres: EmbeddedPostgres, template: str) -> None:
    async with site(postgres, template) as here:
        changes = repeats = 0
        for seed in range(FEW):
            schedule = await play(here, seed)
            changes += len(schedule.recorded)
            repeats += schedule.server.ledger.repeats
    # Schedules in which nothing happened, or nothing was ever repeated, would prove nothing.
    assert changes > 10 * FEW
    assert repeats > FEW


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
async def test_a_fault_is_found_within_few_seeds(
    plant: Plant, postgres: EmbeddedPostgres, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    async with site(postgres, template) as here:
        for seed in range(PATIENCE):
            try:
                await play(here, seed)
            except SeedFailed as failed:
                print(f"{plant.__name__}: {failed}")
                return
    pytest.fail(f"{plant.__name__} was not noticed in {PATIENCE} seeds")


@pytest.mark.prove
@pytest.mark.parametrize("plant", IN_DISASTERS, ids=lambda plant: plant.__name__)
async def test_a_fault_is_found_by_restores_and_kills(plant: Plant) -> None:
    ended, said = await _simulate("--seeds", "10", "--disasters", "--plant", plant.__name__)
    assert ended == 1, said
    assert "replay it" in said, said


@pytest.mark.prove
async def test_many_seeds_keep_the_promise() -> None:
    assert await _simulate("--seeds", str(MANY), "--from", "1000", "--jobs", "2") == (0, "")


@pytest.mark.prove
async def test_many_seeds_with_kills_and_restores_keep_the_promise() -> None:
    assert await _simulate("--seeds", str(DISASTROUS), "--from", "5000", "--disasters") == (0, "")


async def _simulate(*options: str) -> tuple[int, str]:
    """Runs seeds in a process with a PostgreSQL of its own; how it ended, and what it complained of."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.simulation", *options, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()
