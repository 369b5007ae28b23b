"""Ids as the phone makes them: UUIDv7 (RFC 9562), which sort by the time at which they were made."""

from __future__ import annotations

import os
import time
from uuid import UUID

_last = 0


def uuid7() -> str:
    """A new id, above every one that was made before it."""
    global _last
    number = int.from_bytes(int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10), "big")
    number = number & ~(0xF << 76) | (0x7 << 76)
    number = number & ~(0x3 << 62) | (0x2 << 62)
    # Two of one millisecond, and those of a clock that was set back, follow each other too.
    _last = max(number, _last + 1)
    return str(UUID(int=_last))
