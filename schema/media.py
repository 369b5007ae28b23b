"""Stored files and pictures as the phone's contract shows them; their bytes travel by signed links only."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from schema.enums import StoredObjectState
from schema.planner import Reading, computed, one, reads
from schema.scalars import Long
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
