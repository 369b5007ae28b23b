"""The object store as the rest of the house sees it: purposes instead of buckets, measured bytes, plain faults."""

from __future__ import annotations

import io
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import BinaryIO

import anyio.to_thread

from storage.buckets import objects
from storage.buckets.checks import prove_hold, prove_public_link
from storage.buckets.connection import Connection, Patience
from storage.buckets.links import LinkSigner, Method, PublicAddress, bucket_name
from storage.buckets.multipart import Multiparts
from storage.buckets.objects import Receipt, StoredObject
from storage.buckets.purposes import Bucket, check_prefix
from storage.buckets.spool import BLOCK, Declared, Spool
from storage.buckets.upkeep import BucketReport, ensure_bucket, report_on
from storage.buckets.uploads import UploadLink, sign_upload
from storage.faults import ObjectMissing

PAGE = 1000


class ObjectStore:
    """One installation's buckets in one S3 store.

    Network calls run in at most `at_once` threads of their own; none waits longer than `patience`. All raise
    StoreUnavailable (try later), StoreRefused (do not) or what they name. Sizes are bytes, times are UTC.
    """

    def __init__(
        self,
        endpoint: str,
        access_key: str,
        secret_key: str,
        *,
        region: str,
        secure: bool,
        public_endpoint: str | None = None,
        prefix: str = "",
        patience: Patience | None = None,
        at_once: int = 8,
    ) -> None:
        """`public_endpoint` is the address in signed links, by default `endpoint`; see PublicAddress."""
        self._prefix = check_prefix(prefix)
        self._connection = Connection(
            endpoint,
            access_key,
            secret_key,
            region=region,
            secure=secure,
            patience=patience or Patience(),
            at_once=at_once,
        )
        address = PublicAddress.parse(public_endpoint or self._connection.endpoint, secure=secure)
        self._signer = LinkSigner(address, access_key, secret_key, region=region)
        self.multiparts = Multiparts(self._connection, self._signer, self.name_of)

    def close(self) -> None:
        """Close idle connections."""
        self._connection.close()

    def name_of(self, bucket: Bucket) -> str:
        """The bucket's real name in the store."""
        return bucket_name(self._prefix, bucket)

    # The buckets themselves

    async def ensure_buckets(self) -> list[str]:
        """Create what is missing and give exports their expiry; names of the buckets created now. Never
        changes how an existing bucket keeps versions or locks: that is for a person to decide."""
        run = self._connection.run
        created = []
        for bucket in Bucket:
            name = self.name_of(bucket)
            if await run(f"preparing {name}", ensure_bucket, self._connection.quick, bucket, name):
                created.append(name)
        return created

    async def inspect(self, *, count: bool = True) -> list[BucketReport]:
        """What each bucket holds and what is wrong with it. Counting lists every version (one call per
        thousand); `count=False` leaves the numbers at zero."""
        reports = []
        for bucket in Bucket:
            name = self.name_of(bucket)
            report = await self._connection.run(
                f"inspecting {name}", report_on, self._connection.quick, bucket, name
            )
            if count and report.exists:
                async for item in self.walk(bucket, versions=True):
                    report.count(item)
            reports.append(report)
        return reports

    async def problems(self) -> list[str]:
        """In plain words, why this store must not be used; empty when it may."""
        return [
            problem for report in await self.inspect(count=False) for problem in report.problems
        ]

    async def check_public_link(self) -> str | None:
        """Put, fetch through a signed public link, delete; what a reader would run into, or None."""
        return await prove_public_link(self)

    async def check_hold(self) -> str | None:
        """Put an object under hold and try to delete it; what is wrong with this store's holds, or None."""
        return await prove_hold(self)

    # Objects

    async def put(
        self,
        bucket: Bucket,
        key: str,
        source: BinaryIO,
        *,
        content_type: str,
        length: int | None = None,
        sha256: str | None = None,
        limit: int | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Receipt:
        """Store `source` from where it stands to its end. Its SHA-256 is measured before anything is sent and
        kept as metadata `sha256`; a different declared `length` or `sha256` raises ContentDiffers, more than
        `limit` bytes ObjectTooLarge. `metadata` is ASCII."""

        def work() -> Receipt:
            with Spool(limit) as spool:
                spool.fill(source)
                return self._send(
                    bucket, key, spool, Declared(length, sha256), content_type, metadata
                )

        return await self._connection.run(f"storing in {self.name_of(bucket)}", work)

    async def put_bytes(
        self, bucket: Bucket, key: str, data: bytes, *, content_type: str
    ) -> Receipt:
        """`put` for what is in memory anyway, such as a small picture."""
        return await self.put(bucket, key, io.BytesIO(data), content_type=content_type)

    async def put_stream(
        self,
        bucket: Bucket,
        key: str,
        chunks: AsyncIterable[bytes],
        *,
        limit: int,
        content_type: str,
        length: int | None = None,
        sha256: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Receipt:
        """`put` for a request body: chunks go to a temporary file as they come, and to the store only when
        the last has arrived and the whole is within `limit` and as declared."""
        with Spool(limit) as spool:
            waiting = bytearray()
            async for chunk in chunks:
                waiting += chunk
                # In blocks, because a hop to a thread costs more than hashing a small chunk; and at once when
                # the limit is passed, so that a sender cannot go on.
                if len(waiting) >= BLOCK or spool.size + len(waiting) > limit:
                    await anyio.to_thread.run_sync(spool.write, bytes(waiting))
                    waiting.clear()
            await anyio.to_thread.run_sync(spool.write, bytes(waiting))
            return await self._connection.run(
                f"storing in {self.name_of(bucket)}",
                self._send,
                bucket,
                key,
                spool,
                Declared(length, sha256),
                content_type,
                metadata,
            )

    def _send(
        self,
        bucket: Bucket,
        key: str,
        spool: Spool,
        declared: Declared,
        content_type: str,
        metadata: Mapping[str, str] | None,
    ) -> Receipt:
        declared.check(spool.size, spool.sha256())
        return objects.upload(
            self._connection.bulk,
            bucket,
            self.name_of(bucket),
            key,
            spool,
            content_type=content_type,
            metadata=metadata or {},
        )

    async def get(
        self,
        bucket: Bucket,
        key: str,
        into: BinaryIO,
        *,
        max_bytes: int,
        version_id: str | None = None,
    ) -> Receipt:
        """Write an object to `into` where it stands, and measure it. More than `max_bytes` raises
        ObjectTooLarge; after any fault `into` is as it was. Raises ObjectMissing."""
        return await self._connection.run(
            f"reading from {self.name_of(bucket)}",
            objects.fetch_into,
            self._connection.bulk,
            bucket,
            self.name_of(bucket),
            key,
            into,
            max_bytes=max_bytes,
            version_id=version_id,
        )

    async def stat(
        self, bucket: Bucket, key: str, *, version_id: str | None = None
    ) -> StoredObject:
        """Size, type, version and recorded SHA-256 of an object. Raises ObjectMissing."""
        return await self._connection.run(
            f"asking for an object of {self.name_of(bucket)}",
            objects.stat,
            self._connection.quick,
            bucket,
            self.name_of(bucket),
            key,
            version_id,
        )

    async def exists(self, bucket: Bucket, key: str, *, version_id: str | None = None) -> bool:
        """Whether the object, or that version of it, is there."""
        try:
            await self.stat(bucket, key, version_id=version_id)
        except ObjectMissing:
            return False
        return True

    async def delete(self, bucket: Bucket, key: str, *, version_id: str | None) -> None:
        """Delete one version for good; nothing happens if it is gone. StoreRefused while it is held.

        A bucket with versions needs `version_id`: without it the store would only hide the object.
        """
        if bucket.locked and version_id is None:
            raise ValueError("name the version: a plain delete only hides what this bucket keeps")
        name = self.name_of(bucket)
        await self._connection.run(
            f"deleting from {name}", self._connection.quick.remove_object, name, key, version_id
        )

    async def walk(
        self,
        bucket: Bucket,
        *,
        under: str = "",
        after: str | None = None,
        versions: bool = False,
    ) -> AsyncIterator[StoredObject]:
        """Objects in the order of their keys, from `after` (exclusive), whose keys begin with `under`. With
        `versions`, also older versions and delete markers."""
        name = self.name_of(bucket)
        listing = self._connection.quick.list_objects(
            name, prefix=under, recursive=True, start_after=after, include_version=versions
        )

        def page() -> list[StoredObject]:
            return [objects.from_listing(bucket, item) for item in islice(listing, PAGE)]

        while found := await self._connection.run(f"listing {name}", page):
            for item in found:
                yield item

    # Legal hold

    async def hold(self, bucket: Bucket, key: str, *, version_id: str, on: bool) -> None:
        """Place or lift the legal hold of one version. StoreRefused where the bucket has no lock."""
        name = self.name_of(bucket)
        client = self._connection.quick
        change = client.enable_object_legal_hold if on else client.disable_object_legal_hold
        await self._connection.run(
            f"changing a legal hold in {name}", change, name, key, version_id
        )

    async def is_held(self, bucket: Bucket, key: str, *, version_id: str) -> bool:
        """Whether one version is under legal hold."""
        name = self.name_of(bucket)
        return await self._connection.run(
            f"asking for a legal hold in {name}",
            objects.is_held,
            self._connection.quick,
            name,
            key,
            version_id,
        )

    async def retain(self, bucket: Bucket, key: str, *, version_id: str, until: datetime) -> None:
        """Lock one version until a time, so that nobody can delete it before; a longer lock stays as it is.
        StoreRefused where the bucket has no lock."""
        name = self.name_of(bucket)
        await self._connection.run(
            f"locking in {name}",
            objects.retain,
            self._connection.quick,
            name,
            key,
            version_id,
            until,
        )

    async def retained_until(self, bucket: Bucket, key: str, *, version_id: str) -> datetime | None:
        """Until when one version is locked; None for one that is not."""
        name = self.name_of(bucket)
        return await self._connection.run(
            f"asking for a lock in {name}",
            objects.retained_until,
            self._connection.quick,
            name,
            key,
            version_id,
        )

    # Links

    def link(
        self,
        method: Method,
        bucket: Bucket,
        key: str,
        *,
        expires: timedelta,
        version_id: str | None = None,
        content_type: str | None = None,
        filename: str | None = None,
        attachment: bool = False,
    ) -> str:
        """A signed public link, made without network. See LinkSigner.sign. A PUT link binds neither size nor
        content and may be used again until it expires: verify afterwards, and remember the version."""
        return self._signer.sign(
            method,
            self.name_of(bucket),
            key,
            expires=expires,
            version_id=version_id,
            content_type=content_type,
            filename=filename,
            attachment=attachment,
        )

    def steady_link(self, bucket: Bucket, key: str, *, lasting: timedelta) -> str:
        """A signed public link to read by. It stays the same for minutes, so that who has the object does not fetch it
        again. See LinkSigner.steady."""
        return self._signer.steady(self.name_of(bucket), key, lasting=lasting)

    def upload_link(
        self,
        bucket: Bucket,
        key: str,
        *,
        sha256: str,
        size: int,
        content_type: str,
        expires: timedelta,
        locked_until: datetime | None = None,
    ) -> UploadLink:
        """A signed public link to upload just these bytes by, once. See sign_upload."""
        return sign_upload(
            self._signer,
            self.name_of(bucket),
            key,
            sha256_hex=sha256,
            size=size,
            content_type=content_type,
            expires=expires,
            locked_until=locked_until if bucket.locked else None,
        )
