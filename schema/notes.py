"""Notes of incidents in the phone's contract, and the input by which phones add them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry
from strawberry import UNSET

from schema.planner import one, reads
from schema.scalars import Long, PhoneTime
from schema.stations import Officer
from storage import tables


@reads(tables.IncidentNote)
class Note:
    """What an officer added to an incident. It is never changed, and goes where the incident goes."""

    id: UUID
    scope_id: UUID
    incident_id: UUID
    text: str
    written_by: UUID
    occurred_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool
    rev: Long
    updated_at: datetime
    writer: Officer | None = one("written_by")


@strawberry.input(
    description="A note of an incident. It may stand in the same push as the incident's report, behind it."
)
class AddNoteInput:
    id: UUID = strawberry.field(description="UUIDv7, made on the phone: the note's final id.")
    incident_id: UUID
    text: str = strawberry.field(description="1 to 4,000 characters, in Thai or English.")
    occurred_at: PhoneTime | None = strawberry.field(
        default=UNSET, description="What time it is about, where that is not the capture time."
    )
