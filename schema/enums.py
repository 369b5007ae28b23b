"""The vocabulary as GraphQL enums: the same words that the database's checks hold columns to."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

import strawberry

from patrol.errors import GROUPS, catalogue
from storage import vocabulary
from storage.vocabulary import Term

T = TypeVar("T", bound=type[Term])


def _shared(words: T) -> T:
    """Registers a vocabulary as an enum whose values carry their meaning."""
    made = strawberry.enum(words, description=(words.__doc__ or "").strip())
    for value in made.__strawberry_definition__.values:  # type: ignore[attr-defined] # added by strawberry.enum
        value.description = words[value.name].description
    return made


AlertSource = _shared(vocabulary.AlertSource)
AlertStatus = _shared(vocabulary.AlertStatus)
CameraKind = _shared(vocabulary.CameraKind)
DeliveryOutcome = _shared(vocabulary.DeliveryOutcome)
DetailLevel = _shared(vocabulary.DetailLevel)
IncidentCategory = _shared(vocabulary.IncidentCategory)
IncidentSeverity = _shared(vocabulary.IncidentSeverity)
IncidentStatus = _shared(vocabulary.IncidentStatus)
Lane = _shared(vocabulary.Lane)
MutationOutcome = _shared(vocabulary.MutationOutcome)
OfficerRole = _shared(vocabulary.OfficerRole)
Sector = _shared(vocabulary.Sector)
SharingSubject = _shared(vocabulary.SharingSubject)
StoredObjectState = _shared(vocabulary.StoredObjectState)
ZoneKind = _shared(vocabulary.ZoneKind)

ErrorCode = strawberry.enum(
    StrEnum(  # type: ignore[misc] # made from the catalogue, so that no code can be forgotten
        "ErrorCode",
        {problem.code: problem.code for problem in catalogue() if problem not in GROUPS},
        module=__name__,
    ),
    description="Every reason for a refusal; docs/errors.md says what to do about each.",
)
