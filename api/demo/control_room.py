"""What the control room looks at and does: pictures, who was called for each open alert, whom it sends, how calls ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from api.demo.alarms import Alarms
from api.demo.cast import Cast
from api.demo.hour import SUPERVISOR
from mobile_contracts.reference import Account, Away

ZONES, CAMERAS = 20, 40
"""How many the screen has room for."""


@dataclass
class ControlRoom:
    """The supervisor's screen. `pictures` holds the ids of the pictures that it has shown, by camera."""

    cast: Cast
    alarms: Alarms
    learns_of_pushes: bool
    say: Callable[[str], None]
    pictures: dict[str, set[str]] = field(default_factory=dict)
    called: dict[str, int] = field(default_factory=dict)
    looks: int = 0

    async def watch(self, every_seconds: float) -> None:
        """Looks again and again until the task is cancelled."""
        desk = self.cast.control_room.profiles[SUPERVISOR]
        while True:
            with contextlib.suppress(Away):
                self._see(await desk.ask("ZonesWithCameras", zones=ZONES, cameras=CAMERAS))
                self._hear(await desk.ask("OpenAlerts"))
                await self._send_somebody(desk)
                await self._say_how_they_ended(desk)
                self.looks += 1
            await asyncio.sleep(every_seconds)

    def _see(self, answer: dict[str, Any]) -> None:
        for zone in answer["zones"]["nodes"]:
            for camera in zone["cameras"]:
                last = camera["lastSnapshot"]
                if last is not None and last["url320"]:
                    self.pictures.setdefault(camera["id"], set()).add(last["id"])

    def _hear(self, answer: dict[str, Any]) -> None:
        """Without a Firebase of its own the demo learns from the ledger that somebody was called."""
        for alert in answer["alerts"]["nodes"]:
            accepted = [one["outcome"] for one in alert["recipients"]].count("ACCEPTED")
            if self.learns_of_pushes:
                for _ in range(accepted - self.called.get(alert["id"], 0)):
                    self.alarms.accepted(alert["id"], time.monotonic())
            self.called[alert["id"]] = accepted

    async def _send_somebody(self, desk: Account) -> None:
        """Sends an officer to a call that waits for it: one who has its beat, rather one whose app is of an earlier release."""
        for alarm in list(self.alarms.by_id.values()):
            if not alarm.waits or alarm.sent or alarm.acknowledged_at is not None:
                continue
            for phone in sorted(self.cast.phones, key=lambda phone: not phone.older):
                away = phone is self.cast.control_room or not phone.line.online
                if away or alarm.id not in phone.officer.copy.rows("alerts"):
                    continue
                told = await desk.ask(
                    "AssignAlert",
                    id=alarm.id,
                    officerId=phone.officer.id,
                    reason="nearest",
                    evenIfEngaged=True,
                )
                if told["assignAlert"]["refusal"] is None:
                    alarm.sent = phone.in_hand
                    self.say(
                        f"the control room sends {self.cast.name_of(alarm.sent)} to {alarm.by}"
                    )
                    break

    async def _say_how_they_ended(self, desk: Account) -> None:
        """An app of an earlier release closes a call and cannot say how it ended."""
        if not any(alarm.unsaid for alarm in self.alarms.by_id.values()):
            return
        for node in (await desk.ask("UnsaidEndings"))["alerts"]["nodes"]:
            alarm = self.alarms.by_id.get(node["id"])
            if alarm is not None:
                told = await desk.ask(
                    "ResolveAlert", id=alarm.id, resolution="HELPED", note="Told by radio."
                )
                alarm.unsaid = told["resolveAlert"]["refusal"] is not None
