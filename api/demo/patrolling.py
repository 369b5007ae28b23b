"""What officers do with their phones: the beats of the plan, and how they answer a call for help."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import uuid4

from api.demo.alarms import Alarm, Alarms
from api.demo.answering import at_the_call
from api.demo.cast import Cast
from api.demo.hour import Beat
from api.demo.phone import Phone
from mobile_contracts.reference import Row
from patrol import mae_sot
from patrol.transitions import INCIDENT_STEPS
from storage.vocabulary import IncidentSeverity, IncidentStatus

Say = Callable[[str], None]


class NothingThere(Exception):
    """The phone has no record yet that the beat could be about; it is played a little later."""


@dataclass
class Patrolling:
    """Plays the beats of the phones. Everything happens on the phone; the network is the phone's own matter."""

    cast: Cast
    alarms: Alarms
    say: Say
    seed: int

    def __post_init__(self) -> None:
        self._rng = {
            phone.name: Random(f"{self.seed}/choice/{phone.name}")  # noqa: S311  # play, not a secret
            for phone in self.cast.phones
        }

    def play(self, beat: Beat) -> None:
        """Plays one beat of a phone.

        Raises:
            NothingThere: it is to be played later.
        """
        phone = self.cast.phones[beat.phone]
        getattr(self, f"_{beat.verb}")(phone, **beat.more)

    # Signal

    def _lose_signal(self, phone: Phone) -> None:
        phone.line.disconnect()
        self.say(f"{phone.name} has no signal")

    def _find_signal(self, phone: Phone) -> None:
        waiting = sum(len(profile.outbox.waiting()) for profile in phone.profiles.values())
        phone.line.connect()
        self.say(f"{phone.name} has signal again, with {waiting} changes to send")

    def _weak(self, phone: Phone, share: float) -> None:
        """Answers get lost, and the sessions must be renewed just then."""
        phone.line.weakness = share
        for profile in phone.profiles.values():
            profile.session.access_ends = 0.0

    def _strong(self, phone: Phone) -> None:
        phone.line.weakness = 0.0

    def _switch(self, phone: Phone, badge: str) -> None:
        phone.switch_to(badge)
        self.say(f"{self.cast.name_of(badge)} takes {phone.name}")

    # Records

    def _report(self, phone: Phone, **incident: Any) -> None:
        phone.report(**incident)

    def _foreign_report(self, phone: Phone) -> None:
        template = mae_sot.INCIDENTS[0]
        phone.report(
            category=template.category.value,
            severity=template.severity.value,
            title=template.title,
            zoneId=str(uuid4()),
        )
        self.say(
            f"{self.cast.name_of(phone.in_hand)} reports for a zone that is none of the station's"
        )

    def _follow_up(self, phone: Phone, words: str) -> None:
        """A report and a change of it before either was sent: version 1 is what the report will become."""
        template = self._rng[phone.name].choice(mae_sot.INCIDENTS)
        station = mae_sot.STATION
        made = phone.report(
            category=template.category.value,
            severity=template.severity.value,
            title=template.title_th,
            latitude=station.latitude,
            longitude=station.longitude,
        )
        phone.change(made.row_id, 1, description=words)

    def _change(self, phone: Phone, how: str) -> None:
        row = self._some_incident(phone, lambda row: row["status"] != "CLOSED")
        phone.change(row["id"], row["rev"], **{how: self._other(phone, row, how)})

    def _contest(self, phone: Phone, **more: Any) -> None:
        """Two officers set the same field of the same incident, one of them without signal."""
        other = self.cast.phones[more["with"]]
        theirs = other.officer.copy.rows("incidents")
        row = self._some_incident(phone, lambda row: row["id"] in theirs)
        taken = (row["severity"], theirs[row["id"]]["severity"])
        ours, yours = [one.value for one in IncidentSeverity if one.value not in taken][:2]
        phone.change(row["id"], row["rev"], severity=ours)
        if other is not phone:
            other.change(row["id"], theirs[row["id"]]["rev"], severity=yours)
        self.say(f"{phone.name} and {other.name} change the same field of one incident")

    def _move_incident(self, phone: Phone) -> None:
        """The supervisor corrects the zone of an incident, so that it leaves the copies of other officers."""
        row = self._some_incident(phone, lambda row: row["zoneId"] is not None)
        zones = sorted(phone.officer.copy.rows("zones").keys() - {row["zoneId"]})
        if not zones:
            raise NothingThere
        phone.change(row["id"], row["rev"], zoneId=self._rng[phone.name].choice(zones))
        self.say(f"{self.cast.name_of(phone.in_hand)} moves an incident to another zone")

    def _some_incident(self, phone: Phone, fits: Callable[[Row], bool]) -> Row:
        rows = phone.officer.copy.rows("incidents")
        # Ids are made in the order of time, so the choice among them is the same for the same seed.
        found = [rows[key] for key in sorted(rows) if fits(rows[key])]
        if not found:
            raise NothingThere
        return self._rng[phone.name].choice(found)

    def _other(self, phone: Phone, row: Row, how: str) -> str:
        rng = self._rng[phone.name]
        if how == "status":
            steps = sorted(INCIDENT_STEPS[IncidentStatus(row["status"])])
            return rng.choice(steps).value
        if how == "severity":
            return rng.choice([one.value for one in IncidentSeverity if one != row["severity"]])
        template = rng.choice(mae_sot.INCIDENTS)
        return template.description if how == "description" else template.title_th

    # Calls for help

    def _sos(self, phone: Phone, *, silent: bool = False, mistake: bool = False) -> None:
        where = at_the_call()
        raised = phone.raise_alert(**where, accuracyM=8.0, **({"silent": True} if silent else {}))
        name, offline = self.cast.name_of(phone.in_hand), not phone.line.online
        alarm = Alarm(raised.row_id, name, time.monotonic(), offline, silent=silent)
        if mistake:
            alarm.mistake = phone.officer
        self.alarms.raised(alarm)
        how = ", who has no signal" if offline else ", who must not be noticed" if silent else ""
        self.say(f"SOS by {name}{how}{', by mistake' if mistake else ''}")
        if not mistake and not silent:
            phone.tell_position(raised.row_id, **where)
