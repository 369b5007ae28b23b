"""What a pull is asked and what it answers, as the rules of the pull and the contract know it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from patrol.sync.digests import Digest, Part, Repair
from patrol.sync.held import Holding

PAGE_ROWS = 500
"""The default and largest number of rows in a page."""

PAGE_BYTES = 256 * 1024
"""The default of about how many bytes of rows a page has before it is compressed; they become a tenth."""

LEAST_BYTES, MOST_BYTES = 1024, 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Removal:
    """A row that the phone must drop. Removals are applied before rows."""

    subject: str
    id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class LaneState:
    """How far the phone's own outbox was applied, in the same snapshot as the page."""

    lane: str
    applied_sequence: int


@dataclass(frozen=True, slots=True)
class Check:
    """What a phone asks to be checked at the end of its pull.

    `verify`: digests of all that it asks for; None: only after a fill. `ranges`: digests below these parts. `repairs`:
    what it has of these parts, to be told what it lacks and what it must drop.
    """

    verify: bool | None = None
    ranges: Sequence[Part] = ()
    repairs: Sequence[Repair] = ()


@dataclass(slots=True)
class PulledPage:
    """One page of a pull. `reset` means: drop your copy (never the outbox) before you apply this page.

    `reset_subjects` means the same of single subjects. Only a complete page has `digests` (None: not taken) and `repaired`
    (None: nothing to repair; False: it did not all fit). `holding` is a note that is due once the page is read.
    """

    server_time: datetime
    scopes: Sequence[UUID]
    rows: dict[str, list[Any]] = field(default_factory=dict)
    removals: list[Removal] = field(default_factory=list)
    revoked: list[UUID] = field(default_factory=list)
    reset: str | None = None
    cursor: str = ""
    complete: bool = False
    reset_subjects: list[str] = field(default_factory=list)
    digests: list[Digest] | None = None
    repaired: bool | None = None
    holding: Holding | None = None
    lanes: list[LaneState] = field(default_factory=list)
    epoch: UUID | None = None
    durable_through: datetime | None = None


NO_CHECK: Final = Check()
