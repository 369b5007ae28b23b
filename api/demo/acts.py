"""The acts of the hour that are nobody's phone: a button is pressed, a citizen calls, an officer is moved to another beat."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from api.demo.alarms import Alarm, Alarms
from api.demo.cast import Cast
from api.demo.hour import SUPERVISOR, Beat
from mobile_contracts.reference import Refused

ASSIGNED = """
query Zones($id: UUID!) { officer(id: $id) { assignments(first: 200) { scopeId validUntil } } }
"""
ASSIGN = """
mutation Assign($id: UUID!, $scopes: [UUID!]!) {
  done: assignOfficer(id: $id, scopeIds: $scopes) { refusal { code message } }
}
"""


@dataclass
class Acts:
    """`moved` remembers what was assigned to officers who are on another beat for now."""

    cast: Cast
    alarms: Alarms
    say: Callable[[str], None]
    moved: dict[str, list[str]] = field(default_factory=dict)

    async def play(self, beat: Beat) -> None:
        """Plays one beat.

        Raises:
            Refused: the administrator may not.
        """
        await getattr(self, f"_{beat.verb}")(**beat.more)

    async def undo(self) -> None:
        """Gives everybody back what was assigned before, whatever ended the hour."""
        for badge in list(self.moved):
            await self._assign_back(badge)

    async def _press(self, pole: int, times: int, *, waits: bool = False) -> None:
        if pole >= len(self.cast.poles):
            return
        pressed, began = self.cast.poles[pole], time.monotonic()
        self.say(f"the button of {pressed.name} is pressed")
        alert = await pressed.press(times)
        if alert is not None:
            alert_id, raised = alert
            presses = times if raised else None
            self.alarms.raised(Alarm(alert_id, pressed.code, began, presses=presses, waits=waits))
        camera = self.cast.pole_cameras.get(pressed.id)
        if camera is not None:
            await camera.shoot()

    async def _citizen(self) -> None:
        """Somebody scans the code on the first pole. Only the control room can tell which alert it became."""
        citizen, desk, began = self.cast.citizen, self.cast.control_room, time.monotonic()
        if citizen is None:
            return
        self.say(f"a citizen scans the code on {citizen.name} and calls for help")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(citizen.call())
            await citizen.told.wait()
            for alert in (await desk.profiles[SUPERVISOR].ask("OpenAlerts"))["alerts"]["nodes"]:
                if (alert["post"] or {}).get("id") == self.cast.poles[0].id:
                    self._called(alert["id"], began)

    def _called(self, alert_id: str, began: float) -> None:
        """A citizen's call joins what the button has raised, where that is not over yet."""
        alarm = self.alarms.by_id.get(alert_id)
        if alarm is None:
            self.alarms.raised(Alarm(alert_id, "a citizen", began, presses=None))
        elif alarm.presses is not None:
            alarm.presses += 1

    async def _reassign(self, badge: str) -> None:
        """An officer keeps only one of his zones; the others leave his phone."""
        officer = self.cast.places.officer_id(badge)
        rows = (await self.cast.office.ask(ASSIGNED, id=officer))["officer"]["assignments"]
        held = sorted(row["scopeId"] for row in rows if row["validUntil"] is None)
        if len(held) > 1:
            self.moved[badge] = held
            await self._assign(officer, held[-1:])
            self.say(f"{self.cast.name_of(badge)} is moved to another beat")

    async def _assign_back(self, badge: str) -> None:
        held = self.moved.pop(badge, None)
        if held is not None:
            await self._assign(self.cast.places.officer_id(badge), held)
            self.say(f"{self.cast.name_of(badge)} has the old beat again")

    async def _assign(self, officer: str, scopes: list[str]) -> None:
        done = (await self.cast.office.ask(ASSIGN, id=officer, scopes=scopes))["done"]
        if done["refusal"] is not None:
            raise Refused(done["refusal"]["code"], done["refusal"]["message"], 200)
