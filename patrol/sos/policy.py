"""A station's escalation policy: whom a call for help reaches and when, and how long an answer is believed.

The document that people write and that is stored (times in whole seconds, `after` counted from when we received the
alert):

    {"steps": [{"target": "ON_DUTY", "after": 0},
               {"target": "STATION", "after": 60},
               {"target": "SUPERVISORS", "after": 180},
               {"target": "NEIGHBOURS", "after": 300, "stations": 3, "withinKm": 30, "who": "BOTH"},
               {"target": "CHANNELS", "after": 300}],
     "answerWithin": 60, "onTheWayWithin": 120, "onSceneWithin": 900, "answerHolds": 600,
     "againAfter": 180, "wholeRounds": 3}

Only `steps` must be there. docs/escalation.md explains each word to those who write it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

from patrol.errors import PolicyInvalid
from storage.vocabulary import NeighbourCall, StepTarget

MOST_STEPS: Final = 20
LATEST_STEP: Final = 3600

TIMES: Final[Mapping[str, tuple[int, int, int]]] = {
    "answerWithin": (60, 15, 3600),
    "onTheWayWithin": (120, 30, 3600),
    "onSceneWithin": (900, 60, 14_400),
    "answerHolds": (600, 60, 14_400),
    "againAfter": (180, 30, 3600),
}
"""Each time of a policy in seconds: what holds without it, the least and the most."""

ROUNDS: Final = (3, 1, 100)
STATIONS: Final = (3, 1, 10)
WITHIN_KM: Final = (30, 1, 500)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a policy. The last three say which neighbours are called, and mean nothing for other targets."""

    target: StepTarget
    after: timedelta
    stations: int = STATIONS[0]
    within_km: int = WITHIN_KM[0]
    who: NeighbourCall = NeighbourCall.BOTH

    def options(self) -> dict[str, Any]:
        """What is frozen into the step beside its target."""
        if self.target is not StepTarget.NEIGHBOURS:
            return {}
        return {"stations": self.stations, "withinKm": self.within_km, "who": self.who.value}


@dataclass(frozen=True, slots=True)
class Policy:
    """Whom alerts of a station reach and when.

    `answer_within`: an officer who was sent answers by then, or the steps go on. `on_the_way_within` and
    `on_scene_within`: who answered sets out, and who set out arrives, or the alert is opened again. `answer_holds`: how
    long a pole's later press believes that somebody comes. When all steps are over and nobody answered, people are
    called again after `again_after`: everybody, in `whole_rounds` rounds, then the supervisors, until somebody answers.
    """

    steps: Sequence[Step]
    answer_within: timedelta = field(default=timedelta(seconds=TIMES["answerWithin"][0]))
    on_the_way_within: timedelta = field(default=timedelta(seconds=TIMES["onTheWayWithin"][0]))
    on_scene_within: timedelta = field(default=timedelta(seconds=TIMES["onSceneWithin"][0]))
    answer_holds: timedelta = field(default=timedelta(seconds=TIMES["answerHolds"][0]))
    again_after: timedelta = field(default=timedelta(seconds=TIMES["againAfter"][0]))
    whole_rounds: int = ROUNDS[0]

    def document(self) -> dict[str, Any]:
        """The policy as it is stored and shown, with everything said."""
        return {
            "steps": [
                {"target": step.target.value, "after": _seconds(step.after)} | step.options()
                for step in self.steps
            ],
            "answerWithin": _seconds(self.answer_within),
            "onTheWayWithin": _seconds(self.on_the_way_within),
            "onSceneWithin": _seconds(self.on_scene_within),
            "answerHolds": _seconds(self.answer_holds),
            "againAfter": _seconds(self.again_after),
            "wholeRounds": self.whole_rounds,
        }


BUILT_IN: Final = Policy(
    steps=(
        Step(StepTarget.ON_DUTY, timedelta(0)),
        Step(StepTarget.STATION, timedelta(seconds=60)),
        Step(StepTarget.SUPERVISORS, timedelta(seconds=180)),
        Step(StepTarget.NEIGHBOURS, timedelta(seconds=300)),
        Step(StepTarget.CHANNELS, timedelta(seconds=300)),
    )
)
"""What holds for a station that has set nothing."""

AGAIN: Final = Policy(steps=(Step(StepTarget.SUPERVISORS, timedelta(0)),))
"""The steps of a round that only rings the supervisors."""


def read_policy(document: Any) -> Policy:
    """The policy that a document describes.

    Raises:
        PolicyInvalid: it describes none, or one that could leave somebody without help; `extra["mistakes"]` are all
            sentences, the message is the first few of them.
    """
    mistakes: list[str] = []
    if not isinstance(document, Mapping):
        raise _invalid(["The policy is a JSON object with `steps`."])
    known = {"steps", "wholeRounds", *TIMES}
    mistakes += [f"`{name}` is not known." for name in document if name not in known]
    steps = _steps(document.get("steps"), mistakes)
    times = {
        name: _number(document.get(name), name, *limits, mistakes) for name, limits in TIMES.items()
    }
    rounds = _number(document.get("wholeRounds"), "wholeRounds", *ROUNDS, mistakes)
    _check_order(steps, mistakes)
    if mistakes:
        raise _invalid(mistakes)
    spans = {name: timedelta(seconds=seconds) for name, seconds in times.items()}
    return Policy(
        steps=tuple(steps),
        answer_within=spans["answerWithin"],
        on_the_way_within=spans["onTheWayWithin"],
        on_scene_within=spans["onSceneWithin"],
        answer_holds=spans["answerHolds"],
        again_after=spans["againAfter"],
        whole_rounds=rounds,
    )


