"""What the demo is asked for on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MINUTES = 60
QUICK_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Options:
    """One run. `seconds` is how long the patrol hour takes; starting and checking come on top."""

    photos: Path | None = None
    seconds: float = 60.0
    phones: int = 6
    seed: int = 1
    quick: bool = False
    url: str | None = None
    token: str | None = None
    data_dir: Path | None = None
    break_agreement: bool = False

    @property
    def length(self) -> float:
        """Seconds of the hour."""
        return min(self.seconds, QUICK_SECONDS) if self.quick else self.seconds

    @property
    def minute(self) -> float:
        """Seconds of one minute of the patrol hour."""
        return self.length / MINUTES

    @property
    def cameras(self) -> int:
        """How many cameras send pictures."""
        return 2 if self.quick else 6

    @property
    def frames(self) -> int:
        """How many pictures each camera sends in the hour."""
        return 2 if self.quick else 10
