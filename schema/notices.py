"""Notices in the phone's contract: everybody reads them, supervisors post and withdraw them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry
from sqlalchemy import func, or_
from strawberry.types import Info

from patrol.notices import NewNotice, post_notice, require_supervisor, withdraw_notice
from schema.context import Context
from schema.enums import NoticeSeverity
from schema.mutations import planned
from schema.paging import PageInfo
from schema.planner import Columns, Conditions, Order, one, page, reads
from schema.refusals import Done, Refusal, act
from schema.scalars import Long
from schema.stations import Officer
from schema.zones import Zone
from storage import tables
from storage.database import Connection

LATEST_FIRST = {"VALID_FROM": Order("valid_from", descending=True)}


@reads(tables.Notice)
class Notice:
    """What a supervisor or administrator lets officers know. Show it from `validFrom` on, drop it at `expiresAt`."""

    id: UUID
    scope_id: UUID
    station_id: UUID
    zone_id: UUID | None
    severity: NoticeSeverity
    title: str
    title_th: str | None
    body: str
    body_th: str | None
    valid_from: datetime
    expires_at: datetime | None
    posted_by: UUID | None
    rev: Long
    updated_at: datetime
    zone: Zone | None = one("zone_id")
    poster: Officer | None = one("posted_by")


@strawberry.type
class NoticeEdge:
    cursor: str
    node: Notice


@strawberry.type(description="Notices, page by page.")
class NoticeConnection:
    nodes: list[Notice]
    edges: list[NoticeEdge]
    page_info: PageInfo
    total_count: int


@strawberry.type
class NoticesQuery:
    @page(
        returns=NoticeConnection,
        order=LATEST_FIRST,
        limit=200,
        description="Notices in the caller's scopes that have not expired, latest first.",
    )
    def notices(
        row: Columns, first: int = 50, after: str | None = None, zone_id: UUID | None = None
    ) -> Conditions:
        yield row.deleted_at.is_(None)
        yield or_(row.expires_at.is_(None), row.expires_at > func.now())
        if zone_id is not None:
            yield row.zone_id == zone_id


@strawberry.input(
    description="A notice to the officers of a zone or, without one, to the whole staff of the station."
)
class PostNoticeInput:
    id: UUID = strawberry.field(
        description="UUIDv7, made by the sender, so that a repeated request posts once."
    )
    severity: NoticeSeverity
    title: str = strawberry.field(description="1 to 200 characters.")
    body: str = strawberry.field(description="1 to 4,000 characters.")
    title_th: str | None = strawberry.field(
        default=None, description="For a notice that is written in both languages."
    )
    body_th: str | None = None
    zone_id: UUID | None = None
    valid_from: datetime | None = strawberry.field(
        default=None, description="From when on phones show it; without one at once."
    )
    expires_at: datetime | None = strawberry.field(
        default=None, description="When phones drop it; without one when it is withdrawn."
    )


@strawberry.type(description="The notice as it stands now, or a refusal.")
class NoticeDone(Done):
    notice: Notice | None = planned("id")


@strawberry.type
class NoticesMutation:
    @strawberry.mutation(
        description="Lets the officers of a zone or of the whole station know something. For supervisors."
    )
    async def post_notice(self, info: Info[Context, None], notice: PostNoticeInput) -> NoticeDone:
        new = NewNotice(
            id=notice.id,
            severity=NoticeSeverity(notice.severity),  # within an input it may come as plain text
            title=notice.title,
            body=notice.body,
            title_th=notice.title_th,
            body_th=notice.body_th,
            zone_id=notice.zone_id,
            valid_from=notice.valid_from,
            expires_at=notice.expires_at,
        )
        officer = _officer(info)

        async def post(connection: Connection) -> UUID:
            station = await require_supervisor(connection, officer)
            return await post_notice(connection, station, new, officer)

        return _done(info.context, await act(info, post), notice.id)

    @strawberry.mutation(
        description="Takes a notice of the station off every phone. For supervisors; twice is no mistake."
    )
    async def withdraw_notice(self, info: Info[Context, None], id: UUID) -> NoticeDone:
        async def withdraw(connection: Connection) -> UUID:
            station = await require_supervisor(connection, _officer(info))
            return await withdraw_notice(connection, id, station)

        return _done(info.context, await act(info, withdraw), id)


def _officer(info: Info[Context, None]) -> UUID:
    principal = info.context.principal
    assert isinstance(principal.id, UUID)  # the phone door admits officers only
    return principal.id


def _done(context: Context, scope: UUID | Refusal, id: UUID) -> NoticeDone:
    if isinstance(scope, Refusal):
        return NoticeDone(refusal=scope)
    context.live.poke([scope], ["notices"])
    return NoticeDone(id=id)
