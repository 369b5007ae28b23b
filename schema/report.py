"""The log and the report of a call for help: read by whoever sees the alert, handed out as a file to who leads its station."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import strawberry
from strawberry.types import Info

from patrol.errors import Problem, StoreUnavailable
from patrol.sos.export import Exported, export_report
from schema.context import Context
from schema.enums import AlertEventKind, ReportForm
from schema.planner import Order, Reading, computed, one, reads
from schema.refusals import Refusal, refusal_of
from schema.scalars import JSON, Long
from schema.stations import Officer
from storage import faults, tables

AS_IT_HAPPENED = {"HAPPENED": Order("at")}


def read_detail(_: Reading, detail: Any) -> dict[str, Any]:
    """The detail of an event; JSON travels as text."""
    return dict(orjson.loads(detail) if isinstance(detail, str | bytes) else detail or {})


@reads(tables.SosEvent)
class AlertEvent:
    """Something that happened to an alert. `at` is by the clock of who did it, as far as that can be true; `receivedAt` is
    when we learned of it."""

    id: UUID
    alert_id: UUID
    kind: AlertEventKind
    at: datetime
    captured_at_raw: str | None
    received_at: datetime
    time_suspect: bool
    officer_id: UUID | None
    step_id: UUID | None
    detail: JSON = computed(
        "detail", by=read_detail, description="Ids, codes and numbers; it depends on the kind."
    )
    officer: Officer | None = one("officer_id")


@strawberry.type(description="A report behind a link, or a refusal.")
class ReportExported:
    url: str | None = strawberry.field(default=None, description="Short-lived.")
    filename: str | None = None
    size_bytes: Long | None = None
    sha256: str | None = strawberry.field(default=None, description="Lower-case hexadecimal.")
    expires_at: datetime | None = None
    refusal: Refusal | None = None


async def exported(context: Context, alert_id: UUID, form: ReportForm) -> ReportExported:
    """Makes a report for whoever may have it."""
    try:
        made = await export_report(
            context.database, context.store, context.principal, alert_id, ReportForm(form)
        )
    except Problem as problem:
        return ReportExported(refusal=refusal_of(problem))
    except faults.StoreUnavailable as fault:
        return ReportExported(refusal=refusal_of(StoreUnavailable(fault.message)))
    return _as_type(made)


def _as_type(made: Exported) -> ReportExported:
    return ReportExported(
        url=made.url,
        filename=made.filename,
        size_bytes=Long(made.size_bytes),
        sha256=made.sha256,
        expires_at=made.expires_at,
    )


@strawberry.type
class ReportMutation:
    @strawberry.mutation(
        description="The whole story of an alert as a file: who was told, when, through what, and what they did. For "
        "supervisors of its station; who took it is in the audit log."
    )
    async def export_alert(
        self, info: Info[Context, None], id: UUID, form: ReportForm = ReportForm.PDF
    ) -> ReportExported:
        return await exported(info.context, id, form)
