"""The kinds of mutation that phones push: which lane carries them and which rule applies them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from patrol import incidents
from patrol.sync import alerts
from patrol.sync.mutation import Author, Effect, Mutation
from storage.database import Connection
from storage.vocabulary import Lane

Apply = Callable[[Connection, Author, Sequence[Mutation]], Awaitable[list[Effect]]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of mutation. `apply` is set-based, gets each row at most once, and answers in the order it was given."""

    lane: Lane
    subject: str
    apply: Apply


KINDS: Mapping[str, Kind] = {
    "report_incident": Kind(Lane.RECORDS, "incidents", incidents.report),
    "change_incident": Kind(Lane.RECORDS, "incidents", incidents.change),
    "raise_alert": Kind(Lane.SOS, "alerts", alerts.raise_from_phones),
    "answer_alert": Kind(Lane.SOS, "alerts", alerts.answer_from_phones),
}
