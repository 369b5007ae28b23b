"""Clips of calls for help, known segment by segment while they are still being recorded."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, text
from sqlmodel import Field

from storage.base import Synced, known, synced_index
from storage.vocabulary import AudioCodec, ClipContainer, ClipState, VideoCodec


class SosClip(Synced, table=True):
    """A recording of an alert, by an officer's phone or a pole. Triggers keep it in its alert's scope.

    `declared`, `arrived`, `ready` and `quarantined` count its segments of sound and picture; `expected` is how many the
    recorder said there are. `seconds` is what can be played. `file_*` is the one file that was made of the segments, in
    the derived bucket, and `file_of` names the segments that it was made of.
    """

    __tablename__ = "sos_clip"
    __table_args__ = (
        synced_index("sos_clip"),
        Index("sos_clip_recording_idx", "heard_at", postgresql_where=text("state = 'RECORDING'")),
        known("container", ClipContainer),
        known("video_codec", VideoCodec, optional=True),
        known("audio_codec", AudioCodec, optional=True),
        CheckConstraint("video_codec is not null or audio_codec is not null", name="some_codec"),
        known("state", ClipState),
        CheckConstraint("(officer_id is null) <> (post_id is null)", name="one_maker"),
        CheckConstraint("(state = 'RECORDING') = (ended_at is null)", name="ended_at"),
        CheckConstraint("expected >= 0", name="expected"),
        CheckConstraint("octet_length(file_sha256) = 32", name="file_sha256"),
        CheckConstraint("state <> 'READY' or file_key is not null", name="file_key"),
    )

    alert_id: UUID = Field(foreign_key="sos_alert.id", index=True)
    officer_id: UUID | None = Field(default=None, foreign_key="officer.id")
    device_id: UUID | None = Field(default=None, foreign_key="device.id")
    post_id: UUID | None = Field(default=None, foreign_key="sos_post.id")
    container: str
    video_codec: str | None = None
    audio_codec: str | None = None
    state: str = Field(sa_column_kwargs={"server_default": text("'RECORDING'")})
    reason: str | None = None
    silent: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    started_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    heard_at: datetime
    ended_at: datetime | None = None
    expected: int | None = None
    declared: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    arrived: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    ready: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    quarantined: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    seconds: float = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    file_key: str | None = None
    file_of: str | None = None
    file_bytes: int | None = Field(default=None, sa_type=BigInteger)
    file_sha256: bytes | None = Field(default=None, sa_type=LargeBinary)
    file_seconds: float | None = None
    poster_320_key: str | None = None
    poster_960_key: str | None = None


INSERT_CLIPS = """
insert into sos_clip (
    id, scope_id, alert_id, officer_id, device_id, post_id, container, video_codec, audio_codec, started_at,
    captured_at_raw, received_at, time_suspect, heard_at)
select r.id, r.scope_id, r.alert_id, r.officer_id, r.device_id, r.post_id, r.container, r.video_codec, r.audio_codec,
       r.started_at, r.captured_at_raw, r.received_at, r.time_suspect, r.received_at
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, scope_id uuid, alert_id uuid, officer_id uuid, device_id uuid, post_id uuid, container text,
    video_codec text, audio_codec text, started_at timestamptz, captured_at_raw text, received_at timestamptz,
    time_suspect boolean)
on conflict (id) do nothing
returning id, rev
"""
"""Declares clips; an id that is taken returns no row."""

READ_CLIPS = """
select id, rev, scope_id, alert_id, officer_id, post_id, container, video_codec, audio_codec, deleted_at
from sos_clip where id = any ($1::uuid[])
"""
"""Clips as they were declared."""

LOCK_CLIPS = """
select id, rev, scope_id, alert_id, officer_id, post_id, container, video_codec, audio_codec, state, silent, expected,
       ended_at, deleted_at
from sos_clip where id = any ($1::uuid[]) order by id for no key update
"""
"""Clips to which something is added, in the order of their ids, so that two never wait for each other in a circle."""

READ_POST_ALERT = """
select id, scope_id from sos_alert where id = $1 and post_id = $2 and deleted_at is null for no key update
"""
"""An alert of a pole."""

COUNT_CLIPS = """
update sos_clip clip
set declared = counted.declared, arrived = counted.arrived, ready = counted.ready, quarantined = counted.quarantined,
    seconds = counted.seconds, heard_at = greatest(clip.heard_at, $2)
from (
    select clip_id,
           count(*) filter (where not init and state <> 'QUARANTINED') as declared,
           count(*) filter (where not init and state in ('UPLOADED', 'READY')) as arrived,
           count(*) filter (where not init and state = 'READY') as ready,
           count(*) filter (where state = 'QUARANTINED') as quarantined,
           coalesce(round(sum(measured_seconds) filter (where not init and state = 'READY')::numeric, 3), 0) as seconds
    from sos_clip_segment where clip_id = any ($1::uuid[]) group by clip_id
) counted
where clip.id = counted.clip_id
returning clip.id, clip.rev
"""
"""Counts the segments of clips anew, and notes a sign of life ($2; null for none)."""

GO_ON = """
update sos_clip set state = 'RECORDING', ended_at = null, silent = false
where id = any ($1::uuid[]) and state <> 'RECORDING' and silent returning id
"""
"""Takes recorders back that were given up as silent, and have more after all."""

END_CLIPS = """
update sos_clip clip
set state = case when clip.state = 'RECORDING' then 'ENDED' else clip.state end, ended_at = r.at, silent = false,
    expected = greatest(clip.expected, r.expected)
from jsonb_to_recordset($1::jsonb) as r (id uuid, at timestamptz, expected integer)
join sos_clip before on before.id = r.id
where clip.id = r.id
returning clip.id, clip.rev, clip.alert_id, before.state = 'RECORDING' as first
"""
"""Ends clips, as their recorders say."""

END_SILENT = """
update sos_clip set state = 'ENDED', ended_at = heard_at, silent = true
where id = any (array(
    select id from sos_clip where state = 'RECORDING' and heard_at < $1 order by heard_at limit 100
    for update skip locked))
returning id, scope_id, alert_id
"""
"""Ends clips whose recorders were not heard for long; those of them that somebody writes to now are left out."""

READ_WATCHED = """
select id, container, state, started_at, ended_at, expected from sos_clip where id = $1 and deleted_at is null
"""
"""A clip that somebody wants to watch, if he may see it."""

READ_JOINED = """
select id, scope_id, alert_id, container, state, file_of, file_key from sos_clip where id = $1
"""
"""A clip that is to become one file."""

CLIP_READY = """
update sos_clip
set state = case when state = 'RECORDING' then state else 'READY' end, reason = null, file_key = $2, file_of = $3,
    file_bytes = $4, file_sha256 = $5, file_seconds = $6, poster_320_key = $7, poster_960_key = $8
where id = $1 and (file_of is distinct from $3 or state in ('ENDED', 'FAILED'))
returning scope_id, alert_id
"""
"""Says where the one file of a clip lies, and of which segments it was made."""

CLIP_FAILED = """
update sos_clip set state = 'FAILED', reason = $2 where id = $1 and state <> 'RECORDING' and reason is distinct from $2
returning scope_id, alert_id
"""
"""Says why there is no one file of a clip, or none of all its segments."""
