"""What one object is, and the blocking SDK calls that move one; run in the connection's threads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from minio import Minio
from minio.datatypes import Object
from minio.error import S3Error
from minio.retention import Retention

from storage.buckets.purposes import Bucket
from storage.buckets.spool import BLOCK, Spool, local_disk
from storage.buckets.uploads import LOCK_MODE
from storage.faults import ObjectTooLarge, StoreRefused, StoreUnavailable

_NEVER_HELD = {"NoSuchObjectLegalHold", "NoSuchObjectLockConfiguration"}
_NEVER_LOCKED = {"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was moved, as measured by us: bytes and SHA-256 (hex). `version_id` is None in a bucket without
    versions."""

    bucket: Bucket
    key: str
    size: int
    sha256: str
    version_id: str | None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What the store says of one version. `sha256` is what was recorded when we stored it, not a fresh
    measurement; listings know neither it nor `content_type`. A delete marker has no bytes."""

    bucket: Bucket
    key: str
    size: int
    version_id: str | None
    modified_at: datetime | None
    content_type: str | None = None
    sha256: str | None = None
    is_latest: bool = True
    is_delete_marker: bool = False


def _real(version_id: str | None) -> str | None:
    """S3 calls the version of an object that was stored without versioning "null"; no later version protects it."""
    return None if version_id in (None, "", "null") else version_id


def from_listing(bucket: Bucket, item: Object) -> StoredObject:
    """One entry of a listing."""
    return StoredObject(
        bucket=bucket,
        key=item.object_name or "",
        size=item.size or 0,
        version_id=_real(item.version_id),
        modified_at=item.last_modified,
        is_latest=item.is_latest is None or item.is_latest.lower() == "true",
        is_delete_marker=item.is_delete_marker,
    )


def stat(
    client: Minio, bucket: Bucket, name: str, key: str, version_id: str | None
) -> StoredObject:
    """The store's answer to HEAD."""
    found = client.stat_object(name, key, version_id=version_id)
    recorded: Mapping[str, Any] = found.metadata or {}
    return StoredObject(
        bucket=bucket,
        key=key,
        size=found.size or 0,
        version_id=_real(found.version_id),
        modified_at=found.last_modified,
        content_type=found.content_type,
        sha256=recorded.get("x-amz-meta-sha256"),
    )


def upload(
    client: Minio,
    bucket: Bucket,
    name: str,
    key: str,
    spool: Spool,
    *,
    content_type: str,
    metadata: Mapping[str, str],
) -> Receipt:
    """Send a measured spool. In a locked bucket the answer must carry a version, or the object is taken back:
    what looks stored but cannot be held is not evidence."""
    sha256 = spool.sha256()
    with local_disk():
        spool.file.seek(0)
    written = client.put_object(
        name,
        key,
        cast(BinaryIO, spool.file),
        spool.size,
        content_type=content_type,
        metadata={**metadata, "sha256": sha256},
        # One part in memory at a time, 5 MiB; parallel parts would multiply that by the threads.
        num_parallel_uploads=1,
    )
    if bucket.locked and _real(written.version_id) is None:
        client.remove_object(name, key)
        raise StoreRefused(f"Bucket {name} keeps no versions, so it cannot keep {bucket.value}.")
    return Receipt(bucket, key, spool.size, sha256, _real(written.version_id))


def fetch_into(
    client: Minio,
    bucket: Bucket,
    name: str,
    key: str,
    into: BinaryIO,
    *,
    max_bytes: int,
    version_id: str | None,
) -> Receipt:
    """Stream an object into a file and measure it; on any fault cut the file back to where it was."""
    start = into.tell()
    too_large = f"The object has more than the {max_bytes} bytes that are allowed here."
    response = client.get_object(name, key, version_id=version_id)
    try:
        expected = response.headers.get("content-length")
        if expected is not None and int(expected) > max_bytes:
            raise ObjectTooLarge(too_large)
        measured, size = hashlib.sha256(), 0
        for data in response.stream(BLOCK):
            size += len(data)
            if size > max_bytes:
                raise ObjectTooLarge(too_large)
            measured.update(data)
            with local_disk():
                into.write(data)
        if expected is not None and size != int(expected):
            raise StoreUnavailable("The object store broke off in the middle of an object.")
        return Receipt(
            bucket, key, size, measured.hexdigest(), _real(response.headers.get("x-amz-version-id"))
        )
    except BaseException:
        into.seek(start)
        into.truncate()
        raise
    finally:
        # Close before release: an object that was not read to its end must not go back into the pool.
        response.close()
        response.release_conn()


def is_held(client: Minio, name: str, key: str, version_id: str) -> bool:
    """Whether a version is under legal hold. Stores differ in how they say "never was"; the SDK knows one."""
    try:
        return client.is_object_legal_hold_enabled(name, key, version_id)
    except S3Error as error:
        if error.code in _NEVER_HELD:
            return False
        raise


def retain(client: Minio, name: str, key: str, version_id: str, until: datetime) -> None:
    """Lock a version until a time, unless it is locked for longer: a lock can only be made longer."""
    present = retained_until(client, name, key, version_id)
    if present is None or present < until.astimezone(UTC).replace(microsecond=0):
        client.set_object_retention(
            name, key, Retention(LOCK_MODE, until.astimezone(UTC)), version_id=version_id
        )


def retained_until(client: Minio, name: str, key: str, version_id: str) -> datetime | None:
    """Until when a version is locked. Stores differ in how they say "never was"."""
    try:
        found = client.get_object_retention(name, key, version_id)
    except S3Error as error:
        if error.code in _NEVER_LOCKED:
            return None
        raise
    return None if found is None else found.retain_until_date
