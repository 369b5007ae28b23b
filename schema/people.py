"""Officers, their phones and sessions in the administrator's contract."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import strawberry

from patrol.errors import NotFound, VariableInvalid
from patrol.identity import (
    IssuedCode,
    issue_enrolment_code,
    revoke_device,
    revoke_officer_sessions,
    revoke_session,
)
from patrol.stations import add_officer, assign, require_scopes, set_officer_active
from schema.acts import AdminDone, AdminInfo, AdminIssued, AdminRefusal, act, administrators, done
from schema.enums import OfficerRole
from schema.mutations import planned
from schema.paging import AdminPageInfo
from schema.places import AdminStation, AdminZone
from schema.planner import Columns, Conditions, Order, column, many, one, page, reads, single
from schema.zones import BY_NAME
from storage import tables
from storage.administration import OFFICER_DEVICE
from storage.database import Connection

BY_BADGE = {"BADGE": Order("badge")}
NEWEST_FIRST = {"CREATED": Order("created_at", descending=True)}
BY_BEGIN = {"BEGIN": Order("valid_from")}
BY_SIGN_IN = {"SIGN_IN": Order("signed_in_at", descending=True)}
LAST_HEARD_FIRST = {"HEARD": Order("heard_at", descending=True)}
LONGEST_CODE = timedelta(days=7)


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


@strawberry.input(name="AddOfficerInput")
class AdminAddOfficerInput:
    """A new officer of a station, with what is assigned to him from now on."""

    station_id: UUID
    badge: str
    role: OfficerRole
    rank: str
    name: str
    name_th: str
    scope_ids: list[UUID] = strawberry.field(
        description="Zones, or the station itself with all its zones."
    )


@strawberry.type(name="OfficerDone", description="The officer as he stands now, or a refusal.")
class AdminOfficerDone(AdminDone):
    officer: AdminOfficer | None = planned("id")


@strawberry.type(name="SessionDone", description="The session as it stands now, or a refusal.")
class AdminSessionDone(AdminDone):
    session: AdminSession | None = planned("id")


@strawberry.type(name="DeviceDone", description="The phone as it stands now, or a refusal.")
class AdminDeviceDone(AdminDone):
    device: AdminDevice | None = planned("id")


@strawberry.type(
    name="EnrolmentCodeIssued", description="A new one-time code with whose it is, or a refusal."
)
class AdminEnrolmentCodeIssued(AdminIssued):
    officer_id: strawberry.Private[UUID | None] = None
    officer: AdminOfficer | None = planned("officer_id")


@strawberry.type
class PeopleMutation:
    @strawberry.mutation(description="Adds an officer and assigns zones or the whole station.")
    async def add_officer(self, info: AdminInfo, officer: AdminAddOfficerInput) -> AdminOfficerDone:
        async def add(connection: Connection) -> UUID:
            await require_scopes(connection, officer.scope_ids)
            return await add_officer(
                connection,
                officer.station_id,
                badge=officer.badge,
                role=OfficerRole(officer.role),  # within an input it may come as plain text
                rank=officer.rank,
                name=officer.name,
                name_th=officer.name_th,
                scopes=officer.scope_ids,
            )

        return await done(AdminOfficerDone, info, add)

    @strawberry.mutation(
        description="Makes these zones or stations all that is assigned to an officer from now on."
    )
    async def assign_officer(
        self, info: AdminInfo, id: UUID, scope_ids: list[UUID]
    ) -> AdminOfficerDone:
        async def reassign(connection: Connection) -> None:
            await require_scopes(connection, scope_ids)
            await assign(connection, id, scope_ids)

        return await done(AdminOfficerDone, info, reassign, id)

    @strawberry.mutation(
        description="Makes a one-time code by which a phone becomes the officer's. "
        "It is good for an hour unless `minutes` says otherwise."
    )
    async def issue_enrolment_code(
        self, info: AdminInfo, officer_id: UUID, minutes: int = 60
    ) -> AdminEnrolmentCodeIssued:
        async def issue(connection: Connection) -> IssuedCode:
            good_for = timedelta(minutes=minutes)
            if not timedelta(0) < good_for <= LONGEST_CODE:
                raise VariableInvalid("A code is good for at least a minute and at most a week.")
            return await issue_enrolment_code(
                connection, officer_id, str(info.context.principal), good_for
            )

        code = await act(info, issue)
        if isinstance(code, AdminRefusal):
            return AdminEnrolmentCodeIssued(refusal=code)
        return AdminEnrolmentCodeIssued(
            id=code.id, secret=code.code, expires_at=code.expires_at, officer_id=officer_id
        )

    @strawberry.mutation(
        description="Takes an officer off and ends all his sessions at once. Unsent work stays on his phones."
    )
    async def revoke_officer(self, info: AdminInfo, id: UUID) -> AdminOfficerDone:
        async def revoke(connection: Connection) -> None:
            if not await set_officer_active(connection, id, False):
                raise NotFound("There is no such active officer.")
            # Without this, a later return would bring the old sessions back.
            await revoke_officer_sessions(connection, id)

        return await done(AdminOfficerDone, info, revoke, id)

    @strawberry.mutation(description="Takes an officer back, who then enrols a phone anew.")
    async def restore_officer(self, info: AdminInfo, id: UUID) -> AdminOfficerDone:
        async def restore(connection: Connection) -> None:
            if not await set_officer_active(connection, id, True):
                raise NotFound("There is no such officer who was taken off.")

        return await done(AdminOfficerDone, info, restore, id)

    @strawberry.mutation(description="Ends one session at once.")
    async def revoke_session(self, info: AdminInfo, id: UUID) -> AdminSessionDone:
        return await done(
            AdminSessionDone, info, lambda connection: revoke_session(connection, id), id
        )

    @strawberry.mutation(
        description="Ends all sessions on a phone and never lets it enrol again, as after a theft."
    )
    async def revoke_device(self, info: AdminInfo, id: UUID) -> AdminDeviceDone:
        return await done(
            AdminDeviceDone, info, lambda connection: revoke_device(connection, id), id
        )
