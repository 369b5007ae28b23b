"""What a phone is told about its mutations, now and when it asks again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid5

import orjson

from patrol.errors import by_code
from patrol.sync.mutation import Mutation
from storage.vocabulary import MutationOutcome


@dataclass(frozen=True, slots=True)
class Answer:
    """What a phone is told about one mutation.

    `outcome` DUPLICATE carries the first outcome in `first`; GAP carries the number to send from in `expected`.
    """

    sequence: int
    mutation_id: UUID
    outcome: MutationOutcome
    row_id: UUID
    rev: int | None = None
    code: str | None = None
    first: MutationOutcome | None = None
    expected: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> str | None:
        """Why it was not stored as it was sent, in English; None where it was."""
        return None if self.code is None else by_code(self.code).default_message()

    @property
    def reason_th(self) -> str | None:
        """The same in Thai; None also for what only a program must understand, such as a hole."""
        return None if self.code is None else by_code(self.code).message_th or None


def is_repeat(mutation: Mutation, before: Any) -> bool:
    """Whether a stored answer, to the same number or id, is to this very mutation; otherwise it is another content."""
    if before["mutation_id"] != mutation.mutation_id:
        return False
    if bytes(before["content_sha256"]) == mutation.digest:
        return True
    if "pending" in before or not before["same_lane"]:
        return False
    # One release of the server could read it and another could not, so that their digests differ.
    unread = "unread" in orjson.loads(before["detail"])
    return unread is not (mutation.raw is not None)


def kept_as(mutation: Mutation, before: Any) -> Mutation:
    """What is kept of a mutation whose number or id is taken; `before` is the stored answer to its id, if there is one.

    Where that is an answer to another content it gets an id of its own, always the same: one item is kept for each id, and
    what became of the other must not stand for it when somebody replays it.
    """
    if before is None or is_repeat(mutation, before):
        return mutation
    return replace(mutation, mutation_id=uuid5(mutation.mutation_id, mutation.digest.hex()))


def pending(mutation: Mutation) -> dict[str, Any]:
    """What stands for the stored answer of a mutation that this very chunk applies."""
    return {
        "pending": True,
        "mutation_id": mutation.mutation_id,
        "content_sha256": mutation.digest,
        "detail": b"{}",
    }


def repeat(mutation: Mutation, before: Any) -> Answer:
    """The stored answer, once more."""
    return Answer(
        mutation.sequence,
        mutation.mutation_id,
        MutationOutcome.DUPLICATE,
        before["row_id"],
        before["rev"],
        before["code"],
        MutationOutcome(before["outcome"]),
        detail=orjson.loads(before["detail"]),
    )


def twin(mutation: Mutation, first: Answer) -> Answer:
    """The answer to a mutation that stood twice in one batch."""
    return replace(
        first,
        sequence=mutation.sequence,
        outcome=MutationOutcome.DUPLICATE,
        first=first.outcome,
    )


def plain(
    mutation: Mutation, outcome: MutationOutcome, code: str | None, *, expected: int | None = None
) -> Answer:
    """An answer to a mutation that was not applied."""
    return Answer(
        mutation.sequence,
        mutation.mutation_id,
        outcome,
        mutation.row_id,
        code=code,
        expected=expected,
    )
