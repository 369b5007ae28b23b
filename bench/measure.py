"""Asks the three servers in turn, round after round, so that what disturbs the machine disturbs all of them alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import orjson

from bench.cases import BYTES, PAGE, Case, Outbox, comparable, requests_of
from bench.data import Signed, Town
from bench.load import CONNECTIONS, Load, load, request
from bench.servers.child import Server
from patrol.keys import KeySet
from patrol.sync import cursor as cursors

ORDER = ("floor", "product", "stock")


class AnswersDiffer(Exception):
    """Two servers answer the same question differently, so that their times cannot be compared."""


@dataclass
class Run:
    """The rounds of one server on one question."""

    loads: list[Load] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Seconds of the server's core, by round."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return median(one.rate for one in self.loads)

    @property
    def rates(self) -> list[float]:
        return [one.rate for one in self.loads]

    @property
    def cpu_each(self) -> list[float]:
        """Seconds of CPU time for a request, by round."""
        return [cpu / one.requests for cpu, one in zip(self.cpu, self.loads, strict=True)]

    def percentile(self, share: float) -> float:
        """The seconds within which this share of all answers came."""
        every = sorted(one for each in self.loads for one in each.latencies)
        return every[min(len(every) - 1, int(len(every) * share))]


@dataclass
class Measured:
    """All servers on one question."""

    case: Case
    runs: dict[str, Run]

    def rate_ratio(self, one: str, other: str) -> float | None:
        """How many times as many requests a second: the median of the rounds' own ratios."""
        return self._ratio(one, other, lambda run: run.rates)

    def cpu_ratio(self, one: str, other: str) -> float | None:
        """How many times as many requests for the same CPU time."""
        return self._ratio(one, other, lambda run: [1 / each for each in run.cpu_each])

    def _ratio(self, one: str, other: str, of: Callable[[Run], list[float]]) -> float | None:
        if one not in self.runs or other not in self.runs:
            return None
        pairs = zip(of(self.runs[one]), of(self.runs[other]), strict=True)
        return median(mine / theirs for mine, theirs in pairs)


@dataclass(frozen=True)
class Pace:
    """How long is measured."""

    rounds: int
    seconds: float
    warm_up: float


@dataclass
class Bench:
    """The servers, and the phones that ask them: one reads, and one on each connection pushes."""

    servers: Mapping[str, Server]
    reader: Signed
    outboxes: list[Outbox]

    @classmethod
    def of(cls, servers: Mapping[str, Server], town: Town) -> Bench:
        zones = town.pushing.zones
        outboxes = [
            Outbox(phone, str(zones[number % len(zones)]))
            for number, phone in enumerate(town.phones[:CONNECTIONS])
        ]
        return cls(servers, town.station.supervisor, outboxes)

    async def measure(self, case: Case, pace: Pace) -> Measured:
        """One question to all servers. Raises AnswersDiffer before anything is timed."""
        await self.compare(case)
        for name in self.servers:
            await self._load(name, case, pace.warm_up)
        runs = {name: Run() for name in self.servers}
        for number in range(pace.rounds):
            for name in turned([one for one in ORDER if one in self.servers], number):
                before = self.servers[name].cpu_seconds()
                runs[name].loads.append(await self._load(name, case, pace.seconds))
                runs[name].cpu.append(self.servers[name].cpu_seconds() - before)
        return Measured(case, runs)

    async def compare(self, case: Case) -> None:
        """Holds the answers of all servers against each other."""
        answers = {name: comparable(case, await self.ask(name, case)) for name in self.servers}
        base, *others = answers
        for other in others:
            if (place := difference(answers[base], answers[other])) is not None:
                raise AnswersDiffer(f"{case.key}: {base} and {other} differ at {place}")

    async def ask(self, name: str, case: Case) -> bytes:
        """One answer."""
        kept: list[bytes] = []
        make = self._requests(name, case)[0]

        def keep(body: bytes) -> bool:
            kept.append(body)
            return case.fits(body)

        await load(self.servers[name].port, 0.001, [make], keep)
        return kept[0]

    async def _load(self, name: str, case: Case, seconds: float) -> Load:
        # What the round before left in buffers and queues is not this server's doing.
        await asyncio.sleep(0.02)
        return await load(self.servers[name].port, seconds, self._requests(name, case), case.fits)

    def _requests(self, name: str, case: Case) -> list[Callable[[], bytes]]:
        host = f"127.0.0.1:{self.servers[name].port}"
        return requests_of(
            case, name, lambda token, body: request(host, token, body), self.reader, self.outboxes
        )

    async def cursor(self, keys: KeySet) -> str:
        """A cursor in the middle of the first fill, where only incidents follow."""
        cursor = None
        holder: Any = self.reader.principal.id
        while True:
            case = Case("fill", "", "Pull", {"cursor": cursor, "first": PAGE, "maxBytes": BYTES})
            page = orjson.loads(await self.ask("product", case))["data"]["pull"]
            assert not page["complete"], "there are too few incidents for a whole page"
            cursor = str(page["cursor"])
            walk = cursors.read(cursor, keys, holder=holder).walk
            if walk is not None and (walk.part or "").startswith("incidents "):
                return cursor


def turned(names: Sequence[str], number: int) -> list[str]:
    """The servers in the order of a round: nobody is always first, and neighbours stay neighbours."""
    place = number % len(names)
    return [*names[place:], *names[:place]]


def difference(one: Any, other: Any, place: str = "$") -> str | None:
    """Where two JSON values differ first, with both; None where they are the same but for the order of keys."""
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            return f"{place}: {sorted(one.keys() ^ other.keys())} stand in one only"
        found = (difference(one[key], other[key], f"{place}.{key}") for key in one)
    elif isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return f"{place}: {len(one)} and {len(other)} entries"
        found = (
            difference(*two, f"{place}[{number}]")
            for number, two in enumerate(zip(one, other, strict=True))
        )
    else:
        return None if one == other else f"{place}: {one!r} and {other!r}"
    return next((one for one in found if one is not None), None)
