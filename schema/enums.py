"""The vocabulary as GraphQL enums: the same words that the database's checks hold columns to."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import strawberry

from patrol.errors import GROUPS, catalogue
from storage.vocabulary import (
    AlertEventKind,
    AlertResolution,
    AlertSource,
    AlertStatus,
    AudioCodec,
    CallFinding,
    CallReport,
    CameraKind,
    ChannelLanguage,
    ChannelOutcome,
    CheckinFlag,
    ClipContainer,
    ClipState,
    DeliveryOutcome,
    DetailLevel,
    DeviceKeyKind,
    IncidentCategory,
    IncidentSeverity,
    IncidentStatus,
    Lane,
    MediaKind,
    MutationOutcome,
    NeighbourCall,
    NetworkClass,
    NoticeSeverity,
    OfficerRole,
    PatrolStatus,
    PostAction,
    PostButton,
    PostEventKind,
    PostPower,
    QuarantineState,
    ReachProblem,
    ReportForm,
    ResponseStatus,
    Sector,
    SharingSubject,
    StepTarget,
    StoredObjectState,
    Term,
    UploadAdvice,
    VideoCodec,
    ZoneKind,
)

__all__ = [
    "AlertEventKind",
    "AlertResolution",
    "AlertSource",
    "AlertStatus",
    "AudioCodec",
    "CallFinding",
    "CallReport",
    "CameraKind",
    "ChannelLanguage",
    "ChannelOutcome",
    "CheckinFlag",
    "ClipContainer",
    "ClipState",
    "DeliveryOutcome",
    "DetailLevel",
    "DeviceKeyKind",
    "ErrorCode",
    "IncidentCategory",
    "IncidentSeverity",
    "IncidentStatus",
    "Lane",
    "MediaKind",
    "MutationOutcome",
    "NeighbourCall",
    "NetworkClass",
    "NoticeSeverity",
    "OfficerRole",
    "PatrolStatus",
    "PostAction",
    "PostButton",
    "PostEventKind",
    "PostPower",
    "QuarantineState",
    "ReachProblem",
    "ReportForm",
    "ResponseStatus",
    "Sector",
    "SharingSubject",
    "StepTarget",
    "StoredObjectState",
    "UploadAdvice",
    "VideoCodec",
    "ZoneKind",
]


def register(words: type[Term]) -> None:
    """Makes a vocabulary an enum of the contracts, each value with its meaning."""
    made = strawberry.enum(words, description=(words.__doc__ or "").strip())
    for value in made.__strawberry_definition__.values:  # type: ignore[attr-defined] # added by strawberry.enum
        value.description = words[value.name].description


for _words in Term.__subclasses__():
    if _words.__name__ in __all__:
        register(_words)

if TYPE_CHECKING:

    class ErrorCode(StrEnum):
        """Every reason for a refusal."""

else:
    # Made from the catalogue, so that no code can be forgotten.
    ErrorCode = strawberry.enum(
        StrEnum(
            "ErrorCode",
            {problem.code: problem.code for problem in catalogue() if problem not in GROUPS},
            module=__name__,
        ),
        description="Every reason for a refusal; docs/errors.md says what to do about each.",
    )
