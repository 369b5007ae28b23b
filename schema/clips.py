"""Clips of calls for help in the phone's contract: declared by push, sent by signed links, watched as HLS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID

import strawberry
from strawberry import UNSET
from strawberry.types import Info

from patrol.clips import arrival, sending
from patrol.clips.declaring import AT_ONCE, SegmentState
from patrol.clips.places import own_clip
from patrol.clips.watching import watch_key
from patrol.errors import Problem
from patrol.faults import problem_behind
from schema.context import Context
from schema.enums import (
    AudioCodec,
    ClipContainer,
    ClipState,
    StoredObjectState,
    VideoCodec,
)
from schema.media import derived_link, hexadecimal
from schema.planner import Columns, Conditions, Order, Reading, computed, many, reads
from schema.planner.reads import at_most
from schema.refusals import Refusal, act, refusal_of
from schema.scalars import Long, PhoneTime
from storage import tables
from storage.database import Connection
from storage.faults import StorageFault

IN_SEQUENCE = {"SEQUENCE": Order("sequence")}
AS_BEGUN = {"STARTED": Order("started_at")}

WATCH_SECONDS = 3600
"""How long a link to watch by lives where no setting says otherwise."""


def live_url(reading: Reading, clip_id: str) -> str:
    """A link to a clip's playlist, for the one who asks."""
    context = reading.context
    seconds = getattr(context.settings, "link_seconds", WATCH_SECONDS)
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    server = getattr(context.settings, "public_url", None) or ""
    key = watch_key(context.keys, context.principal, UUID(clip_id), until)
    return f"{server}/clips/{clip_id}/live.m3u8?key={key}"


def hexadecimal_or_none(reading: Reading, digest: bytes | None) -> str | None:
    """A digest as lower-case hexadecimal digits."""
    return None if digest is None else hexadecimal(reading, digest)


@reads(tables.SosClipSegment)
class ClipSegment:
    """A few seconds of a clip, or (`init`) the head of those from its number on."""

    id: UUID
    sequence: int
    init: bool
    size_bytes: Long
    sha256: str = computed("sha256", by=hexadecimal, description="Lower-case hexadecimal.")
    state: StoredObjectState
    reason: str | None
    seconds: float | None
    measured_seconds: float | None
    arrived_at: datetime | None
    ready_at: datetime | None


@reads(tables.SosClip)
class Clip:
    """A recording of a call for help, which can be watched while it is made.

    `declared`, `arrived`, `ready` and `quarantined` count its segments, `expected` is how many the recorder made; what
    is declared and not ready is missing so far. `seconds` can be watched.
    """

    id: UUID
    scope_id: UUID
    alert_id: UUID
    officer_id: UUID | None
    post_id: UUID | None
    container: ClipContainer
    video_codec: VideoCodec | None
    audio_codec: AudioCodec | None
    state: ClipState
    reason: str | None
    silent: bool
    started_at: datetime
    captured_at_raw: str
    received_at: datetime
    time_suspect: bool
    heard_at: datetime
    ended_at: datetime | None
    expected: int | None
    declared: int
    arrived: int
    ready: int
    quarantined: int
    seconds: float
    file_seconds: float | None
    file_bytes: Long | None
    file_sha256: str | None = computed(
        "file_sha256", by=hexadecimal_or_none, description="Of the one file, in hexadecimal."
    )
    file_url: str | None = computed(
        "file_key",
        by=derived_link,
        description="A signed link to one MP4 of all segments; null until it has been made.",
    )
    url_320: str | None = computed(
        "poster_320_key",
        by=derived_link,
        name="url320",
        description="A picture of it, WebP of 320 pixels width; null until it has been made.",
    )
    url_960: str | None = computed(
        "poster_960_key",
        by=derived_link,
        name="url960",
        description="A picture of it, WebP of 960 pixels width; null until it has been made.",
    )
    live_url: str = computed(
        "id",
        by=live_url,
        description="HLS, short-lived and for the one who asks. Without a host it is an address of this server.",
    )
    rev: Long
    updated_at: datetime

    @many(
        "clip_id",
        returns=list[ClipSegment],
        order=IN_SEQUENCE,
        description="Its segments by number, also those that were refused.",
    )
    def segments(row: Columns, first: int = 200) -> Conditions:
        yield from ()  # every segment belongs to the clip


@strawberry.input(
    description="Says that this phone records a call for help, before any bytes travel. Sent twice it is stored once."
)
class DeclareClipInput:
    id: UUID = strawberry.field(description="UUIDv7, made on the phone: the clip's final id.")
    alert_id: UUID
    container: ClipContainer
    video_codec: VideoCodec | None = strawberry.field(
        default=UNSET, description="Left out for sound alone."
    )
    audio_codec: AudioCodec | None = strawberry.field(
        default=UNSET, description="Left out for picture alone."
    )
    started_at: PhoneTime | None = strawberry.field(
        default=UNSET, description="When recording began, where that is not the capture time."
    )


