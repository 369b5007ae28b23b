"""The station around a worker that dies: who is to be called, what must have happened in the end, and what was lost or repeated."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import asyncpg

from api.fake_firebase import FakeFirebase, answers
from api.telling import AppriseTeller
from patrol.sos.channels import add_channel
from storage.database import Database
from storage.principal import system
from tests.conftest import SECRET
from tests.listeners import Listener
from tests.patrol.sos import add_phone, an_alert, on_duty, raise_one
from tests.sos_faults.wire import Gate, http_behind, postgres_behind
from tests.sos_faults.worker import Addresses
from tests.world import World

CHANNEL = "channel"
LONGEST = 60.0

Call = tuple[int, str]
"""The number of a step, and whom it called: the address of a phone, or `channel`."""


@dataclass
class Verdict:
    """What came of one alert.

    Attributes:
        called: how often each step told each phone or channel, as the services saw it.
        lost: what a run without faults had told and this one did not.
        strange: whatever must never be: an unknown step id, two ledger rows, a step without its end.
    """

    called: Counter[Call] = field(default_factory=Counter)
    lost: set[Call] = field(default_factory=set)
    strange: list[str] = field(default_factory=list)

    @property
    def repeats(self) -> int:
        """Calls that came more than once, each under the step's own id."""
        return sum(times - 1 for times in self.called.values())


