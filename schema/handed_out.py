"""Reports on calls for help in the administrator's contract."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

import strawberry

from schema.acts import AdminInfo, AdminRefusal, require_administrator
from schema.enums import ReportForm
from schema.report import exported
from schema.scalars import Long


@strawberry.type(name="ReportExported", description="A report behind a link, or a refusal.")
class AdminReportExported:
    url: str | None = strawberry.field(default=None, description="Short-lived.")
    filename: str | None = None
    size_bytes: Long | None = None
    sha256: str | None = strawberry.field(default=None, description="Lower-case hexadecimal.")
    expires_at: datetime | None = None
    refusal: AdminRefusal | None = None


@strawberry.type
class AdminReportMutation:
    @strawberry.mutation(
        description="The whole story of an alert as a file: who was told, when, through what, and what they did."
    )
    async def export_alert(
        self, info: AdminInfo, id: UUID, form: ReportForm = ReportForm.PDF
    ) -> AdminReportExported:
        require_administrator(info.context.principal)
        made = asdict(await exported(info.context, id, form))
        refusal = made.pop("refusal")
        return AdminReportExported(**made, refusal=refusal and AdminRefusal(**refusal))
