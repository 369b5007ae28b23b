"""The audit log, administrators' tokens and failed jobs in the administrator's contract."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from schema.acts import administrators
from schema.media import hexadecimal
from schema.paging import AdminPageInfo
from schema.planner import Columns, Conditions, Order, computed, page, reads
from schema.scalars import JSON, Long
from storage import tables
from storage.administration import FAILED_JOB

LATEST_FIRST = {"LATEST": Order("id", descending=True)}
LATEST_SEAL_FIRST = {"LATEST": Order("number", descending=True)}
NEWEST_FIRST = {"CREATED": Order("created_at", descending=True)}


@reads(tables.AuditEntry, name="AuditEntry", scope=None)
class AdminAuditEntry:
    """One act with a right that others do not have, or one read by a partner."""

    id: Long
    at: datetime
    principal: str
    act: str
    subject: str
    detail: JSON


@reads(tables.AuditSeal, name="AuditSeal", key="number", scope=None)
class AdminAuditSeal:
    """A link of the hash chain over the audit log. `patrol audit verify` computes the chain again."""

    number: Long
    sealed_at: datetime
    entries: int
    sha256: str = computed("sha256", by=hexadecimal, description="Lower-case hexadecimal.")


@reads(tables.AdminToken, name="AdminToken", scope=None)
class AdminAdminToken:
    """An administrator's token. What it opens with is not kept."""

    id: UUID
    name: str
    prefix: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


@reads(FAILED_JOB, name="FailedJob", scope=None)
class AdminFailedJob:
    """A job that was given up, with the reason of its last failure."""

    id: Long
    name: str
    enqueued_at: datetime
    failed_at: datetime
    error: str | None
    message: str | None


@strawberry.type(name="AuditEntryConnection", description="Audit entries, page by page.")
class AdminAuditEntryConnection:
    nodes: list[AdminAuditEntry]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type(name="AuditSealConnection", description="Seals of the audit log, page by page.")
class AdminAuditSealConnection:
    nodes: list[AdminAuditSeal]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type(name="AdminTokenConnection", description="Tokens, page by page.")
class AdminAdminTokenConnection:
    nodes: list[AdminAdminToken]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type(name="FailedJobConnection", description="Failed jobs, page by page.")
class AdminFailedJobConnection:
    nodes: list[AdminFailedJob]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type
class LogQuery:
    @page(
        returns=AdminAuditEntryConnection,
        order=LATEST_FIRST,
        admit=administrators,
        description="The audit log, latest first.",
    )
    def audit_entries(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        principal: str | None = None,
        act: str | None = None,
        subject: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Conditions:
        for column, wanted in (
            (row.principal, principal),
            (row.act, act),
            (row.subject, subject),
        ):
            if wanted is not None:
                yield column == wanted
        if since is not None:
            yield row.at >= since
        if until is not None:
            yield row.at < until

    @page(
        returns=AdminAuditSealConnection,
        order=LATEST_SEAL_FIRST,
        admit=administrators,
        description="The seals of the audit log, latest first. Keep a `sha256` elsewhere to prove later that the "
        "end of the log was not cut off.",
    )
    def audit_seals(row: Columns, first: int = 50, after: str | None = None) -> Conditions:
        yield from ()  # every seal

    @page(
        returns=AdminAdminTokenConnection,
        order=NEWEST_FIRST,
        admit=administrators,
        description="Administrators' tokens, newest first.",
    )
    def admin_tokens(row: Columns, first: int = 50, after: str | None = None) -> Conditions:
        yield from ()  # also revoked ones

    @page(
        returns=AdminFailedJobConnection,
        order=LATEST_FIRST,
        admit=administrators,
        description="Jobs that were given up, latest first.",
    )
    def failed_jobs(
        row: Columns, first: int = 50, after: str | None = None, name: str | None = None
    ) -> Conditions:
        if name is not None:
            yield row.name == name
