"""Notices: what supervisors and administrators let officers know, until it is withdrawn or expires."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field

from storage.base import Synced, known, synced_index
from storage.vocabulary import NoticeSeverity


class Notice(Synced, table=True):
    """A notice to the officers of a zone or, without one, to the staff of the station; a trigger sets the scope.

    `title` and `body` are in the language of who posted it; `title_th` and `body_th` are for one that is written in both.
    `posted_by` is None for an administrator. A phone shows it from `valid_from` on and drops it at `expires_at`.
    """

    __tablename__ = "notice"
    __table_args__ = (
        synced_index("notice"),
        Index("notice_valid_idx", "scope_id", "valid_from", "id"),
        known("severity", NoticeSeverity),
        CheckConstraint("length(title) between 1 and 200", name="title"),
        CheckConstraint("length(title_th) between 1 and 200", name="title_th"),
        CheckConstraint("length(body) between 1 and 4000", name="body"),
        CheckConstraint("length(body_th) between 1 and 4000", name="body_th"),
        CheckConstraint("expires_at > valid_from", name="expires_at"),
    )

    station_id: UUID = Field(foreign_key="station.id", index=True)
    zone_id: UUID | None = Field(default=None, foreign_key="zone.id")
    severity: str
    title: str
    title_th: str | None = None
    body: str
    body_th: str | None = None
    valid_from: datetime
    expires_at: datetime | None = None
    posted_by: UUID | None = Field(default=None, foreign_key="officer.id")


INSERT_NOTICE = """
insert into notice
    (id, station_id, zone_id, severity, title, title_th, body, body_th, valid_from, expires_at, posted_by)
values ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9, now()), $10, $11)
on conflict (id) do nothing
returning scope_id
"""
"""Posts a notice; an id that is taken returns no row."""

READ_NOTICE = """
select station_id, zone_id, scope_id, severity, title, title_th, body, body_th, expires_at, posted_by, deleted_at
from notice where id = $1
"""
"""A notice as it was posted."""

WITHDRAW_NOTICE = """
update notice set deleted_at = coalesce(deleted_at, now()) where id = $1 and ($2::uuid is null or station_id = $2)
returning scope_id
"""
"""Withdraws a notice of a station, or of any; doing it twice changes nothing."""
