"""The kinds of change that phones push, and how each becomes what the rules take."""

from __future__ import annotations

from enum import Enum
from typing import Any, ClassVar
from uuid import UUID

import strawberry
from msgspec import Struct, structs
from strawberry import UNSET

from patrol.sync.mutation import Mutation
from patrol.sync.push import BATCH
from schema.alerts import AnswerAlertInput, CloseAlertInput, RaiseAlertInput
from schema.clips import CloseClipInput, DeclareClipInput, DeclareSegmentsInput
from schema.incidents import ChangeIncidentInput, ReportIncidentInput
from schema.media import AttachAlertMediaInput, AttachMediaInput
from schema.notes import AddNoteInput
from schema.patrols import (
    ChangeDutyInput,
    ChangePatrolInput,
    CheckInInput,
    RecordTrackInput,
    StartPatrolInput,
)
from schema.responses import ReportCallInput, RespondToAlertInput
from schema.scalars import Long, PhoneTime
from schema.trail import ReportPositionsInput


@strawberry.input(one_of=True)
class ChangeInput:
    """Exactly one kind of change."""

    report_incident: ReportIncidentInput | None = UNSET
    change_incident: ChangeIncidentInput | None = UNSET
    raise_alert: RaiseAlertInput | None = UNSET
    answer_alert: AnswerAlertInput | None = UNSET
    add_note: AddNoteInput | None = UNSET
    attach_media: AttachMediaInput | None = UNSET
    attach_alert_media: AttachAlertMediaInput | None = UNSET
    change_duty: ChangeDutyInput | None = UNSET
    start_patrol: StartPatrolInput | None = UNSET
    change_patrol: ChangePatrolInput | None = UNSET
    check_in: CheckInInput | None = UNSET
    record_track: RecordTrackInput | None = UNSET
    respond_to_alert: RespondToAlertInput | None = UNSET
    report_call: ReportCallInput | None = UNSET
    report_positions: ReportPositionsInput | None = UNSET
    close_alert: CloseAlertInput | None = UNSET
    declare_clip: DeclareClipInput | None = UNSET
    declare_segments: DeclareSegmentsInput | None = UNSET
    close_clip: CloseClipInput | None = UNSET


@strawberry.input
class MutationInput:
    """One change in a lane of the phone's outbox."""

    __most__: ClassVar[int] = BATCH

    sequence: Long = strawberry.field(
        description="Contiguous per device, officer and lane, from 1."
    )
    mutation_id: UUID = strawberry.field(
        description="UUIDv7, made once and kept through all retries."
    )
    captured_at: PhoneTime = strawberry.field(description="The phone's clock when it was recorded.")
    change: ChangeInput


def decoded(one: MutationInput) -> Mutation:
    """A mutation as the rules take it: its kind, and only the fields that the phone set."""
    kind, change = _chosen(one.change)
    members = _members(change)
    return Mutation(
        one.sequence,
        one.mutation_id,
        kind,
        members.pop("id"),
        _stored(one.captured_at),
        members.pop("base_rev", None),
        _fields(members),
    )


def _chosen(change: Any) -> tuple[str, Any]:
    """The member of @oneOf that was given, with its name."""
    for name, value in _members(change).items():
        if value is not UNSET:
            return name, value
    raise AssertionError("@oneOf was checked before")


def _members(value: Any) -> dict[str, Any]:
    """The members of an input, which is a struct after the short way and Strawberry's dataclass after the stock one."""
    return structs.asdict(value) if isinstance(value, Struct) else dict(vars(value))


def _fields(members: dict[str, Any]) -> dict[str, Any]:
    """What was set of an input as JSON values, the same for either way: the digests of what is stored depend on it."""
    fields = {}
    for name, value in members.items():
        # Most values stay as they are, and a call for each would be half the cost of decoding a push.
        kind = type(value)
        if kind is float or (kind is str and "\0" not in value):
            fields[name] = value
        elif value is not UNSET:
            fields[name] = _stored(value)
    return fields


def _stored(value: Any) -> Any:
    if isinstance(value, str):
        if isinstance(value, Enum):
            value = value.value
        # PostgreSQL holds every character but this one; a record must not be lost, nor its lane stopped, for it.
        return value.replace("\0", "\ufffd")
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, list):
        # Lists of lists are a scalar's own document, which its rule has cleaned.
        return value if value and isinstance(value[0], list) else [_stored(one) for one in value]
    if value is None or isinstance(value, int | float):
        return value
    return _fields(_members(value))
