"""Notes: what officers add to an incident, one after the other, and never change."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlalchemy import text as sql
from sqlmodel import Field

from storage.base import Synced, synced_index


class IncidentNote(Synced, table=True):
    """A note of an incident. Triggers keep it in the incident's scope, and delete it with the incident.

    `occurred_at`, `captured_at_raw` and `time_suspect` are those of `Incident`.
    """

    __tablename__ = "incident_note"
    __table_args__ = (
        synced_index("incident_note"),
        CheckConstraint("length(text) between 1 and 4000", name="text"),
    )

    incident_id: UUID = Field(foreign_key="incident.id", index=True)
    text: str
    written_by: UUID = Field(foreign_key="officer.id")
    device_id: UUID = Field(foreign_key="device.id")
    occurred_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool = Field(default=False, sa_column_kwargs={"server_default": sql("false")})


LOCK_NOTED = """
select id, scope_id, deleted_at, reported_by = $2 as own
from incident where id = any ($1::uuid[]) order by id for no key update
"""
"""Incidents that are written to, and whether an officer reported them; locked as a change of them would, in one order."""

INSERT_NOTES = """
insert into incident_note
    (id, scope_id, incident_id, text, written_by, device_id, occurred_at, captured_at_raw, received_at, time_suspect)
select r.id, r.scope_id, r.incident_id, r.text, r.written_by, r.device_id, r.occurred_at, r.captured_at_raw,
       r.received_at, r.time_suspect
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, scope_id uuid, incident_id uuid, text text, written_by uuid, device_id uuid, occurred_at timestamptz,
    captured_at_raw text, received_at timestamptz, time_suspect boolean)
on conflict (id) do nothing
returning id, rev
"""
"""Adds notes; an id that is taken returns no row."""

READ_NOTES = """
select id, rev, incident_id, text, written_by, deleted_at from incident_note where id = any ($1::uuid[])
"""
"""Notes as they were stored."""
