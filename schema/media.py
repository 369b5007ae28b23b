"""Stored files and pictures as the phone's contract shows them; their bytes travel by signed links only."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from uuid import UUID

import strawberry
from strawberry import UNSET

from schema.enums import MediaKind, StoredObjectState
from schema.paging import PageInfo
from schema.planner import Reading, computed, one, reads
from schema.scalars import Long, PhoneTime
from storage import tables
from storage.buckets import Bucket


def hexadecimal(_: Reading, digest: bytes) -> str:
    """A digest as lower-case hexadecimal digits."""
    return digest.hex()


def object_link(reading: Reading, bucket: str, key: str) -> str:
    """A signed link to a stored file."""
    return reading.context.link(bucket, key)


def derived_link(reading: Reading, key: str | None) -> str | None:
    """A signed link to a derived picture; None until it has been made."""
    return None if key is None else reading.context.link(Bucket.DERIVED, key)


def in_base64(_: Reading, data: bytes | None) -> str | None:
    """Bytes as text."""
    return None if data is None else b64encode(data).decode()


@reads(tables.StoredObject)
class StoredObject:
    """A file in the store, as it arrived."""

    id: UUID
    size_bytes: Long
    sha256: str = computed("sha256", by=hexadecimal, description="Lower-case hexadecimal.")
    content_type: str
    state: StoredObjectState
    url: str = computed("bucket", "key", by=object_link, description="A signed link, short-lived.")


@reads(tables.Snapshot)
class Snapshot:
    """A picture of a camera."""

    id: UUID
    taken_at: datetime
    width: int
    height: int
    url_320: str | None = computed(
        "thumb_320_key", by=derived_link, name="url320", description="WebP of 320 pixels width."
    )
    url_960: str | None = computed(
        "thumb_960_key", by=derived_link, name="url960", description="WebP of 960 pixels width."
    )
    original: StoredObject = one("object_id")


@strawberry.type
class SnapshotEdge:
    cursor: str
    node: Snapshot


@strawberry.type(description="Pictures, page by page.")
class SnapshotConnection:
    nodes: list[Snapshot]
    edges: list[SnapshotEdge]
    page_info: PageInfo
    total_count: int


@reads(tables.Media)
class Media:
    """A file of an incident or an alert. It is known before its bytes arrive, and goes where its parent goes.

    `reason` says why it is QUARANTINED. `width`, `height` (pixels, upright) and `seconds` were measured; `orientation` (EXIF, as
    stored), `camera`, `fileTakenAt` and the position are what the file says of itself. `original` is null until READY.
    """

    id: UUID
    scope_id: UUID
    incident_id: UUID | None
    alert_id: UUID | None
    kind: MediaKind
    content_type: str
    size_bytes: Long
    sha256: str = computed("sha256", by=hexadecimal, description="Lower-case hexadecimal.")
    state: StoredObjectState
    reason: str | None
    thumb_hash: str | None = computed(
        "thumb_hash",
        by=in_base64,
        description="A ThumbHash of the picture in Base64, for lists without signal; null until READY, and without a picture.",
    )
    width: int | None
    height: int | None
    seconds: float | None
    orientation: int | None
    camera: str | None
    file_taken_at: datetime | None
    has_position: bool | None
    file_latitude: float | None
    file_longitude: float | None
    arrived_at: datetime | None
    ready_at: datetime | None
    url_320: str | None = computed(
        "thumb_320_key",
        by=derived_link,
        name="url320",
        description="WebP of 320 pixels width; null until it has been made.",
    )
    url_960: str | None = computed(
        "thumb_960_key",
        by=derived_link,
        name="url960",
        description="WebP of 960 pixels width; null until it has been made.",
    )
    attached_by: UUID
    taken_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool
    rev: Long
    updated_at: datetime
    original: StoredObject | None = one("object_id")


@strawberry.input(
    description="Declares a file of an incident before its bytes travel. Sent twice with the same content it is stored once."
)
class AttachMediaInput:
    id: UUID = strawberry.field(description="UUIDv7, made on the phone: the file's final id.")
    incident_id: UUID
    kind: MediaKind
    content_type: str = strawberry.field(description="Lower case, without parameters: image/jpeg.")
    size_bytes: Long
    sha256: str = strawberry.field(description="64 hexadecimal digits.")
    taken_at: PhoneTime | None = strawberry.field(
        default=UNSET, description="When it was taken, where that is not the capture time."
    )


@strawberry.input(
    description="Declares a file of an alert, in the lane SOS, so that it stands behind the alert it belongs to."
)
class AttachAlertMediaInput:
    id: UUID = strawberry.field(description="UUIDv7, made on the phone: the file's final id.")
    alert_id: UUID
    kind: MediaKind
    content_type: str = strawberry.field(description="Lower case, without parameters: video/mp4.")
    size_bytes: Long
    sha256: str = strawberry.field(description="64 hexadecimal digits.")
    taken_at: PhoneTime | None = strawberry.field(
        default=UNSET, description="When it was taken, where that is not the capture time."
    )
