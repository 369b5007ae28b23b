"""How much is asked for and sent at once: on a bad link only what fits between two cuts arrives at all."""

from __future__ import annotations

from dataclasses import dataclass

LEAST, MOST = 4 * 1024, 1024 * 1024
QUICK_SECONDS, SLOW_SECONDS = 2.0, 10.0


@dataclass
class Pace:
    """Bytes of a page or a batch. 48 KiB arrive at 20 kbit/s within half a minute, where nothing compresses."""

    bytes: int = 48 * 1024

    def arrived(self, seconds: float) -> None:
        """An answer came, after this long."""
        if seconds < QUICK_SECONDS:
            self.bytes = min(MOST, self.bytes * 2)
        elif seconds > SLOW_SECONDS:
            self.cut()

    def cut(self) -> None:
        """An answer was lost on its way."""
        self.bytes = max(LEAST, self.bytes // 2)
