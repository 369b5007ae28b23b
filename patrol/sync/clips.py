"""How phones declare clips of calls for help, without signal too: what was recorded is known before its bytes travel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from patrol.clips.declaring import (
    NewClip,
    NewSegment,
    SegmentState,
    declare_clips,
    declare_segments,
    end_clips,
)
from patrol.clock import read_phone_time
from patrol.errors import AlreadyExists, NotAllowed, NotFound, Problem
from patrol.sync.belonging import parents_of, refusal_to_add
from patrol.sync.mutation import Author, Effect, Mutation, refused
from storage.clips import LOCK_CLIPS, READ_CLIPS
from storage.database import Connection
from storage.media import LOCK_FILED_ALERTS
from storage.vocabulary import AudioCodec, ClipContainer, MutationOutcome, VideoCodec


async def declare_from_phones(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Declares clips of alerts of the author's scopes, and of those that he raised or was called for."""
    rows = await connection.fetch(
        LOCK_FILED_ALERTS, parents_of(mutations, "alert_id"), author.officer
    )
    alerts = {row["id"]: row for row in rows}
    effects: dict[UUID, Effect] = {}
    clips: dict[UUID, NewClip] = {}
    for one in mutations:
        alert = alerts.get(UUID(str(one.fields["alert_id"])))
        problem = refusal_to_add(author, alert)
        if alert is None or problem is not None:
            effects[one.row_id] = refused(one, problem or NotFound)
        else:
            clips[one.row_id] = _clip(author, one, alert["scope_id"])
    added = await declare_clips(connection, list(clips.values()))
    taken = [key for key in clips if key not in added]
    there = {row["id"]: row for row in await connection.fetch(READ_CLIPS, taken)} if taken else {}
    for one in mutations:
        clip = clips.get(one.row_id)
        if clip is None:
            continue
        if one.row_id in added:
            effects[one.row_id] = Effect(
                MutationOutcome.APPLIED,
                one.row_id,
                added[one.row_id],
                scopes=(clip.scope_id,),
                alerts=(clip.alert_id,),
            )
        elif _same(clip, there.get(one.row_id)):
            effects[one.row_id] = Effect(
                MutationOutcome.APPLIED, one.row_id, there[one.row_id]["rev"]
            )
        else:
            effects[one.row_id] = refused(one, AlreadyExists)
    return [effects[one.row_id] for one in mutations]


async def segments_from_phones(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Declares segments of the author's own clips. The answer's `detail` names those that were not taken."""
    clips = await _own(connection, mutations)
    effects = []
    for one in mutations:
        clip = clips.get(one.row_id)
        if (problem := _refusal(author, clip)) is not None:
            effects.append(refused(one, problem))
            continue
        segments = [_segment(given) for given in one.fields["segments"]]
        try:
            rev, states = await declare_segments(
                connection, one.row_id, segments, author.received_at
            )
        except Problem as refusal:
            effects.append(refused(one, type(refusal), **refusal.extra))
            continue
        assert clip is not None  # refused otherwise
        effects.append(
            Effect(
                MutationOutcome.APPLIED,
                one.row_id,
                rev,
                detail={"refused": _told(states)} if _told(states) else {},
                scopes=(clip["scope_id"],),
                alerts=(clip["alert_id"],),
            )
        )
    return effects


async def close_from_phones(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Ends the author's own clips; a second end may only say that there are more segments."""
    clips = await _own(connection, mutations)
    problems = {one.row_id: _refusal(author, clips.get(one.row_id)) for one in mutations}
    ends = {
        one.row_id: (
            read_phone_time(one.fields.get("ended_at") or one.captured_at, author.received_at),
            one.fields.get("segment_count"),
        )
        for one in mutations
        if problems[one.row_id] is None
    }
    revs = await end_clips(connection, ends, author.received_at)
    effects = []
    for one in mutations:
        if (problem := problems[one.row_id]) is not None:
            effects.append(refused(one, problem))
            continue
        clip = clips[one.row_id]
        effects.append(
            Effect(
                MutationOutcome.APPLIED,
                one.row_id,
                revs.get(one.row_id),
                scopes=(clip["scope_id"],),
                alerts=(clip["alert_id"],),
            )
        )
    return effects


async def _own(
    connection: Connection, mutations: Sequence[Mutation]
) -> dict[UUID, Mapping[str, Any]]:
    rows = await connection.fetch(LOCK_CLIPS, [one.row_id for one in mutations])
    return {row["id"]: row for row in rows}


def _refusal(author: Author, clip: Mapping[str, Any] | None) -> type[Problem] | None:
    """A clip is added to by the officer who began it, from whatever phone he has now."""
    if clip is None:
        return NotFound
    return None if clip["officer_id"] == author.officer else NotAllowed


def _clip(author: Author, one: Mutation, scope: UUID) -> NewClip:
    video, audio = one.fields.get("video_codec"), one.fields.get("audio_codec")
    return NewClip(
        id=one.row_id,
        alert_id=UUID(str(one.fields["alert_id"])),
        scope_id=scope,
        container=ClipContainer(one.fields["container"]),
        video_codec=VideoCodec(video) if video else None,
        audio_codec=AudioCodec(audio) if audio else None,
        started=read_phone_time(
            one.fields.get("started_at") or one.captured_at, author.received_at
        ),
        received_at=author.received_at,
        officer_id=author.officer,
        device_id=author.device,
    )


def _segment(given: Mapping[str, Any]) -> NewSegment:
    return NewSegment(
        sequence=given["sequence"],
        sha256=given["sha256"],
        size_bytes=given["size_bytes"],
        seconds=given.get("seconds"),
        init=bool(given.get("init")),
        discontinuity=bool(given.get("discontinuity")),
    )


def _same(clip: NewClip, there: Mapping[str, Any] | None) -> bool:
    """Whether a clip with a taken id is the same one."""
    row = clip.row()
    return there is not None and all(
        str(there[name]) == str(row[name])
        for name in ("alert_id", "officer_id", "container", "video_codec", "audio_codec")
    )


def _told(states: Sequence[SegmentState]) -> list[dict[str, Any]]:
    return [
        {
            "sequence": one.sequence,
            "init": one.init,
            "code": one.problem.code,
            "reason": one.reason,
        }
        for one in states
        if one.problem is not None
    ]
