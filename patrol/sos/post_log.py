"""Writes down what happens to poles, beside the alarms: silences, mutes, tests, changed settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from storage.database import Connection
from storage.post_health import INSERT_POST_EVENTS, MARK_TESTED
from storage.statements import as_json
from storage.vocabulary import PostEventKind


@dataclass(frozen=True, slots=True)
class PostEvent:
    """Something that happened to a pole. `detail` holds ids, codes and numbers."""

    post_id: UUID
    kind: PostEventKind
    at: datetime
    detail: Mapping[str, Any] = field(default_factory=dict)


async def note_posts(connection: Connection, events: Sequence[PostEvent]) -> None:
    """Adds to the log of poles, in the caller's transaction; who acts is the connection's principal."""
    if events:
        rows = [
            {
                "id": uuid7(),
                "post_id": one.post_id,
                "kind": one.kind.value,
                "at": one.at,
                "detail": dict(one.detail),
            }
            for one in events
        ]
        await connection.execute(INSERT_POST_EVENTS, as_json(rows))


async def tested(
    connection: Connection, post_id: UUID, now: datetime, *, at_pole: bool, alert_id: UUID | None
) -> None:
    """Notes that a test press ran the whole chain; the next one is due an interval later."""
    await connection.execute(MARK_TESTED, post_id, now)
    detail = {"at_pole": at_pole, "alert_id": str(alert_id)}
    await note_posts(connection, [PostEvent(post_id, PostEventKind.TESTED, now, detail)])
