"""Uploads in parts, which a phone may send over days: begun, asked for, put together and given up by us, sent by signed links.

The SDK keeps these calls to itself (their names begin with an underscore), for its own `put_object`; they are used here
and nowhere else, so that a change of the SDK is found in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from minio import Minio
from minio.datatypes import Part

from storage.buckets.connection import Connection
from storage.buckets.links import LinkSigner
from storage.buckets.purposes import Bucket
from storage.buckets.uploads import LOCK_MODE, UploadLink, sign_part
from storage.faults import ObjectMissing, StoreUnavailable

SMALLEST_PART: Final = 5 * 1024 * 1024
"""Bytes; S3 takes a smaller part only as the last one."""

MOST_PARTS: Final = 1000
"""S3 would take ten times as many; so a single answer lists them all."""

_EVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ArrivedPart:
    """A part that the store has. `size` is in bytes, `etag` what it wants to hear again when the parts are put together."""

    number: int
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class OpenMultipart:
    """An upload in parts that was neither put together nor given up."""

    key: str
    multipart_id: str
    begun_at: datetime | None


class Multiparts:
    """The uploads in parts of one store; raises as `ObjectStore` does."""

    def __init__(
        self, connection: Connection, signer: LinkSigner, name_of: Callable[[Bucket], str]
    ) -> None:
        self._connection, self._signer, self._name_of = connection, signer, name_of

    async def begin(
        self, bucket: Bucket, key: str, *, content_type: str, locked_until: datetime | None = None
    ) -> str:
        """Begin an upload in parts, and return its id. The finished object is locked from its first moment."""
        name = self._name_of(bucket)
        return await self._connection.run(
            f"beginning an upload to {name}",
            _begin,
            self._connection.quick,
            name,
            key,
            content_type=content_type,
            locked_until=locked_until if bucket.locked else None,
        )

    async def arrived(self, bucket: Bucket, key: str, multipart_id: str) -> list[ArrivedPart]:
        """What has arrived of an upload in parts, by number. ObjectMissing once it is finished or given up."""
        name = self._name_of(bucket)
        return await self._connection.run(
            f"asking for parts in {name}", _parts, self._connection.quick, name, key, multipart_id
        )

    async def put_together(
        self, bucket: Bucket, key: str, multipart_id: str, arrived: list[ArrivedPart]
    ) -> None:
        """Make one object of the parts that arrived; ask for it with `stat`. ObjectMissing as in `arrived`."""
        name = self._name_of(bucket)
        await self._connection.run(
            f"putting parts together in {name}",
            _put_together,
            self._connection.bulk,
            name,
            key,
            multipart_id,
            arrived,
        )

    async def give_up(self, bucket: Bucket, key: str, multipart_id: str) -> None:
        """Let go of the parts of an upload that nobody goes on with; nothing happens if there is none."""
        name = self._name_of(bucket)
        try:
            await self._connection.run(
                f"giving up an upload to {name}",
                _give_up,
                self._connection.quick,
                name,
                key,
                multipart_id,
            )
        except ObjectMissing:
            return

    async def open(self, bucket: Bucket, *, under: str = "") -> list[OpenMultipart]:
        """Uploads in parts that are open. Some stores list none for a beginning of a key; what they forget they clean."""
        name = self._name_of(bucket)
        return await self._connection.run(
            f"listing uploads to {name}", lambda: list(_open(self._connection.quick, name, under))
        )

    def link(
        self,
        bucket: Bucket,
        key: str,
        *,
        multipart_id: str,
        number: int,
        size: int,
        expires: timedelta,
    ) -> UploadLink:
        """A signed public link to upload one part by, made without network. See sign_part."""
        return sign_part(
            self._signer,
            self._name_of(bucket),
            key,
            multipart_id=multipart_id,
            number=number,
            size=size,
            expires=expires,
        )


def _begin(
    client: Minio, name: str, key: str, *, content_type: str, locked_until: datetime | None
) -> str:
    """The id of a new upload in parts, whose object will be locked from its first moment."""
    headers: dict[str, str | list[str] | tuple[str]] = {"Content-Type": content_type}
    if locked_until is not None:
        headers["x-amz-object-lock-mode"] = LOCK_MODE
        headers["x-amz-object-lock-retain-until-date"] = locked_until.strftime("%Y-%m-%dT%H:%M:%SZ")
    return client._create_multipart_upload(name, key, headers)


def _parts(client: Minio, name: str, key: str, multipart_id: str) -> list[ArrivedPart]:
    """What has arrived, by number. Of a part that was sent twice the later one counts; some stores list both."""
    found: dict[int, Part] = {}
    after: str | None = None
    while True:
        listed = client._list_parts(
            name, key, multipart_id, max_parts=MOST_PARTS, part_number_marker=after
        )
        for one in listed.parts:
            other = found.get(one.part_number)
            if other is None or (one.last_modified or _EVER) >= (other.last_modified or _EVER):
                found[one.part_number] = one
        if not listed.is_truncated or not listed.parts:
            return [
                ArrivedPart(number, one.size or 0, one.etag)
                for number, one in sorted(found.items())
            ]
        after = str(listed.next_part_number_marker)


def _put_together(
    client: Minio, name: str, key: str, multipart_id: str, arrived: list[ArrivedPart]
) -> None:
    """Makes the object of its parts. StoreUnavailable where the store says "200" and then that it failed, as S3 may."""
    wanted = [Part(one.number, one.etag) for one in arrived]
    done = client._complete_multipart_upload(name, key, multipart_id, wanted)
    if done.etag is None:
        raise StoreUnavailable("The object store did not put the parts of an upload together.")


def _give_up(client: Minio, name: str, key: str, multipart_id: str) -> None:
    """Lets the store delete the parts; a finished object is not touched."""
    client._abort_multipart_upload(name, key, multipart_id)


def _open(client: Minio, name: str, under: str) -> Iterator[OpenMultipart]:
    """Uploads in parts that are open, whoever began them."""
    key_marker: str | None = None
    id_marker: str | None = None
    while True:
        listed = client._list_multipart_uploads(
            name,
            prefix=under,
            key_marker=key_marker,
            upload_id_marker=id_marker,
            max_uploads=1000,
        )
        for one in listed.uploads:
            yield OpenMultipart(one.object_name, one.upload_id or "", one.initiated_time)
        if not listed.is_truncated or not listed.uploads:
            return
        key_marker, id_marker = listed.next_key_marker, listed.next_upload_id_marker
