"""Officers, their phones and sessions in the administrator's contract."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from schema.acts import administrators
from schema.enums import OfficerRole
from schema.paging import AdminPageInfo
from schema.places import AdminStation, AdminZone
from schema.planner import Columns, Conditions, Order, column, many, one, page, reads, single
from schema.zones import BY_NAME
from storage import tables
from storage.administration import OFFICER_DEVICE

BY_BADGE = {"BADGE": Order("badge")}
NEWEST_FIRST = {"CREATED": Order("created_at", descending=True)}
BY_BEGIN = {"BEGIN": Order("valid_from")}
BY_SIGN_IN = {"SIGN_IN": Order("signed_in_at", descending=True)}
LAST_HEARD_FIRST = {"HEARD": Order("heard_at", descending=True)}


@reads(tables.OfficerState, name="OfficerState", key="officer_id", scope=None)
class AdminOfficerState:
    """Whether an officer is on duty."""

    on_duty: bool
    on_duty_since: datetime | None


@reads(tables.Assignment, name="Assignment")
class AdminAssignment:
    """What is assigned to an officer: a zone, or a station with all its zones."""

    id: UUID
    scope_id: UUID
    valid_from: datetime
    valid_until: datetime | None
    zone: AdminZone | None = one("scope_id")
    station: AdminStation | None = one("scope_id")


@reads(OFFICER_DEVICE, name="OfficerDevice", scope=None)
class AdminOfficerDevice:
    """A phone that an officer has signed in on, and when he last did."""

    id: UUID
    platform: str
    model: str
    signed_in_at: datetime
    revoked_at: datetime | None


@reads(tables.Officer, name="Officer", scope=None)
class AdminOfficer:
    """A person of a station who signs in on a phone or in the control room."""

    id: UUID
    badge: str
    role: OfficerRole
    rank: str
    name: str
    name_th: str
    active: bool
    created_at: datetime
    station: AdminStation = one("station_id")
    state: AdminOfficerState | None = one("id", "officer_id")

    @many(
        "officer_id",
        returns=list[AdminAssignment],
        order=BY_BEGIN,
        description="What is and was assigned, by begin.",
    )
    def assignments(row: Columns, first: int = 50) -> Conditions:
        yield from ()  # also those that have ended

    @many(
        "officer_id",
        returns=list[Annotated["AdminSession", strawberry.lazy("schema.people")]],
        order=NEWEST_FIRST,
        description="Where the officer is and was signed in.",
    )
    def sessions(row: Columns, first: int = 50) -> Conditions:
        yield from ()  # also those that have ended

    @many(
        "officer_id",
        returns=list[AdminOfficerDevice],
        order=BY_SIGN_IN,
        description="The phones of all sessions, each once.",
    )
    def devices(row: Columns, first: int = 50) -> Conditions:
        yield from ()  # also revoked ones


@reads(tables.DeviceState, name="DeviceState", key="device_id", scope=None)
class AdminDeviceState:
    """When a phone was last heard, and which app it runs."""

    last_seen_at: datetime
    app_version: str | None


@reads(tables.OfficerPhone, name="PhoneBacklog", scope=None)
class AdminPhoneBacklog:
    """What a phone still holds to send for one of its officers, as it last reported."""

    id: UUID
    heard_at: datetime
    reported_at: datetime | None
    app_version: str | None
    contract_version: str | None
    battery_percent: int | None
    sos_held: int
    sos_oldest_at: datetime | None
    records_held: int
    records_oldest_at: datetime | None
    tracks_held: int
    tracks_oldest_at: datetime | None
    officer: AdminOfficer = one("officer_id")


@reads(tables.Device, name="Device", scope=None)
class AdminDevice:
    """A phone, known by its own key; several officers may have sessions on it."""

    id: UUID
    key_thumbprint: str
    platform: str
    model: str
    created_at: datetime
    revoked_at: datetime | None
    wipe_ordered_at: datetime | None = column(
        "wipe_ordered_at", description="When it was reported lost: it must erase its copy."
    )
    wiped_at: datetime | None = column(
        "wiped_at", description="When it said that it has erased its copy."
    )
    state: AdminDeviceState | None = one("id", "device_id")

    @many(
        "device_id",
        returns=list[Annotated["AdminSession", strawberry.lazy("schema.people")]],
        order=NEWEST_FIRST,
        description="Who is and was signed in on it.",
    )
    def sessions(row: Columns, first: int = 50) -> Conditions:
        yield from ()  # also those that have ended

    @many(
        "device_id",
        returns=list[AdminPhoneBacklog],
        order=LAST_HEARD_FIRST,
        description="What it still holds, officer by officer, as it last reported.",
    )
    def backlog(row: Columns, first: int = 50) -> Conditions:
        yield from ()  # also of officers who hold nothing


@reads(tables.Session, name="Session", scope=None)
class AdminSession:
    """An officer signed in on a phone."""

    id: UUID
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    revoked_reason: str | None
    officer: AdminOfficer = one("officer_id")
    device: AdminDevice = one("device_id")


@strawberry.type(name="OfficerConnection", description="Officers, page by page.")
class AdminOfficerConnection:
    nodes: list[AdminOfficer]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type(name="DeviceConnection", description="Phones, page by page.")
class AdminDeviceConnection:
    nodes: list[AdminDevice]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type
class PeopleQuery:
    @page(
        returns=AdminOfficerConnection,
        order={**BY_NAME, **BY_BADGE},
        admit=administrators,
        description="Officers, by name.",
    )
    def officers(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        station_id: UUID | None = None,
        badge: str | None = None,
        active: bool | None = None,
    ) -> Conditions:
        if station_id is not None:
            yield row.station_id == station_id
        if badge is not None:
            yield row.badge == badge
        if active is not None:
            yield row.active == active

    @single(
        returns=AdminOfficer | None,
        admit=administrators,
        description="One officer; null where there is none.",
    )
    def officer(row: Columns, id: UUID) -> Conditions:
        yield row.id == id

    @page(
        returns=AdminDeviceConnection,
        order=NEWEST_FIRST,
        admit=administrators,
        description="Phones, the newest first.",
    )
    def devices(row: Columns, first: int = 50, after: str | None = None) -> Conditions:
        yield from ()  # also revoked ones

    @single(
        returns=AdminDevice | None,
        admit=administrators,
        description="One phone; null where there is none.",
    )
    def device(row: Columns, id: UUID) -> Conditions:
        yield row.id == id
