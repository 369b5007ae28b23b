"""Plays the hour: phones, cameras, poles and partners side by side, each on its own, while the clock runs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from api.demo.acts import Acts
from api.demo.alarms import Alarms, Delivery
from api.demo.answering import Answering
from api.demo.cast import Cast
from api.demo.control_room import ControlRoom
from api.demo.device import Camera
from api.demo.hour import SUPERVISOR, Beat, plan
from api.demo.options import MINUTES, Options
from api.demo.partner import Partner
from api.demo.patrolling import NothingThere, Patrolling
from api.demo.phone import Phone
from api.demo.recording import Recording
from api.fake_firebase import FakeFirebase

TICK = 0.05
WRAP_UP_SECONDS = 30.0
LATER = 1.0
"""Minutes by which a beat waits when there is nothing yet that it could be about."""

HURRY = 0.5
"""Minutes that pass in each tick after the hour, so that no call waits for its responder's walk."""


@dataclass
class Scene:
    """One hour. `say` is told what happens, with the minute; `shown` is called at each tick."""

    cast: Cast
    options: Options
    say: Callable[[float, str], None]
    shown: Callable[[], None]
    firebase: FakeFirebase | None = None
    alarms: Alarms = field(default_factory=Alarms)
    recordings: list[Recording] = field(default_factory=list)
    minute: float = 0.0

    def __post_init__(self) -> None:
        self.screen = ControlRoom(self.cast, self.alarms, self.firebase is None, self._tell)
        self._acts = Acts(self.cast, self.alarms, self._tell)
        self._officers = Patrolling(self.cast, self.alarms, self._tell, self.options.seed)
        self._answers = Answering(self.cast, self.alarms, self._tell, self.options.seed)
        self._delivery: Delivery | None = None
        if self.firebase is not None:
            by_address = {phone.push_address: phone for phone in self.cast.phones}
            self._delivery = Delivery(self.firebase, by_address)
        self._endless: list[asyncio.Task[None]] = []
        self._finite: list[asyncio.Task[None]] = []

    async def play(self) -> None:
        """Plays the hour, and waits until everything that was begun is finished.

        Raises:
            Refused: an act of the administrator was refused.
        """
        async with self._living():
            await self._clock()
            await self._wrap_up()

    @asynccontextmanager
    async def _living(self) -> AsyncIterator[None]:
        """Everything that goes on by itself. A mistake in any of it ends the hour, see `_tick`."""
        minute = self.options.minute
        begin = asyncio.create_task
        self._endless = [begin(phone.run()) for phone in self.cast.phones]
        self._endless += [
            begin(self._poll(partner, max(0.5, 4 * minute))) for partner in self.cast.polling
        ]
        self._endless.append(begin(self.screen.watch(max(0.5, 1.5 * minute))))
        self._finite = [
            begin(self._film(number, camera)) for number, camera in enumerate(self.cast.cameras)
        ]
        try:
            yield
        finally:
            for task in (*self._endless, *self._finite):
                task.cancel()
            await asyncio.gather(*self._endless, *self._finite, return_exceptions=True)
            await self._acts.undo()

    async def _clock(self) -> None:
        began = time.monotonic()
        beats = plan(self.options.seed, [list(phone.profiles) for phone in self.cast.phones])
        while self.minute < MINUTES:
            self.minute = (time.monotonic() - began) / self.options.minute
            due = [beat for beat in beats if beat.minute <= self.minute]
            beats = [beat for beat in beats if beat.minute > self.minute]
            for beat in due:
                if beat.verb == "film":
                    self._record(self.cast.phones[beat.phone])
                    continue
                if beat.phone < 0:
                    self._finite.append(asyncio.create_task(self._acts.play(beat)))
                    continue
                try:
                    self._officers.play(beat)
                except NothingThere:
                    beats.append(Beat(self.minute + LATER, beat.phone, beat.verb, beat.more))
            await self._tick()

    async def _tick(self) -> None:
        if self._delivery is not None:
            self._delivery.carry(self.alarms)
        for phone in self.cast.phones:
            self._answers.play(phone, self.minute)
        self._answers.call_off()
        for alarm in self.alarms.look(self.cast.phones):
            who = self.cast.name_of(alarm.acknowledged_by)
            self._tell(f"{who} answers {alarm.by} after {alarm.after(alarm.acknowledged_at)}")
        for task in (*self._endless, *self._finite):
            if task.done() and (fault := task.exception()) is not None:
                raise fault
        self.shown()
        await asyncio.sleep(TICK)

    async def _wrap_up(self) -> None:
        """Everybody comes home: signal everywhere, calls answered, outboxes emptied, pictures sent."""
        self._tell("the hour ends, and everybody comes back to where there is signal")
        for phone in self.cast.phones:
            phone.line.weakness = 0.0
            phone.line.connect()
            phone.woken.set()
        # Whatever is not finished in this time is for the verdict to find.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WRAP_UP_SECONDS):
                while not self._finished():
                    self.minute += HURRY
                    await self._tick()

    def _finished(self) -> bool:
        profiles = [one for phone in self.cast.phones for one in phone.profiles.values()]
        return (
            not any(profile.outbox.waiting() for profile in profiles)
            and all(task.done() for task in self._finite)
            and all(alarm.over for alarm in self.alarms.by_id.values())
        )

    def _tell(self, text: str) -> None:
        self.say(self.minute, text)

    def _record(self, phone: Phone) -> None:
        """The phone of the last call for help records it."""
        *_, alarm = self.alarms.by_id.values()
        desk = self.cast.control_room.profiles[SUPERVISOR]
        recording = Recording(phone, desk, alarm.id, self.cast.client)
        self.recordings.append(recording)
        self._finite.append(asyncio.create_task(recording.run()))
        self._tell(f"{phone.name} records it, and the control room watches")

    async def _film(self, number: int, camera: Camera) -> None:
        rng = Random(f"{self.options.seed}/film/{number}")  # noqa: S311  # a rhythm, not a secret
        for frame in range(self.options.frames):
            at = (frame + rng.random()) * (MINUTES - 4) / self.options.frames
            await asyncio.sleep(max(0.0, (at - self.minute) * self.options.minute))
            await camera.shoot(answer_lost=frame == 1 or rng.random() < 0.1)

    async def _poll(self, partner: Partner, every_seconds: float) -> None:
        while True:
            await partner.poll()
            await asyncio.sleep(every_seconds)
