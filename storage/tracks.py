"""Tracks: where phones have been; many small rows that are added, kept for a time, and dropped month by month."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import REAL, CheckConstraint, PrimaryKeyConstraint, SmallInteger, text
from sqlmodel import Field, SQLModel

from storage.base import position_checks


class TrackPoint(SQLModel, table=True):
    """Where a phone was. Partitioned by month of `at`; never synced.

    The id follows from the device and what its clock said, so that the same point is stored once however often it is
    sent. Nothing refers to other tables: a check of ten thousand references would cost more than the rows.
    `at_raw` is kept where the time is in doubt. Speed is in metres a second, heading in degrees from north, battery in
    percent.
    """

    __tablename__ = "track_point"
    __table_args__ = (
        PrimaryKeyConstraint("officer_id", "at", "id"),
        *position_checks(),
        CheckConstraint("accuracy_m >= 0", name="accuracy_m"),
        CheckConstraint("speed_mps >= 0", name="speed_mps"),
        CheckConstraint("heading_deg between 0 and 360", name="heading_deg"),
        CheckConstraint("battery_percent between 0 and 100", name="battery_percent"),
        {"postgresql_partition_by": "range (at)"},
    )

    officer_id: UUID
    at: datetime
    id: UUID
    device_id: UUID
    station_id: UUID
    patrol_id: UUID | None = None
    received_at: datetime
    latitude: float
    longitude: float
    accuracy_m: float | None = Field(default=None, sa_type=REAL)
    speed_mps: float | None = Field(default=None, sa_type=REAL)
    heading_deg: float | None = Field(default=None, sa_type=REAL)
    battery_percent: int | None = Field(default=None, sa_type=SmallInteger)
    time_suspect: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    at_raw: str | None = None


MAKE_PARTITIONS = "select make_track_partitions($1::date[])"
"""Makes sure that there is a partition for the month of each day; returns how many were made."""

INSERT_POINTS = """
with given as materialized (
    select * from unnest(
        $5::integer[], $6::uuid[], $7::timestamptz[], $8::uuid[], $9::float8[], $10::float8[], $11::real[], $12::real[],
        $13::real[], $14::smallint[], $15::boolean[], $16::text[])
    as point (place, id, at, patrol_id, latitude, longitude, accuracy_m, speed_mps, heading_deg, battery_percent,
              time_suspect, at_raw)
), stored as (
    insert into track_point
        (officer_id, device_id, station_id, received_at, id, at, patrol_id, latitude, longitude, accuracy_m, speed_mps,
         heading_deg, battery_percent, time_suspect, at_raw)
    select $1, $2, $3, $4, id, at, patrol_id, latitude, longitude, accuracy_m, speed_mps, heading_deg, battery_percent,
           time_suspect, at_raw
    from given
    on conflict do nothing
    returning id
)
select place, count(*) as stored from given join stored using (id) group by place
"""
"""Adds points of one officer's device, and counts those that are new, by the `place` of their mutation."""
