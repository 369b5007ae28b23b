"""What belongs to a row that a phone may push in the same batch: who may add to it, and what counts as said twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from patrol.errors import AlreadyExists, NotFound, NotInScope, Problem
from patrol.sync.mutation import Author, Effect, Mutation, refused
from storage.database import Connection
from storage.statements import as_json
from storage.vocabulary import MutationOutcome


def parents_of(mutations: Sequence[Mutation], field: str) -> list[UUID]:
    """The rows that mutations belong to, each once."""
    return list(dict.fromkeys(UUID(str(one.fields[field])) for one in mutations))


def refusal_to_add(author: Author, parent: Mapping[str, Any] | None) -> type[Problem] | None:
    """Why an author may not add to a row (`scope_id`, `deleted_at`, `own`); None if he may.

    What is his own he may add to wherever it lies: who reports from a zone that is not assigned to him has the pictures.
    """
    if parent is None or parent["deleted_at"] is not None:
        return NotFound
    if parent["scope_id"] not in author.scopes and not parent["own"]:
        return NotInScope
    return None


async def add_once(
    connection: Connection,
    mutations: Sequence[Mutation],
    rows: Mapping[UUID, Mapping[str, Any]],
    *,
    insert: str,
    read: str,
    same: Sequence[str],
) -> dict[UUID, Effect]:
    """Adds the rows of some mutations, by id; what became of each.

    Where an id was taken, the very same row is applied once more and any other refused: a phone says again, under another
    number, what it is not sure of, as after a restore.

    Args:
        insert: adds rows, and returns `id` and `rev` of those whose id was free.
        read: the rows of some ids, as they were stored.
        same: the fields that make two rows the same.
    """
    found = await connection.fetch(insert, as_json(list(rows.values())))
    added = {row["id"]: row["rev"] for row in found}
    taken = [key for key in rows if key not in added]
    stored = {row["id"]: row for row in await connection.fetch(read, taken)} if taken else {}
    effects: dict[UUID, Effect] = {}
    for one in mutations:
        row = rows.get(one.row_id)
        if row is None:
            continue
        there = stored.get(one.row_id)
        if one.row_id in added:
            effects[one.row_id] = Effect(
                MutationOutcome.APPLIED,
                one.row_id,
                added[one.row_id],
                scopes=(row["scope_id"],),
            )
        elif there is not None and all(_plain(there[name]) == _plain(row[name]) for name in same):
            effects[one.row_id] = Effect(MutationOutcome.APPLIED, one.row_id, there["rev"])
        else:
            effects[one.row_id] = refused(one, AlreadyExists)
    return effects


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, UUID) else value
