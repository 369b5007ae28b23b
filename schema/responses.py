"""What officers do about calls for help in the phone's contract, and the inputs by which their phones tell it."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from uuid import UUID

import strawberry
from strawberry import UNSET

from schema.enums import CallReport, ResponseStatus
from schema.planner import Order, one, reads
from schema.scalars import Long
from schema.stations import Officer
from storage import tables

AS_ANSWERED = {"ANSWERED": Order("created_at")}


@reads(tables.SosResponse)
class AlertResponse:
    """What one officer does about one alert. One of them leads: the first who acknowledged.

    `changedAt` is when it came to be as it is, by the phone's clock as far as that can be true; `receivedAt` is when we
    learned of it.
    """

    id: UUID
    scope_id: UUID
    alert_id: UUID
    officer_id: UUID
    status: ResponseStatus
    lead: bool
    assigned_by: UUID | None
    reason: str | None
    changed_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool
    assigned_at: datetime | None
    acknowledged_at: datetime | None
    on_the_way_at: datetime | None
    on_scene_at: datetime | None
    declined_at: datetime | None
    stood_down_at: datetime | None
    rev: Long
    updated_at: datetime
    officer: Officer | None = one("officer_id")


@strawberry.enum
class OwnResponse(Enum):
    """What an officer says himself; the rest is for supervisors to say."""

    ACKNOWLEDGED = "ACKNOWLEDGED"
    ON_THE_WAY = "ON_THE_WAY"
    ON_SCENE = "ON_SCENE"
    DECLINED = "DECLINED"


@strawberry.input(
    description="What the officer who pushes does about a call for help. The first who acknowledges leads, all are kept."
)
class RespondToAlertInput:
    id: UUID = strawberry.field(description="The alert.")
    status: OwnResponse
    reason: str | None = strawberry.field(
        default=UNSET, description="Why he cannot go; asked for with DECLINED."
    )


@strawberry.input(
    description="A call for help came to this phone, or was shown. Nobody has answered by that. Push it also late."
)
class ReportCallInput:
    id: UUID = strawberry.field(description="The alert.")
    step_id: UUID | None = strawberry.field(
        default=UNSET,
        description="`stepId` of the push; without it the phone learned of the alert by pull or subscription.",
    )
    state: CallReport
