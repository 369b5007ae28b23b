"""How officers meet calls for help: heard, on the way, there, closed with an outcome; and how one is called off.

Everything happens on the phone of whoever holds it, from what its copy shows; the network is the phone's own matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from api.demo.alarms import Alarm, Alarms
from api.demo.cast import Cast
from api.demo.hour import SUPERVISOR
from api.demo.options import MINUTES
from api.demo.phone import Phone
from mobile_contracts.reference import Row
from patrol import mae_sot

PATIENCE = 20.0
"""Minutes after the hour in which who answered a call may close it himself; then the control room does."""

PAUSES = {"ACKNOWLEDGED": (0.5, 2.5), "ON_THE_WAY": (0.3, 1.0), "ON_SCENE": (1.5, 4.0), "CLOSED": (1.0, 3.0)}  # fmt: skip
"""Minutes before each step, to think, to get going, to arrive and to help."""

NEXT = {"ACKNOWLEDGED": "ON_THE_WAY", "ON_THE_WAY": "ON_SCENE", "ON_SCENE": "CLOSED"}


def at_the_call() -> dict[str, float]:
    """Where the officers of the demo call for help."""
    station = mae_sot.STATION
    return {"latitude": station.latitude + 0.0003, "longitude": station.longitude + 0.0002}


@dataclass
class Answering:
    """Plays everybody's answers; each is given once."""

    cast: Cast
    alarms: Alarms
    say: Callable[[str], None]
    seed: int
    _done: set[tuple[str, str, str]] = field(default_factory=set)
    _due: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rng = {
            phone.name: Random(f"{self.seed}/answer/{phone.name}")  # noqa: S311  # play, not a secret
            for phone in self.cast.phones
        }

    def play(self, phone: Phone, minute: float) -> None:
        """Whoever holds the phone answers the calls that it shows, after a while to think and to arrive."""
        if not phone.line.online:
            return
        late = minute > MINUTES + PATIENCE
        for alert_id, step in list(self._steps(phone, late=late)):
            key = (phone.in_hand, alert_id, step)
            pause = self._rng[phone.name].uniform(*PAUSES[step])
            if minute >= self._due.setdefault(key, minute + pause) and key not in self._done:
                self._done.add(key)
                self._do(phone, alert_id, step)

    def _steps(self, phone: Phone, *, late: bool) -> Iterator[tuple[str, str]]:
        """What the officer in hand could do now about the calls of this hour.

        A responder whose shared phone was taken over cannot close his call; after the hour the control room does.
        """
        me = phone.officer.officer["id"]
        rows = phone.officer.copy.rows("alerts")
        open_ = {one: row for one, row in rows.items() if row["status"] in ("OPEN", "ACKNOWLEDGED")}
        shown = [alarm for alarm in self.alarms.by_id.values() if alarm.id in open_]
        if not shown:
            return
        mine = {
            row["alertId"]: row
            for row in phone.officer.copy.rows("responses").values()
            if row["officerId"] == me
        }
        for alarm in shown:
            row = open_[alarm.id]
            if alarm.mistake is not None:
                continue
            if row["status"] == "OPEN":
                sent_for = alarm.waits and alarm.id not in mine and not late
                if row["officerId"] != me and not sent_for:
                    yield alarm.id, "ACKNOWLEDGED"
            elif row["acknowledgedBy"] == me and alarm.id in mine:
                yield alarm.id, self._next(phone, mine[alarm.id])
            elif late and phone is self.cast.control_room:
                yield alarm.id, "CLOSED"

    def _next(self, phone: Phone, response: Row) -> str:
        return "CLOSED" if phone.older else NEXT.get(response["status"], "CLOSED")

    def _do(self, phone: Phone, alert_id: str, step: str) -> None:
        if phone.older:
            phone.answer_alert(alert_id, step)
        elif step == "CLOSED":
            phone.close_alert(alert_id, "HELPED")
        else:
            phone.respond(alert_id, step)
            if step != "ACKNOWLEDGED" and phone.position is not None:
                there = at_the_call() if step == "ON_SCENE" else phone.position
                phone.tell_position(alert_id, there["latitude"], there["longitude"])

    # Called off

    def call_off(self) -> None:
        """A press by mistake: the supervisor asks, which ends nothing; then the raiser agrees, and it is over."""
        desk = self.cast.control_room
        rows = desk.profiles[SUPERVISOR].copy.rows("alerts")
        for alarm in self.alarms.by_id.values():
            row = rows.get(alarm.id)
            if alarm.mistake is None or row is None:
                continue
            alarm.closed = alarm.closed or row["status"] == "CANCELLED"
            if self._first(alarm, "asks"):
                desk.answer_alert(alarm.id, "CANCELLED")
                self.say(f"the control room asks to call off the SOS by {alarm.by}")
            elif row["cancelAskedBy"] is not None and self._first(alarm, "agrees"):
                phone = next(
                    one for one in self.cast.phones if alarm.mistake in one.profiles.values()
                )
                change = {"answerAlert": {"id": alarm.id, "status": "CANCELLED"}}
                alarm.mistake.outbox.record(change, phone.clock())
                phone.woken.set()
                self.say(f"{alarm.by} agrees")

    def _first(self, alarm: Alarm, what: str) -> bool:
        key = (alarm.by, alarm.id, what)
        fresh = key not in self._done
        self._done.add(key)
        return fresh
