"""Checkpoints: points that patrols visit, the codes that hang there, and who checked in."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from storage.base import NOW, Synced, position_checks, synced_index
from storage.vocabulary import CheckinFlag

_FLAGS = ", ".join(f"'{flag.value}'" for flag in CheckinFlag)


class Checkpoint(Synced, table=True):
    """A point that patrols visit. Its code is signed by the key `code_kid`; codes below `code_number` are superseded."""

    __tablename__ = "checkpoint"
    __table_args__ = (
        synced_index("checkpoint"),
        UniqueConstraint("station_id", "code"),
        *position_checks(),
        CheckConstraint("code_number > 0", name="code_number"),
    )

    station_id: UUID = Field(foreign_key="station.id", index=True)
    zone_id: UUID | None = Field(default=None, foreign_key="zone.id", index=True)
    code: str
    name: str
    name_th: str
    latitude: float
    longitude: float
    active: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    code_number: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})
    code_kid: str = Field(foreign_key="checkpoint_key.kid")


class CheckpointKey(SQLModel, table=True):
    """The public half of a key that signed codes: phones verify with it where there is no signal."""

    __tablename__ = "checkpoint_key"
    __table_args__ = (CheckConstraint("octet_length(public_key) = 32", name="public_key"),)

    kid: str = Field(primary_key=True)
    public_key: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})


class Checkin(Synced, table=True):
    """An officer was at a checkpoint, or says so: `flags` holds what weakens the proof, `code_valid` judges the code alone.

    `patrol_id` is what the phone said and refers to nothing: a check-in is kept also when its patrol was refused.
    """

    __tablename__ = "checkin"
    __table_args__ = (
        synced_index("checkin"),
        Index("checkin_checked_in_idx", "scope_id", "checked_in_at", "id"),
        Index("checkin_checkpoint_idx", "checkpoint_id", "checked_in_at"),
        *position_checks(optional=True),
        CheckConstraint("accuracy_m >= 0", name="accuracy_m"),
        CheckConstraint("length(note) <= 10000", name="note"),
        CheckConstraint(f"flags <@ array[{_FLAGS}]::text[]", name="flags"),
    )

    station_id: UUID = Field(foreign_key="station.id", index=True)
    zone_id: UUID | None = Field(default=None, foreign_key="zone.id", index=True)
    checkpoint_id: UUID | None = Field(default=None, foreign_key="checkpoint.id")
    patrol_id: UUID | None = None
    officer_id: UUID = Field(foreign_key="officer.id")
    device_id: UUID = Field(foreign_key="device.id")
    checked_in_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    note: str = Field(sa_column_kwargs={"server_default": text("''")})
    code_content: str
    code_number: int | None = None
    code_valid: bool
    distance_m: float | None = None
    flags: list[str] = Field(sa_type=ARRAY(Text))


ADD_KEY = """
insert into checkpoint_key (kid, public_key) values ($1, $2) on conflict (kid) do nothing
"""
"""Publishes the public half of a key that signs codes."""

READ_CHECKPOINT_KEYS = (
    "select kid, public_key, believed_until from access.checkpoint_keys() order by kid"
)
"""The public halves of the keys that ever signed a code, and until when each is believed."""

INSERT_CHECKPOINT = """
insert into checkpoint (id, scope_id, station_id, zone_id, code, name, name_th, latitude, longitude, code_kid)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (station_id, code) do nothing returning id
"""
"""Adds a checkpoint unless the station has that code already."""

READ_CHECKPOINT_SCOPE = "select scope_id from checkpoint where id = $1"
"""The scope that a checkpoint hangs in."""

REISSUE_CODE = """
update checkpoint set code_number = code_number + 1, code_kid = $2
where id = $1 and deleted_at is null returning code_number
"""
"""Makes all codes of a checkpoint that were printed before superseded."""

SET_CHECKPOINT_ACTIVE = """
update checkpoint set active = $2 where id = $1 and deleted_at is null and active <> $2 returning id
"""
"""Takes a checkpoint out of use, or back."""

STORED_CHECKPOINTS = """
select checkpoint.id, checkpoint.code, checkpoint.name, checkpoint.name_th, checkpoint.latitude, checkpoint.longitude,
       zone.code as zone_code, checkpoint.active, checkpoint.code_number, checkpoint.code_kid,
       (select max(checked_in_at) from checkin where checkpoint_id = checkpoint.id and code_valid) as last_checkin_at
from checkpoint left join zone on zone.id = checkpoint.zone_id
where checkpoint.station_id = $1 and checkpoint.deleted_at is null order by checkpoint.code
"""
"""The checkpoints of a station as an administrator knows them, by code."""

CHECKED_POINTS = """
select id, scope_id, station_id, zone_id, latitude, longitude, active, code_number from checkpoint
where id = any ($1::uuid[]) and deleted_at is null
"""
"""Checkpoints that codes name."""

INSERT_CHECKINS = """
insert into checkin
    (id, scope_id, station_id, zone_id, checkpoint_id, patrol_id, officer_id, device_id, checked_in_at, captured_at_raw,
     received_at, time_suspect, latitude, longitude, accuracy_m, note, code_content, code_number, code_valid, distance_m,
     flags)
select r.id, r.scope_id, r.station_id, r.zone_id, r.checkpoint_id, r.patrol_id, r.officer_id, r.device_id,
       r.checked_in_at, r.captured_at_raw, r.received_at, r.time_suspect, r.latitude, r.longitude, r.accuracy_m,
       coalesce(r.note, ''), r.code_content, r.code_number, r.code_valid, r.distance_m, r.flags
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, scope_id uuid, station_id uuid, zone_id uuid, checkpoint_id uuid, patrol_id uuid, officer_id uuid,
    device_id uuid, checked_in_at timestamptz, captured_at_raw text, received_at timestamptz, time_suspect boolean,
    latitude float8, longitude float8, accuracy_m float8, note text, code_content text, code_number integer,
    code_valid boolean, distance_m float8, flags text[])
on conflict (id) do nothing
returning id, rev
"""
"""Adds check-ins; an id that is taken returns no row."""
