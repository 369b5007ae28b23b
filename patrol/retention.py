"""How long files are locked in the store: shortly as they arrive, fully once they are verified. The one place that decides.

Schedules by subject and category, and legal holds, build on these two functions: whatever stores or verifies evidence
calls them and knows nothing of modes and days.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import structlog

from storage.buckets import Bucket, ObjectStore
from storage.faults import StoreRefused

log = structlog.get_logger(__name__)

ON_ARRIVAL: Final = timedelta(days=7)
"""Long enough for a worker that is away to come back and verify; short enough that what is no evidence goes again."""

WHEN_READY: Final = timedelta(days=365)
"""Where no setting says otherwise."""


def arrival_lock(now: datetime) -> datetime:
    """Until when an upload that arrives now is locked."""
    return (now + ON_ARRIVAL).replace(microsecond=0)


async def keep_arrived(
    store: ObjectStore, bucket: Bucket, key: str, version_id: str | None, now: datetime
) -> None:
    """Locks what has just arrived. A link that the store made locks by itself; this is for bytes that came through us."""
    await _lock(store, bucket, key, version_id, arrival_lock(now))


async def keep_verified(
    store: ObjectStore, bucket: Bucket, key: str, version_id: str | None, until: datetime
) -> None:
    """Locks what was found to be what it claims, before anybody is told that it is READY."""
    await _lock(store, bucket, key, version_id, until)


async def _lock(
    store: ObjectStore, bucket: Bucket, key: str, version_id: str | None, until: datetime
) -> None:
    if not bucket.locked or version_id is None:
        return
    try:
        await store.retain(bucket, key, version_id=version_id, until=until)
    except StoreRefused as refused:
        # A store that cannot lock still keeps: evidence is not given up for it, and `patrol check` tells of the store.
        log.error("object_not_locked", bucket=bucket.value, code=refused.code)
