"""Stored objects: one row for each file in a bucket, with its true size and SHA-256."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, LargeBinary, UniqueConstraint
from sqlmodel import Field

from storage.base import Kept, known
from storage.vocabulary import StoredObjectState


class StoredObject(Kept, table=True):
    """A file in the object store. `reason` says why it stands in quarantine."""

    __tablename__ = "stored_object"
    __table_args__ = (
        UniqueConstraint("bucket", "key"),
        known("state", StoredObjectState),
        CheckConstraint("size_bytes >= 0", name="size_bytes"),
        CheckConstraint("octet_length(sha256) = 32", name="sha256"),
    )

    scope_id: UUID
    bucket: str
    key: str
    version_id: str | None = None
    size_bytes: int = Field(sa_type=BigInteger)
    sha256: bytes = Field(sa_type=LargeBinary)
    content_type: str
    state: str
    reason: str | None = None
