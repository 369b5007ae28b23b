"""Fallback channels of SOS and what the auditor found, in the administrator's contract."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from patrol.sos.channels import add_channel, note_test, remove_channel, try_channel
from schema.acts import AdminDone, AdminInfo, administrators, done, require_administrator
from schema.enums import CallFinding, ChannelLanguage, ChannelOutcome
from schema.mutations import planned
from schema.paging import AdminPageInfo
from schema.places import AdminStation
from schema.planner import Columns, Conditions, Order, one, page, reads
from storage import tables

OLDEST_FIRST = {"CREATED": Order("created_at")}
LATEST_FIRST = {"LATEST": Order("created_at", descending=True)}


@reads(tables.SosChannel, name="SosChannel", scope=None)
class AdminSosChannel:
    """A fallback channel of a station. Its address is a secret: only its scheme can be read."""

    id: UUID
    label: str
    scheme: str
    language: ChannelLanguage
    added_by: str
    created_at: datetime
    removed_at: datetime | None
    tested_at: datetime | None
    test_outcome: ChannelOutcome | None
    test_reason: str | None
    failing_since: datetime | None
    station: AdminStation = one("station_id")


@reads(tables.SosFinding, name="SosFinding", scope=None)
class AdminSosFinding:
    """Something that should have happened for a call for help and did not, as the auditor found it."""

    id: UUID
    kind: CallFinding
    alert_id: UUID | None
    step_id: UUID | None
    created_at: datetime
    seen_at: datetime
    told_at: datetime | None
    times_told: int
    reached: int
    repaired: bool
    resolved_at: datetime | None
    station: AdminStation | None = one("station_id")


@strawberry.type(name="SosChannelConnection", description="Fallback channels, page by page.")
class AdminSosChannelConnection:
    nodes: list[AdminSosChannel]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type(name="SosFindingConnection", description="Findings, page by page.")
class AdminSosFindingConnection:
    nodes: list[AdminSosFinding]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type
class ChannelsQuery:
    @page(
        returns=AdminSosChannelConnection,
        order=OLDEST_FIRST,
        admit=administrators,
        description="Fallback channels, oldest first; also those that were removed.",
    )
    def sos_channels(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        station_id: UUID | None = None,
        removed: bool | None = None,
    ) -> Conditions:
        if removed is not None:
            yield row.removed_at.is_not(None) == removed
        if station_id is not None:
            yield row.station_id == station_id

    @page(
        returns=AdminSosFindingConnection,
        order=LATEST_FIRST,
        admit=administrators,
        description="What the auditor of calls for help found, latest first.",
    )
    def sos_findings(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        alert_id: UUID | None = None,
        open: bool | None = None,
    ) -> Conditions:
        if alert_id is not None:
            yield row.alert_id == alert_id
        if open is not None:
            yield row.resolved_at.is_(None) == open


@strawberry.input(name="AddSosChannelInput")
class AdminAddSosChannelInput:
    """A fallback channel; `address` as docs/channels.md shows for each service. It is sealed and never shown again."""

    station_id: UUID
    label: str
    address: str
    language: ChannelLanguage = ChannelLanguage.BOTH


@strawberry.type(name="SosChannelDone", description="The channel as it stands now, or a refusal.")
class AdminSosChannelDone(AdminDone):
    channel: AdminSosChannel | None = planned("id")


@strawberry.type
class ChannelsMutation:
    @strawberry.mutation(description="Adds a fallback channel to a station.")
    async def add_sos_channel(
        self, info: AdminInfo, channel: AdminAddSosChannelInput
    ) -> AdminSosChannelDone:
        context = info.context
        require_administrator(context.principal)
        teller = context.teller
        assert teller is not None  # every process hands one in
        return await done(
            AdminSosChannelDone,
            info,
            lambda connection: add_channel(
                connection,
                teller,
                channel.station_id,
                channel.label,
                channel.address,
                language=ChannelLanguage(channel.language),
                by=str(context.principal),
            ),
        )

    @strawberry.mutation(
        description="Tells a channel's people that it works; `testOutcome` says whether it could be told."
    )
    async def test_sos_channel(self, info: AdminInfo, id: UUID) -> AdminSosChannelDone:
        context = info.context
        require_administrator(context.principal)
        teller = context.teller
        assert teller is not None  # every process hands one in

        found = await done(
            AdminSosChannelDone, info, lambda connection: note_test(connection, id), id
        )
        if found.refusal is None:
            # Outside of the transaction: a service may take its time.
            await try_channel(context.database, teller, id)
        return found

    @strawberry.mutation(description="Ends a channel and forgets its address.")
    async def remove_sos_channel(self, info: AdminInfo, id: UUID) -> AdminSosChannelDone:
        by = str(info.context.principal)
        return await done(
            AdminSosChannelDone,
            info,
            lambda connection: remove_channel(connection, id, by=by),
            id,
        )
