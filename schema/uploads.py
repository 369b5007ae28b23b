"""How phones send the bytes of declared files: they ask what is to be sent, PUT it to the store, and say that it is done."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry.types import Info

from patrol.errors import Problem
from patrol.faults import problem_behind
from patrol.uploads.advice import Sizes
from patrol.uploads.arrival import Standing, complete_files
from patrol.uploads.places import MOST_FILES
from patrol.uploads.sending import MOST_LINKS, ToSend, what_to_send
from schema.clips import UploadHeader
from schema.context import Context
from schema.enums import NetworkClass, StoredObjectState, UploadAdvice
from schema.planner.reads import at_most
from schema.refusals import Refusal, refusal_of
from schema.scalars import Long
from storage.buckets import UploadLink
from storage.faults import StorageFault
from storage.vocabulary import NetworkClass as Network


@strawberry.type(
    description="Where to PUT some bytes. Send the headers just so; the size is bound."
)
class UploadPlace:
    url: str
    headers: list[UploadHeader] = strawberry.field(metadata=at_most(8))
    expires_at: datetime


@strawberry.type(description="A part that is still to be sent: `sizeBytes` bytes from `offset` on.")
class UploadPart:
    number: int
    offset: Long
    size_bytes: Long
    url: str
    expires_at: datetime


@strawberry.type(
    description="A file and what is to be sent of it: all of it to `whole`, or `parts`. With neither there is nothing to "
    "send: it has arrived, is refused, or should wait for a faster line."
)
class FileToSend:
    id: UUID
    state: StoredObjectState | None
    reason: str | None
    advice: UploadAdvice
    whole: UploadPlace | None
    part_size: int | None
    part_count: int | None
    missing_parts: int | None = strawberry.field(
        description="Of all parts; more than `parts` lists if there are many. 0: say that it is complete."
    )
    parts: list[UploadPart] = strawberry.field(metadata=at_most(MOST_LINKS))
    refusal: Refusal | None = None


@strawberry.type(
    description="Files in the order in which to send them, `atOnce` requests beside each other."
)
class MediaUploadDone:
    at_once: int
    files: list[FileToSend] = strawberry.field(metadata=at_most(MOST_FILES))
    refusal: Refusal | None = None


@strawberry.type(description="How a file stands. DECLARED: its bytes have not arrived whole.")
class FileStanding:
    id: UUID
    state: StoredObjectState | None
    reason: str | None
    refusal: Refusal | None = None


@strawberry.type(description="How the files stand, or a refusal.")
class CompleteMediaDone:
    files: list[FileStanding] = strawberry.field(metadata=at_most(MOST_FILES))
    refusal: Refusal | None = None


def sizes_of(settings: Any) -> Sizes:
    """The largest files, as settings say."""
    if settings is None:
        return Sizes()
    return Sizes(
        settings.photo_bytes, settings.video_bytes, settings.audio_bytes, settings.document_bytes
    )


@strawberry.type
class UploadsMutation:
    @strawberry.mutation(
        description="What is still to be sent of files that the officer attached, with signed links for an hour. Ask again "
        "whenever links are over, the line was away, or on another day; parts that arrived stay."
    )
    async def media_upload(
        self, info: Info[Context, None], ids: list[UUID], network: NetworkClass | None = None
    ) -> MediaUploadDone:
        context = info.context
        try:
            plan = await what_to_send(
                context.database,
                context.store,
                context.principal,
                ids,
                None if network is None else Network(network),
                datetime.now(UTC),
                sizes_of(context.settings),
            )
        except (Problem, StorageFault) as refused:
            return MediaUploadDone(at_once=0, files=[], refusal=_refusal(refused))
        _poke(context, (row["scope_id"] for row in plan.changed))
        return MediaUploadDone(at_once=plan.at_once, files=[_to_send(one) for one in plan.files])

    @strawberry.mutation(
        description="All bytes of these files were sent: they are looked for, put together and verified. Say it any number of times."
    )
    async def complete_media(self, info: Info[Context, None], ids: list[UUID]) -> CompleteMediaDone:
        context = info.context
        try:
            standings, changed = await complete_files(
                context.database, context.store, context.principal, ids, datetime.now(UTC)
            )
        except (Problem, StorageFault) as refused:
            return CompleteMediaDone(files=[], refusal=_refusal(refused))
        _poke(context, (one.scope_id for one in changed))
        return CompleteMediaDone(files=[_standing(one) for one in standings])


def _poke(context: Context, scopes: Iterable[UUID]) -> None:
    if found := list(dict.fromkeys(scopes)):
        context.live.poke(found, ["media"])


def _refusal(refused: Problem | StorageFault) -> Refusal:
    problem = refused if isinstance(refused, Problem) else problem_behind(refused)
    if problem is None:
        raise refused
    return refusal_of(problem)


def _to_send(one: ToSend) -> FileToSend:
    return FileToSend(
        id=one.id,
        state=one.state,
        reason=one.reason,
        advice=one.advice,
        whole=None if one.whole is None else _place(one.whole),
        part_size=one.part_size,
        part_count=one.part_count,
        missing_parts=one.missing,
        parts=[
            UploadPart(
                number=part.number,
                offset=Long(part.offset),
                size_bytes=Long(part.size),
                url=part.link.url,
                expires_at=part.link.expires_at,
            )
            for part in one.parts
        ],
        refusal=None if one.problem is None else refusal_of(one.problem),
    )


def _place(link: UploadLink) -> UploadPlace:
    headers = [UploadHeader(name=name, value=value) for name, value in link.headers.items()]
    return UploadPlace(url=link.url, headers=headers, expires_at=link.expires_at)


def _standing(one: Standing) -> FileStanding:
    refusal = None if one.problem is None else refusal_of(one.problem)
    return FileStanding(id=one.id, state=one.state, reason=one.reason, refusal=refusal)
