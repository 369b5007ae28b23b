"""Stores a call for help; the transaction that stores it also fixes whom to call and when.

Whatever it came through (a phone, a pole, a citizen's link, a text message), it becomes a `NewAlert` and takes this one
path, drills too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from patrol.pushes import tell
from patrol.sos.escalation import Round, escalate
from patrol.sos.events import Event, note
from patrol.sos.waiting import Cancellable, Moved, apply_cancels, hold
from storage.alerts import INSERT_ALERTS, READ_STANDING
from storage.database import Connection
from storage.statements import as_json
from storage.vocabulary import (
    AlertEventKind,
    AlertSource,
    AlertStatus,
    IncidentSeverity,
    PushKind,
)

LATE_AFTER = timedelta(minutes=10)
"""An alert that is older than this when it arrives is shown as late, and its raiser is asked whether he still needs help."""


@dataclass(frozen=True, slots=True)
class NewAlert:
    """A call for help as it arrived. A position is WGS 84 degrees, its accuracy metres; times are aware.

    `silent` is one that must not be noticed at the raiser's: no phone of his shows anything. Without a `severity` it is
    CRITICAL, a drill LOW. `texted_at` is set when it came as a text message.
    """

    id: UUID
    scope_id: UUID
    station_id: UUID
    source: AlertSource
    raised_at: datetime
    captured_at_raw: str
    received_at: datetime
    zone_id: UUID | None = None
    officer_id: UUID | None = None
    post_id: UUID | None = None
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    time_suspect: bool = False
    drill: bool = False
    silent: bool = False
    severity: IncidentSeverity | None = None
    device_id: UUID | None = None
    texted_at: datetime | None = None

    @property
    def late(self) -> bool:
        """Whether it was long on its way."""
        return self.received_at - self.raised_at > LATE_AFTER

    @property
    def pressing(self) -> IncidentSeverity:
        """How much it presses."""
        if self.severity is not None:
            return self.severity
        return IncidentSeverity.LOW if self.drill else IncidentSeverity.CRITICAL


@dataclass(frozen=True, slots=True)
class Raised:
    """What became of a new alert. When it was not `created`, `alert_id` is the one that stands in its place: the alert
    with the same id, or the post's unfinished one; nothing of the new one was stored then."""

    alert_id: UUID
    scope_id: UUID
    status: AlertStatus
    rev: int
    created: bool


async def raise_alerts(connection: Connection, alerts: Sequence[NewAlert]) -> list[Raised]:
    """Stores alerts with their escalation and its jobs in the caller's transaction; answers in the order given.

    A cancel that was here first is applied: then nobody is called. No id and no post may stand twice in one call.
    """
    if not alerts:
        return []
    added = {
        row["id"]: row["rev"]
        for row in await connection.fetch(INSERT_ALERTS, as_json([_row(one) for one in alerts]))
    }
    created = [one for one in alerts if one.id in added]
    raised = {
        one.id: Raised(one.id, one.scope_id, AlertStatus.OPEN, added[one.id], created=True)
        for one in created
    }
    await note(connection, [_event(one) for one in created])
    for alert_id, moved in (await _take_waiting(connection, created)).items():
        raised[alert_id] = replace(raised[alert_id], status=moved.status, rev=moved.rev)
    await escalate(
        connection,
        [
            Round(one.id, one.scope_id, one.drill)
            for one in created
            if raised[one.id].status is AlertStatus.OPEN
        ],
    )
    await _ask_raisers(
        connection, [one for one in created if raised[one.id].status is AlertStatus.OPEN]
    )
    standing = await _standing(connection, [one for one in alerts if one.id not in added])
    return [raised.get(one.id) or standing[one.id] for one in alerts]


async def _ask_raisers(connection: Connection, alerts: Sequence[NewAlert]) -> None:
    """Asks who called for help a while ago whether he still needs it; a silent alarm must not show on his phone."""
    for one in alerts:
        if one.late and one.officer_id is not None and not one.silent:
            await tell(connection, [one.officer_id], PushKind.ASK, one.id)
            asked = Event(
                one.id,
                AlertEventKind.RAISER_ASKED,
                one.received_at,
                one.received_at,
                officer_id=one.officer_id,
            )
            await note(connection, [asked])


async def _take_waiting(connection: Connection, created: Sequence[NewAlert]) -> dict[UUID, Moved]:
    """Applies the cancels that were here before their alert. Only phones choose an id before we know of it."""
    asked = [
        Cancellable(one.id, one.officer_id, one.raised_at, one.time_suspect)
        for one in created
        if one.officer_id is not None
    ]
    if not asked:
        return {}
    await hold(connection, [one.id for one in asked])
    return await apply_cancels(connection, asked, created[0].received_at)


async def _standing(connection: Connection, refused: Sequence[NewAlert]) -> dict[UUID, Raised]:
    """The alerts that stand in the place of those that were not created."""
    if not refused:
        return {}
    posts = [one.post_id for one in refused if one.post_id is not None]
    rows = await connection.fetch(READ_STANDING, [one.id for one in refused], posts)
    by_id = {row["id"]: row for row in rows}
    by_post = {(row["post_id"], row["drill"]): row for row in rows if row["post_id"] is not None}
    found = {}
    for one in refused:
        row = by_id.get(one.id) or by_post.get((one.post_id, one.drill))
        if row is None:
            # Its id is one that was deleted and compacted away.
            found[one.id] = Raised(one.id, one.scope_id, AlertStatus.CLOSED, 0, created=False)
            continue
        found[one.id] = Raised(
            row["id"], row["scope_id"], AlertStatus(row["status"]), row["rev"], created=False
        )
    return found


def _event(alert: NewAlert) -> Event:
    detail = {"source": alert.source.value, "severity": alert.pressing.value}
    marks = {
        "drill": alert.drill,
        "silent": alert.silent,
        "late": alert.late,
        "texted": alert.texted_at is not None,
    }
    return Event(
        alert.id,
        AlertEventKind.RAISED,
        alert.raised_at,
        alert.received_at,
        captured_at_raw=alert.captured_at_raw,
        time_suspect=alert.time_suspect,
        officer_id=alert.officer_id,
        device_id=alert.device_id,
        detail=detail | {name: True for name, given in marks.items() if given},
    )


def _row(alert: NewAlert) -> dict[str, Any]:
    fields = {name: getattr(alert, name) for name in NewAlert.__dataclass_fields__}
    return fields | {"late": alert.late, "severity": alert.pressing.value}
