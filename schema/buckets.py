"""The buckets of the object store in the administrator's contract, as they are found and not as they should be."""

from __future__ import annotations

import strawberry

from patrol.buckets import ensure_buckets
from patrol.errors import StoreRefused
from schema.acts import AdminInfo, AdminRefusal, refusal_of, require_administrator
from schema.planner.reads import at_most
from schema.scalars import Long
from storage import faults
from storage.buckets import Bucket
from storage.principal import Role

# What the types below call `Bucket` is known to clients as BucketPurpose: the real names have a prefix.
strawberry.enum(Bucket, name="BucketPurpose", description="What a bucket is for.")


@strawberry.type(name="Bucket")
class AdminBucket:
    """A bucket as it was found just now."""

    name: str
    purpose: Bucket
    exists: bool
    objects: Long = strawberry.field(description="Current objects.")
    versions: Long = strawberry.field(description="All versions that take space.")
    bytes: Long = strawberry.field(description="Of all versions.")
    versioning: bool
    object_lock: bool
    default_retention: str | None
    lifecycle: str = strawberry.field(description="What the store deletes by itself, in words.")
    problems: list[str] = strawberry.field(
        description="Why the bucket must not be used, in plain words; empty when it may."
    )


@strawberry.type(name="BucketsEnsured", description="What was created, or why it was refused.")
class AdminBucketsEnsured:
    created: list[str] | None = None
    refusal: AdminRefusal | None = None


@strawberry.type
class BucketsQuery:
    @strawberry.field(
        description="The buckets. Counting lists every version, so it takes long where there are many: "
        "`count: false` leaves the numbers at zero.",
        metadata=at_most(len(Bucket)),
    )
    async def buckets(self, info: AdminInfo, count: bool = True) -> list[AdminBucket]:
        context = info.context
        require_administrator(context.principal)
        # The store knows no principals, so the database is asked whether this one is still good.
        async with context.database.enter(Role.ADMIN, context.principal):
            pass
        reports = await context.store.inspect(count=count)
        return [
            AdminBucket(
                name=one.name,
                purpose=one.purpose,
                exists=one.exists,
                objects=Long(one.objects),
                versions=Long(one.versions),
                bytes=Long(one.bytes),
                versioning=one.versioning,
                object_lock=one.object_lock,
                default_retention=one.default_retention,
                lifecycle=one.lifecycle,
                problems=one.problems,
            )
            for one in reports
        ]


@strawberry.type
class BucketsMutation:
    @strawberry.mutation(
        description="Creates the buckets that are missing. How existing ones keep versions or locks is never changed."
    )
    async def ensure_buckets(self, info: AdminInfo) -> AdminBucketsEnsured:
        context = info.context
        require_administrator(context.principal)
        try:
            created = await ensure_buckets(context.database, context.principal, context.store)
        except faults.StoreRefused as fault:
            return AdminBucketsEnsured(refusal=refusal_of(StoreRefused(fault.message)))
        return AdminBucketsEnsured(created=created)
