"""The keys of the demonstration's invented partners and devices; apart from the seed, which is imported once only."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class DemoKeys:
    """Keys of the demonstration's partners (by code), of one camera and of one SOS post.

    `help_code` is what hangs on that post for citizens; empty where the keys were made by an earlier release.
    """

    partners: dict[str, str]
    camera_id: UUID
    camera_code: str
    camera_key: str
    post_id: UUID
    post_code: str
    post_key: str
    help_code: str = ""
