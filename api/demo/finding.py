"""One line of the verdict: what was compared, how much of it, and what differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

SHOWN = 5
"""Differences that are shown of each finding; the number of all of them is told."""


@dataclass
class Finding:
    """`compared` counts what was looked at, in `unit`s; a finding that compared nothing proves nothing."""

    name: str
    unit: str
    compared: int = 0
    differences: list[str] = field(default_factory=list)
    may_be_empty: bool = False

    @property
    def agrees(self) -> bool:
        """Whether there was something to compare and nothing differed."""
        return not self.differences and (self.compared > 0 or self.may_be_empty)

    @property
    def result(self) -> str:
        """In words."""
        if self.differences:
            return f"{len(self.differences)} differ"
        return "agree" if self.compared or self.may_be_empty else "nothing to compare"

    def expect(self, fits: bool, difference: str) -> None:
        """Counts one comparison."""
        self.compared += 1
        if not fits:
            self.differences.append(difference)

    def expect_rows(
        self,
        where: str,
        seen: Mapping[str, Mapping[str, Any]],
        wanted: Mapping[str, Mapping[str, Any]],
        fields: Iterable[str] | None = None,
    ) -> None:
        """Compares rows by id, in all fields or in some."""
        names = None if fields is None else list(fields)
        for key in sorted(seen.keys() | wanted.keys()):
            self.compared += 1
            if key not in seen:
                self.differences.append(f"{where}: {key} is missing")
            elif key not in wanted:
                self.differences.append(f"{where}: {key} should not be there")
            else:
                self._expect_row(f"{where}: {key}", seen[key], wanted[key], names)

    def _expect_row(
        self,
        where: str,
        seen: Mapping[str, Any],
        wanted: Mapping[str, Any],
        names: list[str] | None,
    ) -> None:
        for name in names or sorted(seen.keys() | wanted.keys()):
            if same(seen.get(name)) != same(wanted.get(name)):
                self.differences.append(
                    f"{where} has {name} {seen.get(name)!r}, not {wanted.get(name)!r}"
                )


def same(value: Any) -> Any:
    """A value as it is compared: times may be written in several ways."""
    if isinstance(value, str) and len(value) > 18 and value[10:11] == "T":
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return value
    return value
