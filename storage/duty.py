"""The log of duty: who went on and off duty when, as phones recorded it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field

from storage.base import Synced, position_checks, synced_index


class DutyChange(Synced, table=True):
    """An officer went on duty or off. It belongs to the station, and is only ever added to.

    Without `device_id` nobody said it: the officer's last session ended.
    """

    __tablename__ = "duty_change"
    __table_args__ = (
        synced_index("duty_change"),
        Index("duty_change_officer_idx", "officer_id", "changed_at", "id"),
        *position_checks(optional=True),
        CheckConstraint("accuracy_m >= 0", name="accuracy_m"),
        CheckConstraint("scope_id = station_id", name="own_scope"),
    )

    station_id: UUID = Field(foreign_key="station.id", index=True)
    officer_id: UUID = Field(foreign_key="officer.id")
    device_id: UUID | None = Field(default=None, foreign_key="device.id")
    on_duty: bool
    changed_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None


INSERT_DUTY_CHANGES = """
insert into duty_change
    (id, scope_id, station_id, officer_id, device_id, on_duty, changed_at, captured_at_raw, received_at, time_suspect,
     latitude, longitude, accuracy_m)
select r.id, station_id, station_id, officer.id, r.device_id, r.on_duty, r.changed_at, r.captured_at_raw,
       r.received_at, r.time_suspect, r.latitude, r.longitude, r.accuracy_m
from jsonb_to_recordset($2::jsonb) as r (
    id uuid, device_id uuid, on_duty boolean, changed_at timestamptz, captured_at_raw text, received_at timestamptz,
    time_suspect boolean, latitude float8, longitude float8, accuracy_m float8)
join officer on officer.id = $1
on conflict (id) do nothing
returning id, rev, scope_id
"""
"""Adds to the log of one officer, under the station that he belongs to now; an id that is taken returns no row."""

TELL_DUTY = """
insert into officer_state as state (officer_id, on_duty, on_duty_since, duty_at, duty_device_id, duty_sequence)
values ($1, $2, case when $2 then $3::timestamptz end, $3, $4, $5)
on conflict (officer_id) do update
set on_duty = excluded.on_duty,
    on_duty_since = case when state.on_duty and excluded.on_duty then state.on_duty_since
                    else excluded.on_duty_since end,
    duty_at = excluded.duty_at, duty_device_id = excluded.duty_device_id,
    duty_sequence = excluded.duty_sequence
where case when state.duty_device_id = excluded.duty_device_id then excluded.duty_sequence > state.duty_sequence
      else excluded.duty_at >= coalesce(state.duty_at, state.on_duty_since, '-infinity') end
"""
"""Says whether an officer is on duty, unless something newer stands.

What one device recorded is compared by the numbers of its lane, whatever its clock says; all else by time.
"""

READ_DUTY = "select on_duty from officer_state where officer_id = $1 for update"
"""Whether an officer is on duty, held until commit."""
