"""Chooses the phones of a step: who is free and can be reached, the nearest first; others only while nobody else is left.

Nearest is by the last position that we know, and its age: `distance + accuracy + WALK_M_PER_S × age`. Nobody counts as
nearer than he could have walked away since, so a fix of ten minutes ago adds 840 m, one of an hour ago 5 km, and a fresh
fix of somebody across the town beats an old one next door. Whose position is not known at all comes last.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID

from patrol.geometry import distance_m
from patrol.notify import PushAddress
from storage.database import Connection
from storage.selection import READ_CALLED
from storage.vocabulary import DeliveryOutcome, ResponseStatus

WALK_M_PER_S: Final = 1.4
"""A brisk walk. Zones are patrolled on foot; a faster guess would make every fix of a minute ago worthless."""

_SAID_NO: Final = (ResponseStatus.DECLINED, ResponseStatus.STOOD_DOWN)


@dataclass(frozen=True, slots=True)
class Phone:
    """One installation that a step could call. `outcome` and `attempts` are what earlier runs of the step have kept;
    `unreachable` says why it would not be heard (`ReachProblem`), where anything speaks against it."""

    installation_id: UUID
    officer_id: UUID
    address: PushAddress
    away_m: float
    outcome: DeliveryOutcome | None
    attempts: int
    unreachable: str | None
    engaged: bool
    said_no: bool


@dataclass(frozen=True, slots=True)
class Selection:
    """The phones of a step in tiers, each the nearest first. A later tier is called only when nobody of those before it
    was reached: free people, then those who take care of another alert or cannot go to this one, then phones that are
    believed unreachable. The last are tried because the belief may be wrong, and never count as reached."""

    free: Sequence[Phone]
    taken: Sequence[Phone]
    unreachable: Sequence[Phone]

    def tiers(self) -> Iterator[tuple[Sequence[Phone], bool]]:
        """The tiers in their turn, and whether reaching one of it counts."""
        yield self.free, True
        yield self.taken, True
        yield self.unreachable, False

    def passed_over(self) -> dict[str, Any]:
        """Who is not called first, and why; for the log of the alert."""
        reached = {phone.officer_id for phone in (*self.free, *self.taken)}
        why = {
            "engaged": sorted({str(phone.officer_id) for phone in self.taken if phone.engaged}),
            "saidNo": sorted({str(phone.officer_id) for phone in self.taken if phone.said_no}),
            "unreachable": {
                str(phone.officer_id): phone.unreachable
                for phone in self.unreachable
                if phone.officer_id not in reached
            },
        }
        return {reason: officers for reason, officers in why.items() if officers}


async def choose(
    connection: Connection, step_id: UUID, step: Mapping[str, Any], answer_within: timedelta
) -> Selection:
    """The phones of a step as things stand now.

    Args:
        step: as `READ_STEP` gives it.
        answer_within: how long somebody who was sent elsewhere counts as taken without an answer.
    """
    rows = await connection.fetch(
        READ_CALLED,
        step_id,
        step["target"],
        step["scope_id"],
        step["station_id"],
        step["officer_id"],
        step["latitude"],
        step["longitude"],
        step["options"],
        step["alert_id"],
        step["drill"],
        answer_within,
    )
    phones = sorted(
        (_phone(step, row) for row in rows),
        key=lambda phone: (phone.away_m, phone.installation_id),
    )
    free: list[Phone] = []
    taken: list[Phone] = []
    unreachable: list[Phone] = []
    for phone in phones:
        if phone.unreachable is not None:
            unreachable.append(phone)
        elif (phone.engaged or phone.said_no) and phone.outcome is None:
            # Whom this step has begun to call it calls to the end.
            taken.append(phone)
        else:
            free.append(phone)
    return Selection(free, taken, unreachable)


def _phone(step: Mapping[str, Any], row: Mapping[str, Any]) -> Phone:
    kind: Literal["fid", "token"] = "fid" if row["kind"] == "FID" else "token"
    return Phone(
        row["installation_id"],
        row["officer_id"],
        PushAddress(kind, row["address"]),
        _away_m(step, row),
        DeliveryOutcome(row["outcome"]) if row["outcome"] else None,
        row["attempts"],
        row["unreachable"],
        row["engaged"],
        row["response"] in _SAID_NO,
    )


def _away_m(step: Mapping[str, Any], officer: Mapping[str, Any]) -> float:
    if step["latitude"] is None or officer["latitude"] is None or officer["fix_age_s"] is None:
        return math.inf
    straight = distance_m(
        step["latitude"], step["longitude"], officer["latitude"], officer["longitude"]
    )
    doubt: float = (officer["accuracy_m"] or 0.0) + WALK_M_PER_S * officer["fix_age_s"]
    return straight + doubt
