"""What the control room looks at: the last picture of each camera, and who was called for each open alert."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import Any

from api.demo.alarms import Alarms
from api.demo.phone import Phone
from mobile_contracts.reference import Away

ZONES, CAMERAS = 20, 40
"""How many the screen has room for."""


@dataclass
class ControlRoom:
    """The supervisor's screen. `pictures` holds the ids of the pictures that it has shown, by camera."""

    phone: Phone
    alarms: Alarms
    learns_of_pushes: bool
    pictures: dict[str, set[str]] = field(default_factory=dict)
    called: dict[str, int] = field(default_factory=dict)
    looks: int = 0

    async def watch(self, every_seconds: float) -> None:
        """Looks again and again until the task is cancelled."""
        desk = self.phone.officer
        while True:
            with contextlib.suppress(Away):
                self._see(await desk.ask("ZonesWithCameras", zones=ZONES, cameras=CAMERAS))
                self._hear(await desk.ask("OpenAlerts"))
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
