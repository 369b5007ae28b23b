"""Decisions about refused records, and about lost phones, in the administrator's contract."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from patrol.stations import staff_of
from patrol.sync.lost import LostPhone, lose_device
from patrol.sync.quarantine import Replayed, discard, replay
from schema.acts import AdminDone, AdminInfo, AdminRefusal, act, done
from schema.mutations import planned
from schema.people import AdminDevice
from schema.planner.reads import at_most
from schema.quarantine import poke
from schema.reading import read_kept
from schema.records import AdminQuarantineItem
from storage.database import Connection

RECEIVED = 1_000
"""Parts that the answer about a lost phone lists: sixty zones with all their subjects."""


@strawberry.type(
    name="QuarantineDone",
    description="The item as it stands now, or a refusal. A replay that was refused again is KEPT, with the code of this time.",
)
class AdminQuarantineDone(AdminDone):
    item: AdminQuarantineItem | None = planned("id")


@strawberry.type(
    name="ReceivedRows", description="Rows of a list in a scope that a lost phone may have."
)
class AdminReceivedRows:
    scope_id: UUID
    name: str | None
    subject: str
    rows: int


@strawberry.type(
    name="DeviceLost",
    description="What a lost phone may have: at most `received`, all that stood in its officers' scopes.",
)
class AdminDeviceLost(AdminDone):
    device: AdminDevice | None = planned("id")
    officers: list[str] = strawberry.field(default_factory=list, description="Their badges.")
    received: list[AdminReceivedRows] = strawberry.field(
        default_factory=list, metadata=at_most(RECEIVED)
    )
    left_off: int = strawberry.field(
        default=0,
        description="How many parts are beyond those of `received`; the entry `device.lost` of the audit log has them all.",
    )
    last_pull_at: datetime | None = strawberry.field(default=None, description="To the hour.")


@strawberry.type
class DecisionsMutation:
    @strawberry.mutation(
        description="Applies a refused record after all, as the officer who made it; twice applies it once. "
        "`overrule` lets its values win over what others wrote since."
    )
    async def replay_quarantined(
        self, info: AdminInfo, id: UUID, reason: str, overrule: bool = False
    ) -> AdminQuarantineDone:
        context = info.context

        async def again(connection: Connection) -> Replayed:
            return await replay(
                connection, id, by=str(context.principal), reason=reason, read=read_kept, overrule=overrule
            )  # fmt: skip

        outcome = await act(info, again)
        if isinstance(outcome, AdminRefusal):
            return AdminQuarantineDone(refusal=outcome)
        poke(context, outcome)
        return AdminQuarantineDone(id=id)

    @strawberry.mutation(
        description="Sets a refused record aside; it stays, with who did it and why."
    )
    async def discard_quarantined(
        self, info: AdminInfo, id: UUID, reason: str
    ) -> AdminQuarantineDone:
        async def aside(connection: Connection) -> None:
            await discard(connection, id, by=str(info.context.principal), reason=reason)

        return await done(AdminQuarantineDone, info, aside, id)

    @strawberry.mutation(
        description="Revokes a phone, has it erase its copy when it is next heard of, and says what it may have."
    )
    async def report_device_lost(self, info: AdminInfo, id: UUID, reason: str) -> AdminDeviceLost:
        staff: list[UUID] = []

        async def lose(connection: Connection) -> LostPhone:
            staff.extend(await staff_of(connection, id))
            return await lose_device(connection, id, reason=reason)

        lost = await act(info, lose)
        if isinstance(lost, AdminRefusal):
            return AdminDeviceLost(refusal=lost)
        # If it listens, it learns now that it has to erase itself.
        info.context.live.poke(staff, ["officers"])
        return AdminDeviceLost(
            id=id,
            officers=list(lost.officers),
            received=[
                AdminReceivedRows(
                    scope_id=one.scope_id, name=one.name, subject=one.subject, rows=one.rows
                )
                for one in lost.received[:RECEIVED]
            ],
            left_off=max(0, len(lost.received) - RECEIVED),
            last_pull_at=lost.last_pull_at,
        )