def stored_policy(content: Mapping[str, Any]) -> Policy:
    """A policy that was accepted once. Limits of today are not asked: an alert never fails for a rule of a later release."""
    spans = {
        name: timedelta(seconds=content.get(name, limits[0])) for name, limits in TIMES.items()
    }
    return Policy(
        steps=tuple(
            Step(
                StepTarget(step["target"]),
                timedelta(seconds=step["after"]),
                step.get("stations", STATIONS[0]),
                step.get("withinKm", WITHIN_KM[0]),
                NeighbourCall(step.get("who", NeighbourCall.BOTH)),
            )
            for step in content["steps"]
        ),
        answer_within=spans["answerWithin"],
        on_the_way_within=spans["onTheWayWithin"],
        on_scene_within=spans["onSceneWithin"],
        answer_holds=spans["answerHolds"],
        again_after=spans["againAfter"],
        whole_rounds=content.get("wholeRounds", ROUNDS[0]),
    )


def _steps(given: Any, mistakes: list[str]) -> list[Step]:
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        mistakes.append(
            "`steps` is a list of at least one step: a policy without steps calls nobody."
        )
        return []
    if len(given) > MOST_STEPS:
        mistakes.append(f"A policy has at most {MOST_STEPS} steps.")
        return []
    read = [_step(number, one, mistakes) for number, one in enumerate(given, start=1)]
    return [step for step in read if step is not None]


def _step(number: int, given: Any, mistakes: list[str]) -> Step | None:
    if not isinstance(given, Mapping):
        mistakes.append(f"Step {number} is an object with `target` and `after`.")
        return None
    target = _word(given.get("target"), f"Step {number}: `target`", StepTarget, mistakes)
    after = given.get("after")
    if not isinstance(after, int) or isinstance(after, bool) or not 0 <= after <= LATEST_STEP:
        mistakes.append(f"Step {number}: `after` is a number of seconds from 0 to {LATEST_STEP}.")
        return None
    own = {"target", "after"}
    if target is StepTarget.NEIGHBOURS:
        own |= {"stations", "withinKm", "who"}
    mistakes += [
        f"Step {number}: `{name}` is not known for {target or 'it'}."
        for name in given
        if name not in own
    ]
    if target is not StepTarget.NEIGHBOURS:
        return None if target is None else Step(target, timedelta(seconds=after))
    who = _word(
        given.get("who", NeighbourCall.BOTH), f"Step {number}: `who`", NeighbourCall, mistakes
    )
    return Step(
        target,
        timedelta(seconds=after),
        _number(given.get("stations"), f"Step {number}: `stations`", *STATIONS, mistakes),
        _number(given.get("withinKm"), f"Step {number}: `withinKm`", *WITHIN_KM, mistakes),
        who or NeighbourCall.BOTH,
    )


def _check_order(steps: Sequence[Step], mistakes: list[str]) -> None:
    if not steps:
        return
    if steps[0].after != timedelta(0):
        mistakes.append("The first step is at 0 seconds: who calls for help does not wait.")
    for number, (earlier, later) in enumerate(pairwise(steps), start=2):
        if later.after < earlier.after:
            mistakes.append(f"Step {number} is due before the step in front of it.")
    if not any(step.target in (StepTarget.STATION, StepTarget.SUPERVISORS) for step in steps):
        mistakes.append(
            "A step to STATION or SUPERVISORS is needed: when nobody is on duty and no zone is assigned, "
            "the policy reaches nobody."
        )
    if steps[0].target is StepTarget.CHANNELS:
        mistakes.append(
            "The first step calls phones: fallback channels are for when nobody answers."
        )


def _word(given: Any, name: str, words: type[StrEnum], mistakes: list[str]) -> Any:
    if isinstance(given, str) and given in words.__members__:
        return words(given)
    mistakes.append(f"{name} is one of {', '.join(words.__members__)}.")
    return None


def _number(given: Any, name: str, usual: int, least: int, most: int, mistakes: list[str]) -> int:
    if given is None:
        return usual
    if isinstance(given, int) and not isinstance(given, bool) and least <= given <= most:
        return given
    name = name if "`" in name else f"`{name}`"
    mistakes.append(f"{name} is a whole number from {least} to {most}.")
    return usual


def _invalid(mistakes: Sequence[str]) -> PolicyInvalid:
    return PolicyInvalid(" ".join(mistakes[:5]), mistakes=list(mistakes))


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
