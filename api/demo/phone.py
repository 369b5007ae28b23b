"""A patrol phone: it records without signal, syncs when it has some, and may be shared by several officers.

    enrol ─ once, with a code          the phone's own key, a session for each officer
    record ─ always                    into the outbox of the officer who holds the phone
    sync ─ when there is signal        push what waits, then pull; again on each poke and now and then without
    switch ─ always                    another officer takes the phone; what the first one has not sent stays his

Everything goes through the public contract: `POST /auth/enrol`, `/auth/refresh`, the trusted operations, the socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from api.demo.line import WeakLine
from api.demo.live import NotListening, listen
from mobile_contracts.reference import Account, Away, Mutation, Refused
from mobile_contracts.reference import Phone as ReferencePhone

FIRST_PAUSE = 0.15
LONGEST_PAUSE = 2.0


@dataclass
class Phone:
    """A device with its officers.

    `poll_seconds`: a poke may be lost, so the phone also pulls without one. `older`: its app is of a release that knows
    `answerAlert` only, which stays accepted for ever.
    """

    name: str
    address: str
    line: WeakLine
    poll_seconds: float = 5.0
    years_ahead: int = 0
    older: bool = False
    clock_off: timedelta = timedelta(0)
    profiles: dict[str, Account] = field(default_factory=dict)
    in_hand: str = ""
    position: dict[str, float] | None = None
    told_of: str = ""
    pokes: int = 0
    alarmed: set[str] = field(default_factory=set)
    tests: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    switched: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.app = ReferencePhone(self.line, model=self.name, clock=self.clock)

    @property
    def officer(self) -> Account:
        """Who holds the phone."""
        return self.profiles[self.in_hand]

    @property
    def push_address(self) -> str:
        """What Firebase would call this installation of the app."""
        return f"demo-{self.app.key.public_jwk['x'][:22]}"

    # What the people do

    async def enrol(self, code: str) -> Account:
        """An officer signs in on this phone; the first one holds it.

        Raises:
            Refused: the code is not good.
        """
        while True:
            try:
                profile = await self.app.enrol(code)
                break
            except Away:
                # The code may be used up by now; to this phone's own key it is answered again.
                await self.line.up.wait()
                await asyncio.sleep(FIRST_PAUSE)
        self.profiles[profile.badge] = profile
        self.in_hand = self.in_hand or profile.badge
        return profile

    def go_on_duty(self, latitude: float, longitude: float) -> None:
        """Whoever holds the phone is on duty here; the server is told with the next sync, and again after a switch."""
        self.position = {"latitude": latitude, "longitude": longitude}
        self.woken.set()

    def switch_to(self, badge: str) -> None:
        """Another officer takes the phone, with or without signal."""
        self.in_hand = badge
        self.app.switch_to(self.officer.id)
        self.switched.set()
        self.woken.set()

    def report(self, **incident: Any) -> Mutation:
        """Records a new incident."""
        return self._record({"reportIncident": incident})

    def change(self, incident: str, base_rev: int, **fields: Any) -> Mutation:
        """Records a change of an incident that was seen in this version."""
        return self._record({"changeIncident": {"id": incident, "baseRev": base_rev} | fields})

    def raise_alert(self, **alert: Any) -> Mutation:
        """Calls for help."""
        return self._record({"raiseAlert": alert})

    def answer_alert(self, alert: str, status: str) -> Mutation:
        """Answers a call for help as apps of the first release do; any release calls one off by it."""
        return self._record({"answerAlert": {"id": alert, "status": status}})

    def respond(self, alert: str, status: str) -> Mutation:
        """Says that he has heard a call for help, sets out, or is there."""
        return self._record({"respondToAlert": {"id": alert, "status": status}})

    def close_alert(self, alert: str, resolution: str) -> Mutation:
        """Ends a call for help, and says how it ended."""
        return self._record({"closeAlert": {"id": alert, "resolution": resolution}})

    def tell_position(self, alert: str, latitude: float, longitude: float) -> Mutation:
        """Where the officer is while he calls for help, or goes to somebody who does."""
        points = [[self.clock(), round(latitude, 6), round(longitude, 6), 8.0]]
        return self._record({"reportPositions": {"alertId": alert, "points": points}})

    def _record(self, change: dict[str, Any]) -> Mutation:
        mutation = self.app.record(change)
        self.woken.set()
        return mutation

    def clock(self) -> str:
        """The time as this phone writes it, which may be wrong or of another calendar."""
        at = datetime.now(UTC) + self.clock_off
        return f"{at.year + self.years_ahead:04}{at.isoformat()[4:]}"

    def push_arrived(self, data: dict[str, str]) -> None:
        """The app was woken by Firebase: it tells that the call has come and is shown, which answers nothing."""
        if data["kind"] == "TEST":
            self.tests.append(data["testId"])
        elif data["kind"] == "SOS" and self.told_of == self.in_hand and not self.older:
            # Not when another officer has taken the phone meanwhile: the call was for the one before him.
            for state in ("RECEIVED", "DISPLAYED"):
                call = {"id": data["alertId"], "stepId": data["stepId"], "state": state}
                self._record({"reportCall": call})
        self._hear({"alertIds": [data["alertId"]] if "alertId" in data else []})

    def _hear(self, change: dict[str, Any]) -> None:
        self.pokes += 1
        self.alarmed.update(change["alertIds"])
        self.woken.set()

    # What the app does by itself

    async def run(self) -> None:
        """Syncs and listens until the task is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_synced())
            tasks.create_task(self._keep_listening())

    async def sync(self) -> int:
        """Sends everybody's work, and pulls for the officer in hand; returns how much news that brought.

        Raises:
            Away, Refused: not everything was done; nothing is lost.
        """
        if self.position is not None and self.told_of != self.in_hand:
            await self._tell_of(self.officer)
        await self._tell_of_tests()
        return await self.app.sync()

    async def _tell_of(self, profile: Account) -> None:
        """Pushes and calls for help are for this officer from now on."""
        await profile.ask("SetPushAddress", address={"fid": self.push_address})
        await profile.ask("GoOnDuty", fix=self.position)
        self.told_of = profile.badge

    async def _tell_of_tests(self) -> None:
        """An answered test push says that an SOS would be heard here; nobody waits for a phone that would not ring."""
        while self.tests:
            state = {"testId": self.tests[0], "notificationsAllowed": True, "silent": False}
            await self.officer.ask("ReportReachability", phone=state | {"batteryExempt": True})
            del self.tests[0]

    async def _keep_synced(self) -> None:
        pause = FIRST_PAUSE
        while True:
            await self.line.up.wait()
            self.woken.clear()
            try:
                await self.sync()
                pause = FIRST_PAUSE
                async with asyncio.timeout(self.poll_seconds):
                    await self.woken.wait()
            except TimeoutError:
                pass
            except (Away, Refused) as fault:
                if isinstance(fault, Refused):
                    self.troubles.append(str(fault))
                # Spread, so that all phones of a station do not come back at once after an outage.
                await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311  # not a secret
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _keep_listening(self) -> None:
        while True:
            await self.line.up.wait()
            self.switched.clear()
            async with asyncio.TaskGroup() as tasks:
                socket = tasks.create_task(self._listen_once())
                ends = [
                    tasks.create_task(event.wait()) for event in (self.line.down, self.switched)
                ]
                await asyncio.wait([socket, *ends], return_when=asyncio.FIRST_COMPLETED)
                for task in (socket, *ends):
                    task.cancel()

    async def _listen_once(self) -> None:
        with contextlib.suppress(NotListening, Away, Refused):
            await listen(
                self.address,
                await self.officer.session.token(),
                subscribed=self.woken.set,
                poked=self._hear,
            )
        await asyncio.sleep(FIRST_PAUSE * 2)
