"""A notifier for a server without Firebase, so that the rules need no special case for "push is off"."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from patrol.notify import Delivery, Notification, Outcome, PushAddress

PUSH_OFF = "PUSH_OFF"


class SilentNotifier:
    """Sends nothing and says so for each address, so that the ledger shows why no phone rang."""

    enabled = False

    async def send(
        self, notification: Notification, addresses: Sequence[PushAddress]
    ) -> list[Delivery]:
        """One FAILED `PUSH_OFF` for each address."""
        now = datetime.now(UTC)
        return [Delivery(address, Outcome.FAILED, now, PUSH_OFF) for address in addresses]

    def make_way(self) -> None:
        """Nothing stands in the way."""

    async def warm(self) -> str | None:
        """There is nothing to get ready."""
        return None

    async def check(self) -> str | None:
        """Why pushes would not arrive, in plain words."""
        return "Push is off: no Firebase credentials are configured."

    async def close(self) -> None:
        """There is nothing to close."""
