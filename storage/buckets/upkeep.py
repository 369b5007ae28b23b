"""Making the buckets and saying what is wrong with them, in words that an administrator can act on."""

from __future__ import annotations

from dataclasses import dataclass, field

from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.error import S3Error
from minio.lifecycleconfig import (
    AbortIncompleteMultipartUpload,
    Expiration,
    LifecycleConfig,
    NoncurrentVersionExpiration,
    Rule,
)
from minio.versioningconfig import VersioningConfig

from storage.buckets.objects import StoredObject
from storage.buckets.purposes import Bucket

_OURS = "patrol-expiry"
_EXISTS = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}
_NO_LOCK = {"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"}
_NOT_OFFERED = {"NotImplemented", "MethodNotAllowed", "InvalidRequest"}


@dataclass(slots=True)
class BucketReport:
    """One bucket as found. `objects` are current ones, `versions` all that take space, `bytes` theirs."""

    name: str
    purpose: Bucket
    exists: bool = False
    objects: int = 0
    versions: int = 0
    bytes: int = 0
    versioning: bool = False
    object_lock: bool = False
    default_retention: str | None = None
    lifecycle: str = "none"
    problems: list[str] = field(default_factory=list)

    def count(self, item: StoredObject) -> None:
        """Add one entry of a listing with versions."""
        if item.is_delete_marker:
            return
        self.versions += 1
        self.bytes += item.size
        self.objects += item.is_latest


def ensure_bucket(client: Minio, bucket: Bucket, name: str) -> bool:
    """Create the bucket if it is missing; True if this call created it. Two processes may race."""
    created = not client.bucket_exists(name)
    if created:
        try:
            client.make_bucket(name, object_lock=bucket.locked)
        except S3Error as error:
            if error.code not in _EXISTS:
                raise
            created = False
    if created and bucket.locked:
        # S3 says that lock brings versioning; not every store does it unasked.
        client.set_bucket_versioning(name, VersioningConfig(ENABLED))
    if bucket.expires_after_days is not None:
        _ensure_expiry(client, name, bucket.expires_after_days)
    return created


def _ensure_expiry(client: Minio, name: str, days: int) -> None:
    try:
        present = client.get_bucket_lifecycle(name)
        rules = list(present.rules) if present else []
        if any(_expires_all(rule) for rule in rules):
            return
        client.set_bucket_lifecycle(name, LifecycleConfig([*rules, expiry_rule(days)]))
    except S3Error as error:
        # The report says it; an installation must not fail to start its other buckets for this.
        if error.code not in _NOT_OFFERED:
            raise


def expiry_rule(days: int) -> Rule:
    """Everything goes after `days` days: objects, replaced versions and uploads that nobody finished."""
    return Rule(
        ENABLED,
        rule_filter=Filter(prefix=""),
        rule_id=_OURS,
        expiration=Expiration(days=days),
        noncurrent_version_expiration=NoncurrentVersionExpiration(noncurrent_days=days),
        abort_incomplete_multipart_upload=AbortIncompleteMultipartUpload(
            days_after_initiation=days
        ),
    )


def report_on(client: Minio, bucket: Bucket, name: str) -> BucketReport:
    """Everything but the counts."""
    report = BucketReport(name, bucket)
    report.exists = client.bucket_exists(name)
    if not report.exists:
        report.problems.append(
            f"Bucket {name} is missing"
            + (" and must be created with object lock." if bucket.locked else ".")
        )
        return report
    _read_versioning(client, report)
    _read_lock(client, report)
    _read_lifecycle(client, report)
    return report


def _read_versioning(client: Minio, report: BucketReport) -> None:
    why = "Turn versioning on for the bucket."
    try:
        report.versioning = client.get_bucket_versioning(report.name).status == ENABLED
    except S3Error as error:
        if error.code not in _NOT_OFFERED:
            raise
        why = "The store does not offer versioning; use another one."
    if report.purpose.locked and not report.versioning:
        report.problems.append(
            f"Bucket {report.name} keeps no versions, so {report.purpose.value} could be overwritten. {why}"
        )


def _read_lock(client: Minio, report: BucketReport) -> None:
    why = (
        "Lock is chosen when a bucket is created: use another bucket prefix, or make the bucket anew "
        "with object lock and copy its objects."
    )
    try:
        lock = client.get_object_lock_config(report.name)
        report.object_lock = True
        if lock.mode:
            report.default_retention = (
                f"{lock.mode} {lock.duration} {str(lock.duration_unit).lower()}"
            )
    except S3Error as error:
        if error.code in _NOT_OFFERED:
            why = "The store does not offer object lock; use another one."
        elif error.code not in _NO_LOCK:
            raise
    if report.purpose.locked and not report.object_lock:
        report.problems.append(
            f"Bucket {report.name} has no object lock, so {report.purpose.value} cannot be put under "
            f"legal hold. {why}"
        )


def _read_lifecycle(client: Minio, report: BucketReport) -> None:
    try:
        config = client.get_bucket_lifecycle(report.name)
    except S3Error as error:
        if error.code not in _NOT_OFFERED:
            raise
        config = None
    rules = [rule for rule in (config.rules if config else []) if rule.status == ENABLED]
    if rules:
        report.lifecycle = "; ".join(_in_words(rule) for rule in rules)
    if report.purpose.expires_after_days is not None and not any(map(_expires_all, rules)):
        report.problems.append(
            f"Bucket {report.name} has no rule that deletes everything after "
            f"{report.purpose.expires_after_days} days, so {report.purpose.value} would stay for ever."
        )


def _expires_all(rule: Rule) -> bool:
    whole_bucket = rule.rule_filter is None or rule.rule_filter.prefix == ""
    return bool(
        rule.status == ENABLED and whole_bucket and rule.expiration and rule.expiration.days
    )


def _in_words(rule: Rule) -> str:
    said = []
    if rule.expiration and rule.expiration.days:
        said.append(f"objects after {rule.expiration.days} days")
    if rule.expiration and rule.expiration.date:
        said.append(f"objects on {rule.expiration.date:%Y-%m-%d}")
    old = rule.noncurrent_version_expiration
    if old and old.noncurrent_days:
        said.append(f"replaced versions after {old.noncurrent_days} days")
    abandoned = rule.abort_incomplete_multipart_upload
    if abandoned and abandoned.days_after_initiation:
        said.append(f"unfinished uploads after {abandoned.days_after_initiation} days")
    scope = rule.rule_filter.prefix if rule.rule_filter and rule.rule_filter.prefix else ""
    return (f"under {scope}: " if scope else "") + (", ".join(said) or "other rule")
