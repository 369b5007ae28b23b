"""Puts a run together: the scratch server, its data, the three servers and the questions."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.cases import Case, cases
from bench.data import Maker, Town
from bench.load import CONNECTIONS
from bench.machine import LOGIN, SECRET, Cores, Machine, settle
from bench.measure import Bench, Measured, Pace
from bench.report import show
from bench.servers.child import started
from patrol.keys import KeySet

DATABASE = "bench"


@dataclass(frozen=True)
class Size:
    """How much there is to read."""

    zones: int = 20
    cameras: int = 10
    incidents: int = 6_000


@dataclass(frozen=True)
class Wanted:
    """What is asked for: questions by key, servers by name."""

    cases: Sequence[str] = ()
    servers: Sequence[str] = ("floor", "product", "stock")
    sampled: Path | None = None
    """A directory for the product's and the floor's samples."""


@asynccontextmanager
async def ready(
    machine: Machine, cores: Cores, size: Size, wanted: Wanted
) -> AsyncIterator[tuple[Bench, list[Case]]]:
    """The servers over fresh data, and the questions that they will be asked."""
    await machine.migrated(DATABASE)
    town, keys = await filled(machine.url(DATABASE), size)
    told = environment(machine)
    with contextlib.ExitStack() as stack:
        servers = {
            name: stack.enter_context(
                started(
                    name,
                    told,
                    machine.directory,
                    cores.server,
                    sampled=wanted.sampled and wanted.sampled / f"{name}.json",
                )
            )
            for name in wanted.servers
        }
        bench = Bench.of(servers, town)
        every = cases(town, await bench.cursor(keys))
        yield bench, [one for one in every if not wanted.cases or one.key in wanted.cases]


async def filled(url: str, size: Size) -> tuple[Town, KeySet]:
    """Data in a migrated database, and the keys of its installation."""
    connection = await asyncpg.connect(url)
    try:
        maker = await Maker.of(connection, SECRET)
        town = await maker.town(
            zones=size.zones, cameras=size.cameras, incidents=size.incidents, phones=CONNECTIONS
        )
        await settle(connection)
    finally:
        await connection.close()
    return town, maker.keys


def environment(machine: Machine) -> dict[str, str]:
    """The settings of the servers. The store is only signed for, never reached."""
    return {
        "PATROL_DATABASE_URL": machine.url(DATABASE, LOGIN),
        "PATROL_SECRET": SECRET,
        "PATROL_DATA_DIR": str(machine.directory / "data"),
        "PATROL_PORT": "0",
        "PATROL_S3_URL": "http://127.0.0.1:9",
        "PATROL_S3_ACCESS_KEY": "bench",
        "PATROL_S3_SECRET_KEY": "bench bench",
        "PATROL_LOG_LEVEL": "error",
    }


async def compared(
    machine: Machine, cores: Cores, size: Size, wanted: Wanted, pace: Pace
) -> list[Measured]:
    """All figures."""
    async with ready(machine, cores, size, wanted) as (bench, questions):
        measured = []
        for case in questions:
            measured.append(await bench.measure(case, pace))
            show(f"measured: {case.title}")
        return measured
