"""Notices to officers in the administrator's contract."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry
from uuid_utils.compat import uuid7

from patrol.notices import NewNotice, post_notice, withdraw_notice
from schema.acts import AdminDone, AdminInfo, AdminRefusal, act, administrators
from schema.context import Context
from schema.enums import NoticeSeverity
from schema.mutations import planned
from schema.notices import LATEST_FIRST
from schema.paging import AdminPageInfo
from schema.people import AdminOfficer
from schema.places import AdminStation, AdminZone
from schema.planner import Columns, Conditions, column, one, page, reads
from schema.scalars import Long
from storage import tables


@reads(tables.Notice, name="Notice")
class AdminNotice:
    """What officers were let know. Without a zone it is for the whole staff of the station."""

    id: UUID
    scope_id: UUID
    severity: NoticeSeverity
    title: str
    title_th: str | None
    body: str
    body_th: str | None
    valid_from: datetime
    expires_at: datetime | None
    withdrawn_at: datetime | None = column("deleted_at")
    rev: Long
    created_at: datetime
    updated_at: datetime
    station: AdminStation = one("station_id")
    zone: AdminZone | None = one("zone_id")
    poster: AdminOfficer | None = one("posted_by")


@strawberry.type(name="NoticeConnection", description="Notices, page by page.")
class AdminNoticeConnection:
    nodes: list[AdminNotice]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type
class AnnouncementsQuery:
    @page(
        returns=AdminNoticeConnection,
        order=LATEST_FIRST,
        admit=administrators,
        description="Notices to officers, latest first; also those that have expired or were withdrawn.",
    )
    def notices(
        row: Columns, first: int = 50, after: str | None = None, station_id: UUID | None = None
    ) -> Conditions:
        if station_id is not None:
            yield row.station_id == station_id


@strawberry.input(name="PostNoticeInput")
class AdminPostNoticeInput:
    """A notice to the officers of a zone or, without one, to the whole staff of a station."""

    station_id: UUID
    severity: NoticeSeverity
    title: str
    body: str
    title_th: str | None = None
    body_th: str | None = None
    zone_id: UUID | None = None
    valid_from: datetime | None = None
    expires_at: datetime | None = None


@strawberry.type(name="NoticeDone", description="The notice as it stands now, or a refusal.")
class AdminNoticeDone(AdminDone):
    notice: AdminNotice | None = planned("id")


@strawberry.type
class AnnouncementsMutation:
    @strawberry.mutation(description="Lets the officers of a zone or of a station know something.")
    async def post_notice(self, info: AdminInfo, notice: AdminPostNoticeInput) -> AdminNoticeDone:
        new = NewNotice(
            id=uuid7(),
            severity=NoticeSeverity(notice.severity),  # within an input it may come as plain text
            title=notice.title,
            body=notice.body,
            title_th=notice.title_th,
            body_th=notice.body_th,
            zone_id=notice.zone_id,
            valid_from=notice.valid_from,
            expires_at=notice.expires_at,
        )
        scope = await act(
            info, lambda connection: post_notice(connection, notice.station_id, new, None)
        )
        return _done(info.context, scope, new.id)

    @strawberry.mutation(description="Takes a notice off every phone.")
    async def withdraw_notice(self, info: AdminInfo, id: UUID) -> AdminNoticeDone:
        scope = await act(info, lambda connection: withdraw_notice(connection, id, None))
        return _done(info.context, scope, id)


def _done(context: Context, scope: UUID | AdminRefusal, id: UUID) -> AdminNoticeDone:
    if isinstance(scope, AdminRefusal):
        return AdminNoticeDone(refusal=scope)
    context.live.poke([scope], ["notices"])
    return AdminNoticeDone(id=id)
