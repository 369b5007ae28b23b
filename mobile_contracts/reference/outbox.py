"""What an officer recorded on this phone: nothing leaves it without an answer, and nothing answered before it is durable.

Each lane is a queue with numbers 1, 2, 3 …, so that the server sees a hole at once and answers a repeat from what it
stored. A mutation keeps its number, its id and its content through all retries. See `protocol.md`, "The outbox" and
"Epochs and restores".
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from mobile_contracts.reference.ids import uuid7
from mobile_contracts.reference.store import Store

LANES: Final = ("SOS", "RECORDS", "TRACKS")
"""In the order in which they are sent."""

LANE_OF: Final = {
    "raiseAlert": "SOS", "answerAlert": "SOS", "attachAlertMedia": "SOS",
    "respondToAlert": "SOS", "closeAlert": "SOS", "reportCall": "SOS", "reportPositions": "SOS",
    "declareClip": "SOS", "declareSegments": "SOS", "closeClip": "SOS",
    "reportIncident": "RECORDS", "changeIncident": "RECORDS", "addNote": "RECORDS", "attachMedia": "RECORDS",
    "changeDuty": "RECORDS", "startPatrol": "RECORDS", "changePatrol": "RECORDS", "checkIn": "RECORDS",
    "recordTrack": "TRACKS",
}  # fmt: skip
"""The lane of each change."""

BATCH: Final = 50
"""Mutations in a push. The server takes 500; what is cut on its way costs less when it is short."""

REFUSED: Final = frozenset({"REJECTED", "CONFLICT", "SEQUENCE_REUSED"})
"""Kept by the server for the supervisor."""

HELD_FOR: Final = timedelta(days=30)
HELD_AT_MOST: Final = 5_000
"""How long, and how many, answered mutations are held while no backup is known to have them."""


@dataclass(frozen=True)
class Mutation:
    """One change. `outcome` is None until it is answered for the first time; `waiting` while it is to be sent (again)."""

    lane: str
    sequence: int
    id: str
    captured_at: str
    change: dict[str, Any]
    waiting: bool
    outcome: str | None
    code: str | None
    rev: int | None
    detail: dict[str, Any] | None

    @classmethod
    def of(cls, row: sqlite3.Row) -> Mutation:
        """A row of the store."""
        return cls(
            row["lane"], row["sequence"], row["id"], row["captured_at"], json.loads(row["change"]),
            bool(row["waiting"]), row["outcome"], row["code"], row["rev"],
            None if row["detail"] is None else json.loads(row["detail"]),
        )  # fmt: skip

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


class Outbox:
    """The lanes of one officer on one phone."""

    def __init__(self, store: Store, officer: str) -> None:
        self.store, self.officer = store, officer
        store.db.executemany(
            "insert or ignore into lane (officer, lane) values (?, ?)",
            [(officer, lane) for lane in LANES],
        )

    def record(self, change: dict[str, Any], captured_at: str) -> Mutation:
        """Adds a change behind everything that its lane holds."""
        lane, mutation_id = LANE_OF[next(iter(change))], uuid7()
        with self.store.transaction() as db:
            db.execute(
                "update lane set last = last + 1 where officer = ? and lane = ?",
                (self.officer, lane),
            )
            db.execute(
                "insert into mutation (officer, lane, sequence, id, captured_at, change) "
                "select officer, lane, last, ?, ?, ? from lane where officer = ? and lane = ?",
                (mutation_id, captured_at, json.dumps(change), self.officer, lane),
            )
        [recorded] = self._select("id = ?", mutation_id)
        return recorded

    # What is in it

    def _select(self, condition: str, *values: Any) -> list[Mutation]:
        rows = self.store.db.execute(
            f"select * from mutation where officer = ? and {condition} order by lane, sequence",  # noqa: S608 # our own conditions
            (self.officer, *values),
        )
        return [Mutation.of(row) for row in rows]

    def held(self, lane: str) -> list[Mutation]:
        """All that a lane holds, answered or not."""
        return self._select("lane = ?", lane)

    def waiting(self, lane: str | None = None) -> list[Mutation]:
        """What is to be sent."""
        return self._select("waiting and (?2 is null or lane = ?2)", lane)

    def settled(self, *outcomes: str) -> list[Mutation]:
        """What was answered with one of these outcomes; without any, all that was answered."""
        found = self._select("outcome is not null and not waiting")
        return [one for one in found if not outcomes or one.outcome in outcomes]

    def unseen(self) -> list[Mutation]:
        """What is not in the copy yet, and may come into it: the screens show it above the copy, in the order recorded."""
        found = [
            Mutation.of(row)
            for row in self.store.db.execute(
                "select m.* from mutation m join lane l using (officer, lane) "
                "where m.officer = ? and m.sequence > l.applied order by m.rowid",
                (self.officer,),
            )
        ]
        return [one for one in found if one.outcome not in REFUSED]

    def backlog(self) -> list[dict[str, Any]]:
        """What `ReportBacklog` says: for each lane that holds any, how many have no answer, and the oldest's time."""
        rows = self.store.db.execute(
            "select lane, count(*) as held, min(sequence), captured_at from mutation "
            "where officer = ? and waiting and outcome is null group by lane",
            (self.officer,),
        )
        return [
            {"lane": row["lane"], "held": row["held"], "oldestCapturedAt": row["captured_at"]}
            for row in rows
        ]

    def not_handed_in(self, lane: str) -> list[Mutation]:
        """What a revoked phone has yet to hand in."""
        return self._select("lane = ? and waiting and not handed_in", lane)

    def handed_in(self, batch: list[Mutation]) -> None:
        """It was taken into quarantine. It is not settled: enrolled again, the phone pushes it as ever."""
        with self.store.transaction() as db:
            db.executemany(
                "update mutation set handed_in = 1 where id = ?", [(one.id,) for one in batch]
            )

    # Sending

    def known(self, lane: str) -> bool:
        """Whether the lane's numbers are certain. A phone that was wiped and kept its key asks first where it stood."""
        return bool(self._lane(lane)["known"])

    def begin(self, lane: str, applied: int) -> None:
        """Counts on from where the server stands. Nothing of the lane was ever sent, so its numbers may move."""
        with self.store.transaction() as db:
            if self._lane(lane)["known"]:
                return
            # By way of negative numbers: moved one by one, two would meet in the unique key.
            db.execute(
                "update mutation set sequence = -(sequence + ?) where officer = ? and lane = ?",
                (applied, self.officer, lane),
            )
            db.execute(
                "update mutation set sequence = -sequence where officer = ? and lane = ?",
                (self.officer, lane),
            )
            db.execute(
                "update lane set last = last + ?, known = 1 where officer = ? and lane = ?",
                (applied, self.officer, lane),
            )

    def next_batch(self, lane: str, most_bytes: int) -> list[Mutation]:
        """What to send next, in the order of numbers; the first one whatever its size."""
        rows = self.store.db.execute(
            "select * from mutation where officer = ? and lane = ? and waiting order by sequence limit ?",
            (self.officer, lane, BATCH),
        )
        batch: list[Mutation] = []
        size = 0
        for row in rows:
            size += len(row["change"]) + 150
            if batch and size > most_bytes:
                break
            batch.append(Mutation.of(row))
        return batch

    def said(self, lane: str) -> dict[str, Any]:
        """What every push says of the lane, so that a server that was restored knows what it lacks."""
        row = self._lane(lane)
        lowest = self.store.db.execute(
            "select min(sequence) from mutation where officer = ? and lane = ?",
            (self.officer, lane),
        ).fetchone()[0]
        return {"epoch": row["epoch"], "lowestHeld": lowest, "receipt": row["receipt"]}

    def _lane(self, lane: str) -> sqlite3.Row:
        row: sqlite3.Row = self.store.db.execute(
            "select * from lane where officer = ? and lane = ?", (self.officer, lane)
        ).fetchone()
        return row

    # Answers

    def settle(self, lane: str, told: dict[str, Any]) -> bool:
        """Keeps the answers to a push, in one transaction; False when the lane must wait before it is tried again."""
        with self.store.transaction() as db:
            if told["epoch"] is not None:
                # All lanes, and before anything is let go of: a backup of the new history need not have what the old one had.
                for one in LANES:
                    self._heed_epoch(one, told["epoch"])
                db.execute(
                    "update lane set epoch = ?, receipt = coalesce(?, receipt) where officer = ? and lane = ?",
                    (told["epoch"], told["receipt"], self.officer, lane),
                )
            goes_on = self._keep(lane, told)
            self._let_go(told["durableThrough"], told["serverTime"])
        return goes_on

    def _keep(self, lane: str, told: dict[str, Any]) -> bool:
        settled = 0
        for answer in told["answers"]:
            match answer["outcome"]:
                case "RETRY":
                    return False
                case "GAP":
                    # From there again, also what was settled. Nothing below this number was just answered.
                    found = self.store.db.execute(
                        "update mutation set waiting = 1 where officer = ? and lane = ? and sequence >= ?",
                        (self.officer, lane, answer["expected"]),
                    ).rowcount
                    first = told["answers"][0]["sequence"]
                    return settled > 0 or (found > 0 and answer["expected"] < first)
                case outcome:
                    detail = answer.get("detail")
                    settled += self.store.db.execute(
                        "update mutation set waiting = 0, outcome = ?, code = ?, rev = ?, detail = ?, answered_at = ? "
                        "where officer = ? and lane = ? and sequence = ? and id = ? and waiting",
                        (
                            # A repeat is told the first outcome, which is the one that counts.
                            answer["first"] or outcome, answer["code"], answer["rev"],
                            None if detail is None else json.dumps(detail), told["serverTime"],
                            self.officer, lane, answer["sequence"], answer["mutationId"],
                        ),
                    ).rowcount  # fmt: skip
        return settled > 0

    def heed_page(self, page: dict[str, Any], choice: str, choices: Sequence[str]) -> None:
        """What a page of a pull says of the outbox; called in the transaction that applies the page.

        Args:
            page: the page.
            choice: the name of the lists that it was about.
            choices: the names of all that this phone pulls.
        """
        for lane in LANES:
            self._heed_epoch(lane, page["epoch"])
        if page["complete"]:
            told = {one["lane"]: one for one in page["lanes"]}
            for lane in LANES:
                state = told.get(lane, {"appliedSequence": 0, "receipt": None})
                self._show(lane, choice, choices, state["appliedSequence"])
                self.store.db.execute(
                    "update lane set receipt = coalesce(?, receipt) where officer = ? and lane = ?",
                    (state["receipt"], self.officer, lane),
                )
        elif page["reset"] is not None:
            # The effects left with the copy: until they are back the screens show what is held above it again.
            for lane in LANES:
                self._show(lane, choice, choices, 0)
        self._let_go(page["durableThrough"], page["serverTime"])

    def _show(self, lane: str, choice: str, choices: Sequence[str], applied: int) -> None:
        """What some lists show of a lane. The screens need nothing above the copy of what all of them do."""
        db = self.store.db
        db.execute(
            "insert or replace into shown (officer, lane, choice, applied) values (?, ?, ?, ?)",
            (self.officer, lane, choice, applied),
        )
        told = dict(
            db.execute(
                "select choice, applied from shown where officer = ? and lane = ?",
                (self.officer, lane),
            ).fetchall()
        )
        needed = choices if choice in choices else [choice]
        db.execute(
            "update lane set applied = ? where officer = ? and lane = ?",
            (min(told.get(one, 0) for one in needed), self.officer, lane),
        )

    def _heed_epoch(self, lane: str, epoch: str) -> None:
        """The history went back: all that is held waits again. What the server still has it answers as DUPLICATE.

        The lane's own epoch stays until its next answer: by it the server knows that this phone may fill a hole.
        """
        self.store.db.execute(
            "update mutation set waiting = 1 where officer = ?1 and lane = ?2 and exists "
            "(select 1 from lane l where l.officer = ?1 and l.lane = ?2 and l.epoch <> ?3)",
            (self.officer, lane, epoch),
        )

    def _let_go(self, durable_through: str | None, server_time: str) -> None:
        """Deletes what is in a backup, from the beginning of each lane, so that what is held has no holes."""
        horizon = datetime.fromisoformat(server_time) - HELD_FOR
        if durable_through is not None:
            horizon = max(horizon, datetime.fromisoformat(durable_through))
        for lane in LANES:
            state = self._lane(lane)
            held = self.store.db.execute(
                "select sequence, waiting, answered_at from mutation where officer = ? and lane = ? order by sequence",
                (self.officer, lane),
            )
            through = 0
            for row in held:
                if row["waiting"] or row["sequence"] > state["applied"]:
                    break
                spare = row["sequence"] <= state["last"] - HELD_AT_MOST
                if not spare and datetime.fromisoformat(row["answered_at"]) >= horizon:
                    break
                through = row["sequence"]
            if through:
                self.store.db.execute(
                    "delete from mutation where officer = ? and lane = ? and sequence <= ?",
                    (self.officer, lane, through),
                )
