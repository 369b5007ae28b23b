"""Media: the photographs, films and papers that belong to an incident or an alert, known before their bytes arrive."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, SmallInteger, text
from sqlmodel import Field

from storage.base import Synced, known, synced_index
from storage.vocabulary import MediaKind, StoredObjectState


class Media(Synced, table=True):
    """A file of an incident or an alert, as the phone declared it. Triggers keep it in its parent's scope.

    `object_id` is the stored file once it is READY; until then only its `MediaUpload` knows it. `taken_at` is the plausible
    time, `captured_at_raw` what the phone's clock said when the file was attached.

    What was found in the file: `width` and `height` as a viewer sees it, `seconds`, and of its capture data the
    `orientation` as stored, `camera`, `file_taken_at` and the position. `thumb_hash` is a ThumbHash of the picture.
    """

    __tablename__ = "media"
    __table_args__ = (
        synced_index("media"),
        Index("media_waiting_idx", "arrived_at", postgresql_where=text("state = 'UPLOADED'")),
        CheckConstraint("(incident_id is null) <> (alert_id is null)", name="one_parent"),
        known("kind", MediaKind),
        known("state", StoredObjectState),
        CheckConstraint(
            "length(content_type) <= 100 and content_type ~ '^[a-z]+/[a-z0-9][a-z0-9.+-]*$'",
            name="content_type",
        ),
        CheckConstraint("size_bytes > 0", name="size_bytes"),
        CheckConstraint("octet_length(sha256) = 32", name="sha256"),
        CheckConstraint("octet_length(thumb_hash) between 5 and 25", name="thumb_hash"),
        CheckConstraint("orientation between 1 and 8", name="orientation"),
        CheckConstraint(
            "(file_latitude is null) = (file_longitude is null) and (file_latitude is null or has_position) "
            "and file_latitude between -90 and 90 and file_longitude between -180 and 180",
            name="file_position",
        ),
    )

    incident_id: UUID | None = Field(default=None, foreign_key="incident.id", index=True)
    alert_id: UUID | None = Field(default=None, foreign_key="sos_alert.id", index=True)
    kind: str
    content_type: str
    size_bytes: int = Field(sa_type=BigInteger)
    sha256: bytes = Field(sa_type=LargeBinary)
    state: str
    object_id: UUID | None = Field(default=None, foreign_key="stored_object.id", index=True)
    thumb_320_key: str | None = None
    thumb_960_key: str | None = None
    attached_by: UUID = Field(foreign_key="officer.id")
    device_id: UUID = Field(foreign_key="device.id")
    taken_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    reason: str | None = None
    arrived_at: datetime | None = None
    ready_at: datetime | None = None
    thumb_hash: bytes | None = Field(default=None, sa_type=LargeBinary)
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    orientation: int | None = Field(default=None, sa_type=SmallInteger)
    camera: str | None = None
    file_taken_at: datetime | None = None
    has_position: bool | None = None
    file_latitude: float | None = None
    file_longitude: float | None = None


LOCK_FILED_INCIDENTS = """
select id, scope_id, deleted_at, reported_by = $2 as own
from incident where id = any ($1::uuid[]) order by id for no key update
"""
"""Incidents to which files are attached, and whether an officer reported them."""

LOCK_FILED_ALERTS = """
select id, scope_id, deleted_at,
       officer_id is not distinct from $2
       or exists (select from sos_recipient where alert_id = sos_alert.id and officer_id = $2) as own
from sos_alert where id = any ($1::uuid[]) order by id for no key update
"""
"""Alerts to which files are attached, and whether an officer raised them or was called for them."""

INSERT_MEDIA = """
insert into media
    (id, scope_id, incident_id, alert_id, kind, content_type, size_bytes, sha256, state, attached_by, device_id,
     taken_at, captured_at_raw, received_at, time_suspect)
select r.id, r.scope_id, r.incident_id, r.alert_id, r.kind, r.content_type, r.size_bytes, decode(r.sha256, 'hex'),
       'DECLARED', r.attached_by, r.device_id, r.taken_at, r.captured_at_raw, r.received_at, r.time_suspect
from jsonb_to_recordset($1::jsonb) as r (
    id uuid, scope_id uuid, incident_id uuid, alert_id uuid, kind text, content_type text, size_bytes bigint,
    sha256 text, attached_by uuid, device_id uuid, taken_at timestamptz, captured_at_raw text,
    received_at timestamptz, time_suspect boolean)
on conflict (id) do nothing
returning id, rev
"""
"""Declares files; an id that is taken returns no row."""

READ_MEDIA = """
select id, rev, incident_id, alert_id, kind, content_type, size_bytes, sha256, attached_by, deleted_at
from media where id = any ($1::uuid[])
"""
"""Files as they were declared."""
