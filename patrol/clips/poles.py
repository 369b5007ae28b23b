"""How a pole declares a clip: of an alert of its own, by whatever id it gives or was given."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from patrol.clips.declaring import NewClip, declare_clips
from patrol.clock import PhoneTime
from patrol.errors import AlreadyExists, NotFound, PostUnknown
from storage.clips import READ_CLIPS, READ_POST_ALERT
from storage.database import Database
from storage.principal import Principal, PrincipalKind
from storage.vocabulary import AudioCodec, ClipContainer, VideoCodec


async def declare_from_pole(
    database: Database,
    principal: Principal,
    post_id: UUID,
    alert_id: UUID,
    clip_id: UUID,
    *,
    container: ClipContainer,
    video_codec: VideoCodec | None,
    audio_codec: AudioCodec | None,
    started: PhoneTime,
    now: datetime,
) -> tuple[UUID, bool]:
    """Adds a clip by its id; the alert's scope, and whether the clip is new.

    Raises:
        PostUnknown: the key is not this pole's.
        NotFound: the alert is not this pole's.
        AlreadyExists: another clip has this id.
    """
    if principal.kind is not PrincipalKind.POST or principal.id != post_id:
        raise PostUnknown
    async with database.write(principal) as connection:
        alert = await connection.fetchrow(READ_POST_ALERT, alert_id, post_id)
        if alert is None:
            raise NotFound("This post has no such alert.")
        clip = NewClip(
            id=clip_id,
            alert_id=alert_id,
            scope_id=alert["scope_id"],
            container=container,
            video_codec=video_codec,
            audio_codec=audio_codec,
            started=started,
            received_at=now,
            post_id=post_id,
        )
        if await declare_clips(connection, [clip]):
            return alert["scope_id"], True
        there = await connection.fetchrow(READ_CLIPS, [clip_id])
        if there is None or (there["alert_id"], there["post_id"], there["container"]) != (
            alert_id,
            post_id,
            container.value,
        ):
            raise AlreadyExists
    return alert["scope_id"], False
