"""The object store through the S3 API: buckets by purpose, locks, versions, holds and signed links."""

from storage.buckets.connection import Patience
from storage.buckets.multipart import MOST_PARTS, SMALLEST_PART, ArrivedPart, OpenMultipart
from storage.buckets.objects import Receipt, StoredObject
from storage.buckets.purposes import EXPORT_DAYS, Bucket
from storage.buckets.store import ObjectStore
from storage.buckets.upkeep import BucketReport
from storage.buckets.uploads import UploadLink

__all__ = [
    "EXPORT_DAYS",
    "MOST_PARTS",
    "SMALLEST_PART",
    "ArrivedPart",
    "Bucket",
    "BucketReport",
    "ObjectStore",
    "OpenMultipart",
    "Patience",
    "Receipt",
    "StoredObject",
    "UploadLink",
]
