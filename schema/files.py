"""Stored files and pictures in the administrator's contract, also those that stand in quarantine."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry
from sqlalchemy import Text, any_, cast
from sqlalchemy.dialects.postgresql import ARRAY

from schema.acts import administrators
from schema.enums import StoredObjectState
from schema.media import derived_link, hexadecimal, object_link
from schema.paging import AdminPageInfo
from schema.planner import Columns, Conditions, Order, computed, one, page, reads
from schema.scalars import Long
from storage import tables

NEWEST_FIRST = {"CREATED": Order("created_at", descending=True)}
LATEST_FIRST = {"TAKEN": Order("taken_at", descending=True)}


@reads(tables.StoredObject, name="StoredObject")
class AdminStoredObject:
    """A file in the object store. `reason` says why it stands in quarantine."""

    id: UUID
    scope_id: UUID
    bucket: str
    key: str
    version_id: str | None
    size_bytes: Long
    sha256: str = computed("sha256", by=hexadecimal, description="Lower-case hexadecimal.")
    content_type: str
    state: StoredObjectState
    reason: str | None
    created_at: datetime
    url: str = computed("bucket", "key", by=object_link, description="A signed link, short-lived.")


@reads(tables.Snapshot, name="Snapshot")
class AdminSnapshot:
    """A picture of a camera."""

    id: UUID
    camera_id: UUID
    scope_id: UUID
    taken_at: datetime
    created_at: datetime
    ready_at: datetime | None
    width: int
    height: int
    url_320: str | None = computed(
        "thumb_320_key", by=derived_link, name="url320", description="WebP of 320 pixels width."
    )
    url_960: str | None = computed(
        "thumb_960_key", by=derived_link, name="url960", description="WebP of 960 pixels width."
    )
    original: AdminStoredObject = one("object_id")


@strawberry.type(name="StoredObjectConnection", description="Stored files, page by page.")
class AdminStoredObjectConnection:
    nodes: list[AdminStoredObject]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type(name="SnapshotConnection", description="Pictures, page by page.")
class AdminSnapshotConnection:
    nodes: list[AdminSnapshot]
    page_info: AdminPageInfo
    total_count: int


@strawberry.type
class FilesQuery:
    @page(
        returns=AdminStoredObjectConnection,
        order=NEWEST_FIRST,
        admit=administrators,
        description="Stored files, newest first.",
    )
    def stored_objects(
        row: Columns,
        first: int = 50,
        after: str | None = None,
        bucket: str | None = None,
        state: list[StoredObjectState] | None = None,
    ) -> Conditions:
        if bucket is not None:
            yield row.bucket == bucket
        if state is not None:
            yield row.state == any_(cast(state, ARRAY(Text)))

    @page(
        returns=AdminSnapshotConnection,
        order=LATEST_FIRST,
        admit=administrators,
        description="Pictures, latest first.",
    )
    def snapshots(
        row: Columns, first: int = 50, after: str | None = None, camera_id: UUID | None = None
    ) -> Conditions:
        if camera_id is not None:
            yield row.camera_id == camera_id