@strawberry.input(description="A segment, or the head of those that follow.")
class ClipSegmentInput:
    __most__: ClassVar[int] = AT_ONCE

    sequence: int = strawberry.field(
        description="From 0, without holes; a head has the number of the first segment it is for."
    )
    sha256: str = strawberry.field(description="64 hexadecimal digits.")
    size_bytes: Long
    seconds: float | None = strawberry.field(
        default=UNSET, description="How long it lasts; left out for a head only."
    )
    init: bool = strawberry.field(default=False, description="The head of fragmented MP4.")
    discontinuity: bool = strawberry.field(
        default=False, description="The encoder was begun anew before this segment."
    )


@strawberry.input(
    description="Declares segments of the officer's own clip. `detail.refused` of the answer names what was not taken."
)
class DeclareSegmentsInput:
    id: UUID = strawberry.field(description="The clip.")
    segments: list[ClipSegmentInput]


@strawberry.input(
    description="The recording is over. What is still to be sent may come days later all the same."
)
class CloseClipInput:
    id: UUID = strawberry.field(description="The clip.")
    segment_count: int | None = strawberry.field(
        default=UNSET, description="How many segments were made, heads not counted."
    )
    ended_at: PhoneTime | None = strawberry.field(
        default=UNSET, description="When it ended, where that is not the capture time."
    )


@strawberry.type(description="A header that must be sent just so.")
class UploadHeader:
    name: str
    value: str


@strawberry.type(
    description="A segment and where to PUT its bytes; without `url` there is nothing to send."
)
class SegmentLink:
    sequence: int
    init: bool
    state: StoredObjectState
    reason: str | None
    url: str | None
    headers: list[UploadHeader] = strawberry.field(metadata=at_most(8))
    expires_at: datetime | None


@strawberry.type(description="Links, or a refusal. A number that was not declared is left out.")
class ClipLinksDone:
    links: list[SegmentLink] = strawberry.field(metadata=at_most(2 * sending.MOST_LINKS))
    refusal: Refusal | None = None


@strawberry.type(description="What is known of a segment now.")
class SegmentStanding:
    sequence: int
    init: bool
    state: StoredObjectState
    reason: str | None


@strawberry.type(description="What is known of the segments, or a refusal.")
class SegmentsDone:
    segments: list[SegmentStanding] = strawberry.field(metadata=at_most(2 * arrival.MOST_TOLD))
    refusal: Refusal | None = None


@strawberry.type
class ClipsMutation:
    @strawberry.mutation(
        description="Signed links for declared segments of the officer's own clip, heads too; good for an hour."
    )
    async def clip_links(
        self, info: Info[Context, None], clip_id: UUID, sequences: list[int]
    ) -> ClipLinksDone:
        context = info.context

        async def sign(connection: Connection) -> list[sending.Place]:
            clip = await own_clip(connection, context.principal, clip_id)
            now = datetime.now(UTC)
            return await sending.links_for(connection, context.store, clip, sequences, now)

        places = await act(info, sign)
        if isinstance(places, Refusal):
            return ClipLinksDone(links=[], refusal=places)
        return ClipLinksDone(links=[_link(one) for one in places])

    @strawberry.mutation(
        description="The bytes of these numbers were sent: they are looked for, verified and soon watched. Say it any number of times."
    )
    async def complete_segments(
        self, info: Info[Context, None], clip_id: UUID, sequences: list[int]
    ) -> SegmentsDone:
        context = info.context
        try:
            states, noted = await arrival.complete_segments(
                context.database,
                context.store,
                context.principal,
                clip_id,
                sequences,
                datetime.now(UTC),
            )
        except Problem as problem:
            return SegmentsDone(segments=[], refusal=refusal_of(problem))
        except StorageFault as fault:
            problem_ = problem_behind(fault)
            if problem_ is None:
                raise
            return SegmentsDone(segments=[], refusal=refusal_of(problem_))
        if noted.segments:
            context.live.poke([noted.scope_id], ["clips"], [noted.alert_id])
        return SegmentsDone(segments=[_standing(one) for one in states])


def _link(one: sending.Place) -> SegmentLink:
    link = one.link
    return SegmentLink(
        sequence=one.sequence,
        init=one.init,
        state=one.state,
        reason=one.reason,
        url=None if link is None else link.url,
        headers=[]
        if link is None
        else [UploadHeader(name=name, value=value) for name, value in link.headers.items()],
        expires_at=None if link is None else link.expires_at,
    )


def _standing(one: SegmentState) -> SegmentStanding:
    assert one.state is not None  # it is stored
    return SegmentStanding(sequence=one.sequence, init=one.init, state=one.state, reason=one.reason)
