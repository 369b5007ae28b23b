"""SOS alerts in the phone's contract, and the inputs by which officers raise and answer them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry
from strawberry import UNSET

from schema.cameras import SosPost
from schema.clips import AS_BEGUN, Clip
from schema.enums import (
    AlertResolution,
    AlertSource,
    AlertStatus,
    DeliveryOutcome,
    IncidentSeverity,
)
from schema.media import Media
from schema.paging import PageInfo
from schema.planner import Columns, Conditions, Order, column, many, one, reads
from schema.report import AS_IT_HAPPENED, AlertEvent
from schema.responses import AS_ANSWERED, AlertResponse
from schema.scalars import Long
from schema.stations import Officer
from schema.zones import Zone
from storage import tables

LATEST_FIRST = {"RAISED": Order("raised_at", descending=True)}
IN_TURN = {"TURN": Order("number")}
AS_TRIED = {"TRIED": Order("attempted_at")}
AS_TAKEN = {"TAKEN": Order("taken_at")}


@reads(tables.SosRecipient)
class AlertRecipient:
    """What the push service said of one message to one phone. Accepted is not yet heard."""

    id: UUID
    officer_id: UUID
    outcome: DeliveryOutcome
    reason: str | None
    attempts: int
    attempted_at: datetime
    step_id: UUID
    received_at: datetime | None = column(
        "received_at",
        description="When the phone had the call, by its clock; null: it did not tell.",
    )
    received_told_at: datetime | None = column(
        "received_told_at", description="When it told us, by our clock."
    )
    displayed_at: datetime | None = column(
        "displayed_at",
        description="When the phone showed it, by its clock. Nobody has answered by that.",
    )
    displayed_told_at: datetime | None
    officer: Officer | None = one("officer_id")


@reads(tables.SosStep)
class AlertStep:
    """A step of the escalation, frozen when the alert was raised."""

    id: UUID
    scope_id: UUID
    alert_id: UUID
    number: int
    target: str
    due_at: datetime
    done_at: datetime | None
    outcome: str | None
    round: int = column(
        "round", description="Counts how often people were called, since the chain last began anew."
    )
    rev: Long
    updated_at: datetime


@reads(tables.SosAlert)
class Alert:
    """A call for help."""

    id: UUID
    scope_id: UUID
    station_id: UUID
    zone_id: UUID | None
    source: AlertSource
    status: AlertStatus
    drill: bool
    officer_id: UUID | None
    post_id: UUID | None
    latitude: float | None
    longitude: float | None
    accuracy_m: float | None
    raised_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool
    presses: int
    acknowledged_by: UUID | None
    acknowledged_at: datetime | None
    closed_at: datetime | None
    silent: bool
    late: bool
    severity: IncidentSeverity
    cancel_asked_by: UUID | None
    cancel_asked_at: datetime | None
    texted_at: datetime | None
    policy_version: int | None = column(
        "policy_version",
        description="The version of its station's escalation policy; null for the built-in one.",
    )
    resolution: AlertResolution | None
    resolution_note: str | None
    resolution_missing: bool = column(
        "resolution_missing",
        description="It was closed without saying how it ended; `closeAlert` or a supervisor adds it.",
    )
    duplicate_of: UUID | None
    rev: Long
    updated_at: datetime
    zone: Zone | None = one("zone_id")
    raiser: Officer | None = one("officer_id")
    post: SosPost | None = one("post_id")
    responder: Officer | None = one("acknowledged_by")

    @many(
        "alert_id",
        returns=list[AlertStep],
        order=IN_TURN,
        description="The steps of the escalation, in turn.",
    )
    def steps(row: Columns, first: int = 50) -> Conditions:
        yield from ()  # every step belongs to the alert

    @many(
        "alert_id",
        returns=list[AlertRecipient],
        order=AS_TRIED,
        description="Who was called, in the order of the tries.",
    )
    def recipients(row: Columns, first: int = 50) -> Conditions:
        yield from ()  # every recipient belongs to the alert

    @many(
        "alert_id",
        returns=list[AlertResponse],
        order=AS_ANSWERED,
        description="What officers do about it, who was first to be asked or to answer first.",
    )
    def responses(row: Columns, first: int = 50) -> Conditions:
        yield row.deleted_at.is_(None)

    @many(
        "alert_id",
        returns=list[Media],
        order=AS_TAKEN,
        description="Recordings and photographs, as they were taken.",
    )
    def media(row: Columns, first: int = 50) -> Conditions:
        yield row.deleted_at.is_(None)

    @many(
        "alert_id",
        returns=list[Clip],
        order=AS_BEGUN,
        description="Recordings that can be watched while they are made, as they were begun.",
    )
    def clips(row: Columns, first: int = 20) -> Conditions:
        yield row.deleted_at.is_(None)

    @many(
        "alert_id",
        returns=list[AlertEvent],
        order=AS_IT_HAPPENED,
        description="Everything that happened to it, in the order of time.",
    )
    def events(row: Columns, first: int = 200) -> Conditions:
        yield from ()  # every event belongs to the alert


@strawberry.type
class AlertEdge:
    cursor: str
    node: Alert


@strawberry.type(description="Alerts, page by page.")
class AlertConnection:
    nodes: list[Alert]
    edges: list[AlertEdge]
    page_info: PageInfo
    total_count: int


@strawberry.input
class RaiseAlertInput:
    """A call for help by the officer who pushes it."""

    id: UUID = strawberry.field(description="UUIDv7, made on the phone: the alert's final id.")
    latitude: float | None = strawberry.field(default=UNSET, description="Degrees, WGS 84.")
    longitude: float | None = strawberry.field(default=UNSET, description="Degrees, WGS 84.")
    accuracy_m: float | None = strawberry.field(default=UNSET, description="Metres.")
    drill: bool = strawberry.field(default=False, description="A drill runs the same path, marked.")
    silent: bool | None = strawberry.field(
        default=UNSET,
        description="The raiser must not be betrayed: his own phone shows nothing, and no other near him makes a sound.",
    )
    severity: IncidentSeverity | None = strawberry.field(
        default=UNSET, description="How much it presses; CRITICAL when it is not said, a drill LOW."
    )


@strawberry.input
class AnswerAlertInput:
    """A step of an alert's state: ACKNOWLEDGED by who answers, CLOSED when help was given, CANCELLED, or OPEN again."""

    id: UUID
    status: AlertStatus


@strawberry.input(
    description="An answered alert is over. Also adds to a closed one how it ended, where that is unsaid."
)
class CloseAlertInput:
    id: UUID
    resolution: AlertResolution = strawberry.field(description="How it ended.")
    note: str | None = strawberry.field(
        default=UNSET, description="At most 4,000 characters; OTHER must have one."
    )
