"""Shows that an answer takes the same time among ten thousand incidents and among a million, and by which index."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from bench.data import Maker, Station
from bench.growth_questions import QUESTIONS, Question
from bench.machine import LOGIN, SECRET, Machine, settle
from patrol.keys import KeySet
from patrol.sync import cursor as cursors
from patrol.sync.cursor import Cursor, Done
from schema.context import Context
from schema.door import Door
from schema.phone import phone_door
from storage.database import Database
from storage.principal import Principal, Role

FEW = 300
"""Incidents of the small station; all others are those of the large one."""

BATCH = 50_000
"""Incidents that one transaction stores, so that stamps differ as in a life."""

WARM, TIMES = 6, 30
"""Executions before the measured ones (PostgreSQL decides after five on a plan for all values), and measured ones."""

ENOUGH_SECONDS = 10.0
"""After which a question that is too slow is asked no more."""

GROWING = "incident"


@dataclass
class Grown:
    """One question at one size by one officer: the seconds of each execution, and how the table was read."""

    seconds: list[float] = field(default_factory=list)
    access: frozenset[str] = frozenset()

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def by_index(self) -> bool:
        return not any(one.startswith("Seq Scan") for one in self.access)


Grid = Mapping[str, Mapping[tuple[int, str], Grown]]
"""By question, then by size and station."""


@dataclass
class Quiet:
    """Nobody listens to pokes here."""

    def poke(self, *_: Any) -> None: ...

    async def changes(self, _: frozenset[UUID]) -> AsyncIterator[Any]:
        raise AssertionError("nobody listens")
        yield


@dataclass
class Place:
    """A station in a database of some size, and what a question may need of it."""

    database: Database
    owner: asyncpg.Connection
    door: Door
    keys: KeySet
    station: Station
    cursor: str = ""
    incident: str = ""

    @property
    def principal(self) -> Principal:
        return self.station.supervisor.principal

    async def ask(self, text: str, variables: dict[str, Any]) -> dict[str, Any]:
        """One answer by the door itself, without HTTP."""
        link: Any = str
        context = Context(self.principal, self.database, link, self.keys, Quiet(), None)  # type: ignore[arg-type] # no store
        operation = self.door.operations.get(text)
        answer: dict[str, Any] = orjson.loads(
            await self.door.execute(operation, variables, context)
        )
        assert "errors" not in answer, answer["errors"]
        return answer

    async def prepare(self, pull: str) -> None:
        """A cursor that says: this phone has everything. It stands for the thousands of pages of a first fill."""
        page = await self.ask(pull, {"cursor": None, "first": 1})
        holder: Any = self.principal.id
        shown = cursors.read(page["data"]["pull"]["cursor"], self.keys, holder=holder)
        assert shown.walk is not None
        done = Done(shown.walk.until, shown.walk.scopes, shown.walk.shapes)
        self.cursor = cursors.sign(Cursor(shown.epoch, done, None), self.keys, holder=holder)
        self.incident = str(
            await self.owner.fetchval(
                f"select id from {GROWING} where station_id = $1 order by occurred_at desc limit 1",  # noqa: S608
                self.station.id,
            )
        )


async def grow(
    machine: Machine, sizes: Sequence[int], tell: Callable[[str], None], times: int = TIMES
) -> Grid:
    """All questions at all sizes."""
    grid: dict[str, dict[tuple[int, str], Grown]] = {}
    for size in sizes:
        begin = time.perf_counter()
        async with _filled(machine, size) as places:
            tell(f"{size:,} incidents stored in {time.perf_counter() - begin:.0f} s")
            for question in QUESTIONS:
                for name, place in places.items():
                    found = await _measure(place, question, times)
                    grid.setdefault(question.title, {})[size, name] = found
    return grid


@asynccontextmanager
async def _filled(machine: Machine, size: int) -> AsyncIterator[dict[str, Place]]:
    name = f"growth_{size}"
    await machine.migrated(name)
    owner = await asyncpg.connect(machine.url(name))
    # One connection: what is prepared for one officer serves the other, as it does in the product's pool.
    database = await Database.connect(machine.url(name, LOGIN), size=2)
    try:
        maker = await Maker.of(owner, SECRET)
        few, many = await maker.station("FEW", 5), await maker.station("MANY", 20)
        async with _without_indexes(owner):
            await maker.incidents(few, 1, FEW, description="")
            for first in range(FEW + 1, size + 1, BATCH):
                await maker.incidents(many, first, min(first + BATCH - 1, size), description="")
        await settle(owner)
        door = phone_door()
        yield {
            "few": Place(database, owner, door, maker.keys, few),
            "many": Place(database, owner, door, maker.keys, many),
        }
    finally:
        await database.close()
        await owner.close()
        await machine.administer(f"drop database {name} with (force)")


@asynccontextmanager
async def _without_indexes(owner: asyncpg.Connection) -> AsyncIterator[None]:
    """Indexes are built faster afterwards, all at once."""
    rows = await owner.fetch(
        "select indexname, indexdef from pg_indexes where tablename = $1 and indexname not like '%_pkey'", GROWING
    )  # fmt: skip
    for row in rows:
        await owner.execute(f"drop index {row['indexname']}")
    yield
    await owner.execute("set maintenance_work_mem = '1GB'")
    for row in rows:
        await owner.execute(row["indexdef"])


async def _measure(place: Place, question: Question, times: int) -> Grown:
    if not place.cursor:
        await place.prepare(question.pull)
    if question.before:
        await place.owner.execute(question.before, place.station.id)
    variables = question.variables(place)
    rows = question.rows(await place.ask(question.text, variables))
    assert question.expected is None or rows == question.expected, (question.title, rows)
    found = Grown(access=await _access(place, question.text, variables))
    enough = time.perf_counter() + ENOUGH_SECONDS
    for number in range(WARM + times):
        begin = time.perf_counter()
        await place.ask(question.text, variables)
        end = time.perf_counter()
        if number >= WARM or end > enough:
            found.seconds.append(end - begin)
        if end > enough:
            break
    return found


async def _access(place: Place, text: str, variables: dict[str, Any]) -> frozenset[str]:
    """How the statements of an operation read the growing table, as the officer who asks."""
    asked: list[tuple[str, Sequence[Any]]] = []

    def note(told: Any) -> None:
        asked.append((told.query, told.args))

    alone = await Database.connect(place.database.url, size=1)
    try:
        async with alone.enter(Role.PHONE, place.principal) as entered:
            entered.connection.add_query_logger(note)
        await replace(place, database=alone).ask(text, variables)
    finally:
        await alone.close()
    access: set[str] = set()
    async with place.database.enter(Role.PHONE, place.principal) as entered:
        for statement, values in asked:
            if GROWING not in statement:
                continue
            plan = await entered.connection.fetchval(f"explain (format json) {statement}", *values)
            access |= set(_scans(orjson.loads(plan)[0]["Plan"]))
    return frozenset(access)


def _scans(node: dict[str, Any]) -> list[str]:
    here = []
    if node.get("Relation Name") == GROWING or "Index Name" in node:
        index = str(node.get("Index Name", ""))
        if node.get("Relation Name") == GROWING or index.startswith(f"{GROWING}_"):
            here.append(f"{node['Node Type']} {index}".strip())
    return here + [one for below in node.get("Plans", ()) for one in _scans(below)]
