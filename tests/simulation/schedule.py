"""One seed: officers with their phones, and what happens to them, in an order that only the seed decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg

from mobile_contracts.reference import Away
from mobile_contracts.reference.account import CHOICES
from patrol.keys import KeySet
from schema.door import Door
from storage.database import Database
from tests.personas import as_officer
from tests.simulation.handset import Died, Handset
from tests.simulation.office import Office, SimWorld, somewhere
from tests.simulation.server import Server
from tests.simulation.weather import Weather

STEPS = 80
WEATHERS = (0.1, 0.4, 0.8)
CATEGORIES = ("THEFT", "OTHER", "TRAFFIC_OBSTRUCTION")
SEVERITIES = ("LOW", "MEDIUM", "HIGH")
STATUSES = ("OPEN", "IN_PROGRESS", "RESOLVED", "CLOSED")


@dataclass
class Site:
    """What schedules share: the door, a database, and connections past its policies."""

    door: Door
    database: Database
    keys: KeySet
    owner: asyncpg.Connection
    writers: list[asyncpg.Connection]


Step: TypeAlias = Callable[["Schedule", Handset], Awaitable[None]]


class Schedule:
    """Three officers on two or three phones, at a station of this seed alone."""

    def __init__(self, site: Site, seed: int, world: SimWorld, tell: Callable[[str], None]) -> None:
        self.site, self.seed, self.world, self.tell = site, seed, world, tell
        self.rng = Random(seed)
        self.server = Server(site.door, site.database, site.keys)
        self.handsets: list[Handset] = []
        self.recorded: set[str] = set()
        self.points: dict[str, int] = {}
        self.resting = False
        self.backups = True
        self.office: Office

    @classmethod
    async def begin(
        cls, site: Site, seed: int, tell: Callable[[str], None] = lambda _: None
    ) -> Schedule:
        """Makes the station and signs everybody in."""
        self = cls(site, seed, await SimWorld.make(site.database), tell)
        self.office = Office(
            self.world, site.owner, self.server.ledger, Random(f"{seed}/office"), tell, list(site.writers),
            await self.world.add_device(),
        )  # fmt: skip
        crew = [[self.world.kanya, self.world.somkid], [self.world.prasert]]
        if self.rng.random() < 0.5:
            # Kanya has a phone of her own as well.
            crew.append([self.world.kanya])
        for number, officers in enumerate(crew):
            await self._equip(number, officers)
        return self

    async def _equip(self, number: int, officers: list[UUID]) -> None:
        weather = Weather(
            self.server, Random(f"{self.seed}/weather/{number}"), self._between, self.tell,
            bad=self.rng.choice(WEATHERS),
        )  # fmt: skip
        device = await self.world.add_device()
        old = self.rng.random() < 0.3
        # An app may pull calls for help apart, or everything by one cursor.
        choices = CHOICES if self.rng.random() < 0.7 else (None,)
        handset = Handset(
            f"phone {number + 1}", device, weather, Random(f"{self.seed}/{number}"), old=old,
            choices=choices,
        )  # fmt: skip
        self.handsets.append(handset)
        for officer in officers:
            handset.sign_in(await as_officer(self.world, officer, device=device))

    async def _between(self) -> None:
        """Others act while a phone walks from page to page."""
        if not self.resting and self.rng.random() < 0.2:
            await self.office.act()

    async def end_of_shift(self) -> None:
        """Everybody tries once more in bad weather, and records no more: nothing after it shows what was not stored."""
        for handset in self.handsets:
            handset.weather.online, handset.weather.bad = True, WEATHERS[-1]
            for officer in sorted(handset.app.accounts):
                self.tell(f"end of shift: {handset.name}")
                handset.app.switch_to(officer)
                await self._step(Schedule._sync, handset)

    async def play(self, steps: int = STEPS) -> None:
        """So many steps."""
        for number in range(steps):
            handset = self.rng.choice(self.handsets)
            [step] = self.rng.choices(list(WEIGHTS), list(WEIGHTS.values()))
            self.tell(f"{number}: {handset.name} {step.__name__.strip('_')}")
            await self._step(step, handset)

    async def _step(self, step: Step, handset: Handset) -> None:
        try:
            await step(self, handset)
        except Away:
            pass
        except Died:
            self.tell("  the phone dies")
            handset.restart()

    # Recording

    def _record(self, handset: Handset, change: str, /, **members: Any) -> str:
        mutation = handset.app.record({change: members})
        self.recorded.add(mutation.id)
        return mutation.row_id

    async def _report(self, handset: Handset) -> None:
        rng = handset.rng
        where: dict[str, Any] = {"zoneId": str(rng.choice([self.world.market, self.world.temple]))}
        if (luck := rng.random()) < 0.1:
            where = {"zoneId": str(uuid4())}  # no zone of the station: refused
        elif luck < 0.2:
            where["latitude"] = where["longitude"] = 999.0  # poison
        row = self._record(
            handset, "reportIncident", category=rng.choice(CATEGORIES), severity=rng.choice(SEVERITIES),
            title=f"Report {rng.random()}", **where,
        )  # fmt: skip
        if rng.random() < 0.4:
            self._record(handset, "addNote", incidentId=row, text=f"Note {rng.random()}")
        if rng.random() < 0.3:
            self._record(
                handset, "changeIncident", id=row, baseRev=1, title=f"Again {rng.random()}"
            )

    def _some(self, handset: Handset, subject: str) -> dict[str, Any] | None:
        rows = handset.app.in_hand.view(subject)
        return rows[handset.rng.choice(sorted(rows))] if rows else None

    async def _change(self, handset: Handset) -> None:
        row, rng = self._some(handset, "incidents"), handset.rng
        if row is None:
            return
        wanted: dict[str, Any] = rng.choice(
            [
                {"title": f"Title {rng.random()}"},
                {"description": f"Words {rng.random()}", "severity": rng.choice(SEVERITIES)},
                {"status": rng.choice(STATUSES)},
                {"zoneId": str(rng.choice([self.world.market, self.world.temple]))},
            ]
        )
        self._record(handset, "changeIncident", id=row["id"], baseRev=max(1, row["rev"]), **wanted)

    async def _add_to(self, handset: Handset) -> None:
        row = self._some(handset, "incidents")
        if row is None:
            return
        if handset.rng.random() < 0.6:
            self._record(
                handset, "addNote", incidentId=row["id"], text=f"Note {handset.rng.random()}"
            )
        else:
            self._record(
                handset, "attachMedia", incidentId=row["id"], kind="PHOTO", contentType="image/jpeg", sizeBytes=81_234,
                sha256="ab" * 32,
            )  # fmt: skip

    async def _call(self, handset: Handset) -> None:
        self._record(handset, "raiseAlert", **somewhere(handset.rng))

    async def _answer(self, handset: Handset) -> None:
        row = self._some(handset, "alerts")
        if row is not None:
            status = handset.rng.choice(["ACKNOWLEDGED", "CLOSED", "CANCELLED", "OPEN"])
            self._record(handset, "answerAlert", id=row["id"], status=status)

    async def _patrol(self, handset: Handset) -> None:
        row, rng = self._some(handset, "patrols"), handset.rng
        if row is None or rng.random() < 0.3:
            self._record(handset, "startPatrol", **somewhere(rng))
            self._record(handset, "changeDuty", onDuty=rng.random() < 0.7)
        else:
            status = rng.choice(["PAUSED", "ACTIVE", "ENDED"])
            self._record(handset, "changePatrol", id=row["id"], status=status)
            self._record(handset, "checkIn", content="whatever was scanned", **somewhere(rng))

    async def _walk(self, handset: Handset) -> None:
        officer = handset.app.in_hand.id
        began, count = handset.now(), handset.rng.randint(1, 4)
        points = [
            [(began + timedelta(milliseconds=step)).isoformat(), *somewhere(handset.rng).values()]
            for step in range(count)
        ]
        self._record(handset, "recordTrack", points=points)
        self.points[officer] = self.points.get(officer, 0) + count

    # The phone itself

    async def _sync(self, handset: Handset) -> None:
        await handset.app.sync()

    async def _push_a_lane(self, handset: Handset) -> None:
        await handset.app.in_hand.push(handset.rng.choice(["SOS", "RECORDS", "TRACKS"]))

    async def _pull_a_page(self, handset: Handset) -> None:
        account = handset.app.in_hand
        subjects = handset.rng.choice(account.choices)
        account.apply(await account.pull_page(subjects), subjects)

    async def _verify(self, handset: Handset) -> None:
        await handset.app.in_hand.pull(verify=True)

    async def _signal(self, handset: Handset) -> None:
        handset.weather.online = not handset.weather.online

    async def _weather(self, handset: Handset) -> None:
        handset.weather.online = True
        handset.weather.bad = handset.rng.choice(WEATHERS)

    async def _late(self, handset: Handset) -> None:
        await handset.weather.deliver_late()

    async def _switch(self, handset: Handset) -> None:
        handset.app.switch_to(handset.rng.choice(sorted(handset.app.accounts)))

    async def _clock(self, handset: Handset) -> None:
        handset.off = timedelta(days=handset.rng.choice([-1, 0, 1]))
        handset.years = handset.rng.choice([0, 543])

    async def _purge(self, handset: Handset) -> None:
        # A phone whose clock is ahead drops too early, and gets the rows back when it verifies.
        handset.weather.may_repair.add("notices")
        handset.app.in_hand.purge(handset.now())

    async def _restart(self, handset: Handset) -> None:
        handset.restart()

    async def _die(self, handset: Handset) -> None:
        handset.store.dies_in = handset.rng.randint(1, 4)

    async def _upgrade(self, handset: Handset) -> None:
        handset.restart(old=not handset.old)

    async def _office(self, _: Handset) -> None:
        await self.office.act()

    async def _backup(self, _: Handset) -> None:
        if self.backups:
            await self.office.note_backup()

    async def _epoch(self, _: Handset) -> None:
        await self.office.begin_epoch()


_S = Schedule
WEIGHTS: dict[Step, float] = {
    _S._report: 14, _S._change: 10, _S._add_to: 5, _S._call: 4, _S._answer: 4, _S._patrol: 4, _S._walk: 4,
    _S._sync: 16, _S._push_a_lane: 3, _S._pull_a_page: 5, _S._verify: 1, _S._signal: 4, _S._weather: 4, _S._late: 3,
    _S._switch: 4, _S._clock: 2, _S._purge: 1, _S._restart: 1, _S._die: 2, _S._upgrade: 1.5, _S._office: 8,
    _S._backup: 0.5, _S._epoch: 0.3,
}  # fmt: skip
