"""What administrators do with officers, their phones and sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar
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
from patrol.stations import add_officer, assign, require_scopes, set_officer_active, staff_of
from schema.acts import AdminDone, AdminInfo, AdminIssued, AdminRefusal, act, done
from schema.enums import OfficerRole
from schema.mutations import planned
from schema.people import AdminDevice, AdminOfficer, AdminSession
from storage.database import Connection

LONGEST_CODE = timedelta(days=7)


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


D = TypeVar("D", bound=AdminDone)


async def done_and_told(
    answer: type[D],
    info: AdminInfo,
    rule: Callable[[Connection], Awaitable[object]],
    id: UUID | None = None,
) -> D:
    """As `done`, for what changes an officer, his sessions or a phone: his phones and his colleagues' learn of it at once.

    Those whose scopes have changed, or whose session has ended, end their subscription at the poke and come back.
    """
    staff: list[UUID] = []

    async def and_whom(connection: Connection) -> object:
        # Also where he was before, if that is what changes.
        staff.extend([] if id is None else await staff_of(connection, id))
        outcome = await rule(connection)
        about = outcome if isinstance(outcome, UUID) else id
        staff.extend([] if about is None else await staff_of(connection, about))
        return outcome

    told = await done(answer, info, and_whom, id)
    if told.refusal is None:
        info.context.live.poke(staff, ["officers"])
    return told


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

        return await done_and_told(AdminOfficerDone, info, add)

    @strawberry.mutation(
        description="Makes these zones or stations all that is assigned to an officer from now on."
    )
    async def assign_officer(
        self, info: AdminInfo, id: UUID, scope_ids: list[UUID]
    ) -> AdminOfficerDone:
        async def reassign(connection: Connection) -> None:
            await require_scopes(connection, scope_ids)
            await assign(connection, id, scope_ids)

        return await done_and_told(AdminOfficerDone, info, reassign, id)

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

        return await done_and_told(AdminOfficerDone, info, revoke, id)

    @strawberry.mutation(description="Takes an officer back, who then enrols a phone anew.")
    async def restore_officer(self, info: AdminInfo, id: UUID) -> AdminOfficerDone:
        async def restore(connection: Connection) -> None:
            if not await set_officer_active(connection, id, True):
                raise NotFound("There is no such officer who was taken off.")

        return await done_and_told(AdminOfficerDone, info, restore, id)

    @strawberry.mutation(description="Ends one session at once.")
    async def revoke_session(self, info: AdminInfo, id: UUID) -> AdminSessionDone:
        return await done_and_told(
            AdminSessionDone, info, lambda connection: revoke_session(connection, id), id
        )

    @strawberry.mutation(
        description="Ends all sessions on a phone and never lets it enrol again, as after a theft."
    )
    async def revoke_device(self, info: AdminInfo, id: UUID) -> AdminDeviceDone:
        return await done_and_told(
            AdminDeviceDone, info, lambda connection: revoke_device(connection, id), id
        )
