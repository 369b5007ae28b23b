"""Writes down what happens to an alert, in the transaction that makes it happen, so that its story is never a guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from patrol.clock import PhoneTime
from storage.database import Connection
from storage.responses import INSERT_EVENTS
from storage.statements import as_json
from storage.vocabulary import AlertEventKind


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an alert.

    `at` is when it happened: a phone's time as far as it can be true (`captured_at_raw` is then what its clock said), else
    ours. `received_at` is when we learned of it. `detail` holds ids, codes and numbers, never a coordinate or a link.
    """

    alert_id: UUID
    kind: AlertEventKind
    at: datetime
    received_at: datetime
    captured_at_raw: str | None = None
    time_suspect: bool = False
    officer_id: UUID | None = None
    device_id: UUID | None = None
    installation_id: UUID | None = None
    step_id: UUID | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def told(
    alert_id: UUID, kind: AlertEventKind, when: PhoneTime, received_at: datetime, **more: Any
) -> Event:
    """An event of which a phone tells, with both clocks."""
    return Event(alert_id, kind, when.at, received_at, when.raw, when.suspect, **more)


async def note(connection: Connection, events: Sequence[Event]) -> None:
    """Adds events to the log of their alerts, in the caller's transaction; those of unknown alerts are left out."""
    if events:
        rows = [
            {
                "id": uuid7(),
                **{name: getattr(one, name) for name in Event.__dataclass_fields__},
                "detail": dict(one.detail),
            }
            for one in events
        ]
        await connection.execute(INSERT_EVENTS, as_json(rows))
