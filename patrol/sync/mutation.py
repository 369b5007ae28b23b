"""One change that a phone made, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import orjson

from patrol.errors import Problem
from storage.vocabulary import MutationOutcome, OfficerRole

UNREADABLE: Final = "unreadable"
"""The kind of a change that this release cannot read: an app may be newer than the server."""


@dataclass(frozen=True)
class Mutation:
    """A change in a lane of a phone's outbox.

    `fields` holds only what the phone set, as JSON values; a field that is missing was not changed. `base_rev` is the
    version that the change was made on, None for a new row. `captured_at` is the phone's clock, as it was written.
    `raw` is what the phone sent, where not all of it could be read, and `unread` what that is.
    """

    sequence: int
    mutation_id: UUID
    kind: str
    row_id: UUID
    captured_at: str
    base_rev: int | None
    fields: Mapping[str, Any]
    raw: Mapping[str, Any] | None = None
    unread: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def payload(self) -> dict[str, Any]:
        """The whole mutation as JSON values, the same for the same content."""
        if self.raw is not None:
            return {"kind": UNREADABLE, "raw": self.raw}
        return {
            "kind": self.kind,
            "rowId": str(self.row_id),
            "capturedAt": self.captured_at,
            "baseRev": self.base_rev,
            "fields": dict(self.fields),
        }

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the content without its number: what tells a repeat from a reused number."""
        return sha256(orjson.dumps(self.payload, option=orjson.OPT_SORT_KEYS)).digest()


@dataclass(frozen=True, slots=True)
class Author:
    """Who pushes: an officer of a station on a device, with the scopes that he may write to now."""

    officer: UUID
    device: UUID
    station: UUID
    role: OfficerRole
    scopes: frozenset[UUID]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Effect:
    """What became of one mutation. `detail` is told to the phone; `scopes` and `alerts` are whom to poke about."""

    outcome: MutationOutcome
    row_id: UUID
    rev: int | None = None
    code: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    scopes: Sequence[UUID] = ()
    alerts: Sequence[UUID] = ()


def telling_unread(mutation: Mutation, effect: Effect) -> Effect:
    """The effect with what of the mutation could not be read, which is also how a later release knows it again."""
    if not mutation.unread:
        return effect
    return replace(effect, detail={**effect.detail, "unread": dict(mutation.unread)})


def refused(mutation: Mutation, problem: type[Problem], **detail: Any) -> Effect:
    """A business refusal as data: the whole mutation goes to quarantine, and the phone goes on."""
    return Effect(MutationOutcome.REJECTED, mutation.row_id, code=problem.code, detail=detail)
