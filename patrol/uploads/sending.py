"""Tells a phone what of each file is still to be sent, with signed links: in one piece, or in parts of which some are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from uuid_utils.compat import uuid7

from patrol.errors import MediaTooLarge, MediaUnknown, Problem
from patrol.files.flaws import ON_THE_WAY
from patrol.retention import arrival_lock
from patrol.uploads.advice import AT_ONCE, Sizes, advice, layout, part_size, rank
from patrol.uploads.places import key_of, own_files
from storage.buckets import Bucket, ObjectStore, UploadLink
from storage.database import Connection, Database
from storage.faults import ObjectMissing
from storage.media_uploads import (
    ABANDON,
    ASKED,
    DECLARE_AGAIN,
    OPEN_UPLOADS,
    SWITCH_TO_PARTS,
)
from storage.principal import Principal
from storage.statements import as_json
from storage.vocabulary import MediaKind, NetworkClass, StoredObjectState, UploadAdvice

LINK_LIVES: Final = timedelta(hours=1)
"""A phone asks for links when it has signal to use them."""

MOST_LINKS: Final = 50
"""Parts of one file in one answer: as much as an hour of a slow line carries."""

TRIES: Final = 3
"""How often the bytes of one file may arrive: what broke three times is broken on the phone."""


@dataclass(frozen=True, slots=True)
class PartToSend:
    """One part: bytes from `offset` on, `size` of them, to be PUT to `link`."""

    number: int
    offset: int
    size: int
    link: UploadLink


@dataclass(frozen=True, slots=True)
class ToSend:
    """A file and what is to be done about it.

    `whole`: PUT all of it there. `parts`: PUT these; `missing` counts all that have not arrived, `part_count` all there are.
    A DECLARED file with neither is complete in the store as far as is known, or should wait (`advice`).
    """

    id: UUID
    state: StoredObjectState | None
    reason: str | None = None
    advice: UploadAdvice = UploadAdvice.NOW
    whole: UploadLink | None = None
    part_size: int | None = None
    part_count: int | None = None
    missing: int | None = None
    parts: Sequence[PartToSend] = ()
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Files in the order of sending, how many requests go beside each other, and what changed by asking."""

    files: Sequence[ToSend]
    at_once: int
    changed: Sequence[Mapping[str, Any]] = field(default_factory=list)


async def what_to_send(
    database: Database,
    store: ObjectStore,
    principal: Principal,
    ids: Sequence[UUID],
    network: NetworkClass | None,
    now: datetime,
    sizes: Sizes | None = None,
) -> Plan:
    """Begins uploads or goes on with them. It may be asked at any time, from any process, as often as one likes.

    Files whose bytes arrived broken may be sent anew; what arrived is kept.

    Raises:
        TooLarge: too many files in one question.
        StoreUnavailable: the store cannot be asked for parts now.
    """
    sizes = sizes or Sizes()
    async with database.write(principal) as connection:
        files = await own_files(connection, principal, ids)
        again = [row["id"] for row in files.values() if _may_be_sent_again(row)]
        changed = await connection.fetch(DECLARE_AGAIN, again) if again else []
        if again:
            files = await own_files(connection, principal, ids)
        if await _begin_whole(connection, files.values(), network, now, sizes):
            files = await own_files(connection, principal, ids)
        going_on = [row["upload_id"] for row in files.values() if row["upload_id"] is not None]
        await connection.execute(ASKED, going_on, now)
    told = [
        ToSend(one, None, problem=MediaUnknown()) for one in dict.fromkeys(ids) if one not in files
    ]
    for row in sorted(files.values(), key=rank):
        told.append(await _to_send(database, store, principal, row, network, now, sizes))
    return Plan(told, AT_ONCE[network or NetworkClass.FAST], changed)


def _may_be_sent_again(row: Mapping[str, Any]) -> bool:
    return (
        StoredObjectState(row["state"]) is StoredObjectState.QUARANTINED
        and row["reason"] in ON_THE_WAY
        and row["arrivals"] < TRIES
    )


def _is_to_send(row: Mapping[str, Any], network: NetworkClass | None, sizes: Sizes) -> bool:
    return (
        StoredObjectState(row["state"]) is StoredObjectState.DECLARED
        and row["size_bytes"] <= sizes.of(MediaKind(row["kind"]))
        and advice(row, network) is UploadAdvice.NOW
    )


async def _begin_whole(
    connection: Connection,
    rows: Iterable[Mapping[str, Any]],
    network: NetworkClass | None,
    now: datetime,
    sizes: Sizes,
) -> bool:
    """Begins the uploads that go in one piece, for which nothing is asked of the store; whether there were any."""
    new = [
        _upload(row, now)
        for row in rows
        if row["upload_id"] is None
        and _is_to_send(row, network, sizes)
        and part_size(row["size_bytes"], network) is None
    ]
    if new:
        await connection.execute(OPEN_UPLOADS, as_json(new))
    return bool(new)


