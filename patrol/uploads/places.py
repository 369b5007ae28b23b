"""Where the bytes of a file lie, and whose file it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from patrol.errors import TooLarge
from patrol.files.types import ending_of
from storage.database import Connection
from storage.media_uploads import LOCK_TO_SEND
from storage.principal import Principal, PrincipalKind

MOST_FILES = 20
"""In one question of a phone."""


def key_of(row: Mapping[str, Any], upload_id: UUID) -> str:
    """Where an upload puts a file in the evidence bucket. Its own id stands in it: bytes that were refused keep their place."""
    parent = (
        f"incidents/{row['incident_id']}"
        if row["incident_id"] is not None
        else f"alerts/{row['alert_id']}"
    )
    return f"{parent}/{row['id']}/{upload_id}.{ending_of(row['content_type'])}"


async def own_files(
    connection: Connection, principal: Principal, ids: Sequence[UUID]
) -> dict[UUID, Mapping[str, Any]]:
    """Locks those of some files that the officer attached, each with its open upload; he may use another phone by now.

    Raises:
        TooLarge: more than one question may name.
    """
    if len(set(ids)) > MOST_FILES:
        raise TooLarge(f"One question names at most {MOST_FILES} files.", limit=MOST_FILES)
    return {
        row["id"]: row
        for row in await connection.fetch(LOCK_TO_SEND, list(set(ids)))
        if row["deleted_at"] is None
        and (
            principal.kind is PrincipalKind.SYSTEM
            or (principal.kind is PrincipalKind.OFFICER and row["attached_by"] == principal.id)
        )
    }
