"""Where the parts of a clip lie, and whose clip it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from patrol.errors import ClipUnknown
from storage.clips import LOCK_CLIPS
from storage.database import Connection
from storage.principal import Principal, PrincipalKind
from storage.vocabulary import ClipContainer

CONTENT_TYPES: Final = {ClipContainer.MPEG_TS: "video/mp2t", ClipContainer.FMP4: "video/mp4"}
_ENDINGS: Final = {ClipContainer.MPEG_TS: "ts", ClipContainer.FMP4: "m4s"}


def key_of(clip: Mapping[str, Any], segment: Mapping[str, Any]) -> str:
    """Where a segment lies in the evidence bucket. The segment's id stands in it: bytes that were refused keep their place."""
    container = ClipContainer(clip["container"])
    head = "head-" if segment["init"] else ""
    ending = "mp4" if segment["init"] else _ENDINGS[container]
    number, name = segment["sequence"], segment["id"]
    return f"alerts/{clip['alert_id']}/{clip['id']}/{head}{number:06d}-{name}.{ending}"


async def own_clip(
    connection: Connection, principal: Principal, clip_id: UUID, alert_id: UUID | None = None
) -> Mapping[str, Any]:
    """Locks a clip for the officer or pole that records it.

    Raises:
        ClipUnknown: there is none, or it is another's.
    """
    clip: Mapping[str, Any] | None = await connection.fetchrow(LOCK_CLIPS, [clip_id])
    holder = "post_id" if principal.kind is PrincipalKind.POST else "officer_id"
    if clip is None or clip["deleted_at"] is not None or clip[holder] != principal.id:
        raise ClipUnknown
    if alert_id is not None and clip["alert_id"] != alert_id:
        raise ClipUnknown
    return clip
