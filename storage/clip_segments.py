"""The segments of clips: declared before they travel, noted when they arrive, shown when they are verified."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, text
from sqlmodel import Field

from storage.base import Kept, known
from storage.vocabulary import StoredObjectState


class SosClipSegment(Kept, table=True):
    """A few seconds of a clip, or the head (`init`) of those that follow from its number on.

    `seconds` is what the recorder declared, `measured_seconds` what was found in the bytes.
    """

    __tablename__ = "sos_clip_segment"
    __table_args__ = (
        Index(
            "sos_clip_segment_place_key",
            "clip_id",
            "init",
            "sequence",
            unique=True,
            postgresql_where=text("state <> 'QUARANTINED'"),
        ),
        Index(
            "sos_clip_segment_missing_idx",
            "clip_id",
            "created_at",
            postgresql_where=text("state in ('DECLARED', 'UPLOADED')"),
        ),
        CheckConstraint("sequence between 0 and 999999", name="sequence"),
        CheckConstraint("octet_length(sha256) = 32", name="sha256"),
        CheckConstraint("size_bytes > 0", name="size_bytes"),
        CheckConstraint(
            "init = (seconds is null) and (seconds is null or seconds > 0)", name="seconds"
        ),
        known("state", StoredObjectState),
    )

    clip_id: UUID = Field(foreign_key="sos_clip.id", index=True)
    scope_id: UUID
    sequence: int
    init: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    sha256: bytes = Field(sa_type=LargeBinary)
    size_bytes: int = Field(sa_type=BigInteger)
    seconds: float | None = None
    discontinuity: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    state: str = Field(sa_column_kwargs={"server_default": text("'DECLARED'")})
    reason: str | None = None
    object_id: UUID | None = Field(default=None, foreign_key="stored_object.id", index=True)
    arrived_at: datetime | None = None
    ready_at: datetime | None = None
    measured_seconds: float | None = None


INSERT_SEGMENTS = """
insert into sos_clip_segment (id, clip_id, sequence, init, sha256, size_bytes, seconds, discontinuity, scope_id)
select r.id, r.clip_id, r.sequence, r.init, decode(r.sha256, 'hex'), r.size_bytes, r.seconds, r.discontinuity, r.clip_id
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, clip_id uuid, sequence integer, init boolean, sha256 text, size_bytes bigint, seconds float8,
    discontinuity boolean)
order by r.clip_id, r.init, r.sequence
on conflict do nothing
returning id
"""
"""Declares segments; one that is there, or whose place another has, is left out. A trigger sets the scope."""

READ_SEGMENTS = """
select id, clip_id, sequence, init, sha256, size_bytes, seconds, discontinuity, state, reason
from sos_clip_segment where clip_id = $1 and sequence = any ($2::integer[])
order by init desc, sequence, state = 'QUARANTINED'
"""
"""All that was declared for some numbers of a clip, what counts before what was refused."""

COUNT_SEGMENTS = "select count(*) from sos_clip_segment where clip_id = $1"
"""How many segments a clip has, refused ones too."""

READ_MISSING = """
select id, sequence, init, sha256, size_bytes from sos_clip_segment
where clip_id = $1 and state = 'DECLARED' and ($2::integer[] is null or sequence = any ($2)) order by init desc, sequence
limit 1000
"""
"""Segments of a clip whose bytes are not known to have arrived: all, or those of some numbers."""

CLIPS_WITH_MISSING = """
select distinct clip_id as id from sos_clip_segment
where state = 'DECLARED' and created_at between $1 and $2 order by 1 limit 500
"""
"""Clips with segments, declared in some span of time, whose bytes are not known to have arrived."""

CLIPS_WITH_WAITING = """
select distinct clip_id as id from sos_clip_segment where state = 'UPLOADED' and arrived_at < $1 limit 500
"""
"""Clips with segments that wait for long to be verified, as after a job was given up."""

ARRIVED = """
with given as (
    select * from jsonb_to_recordset($1::jsonb) as r (id uuid, key text, version_id text, content_type text, at timestamptz)
), mine as (
    update sos_clip_segment segment set state = 'UPLOADED', arrived_at = given.at, object_id = segment.id
    from given where segment.id = given.id and segment.state = 'DECLARED'
    returning segment.id, segment.scope_id, segment.size_bytes, segment.sha256, given.key, given.version_id,
              given.content_type
), kept as (
    insert into stored_object (id, scope_id, bucket, key, version_id, size_bytes, sha256, content_type, state)
    select id, scope_id, 'evidence', key, version_id, size_bytes, sha256, content_type, 'UPLOADED' from mine
    on conflict do nothing
)
select id from mine
"""
"""Notes that the bytes of segments have arrived; those that were noted before are left out. The file has the segment's id."""

READ_UPLOADED = """
select segment.id, segment.sequence, segment.init, segment.sha256, segment.size_bytes, file.key, file.version_id
from sos_clip_segment segment join stored_object file on file.id = segment.object_id
where segment.clip_id = $1 and segment.state = 'UPLOADED' order by segment.init desc, segment.sequence limit 200
"""
"""Segments of a clip that wait to be verified, heads first."""

READ_HEADS = """
select segment.id, segment.sequence, segment.sha256, segment.size_bytes, file.key, file.version_id
from sos_clip_segment segment join stored_object file on file.id = segment.object_id
where segment.clip_id = $1 and segment.init and segment.state = 'READY' order by segment.sequence
"""
"""The verified heads of a clip of fragmented MP4."""

JUDGE_SEGMENTS = """
with given as (
    select * from jsonb_to_recordset($1::jsonb) as r (
        id uuid, state text, reason text, seconds float8, version_id text, at timestamptz)
), mine as (
    update sos_clip_segment segment
    set state = given.state, reason = given.reason, measured_seconds = given.seconds,
        ready_at = case given.state when 'READY' then given.at end
    from given where segment.id = given.id and segment.state = 'UPLOADED'
    returning segment.id, segment.sequence, segment.init, given.state, given.reason, given.version_id
), kept as (
    update stored_object file
    set state = mine.state, reason = mine.reason, version_id = coalesce(file.version_id, mine.version_id)
    from mine where file.id = mine.id
)
select id, sequence, init, state, reason from mine
"""
"""Makes segments and their files READY, or QUARANTINED with the reason; what was judged before is left out."""

READ_PLAYABLE = """
select segment.sequence, segment.init, segment.state, segment.discontinuity, segment.ready_at,
       coalesce(segment.measured_seconds, segment.seconds) as seconds
from sos_clip_segment segment
where segment.clip_id = $1 and segment.state <> 'QUARANTINED' order by segment.sequence, segment.init desc
"""
"""The segments of a clip in the order in which they are played."""

READ_PLAYED = """
select file.bucket, file.key from sos_clip_segment segment join stored_object file on file.id = segment.object_id
where segment.clip_id = $1 and segment.sequence = $2 and segment.init = $3 and segment.state = 'READY'
"""
"""Where a segment lies that can be played, if the caller may see it."""

READ_TO_JOIN = """
select segment.id, segment.sequence, segment.init, segment.discontinuity, segment.size_bytes, segment.sha256, file.key,
       file.version_id, segment.measured_seconds as seconds
from sos_clip_segment segment join stored_object file on file.id = segment.object_id
where segment.clip_id = $1 and segment.state = 'READY' order by segment.sequence, segment.init desc
"""
"""Everything of which the one file of a clip is made, in its order."""
