"""What a phone may ask of a pull beside its rows: which subjects, and whether its copy is what the server has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import strawberry

from patrol.errors import PageSizeInvalid, TooLarge, VariableInvalid
from patrol.sync.digests import HELD, RANGES, SUFFIX, Part, Repair
from patrol.sync.page import LEAST_BYTES, MOST_BYTES, PAGE_ROWS, Check
from patrol.sync.subjects import BY_NAME, SUBJECTS
from schema.scalars import Long

if TYPE_CHECKING:

    class SyncSubject(Enum):
        """A list of a pull."""

else:
    # Made from the subjects, so that none can be forgotten; named as the lists are, so that a phone needs no table of names.
    SyncSubject = strawberry.enum(
        Enum("SyncSubject", {one.name: one.name for one in SUBJECTS}, module=__name__),
        description="A list of a pull, by its own name.",
    )


@strawberry.type
class SyncDigest:
    """What the server has of a subject in a scope: of all rows, or of those whose ids end in `suffix`.

    `sum` is the sum modulo 2^64 of the first eight bytes, big-endian, of SHA-256(`<id>:<rev>`), as 16 hexadecimal digits.
    """

    subject: str
    scope_id: UUID
    suffix: str
    count: int
    sum: str


@strawberry.input(description="A part of a scope: the rows whose ids end in these digits.")
class RangeInput:
    subject: SyncSubject
    scope_id: UUID
    suffix: str = strawberry.field(
        default="", description="Up to 7 hexadecimal digits; empty: the whole scope."
    )


@strawberry.input(description="A row that the phone has.")
class HeldRowInput:
    __most__: ClassVar[int] = HELD

    id: UUID
    rev: Long


@strawberry.input(description="All that the phone has of a part of a scope.")
class RepairInput:
    subject: SyncSubject
    scope_id: UUID
    suffix: str = strawberry.field(default="", description="Up to 8 hexadecimal digits.")
    held: list[HeldRowInput]


def check_size(first: int, max_bytes: int) -> None:
    """Refuses pages without room, or with too much.

    Raises:
        PageSizeInvalid: names the argument and its limits.
    """
    if not 1 <= first <= PAGE_ROWS:
        raise PageSizeInvalid(
            f"`first` must be between 1 and {PAGE_ROWS}, not {first}.", limit=PAGE_ROWS
        )
    if not LEAST_BYTES <= max_bytes <= MOST_BYTES:
        raise PageSizeInvalid(
            f"`maxBytes` must be between {LEAST_BYTES} and {MOST_BYTES}, not {max_bytes}.",
            limit=MOST_BYTES,
        )


def check_of(
    asked: Collection[str],
    verify: bool | None,
    ranges: Sequence[RangeInput],
    repair: Sequence[RepairInput],
) -> Check:
    """The check that arguments ask for; `asked` are the subjects that the pull brings.

    Raises:
        TooLarge: more parts or rows than one pull takes.
        VariableInvalid: a suffix that is none, or a subject that the pull does not ask for.
    """
    if len(ranges) + len(repair) > RANGES:
        raise TooLarge(f"A pull checks at most {RANGES} parts.", limit=RANGES)
    if sum(len(one.held) for one in repair) > HELD:
        raise TooLarge(f"A repair names at most {HELD} rows as held.", limit=HELD)
    return Check(
        verify,
        [_part(one, asked, 7) for one in ranges],
        [
            Repair(
                _part(one, asked, 8),
                [held.id for held in one.held],
                [int(held.rev) for held in one.held],
            )
            for one in repair
        ],
    )


def _part(one: RangeInput | RepairInput, asked: Collection[str], digits: int) -> Part:
    name = subject_name(one.subject)
    if name not in asked:
        raise VariableInvalid(f"`{name}` is to be checked, and this pull does not ask for it.")
    suffix = one.suffix.lower()
    if len(suffix) > digits or not SUFFIX.fullmatch(suffix):
        raise VariableInvalid(f"`suffix` must be up to {digits} hexadecimal digits.")
    return Part(name, one.scope_id, suffix)


def subject_name(subject: Any) -> str:
    """The name of a subject; an enum may come as its value."""
    name = str(getattr(subject, "value", subject))
    assert name in BY_NAME
    return name
