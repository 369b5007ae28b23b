"""Uploads: the ways on which the bytes of declared files come to the store, so that one can go on where it stopped."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from storage.base import Kept, known
from storage.vocabulary import UploadState


class MediaUpload(Kept, table=True):
    """One attempt to send a file. Its id becomes that of the stored object, its `key` the place.

    `multipart_id` and `part_size` (bytes) are those of an upload in parts; one without goes in a single PUT. `asked_at` is
    when its phone last asked for links or said that it was sent.
    """

    __tablename__ = "media_upload"
    __table_args__ = (
        UniqueConstraint("key"),
        Index(
            "media_upload_open_key",
            "media_id",
            unique=True,
            postgresql_where=text("state = 'OPEN'"),
        ),
        Index("media_upload_asked_at_idx", "asked_at", postgresql_where=text("state = 'OPEN'")),
        known("state", UploadState),
        CheckConstraint("(state = 'OPEN') = (ended_at is null)", name="ended_at"),
        CheckConstraint(
            "(multipart_id is null) = (part_size is null) and (part_size is null or part_size >= 5242880)",
            name="part_size",
        ),
    )

    media_id: UUID = Field(foreign_key="media.id", index=True)
    key: str
    multipart_id: str | None = None
    part_size: int | None = None
    state: str = Field(sa_column_kwargs={"server_default": text("'OPEN'")})
    asked_at: datetime
    ended_at: datetime | None = None


LOCK_TO_SEND = """
select media.id, media.scope_id, media.incident_id, media.alert_id, media.kind, media.content_type, media.size_bytes,
       media.sha256, media.state, media.reason, media.attached_by, media.deleted_at, upload.id as upload_id, upload.key,
       upload.multipart_id, upload.part_size,
       (select count(*) from media_upload where media_id = media.id and state = 'ARRIVED') as arrivals
from media left join media_upload upload on upload.media_id = media.id and upload.state = 'OPEN'
where media.id = any ($1::uuid[]) order by media.id for no key update of media
"""
"""Declared files, each with its open upload, in the order of their ids, so that two never wait for each other in a circle."""

DECLARE_AGAIN = """
update media set state = 'DECLARED', reason = null, arrived_at = null
where id = any ($1::uuid[]) and state = 'QUARANTINED' returning id, scope_id
"""
"""Lets files be sent anew whose bytes arrived broken; what arrived is kept."""

OPEN_UPLOADS = """
insert into media_upload (id, media_id, key, multipart_id, part_size, asked_at)
select r.id, r.media_id, r.key, r.multipart_id, r.part_size, r.asked_at
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, media_id uuid, key text, multipart_id text, part_size integer, asked_at timestamptz)
join media on media.id = r.media_id and media.state = 'DECLARED'
on conflict do nothing
returning id
"""
"""Begins uploads; one whose file has an open one already is left out."""

SWITCH_TO_PARTS = """
update media_upload set multipart_id = $2, part_size = $3 where id = $1 and state = 'OPEN' and multipart_id is null
"""
"""Goes on in parts with what was to go in one piece, as after the line became bad."""

ASKED = """
update media_upload set asked_at = greatest(asked_at, $2) where id = any ($1::uuid[]) and state = 'OPEN'
"""
"""Notes that somebody goes on with uploads."""

MEDIA_ARRIVED = """
with given as (
    select * from jsonb_to_recordset($1::jsonb) as r (upload_id uuid, version_id text, at timestamptz)
), mine as (
    update media_upload upload set state = 'ARRIVED', ended_at = given.at
    from given, media
    where upload.id = given.upload_id and upload.state <> 'ARRIVED' and media.id = upload.media_id
      and media.state = 'DECLARED'
    returning upload.id, upload.media_id, upload.key, given.version_id, given.at, media.scope_id, media.size_bytes,
              media.sha256, media.content_type
), kept as (
    insert into stored_object (id, scope_id, bucket, key, version_id, size_bytes, sha256, content_type, state)
    select id, scope_id, 'evidence', key, version_id, size_bytes, sha256, content_type, 'UPLOADED' from mine
)
update media set state = 'UPLOADED', arrived_at = mine.at from mine where media.id = mine.media_id
returning media.id, media.scope_id, media.alert_id
"""
"""Notes that the bytes of files have arrived; those that were noted before are left out. The object has the upload's id."""

READ_MEDIA_TO_VERIFY = """
select media.id, media.scope_id, media.alert_id, media.kind, media.content_type, media.size_bytes, media.sha256,
       upload.id as upload_id, object.key, object.version_id
from media
cross join lateral (
    select id from media_upload where media_id = media.id and state = 'ARRIVED' order by id desc limit 1) upload
join stored_object object on object.id = upload.id
where media.id = $1 and media.state = 'UPLOADED'
"""
"""A file whose bytes wait to be verified, with where they lie."""

JUDGE_MEDIA = """
with given as (
    select * from jsonb_to_recordset($1::jsonb) as r (
        id uuid, upload_id uuid, version_id text, state text, reason text, at timestamptz, thumb_320_key text,
        thumb_960_key text, thumb_hash text, width integer, height integer, seconds float8, orientation smallint,
        camera text, file_taken_at timestamptz, has_position boolean, latitude float8, longitude float8)
), mine as (
    update media
    set state = given.state, reason = given.reason,
        ready_at = case given.state when 'READY' then given.at end,
        object_id = case given.state when 'READY' then given.upload_id end, thumb_320_key = given.thumb_320_key,
        thumb_960_key = given.thumb_960_key, thumb_hash = decode(given.thumb_hash, 'hex'), width = given.width,
        height = given.height, seconds = given.seconds, orientation = given.orientation, camera = given.camera,
        file_taken_at = given.file_taken_at, has_position = given.has_position, file_latitude = given.latitude,
        file_longitude = given.longitude
    from given where media.id = given.id and media.state = 'UPLOADED'
    returning media.scope_id, media.alert_id, given.upload_id, given.version_id, given.state, given.reason
), kept as (
    update stored_object object
    set state = mine.state, reason = mine.reason, version_id = coalesce(object.version_id, mine.version_id)
    from mine where object.id = mine.upload_id
)
select scope_id, alert_id from mine
"""
"""Makes a file and its object READY with what was found in it, or QUARANTINED with the reason; once."""

OPEN_BETWEEN = """
select media_id from media_upload
where state = 'OPEN' and asked_at between $1 and $2 order by asked_at limit 500
"""
"""Files whose uploads are open and were last asked about in some span of time."""

WAITING_MEDIA = """
select id, alert_id from media where state = 'UPLOADED' and arrived_at < $1 order by arrived_at limit 500
"""
"""Files that wait for long to be verified, as after a job was given up."""

ABANDON = """
update media_upload set state = 'ABANDONED', ended_at = $3
where media_id = any ($1::uuid[]) and state = 'OPEN' and asked_at < $2 returning id, key, multipart_id
"""
"""Gives up uploads with which nobody went on; their files stay declared."""

KNOWN_MULTIPARTS = """
select multipart_id from media_upload where multipart_id = any ($1::text[]) and state = 'OPEN'
"""
"""Those of some uploads in parts with which somebody may go on."""
