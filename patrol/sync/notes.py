"""How phones add notes to incidents: append-only, so two officers who write at once never contest anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from patrol.clock import read_phone_time
from patrol.sync.belonging import add_once, parents_of, refusal_to_add
from patrol.sync.mutation import Author, Effect, Mutation, refused
from storage.database import Connection
from storage.notes import INSERT_NOTES, LOCK_NOTED, READ_NOTES

_SAME = ("incident_id", "text", "written_by")
"""What makes a note with a taken id the same note."""


async def add_notes(
    connection: Connection, author: Author, mutations: Sequence[Mutation]
) -> list[Effect]:
    """Adds notes to incidents of the author's scopes, and to those that he reported himself."""
    wanted = parents_of(mutations, "incident_id")
    rows = await connection.fetch(LOCK_NOTED, wanted, author.officer)
    incidents = {row["id"]: row for row in rows}
    effects: dict[UUID, Effect] = {}
    notes: dict[UUID, dict[str, Any]] = {}
    for one in mutations:
        incident = incidents.get(UUID(str(one.fields["incident_id"])))
        problem = refusal_to_add(author, incident)
        if incident is None or problem is not None:
            assert problem is not None  # an unknown incident is refused
            effects[one.row_id] = refused(one, problem)
        else:
            notes[one.row_id] = _row(author, one, incident["scope_id"])
    effects |= await add_once(
        connection, mutations, notes, insert=INSERT_NOTES, read=READ_NOTES, same=_SAME
    )
    return [effects[one.row_id] for one in mutations]


def _row(author: Author, one: Mutation, scope: UUID) -> dict[str, Any]:
    captured = read_phone_time(one.captured_at, author.received_at)
    occurred = one.fields.get("occurred_at")
    happened = read_phone_time(occurred, author.received_at) if occurred else captured
    return {
        "id": one.row_id,
        "scope_id": scope,
        "incident_id": one.fields["incident_id"],
        "text": one.fields["text"],
        "written_by": author.officer,
        "device_id": author.device,
        "occurred_at": happened.at,
        "captured_at_raw": one.captured_at,
        "received_at": author.received_at,
        "time_suspect": captured.suspect or happened.suspect,
    }
