"""Which states may follow which: an incident, an alert or a patrol is moved by allowed steps, never by the last writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from storage.vocabulary import AlertStatus, IncidentStatus, PatrolStatus, ResponseStatus

INCIDENT_STEPS: Mapping[IncidentStatus, frozenset[IncidentStatus]] = {
    IncidentStatus.OPEN: frozenset(
        {IncidentStatus.IN_PROGRESS, IncidentStatus.RESOLVED, IncidentStatus.CLOSED}
    ),
    IncidentStatus.IN_PROGRESS: frozenset(
        {IncidentStatus.OPEN, IncidentStatus.RESOLVED, IncidentStatus.CLOSED}
    ),
    # A supervisor who is not content sends it back; nothing returns to "nobody works on it".
    IncidentStatus.RESOLVED: frozenset({IncidentStatus.IN_PROGRESS, IncidentStatus.CLOSED}),
    IncidentStatus.CLOSED: frozenset(),
}
"""Which status an incident may take next. What happens again after closing is a new incident."""

ALERT_STEPS: Mapping[AlertStatus, frozenset[AlertStatus]] = {
    # An open alert cannot be closed unanswered: an SOS always reaches a person first.
    AlertStatus.OPEN: frozenset({AlertStatus.ACKNOWLEDGED, AlertStatus.CANCELLED}),
    # Back to OPEN when the one who answered cannot go after all; escalation then goes on.
    AlertStatus.ACKNOWLEDGED: frozenset(
        {AlertStatus.OPEN, AlertStatus.CLOSED, AlertStatus.CANCELLED}
    ),
    AlertStatus.CLOSED: frozenset(),
    AlertStatus.CANCELLED: frozenset(),
}
"""Which status an SOS alert may take next."""

_ANSWERS = frozenset(
    {ResponseStatus.ACKNOWLEDGED, ResponseStatus.ON_THE_WAY, ResponseStatus.ON_SCENE}
)
_AWAY = frozenset({ResponseStatus.DECLINED, ResponseStatus.STOOD_DOWN})

RESPONSE_STEPS: Mapping[ResponseStatus | None, frozenset[ResponseStatus]] = {
    # Who was never asked may go all the same, and a phone without signal may have nothing to tell but the arrival.
    None: _ANSWERS | {ResponseStatus.ASSIGNED, ResponseStatus.DECLINED},
    ResponseStatus.ASSIGNED: _ANSWERS | _AWAY,
    ResponseStatus.ACKNOWLEDGED: frozenset({ResponseStatus.ON_THE_WAY, ResponseStatus.ON_SCENE})
    | _AWAY,
    ResponseStatus.ON_THE_WAY: frozenset({ResponseStatus.ON_SCENE}) | _AWAY,
    ResponseStatus.ON_SCENE: _AWAY,
    # He may think again, and a supervisor may ask again.
    ResponseStatus.DECLINED: _ANSWERS | {ResponseStatus.ASSIGNED},
    ResponseStatus.STOOD_DOWN: _ANSWERS | {ResponseStatus.ASSIGNED},
}
"""What an officer may do next about an alert; None where he has done nothing about it yet."""

RESPONSE_ORDER: Sequence[ResponseStatus] = (
    ResponseStatus.ASSIGNED,
    ResponseStatus.ACKNOWLEDGED,
    ResponseStatus.ON_THE_WAY,
    ResponseStatus.ON_SCENE,
)
"""The way to the scene. Word of an earlier part that comes late is kept as history and moves nobody back."""

PATROL_STEPS: Mapping[PatrolStatus, frozenset[PatrolStatus]] = {
    PatrolStatus.ACTIVE: frozenset({PatrolStatus.PAUSED, PatrolStatus.ENDED}),
    PatrolStatus.PAUSED: frozenset({PatrolStatus.ACTIVE, PatrolStatus.ENDED}),
    PatrolStatus.ENDED: frozenset(),
}
"""Which status a patrol may take next. It begins as ACTIVE."""


def incident_may_become(now: IncidentStatus, wanted: IncidentStatus) -> bool:
    """Whether an incident may take this step. Staying as it is is not a step, so it answers False."""
    return wanted in INCIDENT_STEPS[now]


def alert_may_become(now: AlertStatus, wanted: AlertStatus) -> bool:
    """Whether an SOS alert may take this step. Staying as it is is not a step, so it answers False."""
    return wanted in ALERT_STEPS[now]


def response_may_become(now: ResponseStatus | None, wanted: ResponseStatus) -> bool:
    """Whether an officer may take this step. Staying as it is is not a step, so it answers False."""
    return wanted in RESPONSE_STEPS[now]


def response_is_history(now: ResponseStatus | None, wanted: ResponseStatus) -> bool:
    """Whether this tells of a part of the way that the officer is beyond already, or again of where he is."""
    if now not in RESPONSE_ORDER or wanted not in RESPONSE_ORDER:
        return now is wanted
    return RESPONSE_ORDER.index(wanted) <= RESPONSE_ORDER.index(now)


def patrol_may_become(now: PatrolStatus, wanted: PatrolStatus) -> bool:
    """Whether a patrol may take this step. Staying as it is is not a step, so it answers False."""
    return wanted in PATROL_STEPS[now]
