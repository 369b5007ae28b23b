"""What the server said became of each change, and what the rows must look like if that is true."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

Holder: TypeAlias = tuple[str, str, str]
"""Device, officer, lane."""

STOPS = ("GAP", "RETRY")
REFUSED = ("REJECTED", "CONFLICT", "SEQUENCE_REUSED")
FIELDS = {
    "title": "title", "description": "description", "severity": "severity", "category": "category",
    "status": "status", "zoneId": "zone_id",
}  # fmt: skip
"""What the simulation changes of incidents, and the columns of it."""


ANYTHING = "?"
"""The outcome of what was told before a restore, and is stored again with whatever outcome it gets then.

Also the status of an alert that a restore took, and that was answered before its phone brought it back.
"""


class Broken(AssertionError):
    """The promise was broken; the schedule ends here."""


@dataclass
class Incident:
    """An incident as it must be."""

    fields: dict[str, Any]
    rev: int = 1

    def change(self, wanted: dict[str, Any]) -> None:
        """Sets fields; a change that changes nothing makes no version."""
        differing = {
            name: value for name, value in wanted.items() if self.fields.get(name) != value
        }
        if differing:
            self.fields |= differing
            self.rev += 1


@dataclass
class Ledger:
    """Told of every answer in the order in which the server gave them."""

    outcomes: dict[str, str] = field(default_factory=dict)
    holders: dict[str, Holder] = field(default_factory=dict)
    acknowledged: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    rows: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    points: dict[str, int] = field(default_factory=dict)
    answers: dict[tuple[str, str, str], int] = field(default_factory=dict)
    early: set[str] = field(default_factory=set)
    repeats: int = 0

    def pushed(self, holder: Holder, mutations: list[Any], told: dict[str, Any]) -> None:
        """The server has answered a push."""
        sent = {one["sequence"]: one for one in mutations}
        for answer in told["answers"]:
            mutation, outcome = sent[answer["sequence"]], answer["outcome"]
            key = mutation["mutationId"]
            if outcome in STOPS:
                continue
            if outcome == "DUPLICATE":
                self.repeats += 1
                if self.outcomes.get(key) != answer["first"]:
                    raise Broken(f"{key} was {self.outcomes.get(key)}, and now {answer['first']}")
                continue
            if outcome == "SEQUENCE_REUSED":
                raise Broken(f"nobody was cloned, yet {holder} {answer['sequence']} was reused")
            if key in self.outcomes:
                raise Broken(f"{key} was answered as new twice")
            self.outcomes[key], self.holders[key] = outcome, holder
            if outcome in REFUSED:
                self.refused[key] = answer["code"]
            if outcome != "REJECTED":
                [(kind, members)] = mutation["change"].items()
                self._effect(kind, dict(members), answer, holder)

    def heard(self, mutations: list[Any], told: dict[str, Any]) -> None:
        """The phone has the answer too: from now on it counts."""
        sent = {one["sequence"]: one["mutationId"] for one in mutations}
        for answer in told["answers"]:
            if answer["outcome"] not in STOPS:
                self.acknowledged[sent[answer["sequence"]]] = answer["first"] or answer["outcome"]

    def _effect(
        self, kind: str, members: dict[str, Any], answer: dict[str, Any], holder: Holder
    ) -> None:
        key = members.pop("id")
        if kind == "reportIncident":
            fields = {name: members.get(name) for name in FIELDS}
            fields["status"] = fields["status"] or "OPEN"
            fields["description"] = fields["description"] or ""
            if key in self.incidents:
                raise Broken(f"incident {key} was reported twice")
            self.incidents[key] = Incident(fields)
        elif kind == "changeIncident":
            kept = answer["detail"].get("fields", ())
            incident = self.incidents[key]
            incident.change({k: v for k, v in members.items() if k in FIELDS and k not in kept})
            if incident.rev != answer["rev"]:
                raise Broken(f"incident {key} is {answer['rev']}, and should be {incident.rev}")
        elif kind == "recordTrack":
            officer = holder[1]
            self.points[officer] = self.points.get(officer, 0) + answer["detail"]["stored"]
            if answer["detail"]["stored"] != len(members["points"]):
                raise Broken(f"of {len(members['points'])} points {answer['detail']} were stored")
        elif kind in (
            "addNote",
            "checkIn",
            "startPatrol",
            "changeDuty",
            "attachMedia",
            "raiseAlert",
        ):
            self.rows.setdefault(kind, {})[key] = {**members, "officer": holder[1]}
            if kind == "startPatrol":
                self.rows[kind][key]["status"] = "ACTIVE"
            if kind == "raiseAlert":
                self.rows[kind][key]["status"] = ANYTHING if key in self.early else "OPEN"
        elif kind == "changePatrol":
            self.rows["startPatrol"][key]["status"] = members["status"]
        elif kind == "answerAlert":
            self._answered(key, members["status"], answer["detail"], holder[1])
        else:
            raise AssertionError(kind)

    def _answered(self, key: str, wanted: str, detail: dict[str, Any], officer: str) -> None:
        told = (key, officer, wanted)
        self.answers[told] = self.answers.get(told, 0) + 1
        alert = self.rows.get("raiseAlert", {}).get(key)
        if alert is None:
            # A restore took the alert, and its phone has not brought it back yet.
            self.early.add(key)
        elif wanted == "ACKNOWLEDGED":
            # The first one takes it; of others, and afterwards, it is history.
            alert["status"] = wanted if alert["status"] == "OPEN" else alert["status"]
        elif "awaits" not in detail:
            alert["status"] = wanted
