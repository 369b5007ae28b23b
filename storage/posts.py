"""SOS posts: poles with an alarm button, which a citizen presses for help."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from storage.base import Synced, position_checks, synced_index


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

    post_id: UUID = Field(primary_key=True, foreign_key="sos_post.id")
    scope_id: UUID
    last_seen_at: datetime | None = None
    last_press_id: str | None = None
    last_press_alert_id: UUID | None = Field(default=None, foreign_key="sos_alert.id")
    last_press_joined: bool | None = None


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

READ_PRESSED_POST = """
select sos_post.station_id, sos_post.scope_id, sos_post.zone_id, sos_post.latitude, sos_post.longitude,
       state.last_press_id, state.last_press_alert_id, state.last_press_joined,
       (select status from sos_alert where id = state.last_press_alert_id) as last_press_status
from sos_post join sos_post_state state on state.post_id = sos_post.id
where sos_post.id = $1
"""
"""A post, and what became of its last press."""

REMEMBER_PRESS = """
update sos_post_state set last_press_id = $2, last_press_alert_id = $3, last_press_joined = $4
where post_id = $1
"""
"""Keeps what the last press of a post did, for a pole that asks again."""
