"""The object store through the S3 API: buckets by purpose, locks, versions, holds and signed links."""

from storage.buckets.connection import Patience
from storage.buckets.objects import Receipt, StoredObject
from storage.buckets.purposes import EXPORT_DAYS, Bucket
from storage.buckets.store import ObjectStore
from storage.buckets.upkeep import BucketReport

__all__ = [
    "EXPORT_DAYS",
    "Bucket",
    "BucketReport",
    "ObjectStore",
    "Patience",
    "Receipt",
    "StoredObject",
]
