"""Hands the story of an alert to those who may have it, as a file behind a short-lived link; who took it is written down first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

import anyio.to_thread
from uuid_utils.compat import uuid7

from patrol.audit import audit
from patrol.errors import NotFound
from patrol.sos.dispatch import steered_station
from patrol.sos.report import as_pdf
from patrol.sos.timeline import Timeline, as_json, read_timeline
from storage.buckets import Bucket, ObjectStore
from storage.database import Database
from storage.principal import Principal, PrincipalKind, Role, system
from storage.reports import READ_STATION
from storage.vocabulary import ReportForm

LINK_HOLDS: Final = timedelta(minutes=15)

_TYPES: Final = {
    ReportForm.JSON: ("json", "application/json"),
    ReportForm.PDF: ("pdf", "application/pdf"),
}


@dataclass(frozen=True, slots=True)
class Report:
    """A report as bytes."""

    content: bytes
    content_type: str
    filename: str

    @property
    def sha256(self) -> str:
        """Of the content, in hexadecimal."""
        return sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Exported:
    """A report behind a link that holds until `expires_at`."""

    url: str
    filename: str
    size_bytes: int
    sha256: str
    expires_at: datetime


async def make_report(
    database: Database, principal: Principal, alert_id: UUID, form: ReportForm
) -> Report:
    """The story of an alert. Of officers only supervisors get it, and only of their own station.

    Raises:
        NotAllowed: the officer is no supervisor.
        NotFound: there is no such alert, or none of his station.
    """
    async with database.write(principal) as connection:
        station = await connection.fetchval(READ_STATION, alert_id)
        if principal.kind is PrincipalKind.OFFICER:
            assert isinstance(principal.id, UUID)  # an officer has an id
            if await steered_station(connection, principal.id) != station:
                raise NotFound
        if station is None:
            raise NotFound
        await audit(connection, "alert.report", alert_id, form=form.value)
    # The whole story is more than one door's role may read; who asks was judged above.
    async with database.enter(Role.SYSTEM, system("reports")) as entered:
        timeline = await read_timeline(entered.connection, alert_id)
    if timeline is None:
        raise NotFound
    ending, content_type = _TYPES[form]
    content = await anyio.to_thread.run_sync(_written, timeline, form)
    return Report(content, content_type, f"sos-{alert_id}.{ending}")


async def export_report(
    database: Database,
    store: ObjectStore,
    principal: Principal,
    alert_id: UUID,
    form: ReportForm,
) -> Exported:
    """The same in the bucket of exports, which forgets it after some days.

    Raises:
        StoreUnavailable: besides those of `make_report`.
    """
    report = await make_report(database, principal, alert_id, form)
    key = f"alerts/{alert_id}/{uuid7()}/{report.filename}"
    await store.put_bytes(Bucket.EXPORTS, key, report.content, content_type=report.content_type)
    url = store.link(
        "GET",
        Bucket.EXPORTS,
        key,
        expires=LINK_HOLDS,
        filename=report.filename,
        attachment=True,
    )
    return Exported(
        url,
        report.filename,
        len(report.content),
        report.sha256,
        datetime.now(UTC) + LINK_HOLDS,
    )


def _written(timeline: Timeline, form: ReportForm) -> bytes:
    return as_pdf(timeline) if form is ReportForm.PDF else as_json(timeline)
