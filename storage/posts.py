"""SOS posts: poles with an alarm button, which a citizen presses for help."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from storage.base import NOW, Kept, Synced, known, position_checks, synced_index
from storage.vocabulary import PostButton, PostPower


class SosPost(Synced, table=True):
    """A pole with a button, in most cases watched by a camera."""

    __tablename__ = "sos_post"
    __table_args__ = (
        synced_index("sos_post"),
        UniqueConstraint("station_id", "code"),
        *position_checks(),
    )

    station_id: UUID = Field(foreign_key="station.id", index=True)
    zone_id: UUID | None = Field(default=None, foreign_key="zone.id", index=True)
    camera_id: UUID | None = Field(default=None, foreign_key="camera.id")
    code: str
    name: str
    name_th: str
    latitude: float
    longitude: float


class SosPostState(SQLModel, table=True):
    """What beats often about a post. Never synced.

    The last press is kept under the id that the pole gave it, so that a pole which lost our answer and repeats the
    press is told the same again, even when the alert is closed by then.
    """

    __tablename__ = "sos_post_state"
    __table_args__ = (
        known("button", PostButton, optional=True),
        known("power", PostPower, optional=True),
        CheckConstraint("battery_percent between 0 and 100", name="battery_percent"),
    )

    post_id: UUID = Field(primary_key=True, foreign_key="sos_post.id")
    scope_id: UUID
    last_seen_at: datetime | None = None
    last_press_id: str | None = None
    last_press_alert_id: UUID | None = Field(default=None, foreign_key="sos_alert.id")
    last_press_joined: bool | None = None
    last_beat_at: datetime | None = None
    button: str | None = None
    pressed_since: datetime | None = None
    power: str | None = None
    battery_percent: int | None = None
    tampered: bool | None = None
    silent_since: datetime | None = None
    """Set when people were told of it; so with the other troubles. None while all is well."""
    stuck_since: datetime | None = None
    power_lost_since: datetime | None = None
    tampered_since: datetime | None = None
    last_test_at: datetime | None = None
    overdue_told_at: datetime | None = None


class SosPostSetting(SQLModel, table=True):
    """How one post is served; a post without a row has the defaults."""

    __tablename__ = "sos_post_setting"
    __table_args__ = (
        CheckConstraint("heartbeat_seconds between 10 and 86400", name="heartbeat_seconds"),
        CheckConstraint("test_days between 1 and 366", name="test_days"),
        CheckConstraint("qr_version between 1 and 65535", name="qr_version"),
    )

    post_id: UUID = Field(primary_key=True, foreign_key="sos_post.id")
    updated_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    get_allowed: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    heartbeat_seconds: int = Field(default=60, sa_column_kwargs={"server_default": text("60")})
    watched_from: datetime | None = None
    """From when heartbeats are expected; else from the first one."""
    test_days: int = Field(default=30, sa_column_kwargs={"server_default": text("30")})
    test_armed_until: datetime | None = None
    qr_version: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})


class SosPostMute(Kept, table=True):
    """A time in which a post's presses are kept and counted but call nobody."""

    __tablename__ = "sos_post_mute"
    __table_args__ = (
        Index(
            "sos_post_mute_running_key",
            "post_id",
            unique=True,
            postgresql_where=text("ended_at is null"),
        ),
        CheckConstraint("length(reason) between 1 and 500", name="reason"),
    )

    post_id: UUID = Field(foreign_key="sos_post.id", index=True)
    scope_id: UUID
    reason: str
    muted_by: str
    until: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None
    presses: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    last_press_at: datetime | None = None


class SosPostPress(Kept, table=True):
    """One press that had a name of its own, raised an alert or met a mute; further presses only count on their alert."""

    __tablename__ = "sos_post_press"
    __table_args__ = (
        UniqueConstraint("post_id", "press_id"),
        Index("sos_post_press_recent_idx", "post_id", "pressed_at"),
    )

    post_id: UUID = Field(foreign_key="sos_post.id")
    scope_id: UUID
    press_id: str | None = None
    alert_id: UUID | None = Field(default=None, foreign_key="sos_alert.id")
    joined: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    drill: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    muted: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    pressed_at: datetime