@dataclass
class Scene:
    """A station with phones (one of a dead address, one whose first answer is 429), a fallback channel, and its servers."""

    login_url: str
    database: Database
    world: World
    owner: asyncpg.Connection
    firebase: FakeFirebase
    hook: Listener
    busy: bool = True
    teller: AppriseTeller = field(default_factory=lambda: AppriseTeller(SECRET, time_limit=3))

    async def prepare(self) -> None:
        """Puts people on duty with their phones, and adds the channel; its address leads through `gate` later."""
        world = self.world
        for officer, name, metres in (
            (world.somkid, "near", 10),
            (world.prasert, "busy", 20),
            (await world.add_officer("Gone", scopes=[world.market]), "gone", 30),
        ):
            await on_duty(world, officer, metres_away=metres)
            await add_phone(world, officer, name)
        self.firebase.always_answers(answers.unregistered(), to="gone")

    async def raised(self, *, first_step_only: bool = False) -> UUID:
        """A new alert, all of whose steps are due now, or only its first one."""
        await self.owner.execute("update installation set retired_at = null, retired_reason = null")
        if self.busy:
            self.firebase.will_answer(answers.quota_exceeded(0), to="busy")
        alert = (await raise_one(self.database, an_alert(self.world))).alert_id
        if not first_step_only:
            await self.all_due(alert)
        return alert

    async def all_due(self, alert: UUID) -> None:
        """Makes every step of an alert due now."""
        await self.owner.execute("update sos_step set due_at = now() where alert_id = $1", alert)
        await self.owner.execute(
            "update pgqueuer set execute_after = now() where entrypoint = 'call_step'"
        )

    async def forgotten(self, alert: UUID) -> None:
        """Closes an alert and empties queue and servers, so that the next one stands alone."""
        await self.owner.execute("delete from pgqueuer")
        await self.owner.execute("delete from sos_deadline where alert_id = $1", alert)
        await self.owner.execute(
            "update sos_alert set status = 'CLOSED', closed_at = now() where id = $1", alert
        )
        await self.owner.execute("delete from sos_channel_call where alert_id = $1", alert)
        self.hook.told.clear()

    async def channel_behind(self, port: int) -> None:
        """The one fallback channel, which leads to this port."""
        await self.owner.execute("delete from sos_channel_call")
        await self.owner.execute("delete from sos_channel")
        async with self.database.write(system("test")) as connection:
            await add_channel(
                connection,
                self.teller,
                self.world.station,
                "Duty room",
                f"json://127.0.0.1:{port}",
                by="test",
            )

    @asynccontextmanager
    async def behind(self, gate: Gate) -> AsyncIterator[Addresses]:
        """Everything as a worker behind a gate reaches it."""
        firebase_port = int(self.firebase.url.rpartition(":")[2])
        async with (
            postgres_behind(gate, self.login_url) as database_url,
            http_behind(gate, firebase_port) as firebase,
            http_behind(gate, self.hook.port) as hook,
        ):
            await self.channel_behind(hook)
            url = f"http://127.0.0.1:{firebase}"
            account = self.firebase.service_account() | {"token_uri": f"{url}/token"}
            yield Addresses(database_url, url, account)

    @asynccontextmanager
    async def healthy(self) -> AsyncIterator[Addresses]:
        """Everything as a worker reaches it that nobody hurts."""
        await self.channel_behind(self.hook.port)
        yield Addresses(self.login_url, self.firebase.url, self.firebase.service_account())

    async def is_done(self, alert: UUID) -> bool:
        """Whether every step that is due is over, and no job of calls for help is left to run now."""
        return bool(
            await self.owner.fetchval(
                "select not exists (select from sos_step where alert_id = $1 and done_at is null and due_at <= now()) "
                "and not exists (select from pgqueuer where entrypoint in ('call_step', 'call_next', 'meet_deadline') "
                "                and (status = 'picked' or status = 'queued' and execute_after <= now() + interval '2 seconds'))",
                alert,
            )
        )

    async def done(self, alert: UUID, gate: Gate | None = None) -> bool:
        """Waits until it is; False when the worker died first."""
        async with asyncio.timeout(LONGEST):
            while not await self.is_done(alert):
                if gate is not None and gate.died.is_set():
                    return False
                await asyncio.sleep(0.01)
        return gate is None or not gate.died.is_set()

    async def verdict(self, alert: UUID, expected: Counter[Call] | None = None) -> Verdict:
        """What came of an alert, as the services, the ledger and the queue tell it."""
        found = Verdict()
        steps = await self.owner.fetch(
            "select id, number, done_at, outcome, due_at <= now() as due from sos_step where alert_id = $1",
            alert,
        )
        numbers = {str(row["id"]): row["number"] for row in steps}
        for message in self.firebase.messages:
            if message.data["alertId"] != str(alert):
                continue
            number = numbers.get(message.data["stepId"])
            if number is None:
                found.strange.append(f"a push of an unknown step to {message.address}")
            elif message.answer.status == 200:
                found.called[number, message.address] += 1
        for told in self.hook.told:
            [number] = [numbers[each] for each in numbers if each in told["message"]]
            found.called[number, CHANNEL] += 1
        for row in steps:
            if row["due"] and (row["done_at"] is None or row["outcome"] is None):
                found.strange.append(f"step {row['number']} has no end")
        twice = await self.owner.fetch(
            "select step_id from sos_recipient where alert_id = $1 group by step_id, installation_id having count(*) > 1",
            alert,
        )
        found.strange += [f"two ledger rows in step {numbers[str(row[0])]}" for row in twice]
        failed = await self.owner.fetch("select entrypoint from pgqueuer where status = 'failed'")
        found.strange += [f"{row[0]} was given up" for row in failed]
        if expected is not None:
            found.lost = {call for call in expected if not found.called[call]}
        return found


async def later(owner: asyncpg.Connection, by: timedelta) -> None:
    """Lets time pass for everything about alerts and their jobs, as if it were so much later."""
    await owner.execute(
        "update sos_alert set received_at = received_at - $1::interval, acknowledged_at = acknowledged_at - $1::interval",
        by,
    )
    await owner.execute(
        "update sos_step set due_at = due_at - $1::interval, done_at = done_at - $1::interval", by
    )
    await owner.execute("update sos_deadline set due_at = due_at - $1::interval", by)
    await owner.execute("update sos_finding set told_at = told_at - $1::interval", by)
    await owner.execute("update pgqueuer set execute_after = execute_after - $1::interval", by)
