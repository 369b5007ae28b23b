"""Which buckets there are and what each must guarantee, so that code names a purpose and never a bucket."""

from __future__ import annotations

import re
from enum import StrEnum

EXPORT_DAYS = 7

# No dots: a dot in a bucket name breaks the TLS certificate of `bucket.host` addresses.
_PREFIX = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,40}))?")


class Bucket(StrEnum):
    """A purpose. Its value is the bucket's name without the installation's prefix."""

    SNAPSHOTS = "snapshots"
    """Camera pictures. Lock and versions, so that a picture can become evidence where it lies."""
    EVIDENCE = "evidence"
    """SOS clips and incident media. Lock and versions."""
    DERIVED = "derived"
    """Made from the others and rebuildable: small pictures, remuxed clips."""
    EXPORTS = "exports"
    """Made for one reader and gone after `EXPORT_DAYS` days."""

    @property
    def locked(self) -> bool:
        """Whether the bucket must have object lock and versioning. It has no default retention:
        how long something is kept is decided per object, a legal hold only by a person."""
        return self in (Bucket.SNAPSHOTS, Bucket.EVIDENCE)

    @property
    def expires_after_days(self) -> int | None:
        """After how many days the store itself deletes, or None when only we do."""
        return EXPORT_DAYS if self is Bucket.EXPORTS else None


def check_prefix(prefix: str) -> str:
    """The prefix of all bucket names of one installation, or ValueError if S3 would not take it."""
    if not _PREFIX.fullmatch(prefix) or "--" in prefix:
        msg = f"bucket prefix {prefix!r}: lower-case letters, digits and single hyphens, at most 41"
        raise ValueError(msg)
    return prefix
