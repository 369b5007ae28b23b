"""The shared words must be stable strings, explained, and their transitions must hold the promises of the product."""

import copy
import pickle

import msgspec
import orjson
import pytest

from patrol.transitions import (
    ALERT_STEPS,
    INCIDENT_STEPS,
    alert_may_become,
    incident_may_become,
)
from storage import vocabulary
from storage.vocabulary import (
    AlertStatus,
    IncidentStatus,
    Term,
    ZoneKind,
)

WORD_LISTS = [
    thing
    for thing in vars(vocabulary).values()
    if isinstance(thing, type) and issubclass(thing, Term) and thing is not Term
]


@pytest.mark.parametrize("words", WORD_LISTS, ids=lambda words: words.__name__)
def test_every_word_list_and_every_word_is_explained(words: type[Term]) -> None:
    assert words.__doc__
    assert words.__doc__ != Term.__doc__
    for word in words:
        assert word.value == word.name
        assert word.description.endswith(".")
        assert "\n" not in word.description


def test_a_word_travels_as_its_plain_text() -> None:
    assert orjson.dumps(ZoneKind.COMMUNITY) == b'"COMMUNITY"'
    assert msgspec.convert("COMMUNITY", ZoneKind) is ZoneKind.COMMUNITY
    assert pickle.loads(pickle.dumps(ZoneKind.COMMUNITY)) is ZoneKind.COMMUNITY  # noqa: S301 - our own bytes
    assert copy.deepcopy(ZoneKind.COMMUNITY) is ZoneKind.COMMUNITY
    assert f"{ZoneKind.COMMUNITY}" == "COMMUNITY"


def test_an_sos_cannot_be_closed_before_a_person_has_answered_it() -> None:
    assert not alert_may_become(AlertStatus.OPEN, AlertStatus.CLOSED)
    assert alert_may_become(AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED)
    assert alert_may_become(AlertStatus.ACKNOWLEDGED, AlertStatus.CLOSED)


def test_an_answered_sos_can_be_handed_back_so_that_it_escalates_again() -> None:
    assert alert_may_become(AlertStatus.ACKNOWLEDGED, AlertStatus.OPEN)


def test_nothing_leaves_a_final_status() -> None:
    assert not INCIDENT_STEPS[IncidentStatus.CLOSED]
    assert not ALERT_STEPS[AlertStatus.CLOSED]
    assert not ALERT_STEPS[AlertStatus.CANCELLED]


def test_every_status_has_its_steps_and_none_leads_to_itself() -> None:
    for status in IncidentStatus:
        assert not incident_may_become(status, status)
    for alert in AlertStatus:
        assert not alert_may_become(alert, alert)
