"""How the bytes of a segment travel: by a signed link to the store, or through us where a device can use none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO, Final, cast
from uuid import UUID

from patrol.clips.arrival import Arrival, note_arrivals
from patrol.clips.declaring import (
    NewSegment,
    SegmentState,
    declare_segments,
    read_segments,
)
from patrol.clips.places import CONTENT_TYPES, key_of, own_clip
from patrol.errors import AlreadyExists, PostUnknown, Problem, SegmentUnfit
from patrol.retention import arrival_lock, keep_arrived
from storage.buckets import Bucket, ObjectStore, UploadLink
from storage.buckets.spool import Spool
from storage.database import Connection, Database
from storage.principal import Principal, PrincipalKind
from storage.vocabulary import ClipContainer, StoredObjectState

LINK_LIVES: Final = timedelta(hours=1)
"""A phone asks for links when it has signal to use them."""

MOST_LINKS: Final = 100


@dataclass(frozen=True, slots=True)
class Place:
    """A segment with what is known of it, and where to send it; without `link` there is nothing to send."""

    sequence: int
    init: bool
    state: StoredObjectState
    reason: str | None
    link: UploadLink | None


async def links_for(
    connection: Connection,
    store: ObjectStore,
    clip: Mapping[str, Any],
    sequences: Sequence[int],
    now: datetime,
) -> list[Place]:
    """Links for the declared segments of some numbers, heads too; none for what has arrived. Signing needs no network."""
    known = await read_segments(connection, clip["id"], set(sequences[:MOST_LINKS]))
    places = []
    for (sequence, init), rows in sorted(known.items(), key=lambda one: (one[0][0], not one[0][1])):
        row = rows[0]
        state = StoredObjectState(row["state"])
        link = None
        if state is StoredObjectState.DECLARED:
            link = store.upload_link(
                Bucket.EVIDENCE,
                key_of(clip, row),
                sha256=row["sha256"].hex(),
                size=row["size_bytes"],
                content_type=CONTENT_TYPES[ClipContainer(clip["container"])],
                expires=LINK_LIVES,
                locked_until=arrival_lock(now),
            )
        places.append(Place(sequence, init, state, row["reason"], link))
    return places


async def take_segment(
    database: Database,
    store: ObjectStore,
    principal: Principal,
    alert_id: UUID,
    clip_id: UUID,
    received: Spool,
    *,
    sequence: int,
    seconds: float | None,
    claimed_sha256: str | None,
    discontinuity: bool,
    now: datetime,
) -> tuple[SegmentState, Arrival]:
    """Stores a segment that a pole sends through us: declared, kept and noted as arrived. The same again adds nothing.

    Args:
        seconds: its length; None for the head of fragmented MP4.
        claimed_sha256: what the pole says the bytes are, in hexadecimal; None where it cannot say.

    Raises:
        PostUnknown, ClipUnknown: the key is no pole's, or the clip not this pole's.
        SegmentUnfit: the bytes are not those that were claimed, or such bytes were refused before.
        AlreadyExists: other bytes stand under this number.
        Problem: the declaration was refused.
    """
    if principal.kind is not PrincipalKind.POST:
        raise PostUnknown
    if claimed_sha256 is not None and claimed_sha256.lower() != received.sha256():
        raise SegmentUnfit(
            "The SHA-256 of what arrived is not the one that was sent with it.",
            reason="SHA256_DIFFERS",
        )
    segment = NewSegment(
        sequence, received.sha256(), received.size, seconds, seconds is None, discontinuity
    )
    async with database.write(principal) as connection:
        clip = await own_clip(connection, principal, clip_id, alert_id)
        _, [state] = await declare_segments(connection, clip_id, [segment], now)
        _refuse(state)
        rows = (await read_segments(connection, clip_id, [sequence]))[sequence, segment.init]
    if state.state is not StoredObjectState.DECLARED:
        return state, Arrival(clip["scope_id"], clip["alert_id"], ())
    received.file.seek(0)
    receipt = await store.put(
        Bucket.EVIDENCE,
        key_of(clip, rows[0]),
        cast(BinaryIO, received.file),
        content_type=CONTENT_TYPES[ClipContainer(clip["container"])],
        length=received.size,
        sha256=received.sha256(),
    )
    await keep_arrived(store, receipt.bucket, receipt.key, receipt.version_id, now)
    # Should this be lost, the bytes are found where the declaration says.
    found = [{"id": rows[0]["id"], "key": receipt.key, "version_id": receipt.version_id}]
    async with database.write(principal) as connection:
        clip = await own_clip(connection, principal, clip_id)
        arrival = await note_arrivals(connection, clip, found, now)
    return SegmentState(sequence, segment.init, StoredObjectState.UPLOADED), arrival


def _refuse(state: SegmentState) -> None:
    problem: type[Problem] | None = state.problem
    if problem is SegmentUnfit:
        raise SegmentUnfit(reason=state.reason)
    if problem is AlreadyExists:
        raise AlreadyExists("Other bytes stand under this number of the clip.")
    if problem is not None:
        raise problem
