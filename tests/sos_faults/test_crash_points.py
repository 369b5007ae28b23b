"""A worker that dies at any point of a call loses nothing; what it repeats carries the same step's id."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast
from uuid import UUID

import pytest

from api.services import Services
from patrol.notify import Delivery, Notification, PushAddress
from storage.alerts import FINISH_STEP
from storage.faults import StorageFault
from storage.jobs import JobKind
from storage.principal import Role, system
from tests.sos_faults.scene import Call, Scene, Verdict
from tests.sos_faults.wire import Gate
from tests.sos_faults.worker import Kinds, sos_jobs, working

MOST_POINTS = 2000
"""Far beyond what any run needs: an enumeration that does not end is a mistake."""


@dataclass
class Figures:
    """What an enumeration saw."""

    points: int = 0
    repeats: int = 0
    lost: int = 0
    strange: list[str] = field(default_factory=list)

    def add(self, point: int, verdict: Verdict) -> None:
        self.points += 1
        self.repeats += verdict.repeats
        self.lost += len(verdict.lost)
        self.strange += [f"point {point}: {each}" for each in verdict.strange]

    def __str__(self) -> str:
        return f"{self.points} crash points, {self.repeats} repeats, {self.lost} losses"


async def undisturbed(scene: Scene, *, first_step_only: bool) -> Counter[Call]:
    """What is told when nobody dies."""
    alert = await scene.raised(first_step_only=first_step_only)
    async with scene.healthy() as where, working(where):
        await scene.done(alert)
    verdict = await scene.verdict(alert)
    assert verdict.strange == []
    assert verdict.repeats == 0
    await scene.forgotten(alert)
    return verdict.called


async def die_at(
    scene: Scene, point: int, kinds: Kinds, *, first_step_only: bool, process: bool = False
) -> tuple[UUID, bool]:
    """Raises an alert, lets a worker die before its `point`-th crossing and another do the rest; whether one died."""
    alert = await scene.raised(first_step_only=first_step_only)
    gate = Gate(point)
    async with scene.behind(gate) as where:
        if process:
            survived = await _in_process(scene, alert, gate, json.dumps(asdict(where)))
        else:
            survived = False
            # It may die before it is connected.
            with contextlib.suppress(StorageFault):
                async with working(where, kinds):
                    survived = await scene.done(alert, gate)
    if not survived:
        async with scene.healthy() as where, working(where):
            await scene.done(alert)
    return alert, not survived


async def _in_process(scene: Scene, alert: UUID, gate: Gate, where: str) -> bool:
    """A worker as a process of its own, which is killed by `kill -9`."""
    with tempfile.TemporaryFile() as said:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.sos_faults.worker", where, stderr=said
        )
        gate.kill = lambda: os.kill(process.pid, signal.SIGKILL)
        try:
            return await scene.done(alert, gate)
        except TimeoutError as late:
            said.seek(0)
            late.add_note(
                f"after {len(gate.crossed)} crossings the worker said: {said.read().decode()}"
            )
            raise
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def enumerate_all(
    scene: Scene,
    *,
    first_step_only: bool,
    kinds: Kinds = sos_jobs,
    process: bool = False,
    every: int = 1,
    until_lost: bool = False,
) -> Figures:
    """Dies before the first crossing, the second, … until a run needs no more (or, asked so, something is lost)."""
    expected = await undisturbed(scene, first_step_only=first_step_only)
    figures = Figures()
    for point in range(1, MOST_POINTS, every):
        alert, died = await die_at(
            scene, point, kinds, first_step_only=first_step_only, process=process
        )
        if not died:
            await scene.forgotten(alert)
            return figures
        figures.add(point, await scene.verdict(alert, expected))
        await scene.forgotten(alert)
        if until_lost and figures.lost:
            return figures
    raise AssertionError("a run never came to its end")


@pytest.mark.prove
async def test_a_worker_that_dies_at_each_seventh_point_of_a_step_loses_nobody(
    scene: Scene,
) -> None:
    figures = await enumerate_all(scene, first_step_only=True, every=7)

    assert (figures.strange, figures.lost) == ([], 0)
    assert figures.points > 5


@pytest.mark.prove
async def test_a_worker_that_dies_at_any_point_of_a_step_loses_nobody(scene: Scene) -> None:
    figures = await enumerate_all(scene, first_step_only=True)

    print(f"\none step: {figures}")
    assert (figures.strange, figures.lost) == ([], 0)
    assert figures.points > 20
    assert figures.repeats > 0, "no crash fell between sending and writing it down"


class FinishesFirst:
    """The planted fault: a step is written down as finished, and then its people are called."""

    enabled = True

    def __init__(self, services: Services) -> None:
        self._services = services

    async def send(
        self, notification: Notification, addresses: Sequence[PushAddress]
    ) -> list[Delivery]:
        async with self._services.database.write(system("test"), Role.SYSTEM) as connection:
            await connection.execute(FINISH_STEP, notification.step_id, "CALLED")
        return await self._services.notifier.send(notification, addresses)


def finished_first(services: Services) -> Mapping[str, JobKind]:
    """The jobs with the planted fault."""
    return sos_jobs(replace(services, notifier=cast(Any, FinishesFirst(services))))


@pytest.mark.prove
async def test_the_enumeration_sees_a_step_that_is_finished_before_its_people_are_called(
    scene: Scene,
) -> None:
    scene.busy = False
    figures = await enumerate_all(
        scene, first_step_only=True, kinds=finished_first, until_lost=True
    )

    print(f"\nplanted fault: {figures}")
    assert figures.lost > 0
    # Where nobody dies the fault does not show: it is the enumeration that finds it.
    expected = await undisturbed(scene, first_step_only=True)
    alert, died = await die_at(scene, MOST_POINTS, finished_first, first_step_only=True)
    assert not died
    assert (await scene.verdict(alert, expected)).lost == set()


@pytest.mark.prove
async def test_a_worker_that_dies_at_any_point_of_a_whole_chain_loses_nobody(scene: Scene) -> None:
    figures = await enumerate_all(scene, first_step_only=False)

    print(f"\nwhole chain: {figures}")
    assert (figures.strange, figures.lost) == ([], 0)
    assert figures.points > 60


@pytest.mark.prove
async def test_a_process_that_is_killed_at_each_sixth_point_of_a_step_loses_nobody(
    scene: Scene,
) -> None:
    """As above, with a real `kill -9` of a real process, whose start alone takes seconds."""
    figures = await enumerate_all(scene, first_step_only=True, process=True, every=6)

    print(f"\nkill -9: {figures}")
    assert (figures.strange, figures.lost) == ([], 0)
    assert figures.points > 5
