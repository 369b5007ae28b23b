"""The plan of a patrol hour: who does what in which minute, the same for the same seed.

Chance decides where and when an officer reports and loses his signal. What the demo wants to show happens in every hour:
an SOS with signal, one without, a silent one and one by mistake, poles, a citizen, two officers who change the same field, a report that must be refused, an
incident that moves to another zone, and an officer who is moved to another beat and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from patrol import mae_sot
from storage.vocabulary import OfficerRole

SUPERVISOR = next(o.code for o in mae_sot.OFFICERS if o.role is OfficerRole.SUPERVISOR)
PATROLS = tuple(o.code for o in mae_sot.OFFICERS if o.role is not OfficerRole.SUPERVISOR)


@dataclass(frozen=True, order=True)
class Beat:
    """Something that happens in a minute (0 to 60). `phone` is an index, or -1 where no phone is meant."""

    minute: float
    phone: int = -1
    verb: str = field(default="", compare=False)
    more: dict[str, Any] = field(default_factory=dict, compare=False)


def crews(phones: int) -> list[tuple[str, ...]]:
    """The officers of each phone. The supervisor has the first; two patrols share one; with more phones than officers
    some have two, whose copies must be alike, and with fewer they share.

    Raises:
        ValueError: less than one phone.
    """
    if phones < 1:
        raise ValueError("The demo needs at least one phone.")
    if phones == 1:
        return [(SUPERVISOR, *PATROLS)]
    if phones < 5:
        shared: list[tuple[str, ...]] = [() for _ in range(phones - 1)]
        for place, badge in enumerate(PATROLS):
            shared[place % (phones - 1)] += (badge,)
        return [(SUPERVISOR,), *shared]
    first, second, third, *rest = PATROLS
    alone = [(SUPERVISOR,), (first,), (second, third), *((badge,) for badge in rest)]
    return [*alone, *((PATROLS[extra % len(PATROLS)],) for extra in range(phones - len(alone)))]


def plan(seed: int, crew: Sequence[Sequence[str]]) -> list[Beat]:
    """All beats of the hour, in order."""
    beats = [
        beat for phone, badges in enumerate(crew) for beat in _of_phone(seed, phone, tuple(badges))
    ]
    beats += _shown(len(crew))
    return sorted(beats)


def _of_phone(seed: int, phone: int, badges: tuple[str, ...]) -> list[Beat]:
    rng = Random(f"{seed}/{phone}")  # noqa: S311  # a plan, not a secret
    beats = [
        Beat(minute + rng.uniform(0, 3), phone, "report", _incident(rng))
        for minute in range(rng.randint(1, 5), 56, 7)
    ]
    beats += [
        Beat(minute + rng.uniform(0, 4), phone, "change", {"how": rng.choice(CHANGES)})
        for minute in range(rng.randint(10, 14), 56, 8)
    ]
    beats += [Beat(rng.uniform(16, 50), phone, "follow_up", {"words": _words(rng)})]
    if badges[0] != SUPERVISOR:
        for begin in (rng.uniform(9, 14), rng.uniform(40, 44)):
            beats += _without_signal(phone, begin, begin + rng.uniform(4, 8))
    begin = rng.uniform(26, 30)
    beats.append(Beat(begin, phone, "weak", {"share": 0.35}))
    beats.append(Beat(begin + rng.uniform(5, 8), phone, "strong"))
    if len(badges) > 1:
        for turn, minute in enumerate(range(11, 58, 9), start=1):
            beats.append(Beat(minute, phone, "switch", {"badge": badges[turn % len(badges)]}))
    return beats


def _without_signal(phone: int, begin: float, end: float) -> list[Beat]:
    return [Beat(begin, phone, "lose_signal"), Beat(end, phone, "find_signal")]


def _shown(phones: int) -> list[Beat]:
    """What every hour has."""
    first, second, last = 0, min(1, phones - 1), phones - 1
    return [
        Beat(8, verb="press", more={"pole": 0, "times": 3}),
        # Silent while nobody is without signal: two have none from 9 to 22 and from 40 on.
        Beat(25.5, min(4, last), "sos", {"silent": True}),
        Beat(27, second, "sos"),
        Beat(27.1, second, "film"),
        *_without_signal(last, 33, 38),
        Beat(34.5, last, "sos"),
        Beat(20, second, "foreign_report"),
        *_without_signal(second, 22, 25),
        Beat(22.5, second, "contest", {"with": first}),
        Beat(31, first, "move_incident"),
        Beat(36, verb="reassign", more={"badge": PATROLS[2]}),
        Beat(46, verb="assign_back", more={"badge": PATROLS[2]}),
        Beat(42, verb="citizen"),
        Beat(50, first, "move_incident"),
        # When everybody has signal again, so that the supervisor may choose whom he sends.
        Beat(52.5, verb="press", more={"pole": 1, "times": 1, "waits": True}),
        # Whoever is alone has nobody who could agree that it was a mistake.
        *([Beat(53, second, "sos", {"mistake": True})] if phones > 1 else []),
    ]


CHANGES = ("status", "severity", "description", "title")


def _incident(rng: Random) -> dict[str, Any]:
    template = rng.choice(mae_sot.INCIDENTS)
    thai = rng.random() < 0.5
    zone = rng.choice(mae_sot.zones())
    west, south, east, north = zone.shape.polygon.bounds
    return {
        "category": template.category.value,
        "severity": template.severity.value,
        "title": template.title_th if thai else template.title,
        "description": template.description_th if thai else template.description,
        "latitude": round(rng.uniform(south, north), 6),
        "longitude": round(rng.uniform(west, east), 6),
        "accuracyM": round(rng.uniform(3, 40), 1),
    }


def _words(rng: Random) -> str:
    return rng.choice(
        (
            "A witness was found; her number is with the station.",
            "เจ้าของทรัพย์มารับคืนแล้ว",
            "Nothing more to do here; photographs were taken.",
        )
    )
