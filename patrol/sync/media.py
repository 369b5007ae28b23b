"""How phones declare files of incidents and alerts: what there is to see is known before its bytes have travelled."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from patrol.clock import read_phone_time
from patrol.errors import RecordInvalid
from patrol.sync.belonging import add_once, parents_of, refusal_to_add
from patrol.sync.mutation import Author, Effect, Mutation, refused
from storage.database import Connection
from storage.media import INSERT_MEDIA, LOCK_FILED_ALERTS, LOCK_FILED_INCIDENTS, READ_MEDIA

_DIGEST = re.compile(r"[0-9a-f]{64}", re.IGNORECASE | re.ASCII)

_SAME = (
    "incident_id",
    "alert_id",
    "kind",
    "content_type",
    "size_bytes",
    "sha256",
    "attached_by",
)
"""What makes a file with a taken id the same file."""


async def attach_to_incidents(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Declares files of incidents of the author's scopes, and of those that he reported himself."""
    return await _attach(connection, author, mutations, "incident_id", LOCK_FILED_INCIDENTS)


async def attach_to_alerts(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Declares files of alerts of the author's scopes, and of those that he raised or was called for."""
    return await _attach(connection, author, mutations, "alert_id", LOCK_FILED_ALERTS)


async def _attach(
    connection: Connection, author: Author, mutations: Sequence[Mutation], field: str, lock: str
) -> list[Effect]:
    rows = await connection.fetch(lock, parents_of(mutations, field), author.officer)
    parents = {row["id"]: row for row in rows}
    effects: dict[UUID, Effect] = {}
    files: dict[UUID, dict[str, Any]] = {}
    for one in mutations:
        parent = parents.get(UUID(str(one.fields[field])))
        problem = refusal_to_add(author, parent)
        if parent is None or problem is not None:
            assert problem is not None  # an unknown parent is refused
            effects[one.row_id] = refused(one, problem)
        elif not _DIGEST.fullmatch(one.fields["sha256"]):
            effects[one.row_id] = refused(one, RecordInvalid, field="sha256")
        else:
            files[one.row_id] = _row(author, one, parent["scope_id"])
    effects |= await add_once(
        connection, mutations, files, insert=INSERT_MEDIA, read=READ_MEDIA, same=_SAME
    )
    return [effects[one.row_id] for one in mutations]


def _row(author: Author, one: Mutation, scope: UUID) -> dict[str, Any]:
    captured = read_phone_time(one.captured_at, author.received_at)
    taken = one.fields.get("taken_at")
    seen = read_phone_time(taken, author.received_at) if taken else captured
    return {
        "id": one.row_id,
        "scope_id": scope,
        "incident_id": one.fields.get("incident_id"),
        "alert_id": one.fields.get("alert_id"),
        "kind": one.fields["kind"],
        "content_type": one.fields["content_type"].strip().lower(),
        "size_bytes": one.fields["size_bytes"],
        "sha256": one.fields["sha256"].lower(),
        "attached_by": author.officer,
        "device_id": author.device,
        "taken_at": seen.at,
        "captured_at_raw": one.captured_at,
        "received_at": author.received_at,
        "time_suspect": captured.suspect or seen.suspect,
    }
