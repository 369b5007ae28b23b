"""What is said to the database about a camera's pictures; the tables are in `storage.cameras` and `storage.objects`."""

from __future__ import annotations

READ_CAMERA = """
select camera.station_id,
       (select id from snapshot where camera_id = camera.id and sha256 = $2) as snapshot_id
from camera where camera.id = $1 and camera.deleted_at is null
"""
"""A camera that still stands, and its picture with this SHA-256 if it sent that before."""

KEEP_SNAPSHOT = """
with seen as (
    select id, scope_id from camera where id = $1 and deleted_at is null
), picture as (
    insert into snapshot (id, camera_id, scope_id, object_id, sha256, taken_at, width, height)
    select $2, seen.id, seen.scope_id, $3, $4, $5, $6, $7 from seen
    on conflict (camera_id, sha256) do nothing
    returning scope_id
), file as (
    insert into stored_object
        (id, scope_id, bucket, key, version_id, size_bytes, sha256, content_type, state)
    select $3, picture.scope_id, $8, $9, $10, $11, $4, 'image/jpeg', 'UPLOADED' from picture
)
select exists (select from picture)
"""
"""Adds a picture and its file, or neither when the camera sent the same picture before or stands no more."""

READ_SAME_SNAPSHOT = "select id from snapshot where camera_id = $1 and sha256 = $2"
"""The picture of a camera with this SHA-256."""

BEAT_CAMERA = """
insert into camera_state as state (camera_id, scope_id, last_seen_at)
select id, scope_id, $2 from camera where id = $1 and deleted_at is null
on conflict (camera_id) do update
set last_seen_at = greatest(state.last_seen_at, excluded.last_seen_at), scope_id = excluded.scope_id
returning camera_id
"""
"""Says that a camera lives. The camera's own row is not touched, so nothing is sent to phones."""

READ_UNVERIFIED = """
select snapshot.camera_id, snapshot.taken_at, file.id as object_id, file.bucket, file.key, file.version_id,
       file.size_bytes, file.sha256, file.state
from snapshot join stored_object file on file.id = snapshot.object_id
where snapshot.id = $1
"""
"""A picture with where its file lies and what it is said to be."""

READY_OBJECT = (
    "update stored_object set state = 'READY' where id = $1 and state = 'UPLOADED' returning id"
)
"""Marks a verified file; nothing happens when it was marked before."""

READY_SNAPSHOT = """
update snapshot set thumb_320_key = $2, thumb_960_key = $3, ready_at = $4 where id = $1
"""
"""Says where a picture's small ones are."""

LOCK_CAMERA_STATE = "select last_snapshot_id from camera_state where camera_id = $1 for update"
"""Lets two pictures of one camera become its last one after the other."""

SHOW_LAST_SNAPSHOT = """
update camera_state set last_snapshot_id = $2
where camera_id = $1
  and not exists (select from snapshot where id = camera_state.last_snapshot_id and taken_at > $3)
"""
"""Makes a picture the camera's last one, unless a later one is."""

QUARANTINE_OBJECT = """
update stored_object set state = 'QUARANTINED', reason = $2 where id = $1 and state = 'UPLOADED'
"""
"""Keeps a file apart, with the reason."""
