"""What an officer recorded and the server has not settled yet; nothing leaves it without an answer.

Each lane is a queue with contiguous numbers from 1, so that the server sees a hole at once and answers a repeat from
what it stored. A mutation keeps its number, its id and its content through all retries.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from uuid_utils.compat import uuid7

LANES = ("SOS", "RECORDS")
BATCH = 50

STOPS = frozenset({"RETRY", "GAP"})
"""The outcomes that settle nothing."""

REFUSED = frozenset({"REJECTED", "CONFLICT", "SEQUENCE_REUSED"})


@dataclass
class Mutation:
    """One change. `outcome` is None until the server has settled it."""

    lane: str
    sequence: int
    id: str
    captured_at: str
    change: dict[str, Any]
    outcome: str | None = None
    code: str | None = None
    rev: int | None = None

    @property
    def kind(self) -> str:
        """Which member of the change is set."""
        return next(iter(self.change))

    @property
    def row_id(self) -> str:
        """The row that it makes or changes."""
        return str(self.change[self.kind]["id"])

    def as_input(self) -> dict[str, Any]:
        """A `MutationInput` of the contract."""
        return {
            "sequence": self.sequence,
            "mutationId": self.id,
            "capturedAt": self.captured_at,
            "change": self.change,
        }


@dataclass
class Outbox:
    """The lanes of one officer on one phone. Settled mutations stay until the server says that they are durable."""

    lanes: dict[str, list[Mutation]] = field(default_factory=lambda: {lane: [] for lane in LANES})
    _begins: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LANES, 1))
    _rewound: dict[str, int] = field(default_factory=dict)

    def record(self, lane: str, change: dict[str, Any], captured_at: str) -> Mutation:
        """Adds a change behind everything that the lane holds."""
        queue = self.lanes[lane]
        mutation = Mutation(
            lane, self._begins[lane] + len(queue), str(uuid7()), captured_at, change
        )
        queue.append(mutation)
        return mutation

    def adopt(self, applied: dict[str, int]) -> None:
        """A phone that was wiped but kept its key counts on from what the server has applied; an empty lane only."""
        for lane, sequence in applied.items():
            if lane in self.lanes and not self.lanes[lane]:
                self._begins[lane] = max(self._begins[lane], sequence + 1)

    def unsent(self, lane: str | None = None) -> list[Mutation]:
        """What has no answer yet, in order."""
        lanes = LANES if lane is None else (lane,)
        return [one for name in lanes for one in self.lanes[name] if one.outcome is None]

    def next_batch(self, lane: str) -> list[Mutation]:
        """What to send next: from the first unsettled number on, or from where the server saw a hole."""
        first = self._rewound.get(lane)
        waiting = [
            one
            for one in self.lanes[lane]
            if one.outcome is None or (first is not None and one.sequence >= first)
        ]
        return waiting[:BATCH]

    def settle(self, lane: str, answers: list[dict[str, Any]]) -> bool:
        """Keeps the answers to a batch; False when the lane must wait before it is tried again."""
        by_sequence = {one.sequence: one for one in self.lanes[lane]}
        self._rewound.pop(lane, None)
        for answer in answers:
            mutation, outcome = by_sequence[answer["sequence"]], answer["outcome"]
            if outcome == "RETRY":
                return False
            if outcome == "GAP":
                self._rewound[lane] = answer["expected"]
                return answer["expected"] in by_sequence
            if mutation.outcome is None:
                # A repeat is told the first outcome, which is the one that counts.
                mutation.outcome = answer["first"] or outcome
                mutation.code, mutation.rev = answer["code"], answer["rev"]
        return True

    def settled(self, *outcomes: str) -> list[Mutation]:
        """Everything with one of the outcomes, lane by lane; without arguments everything that has one."""
        return [
            one
            for lane in LANES
            for one in self.lanes[lane]
            if one.outcome is not None and (not outcomes or one.outcome in outcomes)
        ]
