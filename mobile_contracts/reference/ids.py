"""Ids as the phone makes them: UUIDv7 (RFC 9562), which sort by the time at which they were made."""

from __future__ import annotations

import os
import time
from uuid import UUID


def uuid7() -> str:
    """A new id."""
    value = int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10)
    number = int.from_bytes(value, "big")
    number = number & ~(0xF << 76) | (0x7 << 76)
    number = number & ~(0x3 << 62) | (0x2 << 62)
    return str(UUID(int=number))