class SosPostEvent(Kept, table=True):
    """What happened to a post: silences, mutes, tests, changed settings. Only added to."""

    __tablename__ = "sos_post_event"
    __table_args__ = (CheckConstraint("kind ~ '^[A-Z_]+$'", name="kind"),)

    post_id: UUID = Field(foreign_key="sos_post.id", index=True)
    scope_id: UUID
    kind: str
    at: datetime
    principal: str | None = None
    detail: dict[str, Any] = Field(sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")})


STORED_POSTS = """
select sos_post.id, sos_post.code, sos_post.name, sos_post.name_th, sos_post.latitude, sos_post.longitude,
       zone.code as zone_code, camera.code as camera_code, sos_post_state.last_seen_at
from sos_post
left join zone on zone.id = sos_post.zone_id
left join camera on camera.id = sos_post.camera_id
left join sos_post_state on sos_post_state.post_id = sos_post.id
where sos_post.station_id = $1 and sos_post.deleted_at is null order by sos_post.code
"""
"""The SOS posts of a station as an administrator knows them, by code."""

IMPORT_POSTS = """
insert into sos_post as stored (
    id, scope_id, station_id, zone_id, camera_id, code, name, name_th, latitude, longitude)
select given.id, camera.scope_id, $1, camera.zone_id, camera.id, camera.code, camera.name, camera.name_th,
       camera.latitude, camera.longitude
from jsonb_to_recordset($2::jsonb) as given (id uuid, code text)
join camera on camera.station_id = $1 and camera.code = given.code
on conflict (station_id, code) do update set
    scope_id = excluded.scope_id, zone_id = excluded.zone_id, camera_id = excluded.camera_id, name = excluded.name,
    name_th = excluded.name_th, latitude = excluded.latitude, longitude = excluded.longitude, deleted_at = null
where stored.deleted_at is not null
   or (stored.scope_id, stored.zone_id, stored.camera_id, stored.name, stored.name_th, stored.latitude,
       stored.longitude)
      is distinct from (excluded.scope_id, excluded.zone_id, excluded.camera_id, excluded.name, excluded.name_th,
                        excluded.latitude, excluded.longitude)
returning stored.code
"""
"""Gives each imported camera of kind SOS_POST its post with the same code, place and zone."""

MOVE_POST_STATES = """
update sos_post_state set scope_id = sos_post.scope_id
from sos_post
where sos_post.id = sos_post_state.post_id and sos_post.station_id = $1 and sos_post.code = any ($2::text[])
  and sos_post_state.scope_id <> sos_post.scope_id
"""
"""Lets what beats about a post follow it into another zone."""

POSTS_WITHOUT_CAMERA = """
select sos_post.code from sos_post join camera on camera.id = sos_post.camera_id
where sos_post.station_id = $1 and sos_post.code = any ($2::text[]) and camera.code = sos_post.code
  and camera.kind <> 'SOS_POST' and sos_post.deleted_at is null
order by sos_post.code
"""
"""Of some imported cameras, those that are no SOS_POST any more although their post still stands."""

BEAT_POST = """
insert into sos_post_state as state (post_id, scope_id, last_seen_at)
select id, scope_id, $2 from sos_post where id = $1 and deleted_at is null
on conflict (post_id) do update
set last_seen_at = greatest(state.last_seen_at, excluded.last_seen_at), scope_id = excluded.scope_id
returning post_id
"""
"""Says that a post lives, and holds its row until commit: presses of one post are taken one after the other."""

REMEMBER_PRESS = """
update sos_post_state set last_press_id = $2, last_press_alert_id = $3, last_press_joined = $4
where post_id = $1
"""
"""Keeps what the last press of a post did, for a pole that asks again."""