def _upload(row: Mapping[str, Any], now: datetime, **more: Any) -> dict[str, Any]:
    upload = uuid7()
    return {
        "id": upload, "media_id": row["id"], "key": key_of(row, upload), "multipart_id": None, "part_size": None,
        "asked_at": now,
    } | more  # fmt: skip


async def _to_send(
    database: Database,
    store: ObjectStore,
    principal: Principal,
    row: Mapping[str, Any],
    network: NetworkClass | None,
    now: datetime,
    sizes: Sizes,
) -> ToSend:
    state = StoredObjectState(row["state"])
    limit = sizes.of(MediaKind(row["kind"]))
    if state is not StoredObjectState.DECLARED:
        return ToSend(row["id"], state, row["reason"])
    if row["size_bytes"] > limit:
        message = f"Files of this kind may have at most {limit} bytes."
        return ToSend(row["id"], state, problem=MediaTooLarge(message, limit=limit))
    advised = advice(row, network)
    if advised is not UploadAdvice.NOW:
        return ToSend(row["id"], state, advice=advised)
    in_parts = part_size(row["size_bytes"], network)
    if row["multipart_id"] is None and in_parts is None:
        return ToSend(row["id"], state, whole=_link(store, row, now))
    for _ in range(2):
        if row["multipart_id"] is None:
            row = await _begin_parts(database, store, principal, row, in_parts, now)
        if row["multipart_id"] is None:
            break  # another question of this phone changed it just now; it will ask again
        try:
            return await _parts(store, row)
        except ObjectMissing:
            if await store.exists(Bucket.EVIDENCE, row["key"]):
                return ToSend(row["id"], state, part_size=row["part_size"], missing=0)
            # The store forgot the upload; what there was of it is gone.
            in_parts = in_parts or row["part_size"]
            async with database.write(principal) as connection:
                await connection.execute(ABANDON, [row["id"]], now + timedelta(seconds=1), now)
            row = {**row, "upload_id": None, "multipart_id": None}
    return ToSend(row["id"], state)


def _link(store: ObjectStore, row: Mapping[str, Any], now: datetime) -> UploadLink:
    return store.upload_link(
        Bucket.EVIDENCE,
        row["key"],
        sha256=row["sha256"].hex(),
        size=row["size_bytes"],
        content_type=row["content_type"],
        expires=LINK_LIVES,
        locked_until=arrival_lock(now),
    )


async def _begin_parts(
    database: Database,
    store: ObjectStore,
    principal: Principal,
    row: Mapping[str, Any],
    in_parts: int | None,
    now: datetime,
) -> Mapping[str, Any]:
    """Begins an upload in parts, at the place of the open one if there is one; the file with the upload that counts.

    A process that dies between the store's answer and the commit leaves an upload that upkeep gives up.
    """
    upload = _upload(row, now)
    key = row["key"] if row["upload_id"] is not None else upload["key"]
    begun = await store.multiparts.begin(
        Bucket.EVIDENCE, key, content_type=row["content_type"], locked_until=arrival_lock(now)
    )
    async with database.write(principal) as connection:
        if row["upload_id"] is not None:
            await connection.execute(SWITCH_TO_PARTS, row["upload_id"], begun, in_parts)
        else:
            upload |= {"multipart_id": begun, "part_size": in_parts}
            await connection.execute(OPEN_UPLOADS, as_json([upload]))
        row = (await own_files(connection, principal, [row["id"]])).get(row["id"], row)
    if row["multipart_id"] != begun:
        # The same phone asked twice at once; the other question was faster.
        await store.multiparts.give_up(Bucket.EVIDENCE, key, begun)
    return row


async def _parts(store: ObjectStore, row: Mapping[str, Any]) -> ToSend:
    """Links for what has not arrived of an upload in parts. Raises ObjectMissing if the store does not know it."""
    there = {
        one.number: one.size
        for one in await store.multiparts.arrived(Bucket.EVIDENCE, row["key"], row["multipart_id"])
    }
    parts = layout(row["size_bytes"], row["part_size"])
    missing = [one for one in parts if there.get(one[0]) != one[2]]
    links = [
        PartToSend(
            number,
            offset,
            size,
            store.multiparts.link(
                Bucket.EVIDENCE,
                row["key"],
                multipart_id=row["multipart_id"],
                number=number,
                size=size,
                expires=LINK_LIVES,
            ),
        )
        for number, offset, size in missing[:MOST_LINKS]
    ]
    return ToSend(
        row["id"],
        StoredObjectState(row["state"]),
        part_size=row["part_size"],
        part_count=len(parts),
        missing=len(missing),
        parts=links,
    )
