"""SOS alerts in the phone's contract, and the inputs by which officers raise and answer them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry
from strawberry import UNSET

from schema.cameras import SosPost
from schema.enums import AlertSource, AlertStatus, DeliveryOutcome
from schema.media import Media
from schema.paging import PageInfo
from schema.planner import Columns, Conditions, Order, many, one, reads
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
        returns=list[Media],
        order=AS_TAKEN,
        description="Recordings and photographs, as they were taken.",
    )
    def media(row: Columns, first: int = 50) -> Conditions:
        yield row.deleted_at.is_(None)


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


@strawberry.input
class AnswerAlertInput:
    """A step of an alert's state: ACKNOWLEDGED by who answers, CLOSED when help was given, CANCELLED, or OPEN again."""

    id: UUID
    status: AlertStatus
