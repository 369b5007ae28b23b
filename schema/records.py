"""Incidents, SOS alerts and refused records in the administrator's contract."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry
from sqlalchemy import Text, any_, cast
from sqlalchemy.dialects.postgresql import ARRAY

from schema import alerts as alert_types
from schema import incidents as incident_types
from schema import kept
from schema.acts import administrators, administrators_by_scope
from schema.enums import (
    AlertSource,
    AlertStatus,
    DeliveryOutcome,
    ErrorCode,
    IncidentCategory,
    IncidentSeverity,
    IncidentStatus,
    Lane,
    MutationOutcome,
    QuarantineState,
)
from schema.finding import BoundsInput, IncidentOrder, NearInput
from schema.paging import AdminPageInfo
from schema.people import AdminDevice, AdminOfficer
from schema.places import AdminPost, AdminStation, AdminZone
from schema.planner import (
    Columns,
    Conditions,
    Order,
    column,
    computed,
    many,
    one,
    page,
    reads,
)
from schema.scalars import JSON, Long, SearchText
from storage import tables

NEWEST_FIRST = {"CREATED": Order("created_at", descending=True)}


@reads(tables.Incident, name="Incident")
class AdminIncident:
    """Something that happened in a zone of a station."""

    id: UUID
    scope_id: UUID
    station_id: UUID
    category: IncidentCategory
    severity: IncidentSeverity
    status: IncidentStatus
    title: str
    description: str
    latitude: float | None
    longitude: float | None
    accuracy_m: float | None
    occurred_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool
    rev: Long
    created_at: datetime
    updated_at: datetime
    zone: AdminZone | None = one("zone_id")
    reporter: AdminOfficer = one("reported_by")
    device: AdminDevice = one("device_id")


@reads(tables.SosRecipient, name="AlertRecipient")
class AdminAlertRecipient:
    """What the push service said of one message to one phone. Accepted is not yet heard."""

    id: UUID
    outcome: DeliveryOutcome
    reason: str | None
    attempts: int
    attempted_at: datetime
    officer: AdminOfficer = one("officer_id")


@reads(tables.SosStep, name="AlertStep")
class AdminAlertStep:
    """A step of the escalation, frozen when the alert was raised."""

    id: UUID
    number: int
    target: str
    due_at: datetime
    done_at: datetime | None
    outcome: str | None


@reads(tables.SosAlert, name="Alert")
class AdminAlert:
    """A call for help."""

    id: UUID
    scope_id: UUID
    station_id: UUID
    source: AlertSource
    status: AlertStatus
    drill: bool
    latitude: float | None
    longitude: float | None
    accuracy_m: float | None
    raised_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool
    presses: int
    acknowledged_at: datetime | None
    closed_at: datetime | None
    rev: Long
    created_at: datetime
    updated_at: datetime
    zone: AdminZone | None = one("zone_id")
    raiser: AdminOfficer | None = one("officer_id")
    post: AdminPost | None = one("post_id")
    responder: AdminOfficer | None = one("acknowledged_by")

    @many(
        "alert_id",
        returns=list[AdminAlertStep],
        order=alert_types.IN_TURN,
        description="The steps of the escalation.",
    )
    def steps(row: Columns, first: int = 50) -> Conditions:
        yield from ()  # every step of the alert

    @many(
        "alert_id",
        returns=list[AdminAlertRecipient],
        order=alert_types.AS_TRIED,
        description="Who was called, as it was tried.",
    )
    def recipients(row: Columns, first: int = 50) -> Conditions:
        yield from ()  # every recipient of the alert


@reads(tables.Quarantine, name="QuarantineItem", scope=None)
class AdminQuarantineItem:
    """A refused mutation with its whole payload, so that a bug in an app costs no data."""

    id: UUID
    state: QuarantineState
    lane: Lane
    sequence: Long
    mutation_id: UUID
    subject: str | None = computed(
        "payload",
        by=kept.subject,
        description="The list that it is of; null where it cannot be read.",
    )
    summary: str = computed(
        "payload", by=kept.summary, description="A title, the beginning of a text, or a step."
    )
    code: ErrorCode
    reason: str = computed("code", by=kept.reason, description="Why it was refused.")
    reason_th: str | None = computed("code", by=kept.reason_th, description="The same in Thai.")
    detail: JSON
    payload: JSON
    surrendered: bool = column("surrendered", description="Handed in by a phone that was revoked.")
    created_at: datetime
    overdue: bool = computed(
        "state",
        "lane",
        "created_at",
        by=kept.overdue,
        description="Whether it waits for longer than a shift; a call for help at once.",
    )
    attempts: int
    outcome: MutationOutcome | None = column("outcome", description="Of the last replay.")
    resolved_at: datetime | None
    resolved_by: str | None
    decision: str | None = column("reason", description="Why it was replayed or discarded.")
    alarmed_at: datetime | None = column("alarmed_at", description="When the alarm was raised.")
    station: AdminStation = one("station_id")
    officer: AdminOfficer = one("officer_id")
    device: AdminDevice = one("device_id")


@strawberry.type(name="IncidentConnection", description="Incidents, page by page.")
class AdminIncidentConnection:
    nodes: list[AdminIncident]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type(name="AlertConnection", description="Alerts, page by page.")
class AdminAlertConnection:
    nodes: list[AdminAlert]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type(name="QuarantineConnection", description="Refused records, page by page.")
class AdminQuarantineConnection:
    nodes: list[AdminQuarantineItem]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type
class RecordsQuery:
    @page(
        returns=AdminIncidentConnection,
        order=incident_types.LATEST_FIRST,
        admit=administrators_by_scope,
        description="Incidents, latest first.",
    )
    def incidents(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        station_id: UUID | None = None,
        zone_id: UUID | None = None,
        category: list[IncidentCategory] | None = None,
        severity: list[IncidentSeverity] | None = None,
        status: list[IncidentStatus] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        text: SearchText | None = None,
        within: BoundsInput | None = None,
        near: NearInput | None = None,
        order: IncidentOrder = IncidentOrder.OCCURRED,
    ) -> Conditions:
        yield row.deleted_at.is_(None)
        if station_id is not None:
            yield row.station_id == station_id
        yield from incident_types.matching(
            row, zone_id=zone_id, category=category, severity=severity, status=status, since=since,
            until=until, text=text, within=within, near=near,
        )  # fmt: skip

    @page(
        returns=AdminAlertConnection,
        order=alert_types.LATEST_FIRST,
        admit=administrators_by_scope,
        description="Calls for help, latest first.",
    )
    def alerts(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        station_id: UUID | None = None,
        status: list[AlertStatus] | None = None,
    ) -> Conditions:
        yield row.deleted_at.is_(None)
        if station_id is not None:
            yield row.station_id == station_id
        if status is not None:
            yield row.status == any_(cast(status, ARRAY(Text)))

    @page(
        returns=AdminQuarantineConnection,
        order=NEWEST_FIRST,
        admit=administrators,
        description="Records that were refused and kept whole, newest first.",
    )
    def quarantine(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        officer_id: UUID | None = None,
        code: ErrorCode | None = None,
        resolved: bool | None = None,
        state: QuarantineState | None = None,
        station_id: UUID | None = None,
    ) -> Conditions:
        if state is not None:
            yield row.state == state
        if station_id is not None:
            yield row.station_id == station_id
        if officer_id is not None:
            yield row.officer_id == officer_id
        if code is not None:
            yield row.code == code
        if resolved is not None:
            yield row.resolved_at.is_not(None) == resolved
