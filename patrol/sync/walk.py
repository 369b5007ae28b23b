"""The parts of a walk, and how their rows are told from removals and ordered."""

from __future__ import annotations

from typing import Any, NamedTuple

from patrol.sync.statements import REMOVAL_BYTES
from patrol.sync.subjects import Subject


class Fill(NamedTuple):
    """All rows of a subject in a scope that the phone does not have yet."""

    subject: Subject
    scope: str

    @property
    def name(self) -> str:
        """As the cursor names the part."""
        return f"{self.subject.name} {self.scope}"


class Delta(NamedTuple):
    """What changed of a subject in the scopes that the phone keeps."""

    subject: Subject

    @property
    def name(self) -> str:
        """As the cursor names the part."""
        return self.subject.name


class Exits(NamedTuple):
    """What left those scopes."""

    name: str = "exits"


Part = Fill | Delta | Exits


def gone(row: Any) -> str | None:
    """Why a row of a difference is a removal; None if it is a row."""
    if row.get("_deleted"):
        return "DELETED"
    return "EXPIRED" if row.get("_expired") else None


def size_of_change(row: Any) -> int:
    """About how many bytes of a page it takes."""
    return REMOVAL_BYTES if gone(row) else row["_size"]


def key_of(row: Any) -> tuple[str, str]:
    """Where a row stands in the order of a walk."""
    return row["_xid"], str(row["_id"])
