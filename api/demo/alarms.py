"""What became of each call for help, minute by minute, as the demo itself sees it from outside."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from api.demo.phone import Phone
from api.fake_firebase import Arrival, FakeFirebase
from mobile_contracts.reference import Account, Mutation

ANSWERS = ("answerAlert", "respondToAlert", "closeAlert")


@dataclass
class Alarm:
    """One call for help. Times are `time.monotonic()`; `offline` when it was raised without signal;
    `presses` is unknown where a call was open before.

    `mistake` is the raiser of a call that nobody needs: it is called off, with a second person. A `silent` one makes no
    sound anywhere. A call that `waits` is answered by whom the supervisor sends.
    `sent` is his badge. An `unsaid` one was closed by an older app, which cannot say how it ended: the supervisor does.
    """

    id: str
    by: str
    raised_at: float
    offline: bool = False
    presses: int | None = 1
    heard_at: float | None = None
    accepted_at: float | None = None
    accepted: int = 0
    acknowledged_at: float | None = None
    acknowledged_by: str = ""
    mistake: Account | None = None
    silent: bool = False
    waits: bool = False
    sent: str = ""
    unsaid: bool = False
    closed: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing more has to be done about it: it has ended, and somebody said how."""
        return self.closed and not self.unsaid

    @property
    def how(self) -> str:
        """What was special about raising it, in words."""
        if self.mistake is not None:
            return "by mistake"
        return "raised without signal" if self.offline else "silent" if self.silent else ""

    @property
    def state(self) -> str:
        """What has become of it, in words."""
        if self.closed:
            return "closed" if self.mistake is None else "called off"
        return "OPEN" if self.acknowledged_at is None else "answered"

    @property
    def ends(self) -> str:
        """The status that it has to end in."""
        return "CANCELLED" if self.mistake is not None else "CLOSED"

    def after(self, at: float | None) -> str:
        """How long after it was raised, in words."""
        return "-" if at is None else f"{at - self.raised_at:.1f} s"


@dataclass
class Alarms:
    """All calls for help of the hour, in the order in which they were raised.

    `pushes` holds to which address the demo's own Firebase took each call, and whether it was marked as silent.
    """

    by_id: dict[str, Alarm] = field(default_factory=dict)
    pushes: dict[str, list[tuple[str, bool]]] = field(default_factory=dict)
    _accepts: dict[str, list[float]] = field(default_factory=dict)

    def raised(self, alarm: Alarm) -> None:
        """Begins to watch a call. A pole learns its alert's id only after the first phone may have been called."""
        self.by_id.setdefault(alarm.id, alarm)
        self._count(alarm.id)

    def accepted(self, alert_id: str, at: float) -> None:
        """The push service took a message."""
        self._accepts.setdefault(alert_id, []).append(at)
        self._count(alert_id)

    def _count(self, alert_id: str) -> None:
        times, alarm = self._accepts.get(alert_id), self.by_id.get(alert_id)
        if times and alarm is not None:
            alarm.accepted, alarm.accepted_at = len(times), times[0]

    def look(self, phones: list[Phone]) -> list[Alarm]:
        """Learns from the phones who has heard and answered; returns those that were answered since the last look."""
        now, fresh = time.monotonic(), []
        for phone in phones:
            for alert_id in phone.alarmed & self.by_id.keys():
                alarm = self.by_id[alert_id]
                alarm.heard_at = alarm.heard_at or now
            for badge, answer in _answers(phone):
                answered = self.by_id.get(answer.row_id)
                if answered is None:
                    continue
                kind, status = answer.kind, answer.change[answer.kind].get("status")
                if status == "ACKNOWLEDGED" and answered.acknowledged_at is None:
                    answered.acknowledged_at, answered.acknowledged_by = now, badge
                    fresh.append(answered)
                if not answered.closed and (kind == "closeAlert" or status == "CLOSED"):
                    answered.closed, answered.unsaid = True, status == "CLOSED"
        return fresh


def _answers(phone: Phone) -> list[tuple[str, Mutation]]:
    """The answers to calls for help that the server took from this phone, with who gave them."""
    return [
        (badge, one)
        for badge, profile in phone.profiles.items()
        for one in profile.outbox.held("SOS")
        if one.kind in ANSWERS and one.outcome == "APPLIED"
    ]


@dataclass
class Delivery:
    """Carries what the fake Firebase accepted to the phones, when they have signal, as the real one would."""

    firebase: FakeFirebase
    phones: dict[str, Phone]
    taken: int = 0
    waiting: list[Arrival] = field(default_factory=list)

    def carry(self, alarms: Alarms) -> None:
        """Delivers what has arrived since the last time."""
        arrivals = self.firebase.messages
        fresh, self.taken = arrivals[self.taken :], len(arrivals)
        for arrival in fresh:
            if arrival.answer.status == 200:
                if arrival.data["kind"] == "SOS":
                    alert, silent = arrival.data["alertId"], arrival.data.get("silent") == "true"
                    alarms.accepted(alert, arrival.at)
                    alarms.pushes.setdefault(alert, []).append((arrival.address, silent))
                self.waiting.append(arrival)
        kept = []
        for arrival in self.waiting:
            phone = self.phones.get(arrival.address)
            if phone is not None and phone.line.online:
                phone.push_arrived(arrival.data)
            elif phone is not None:
                kept.append(arrival)
        self.waiting = kept
