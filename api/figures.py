"""Figures about the installation as a whole, asked of the database when they are asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from prometheus_client import Gauge

from storage.principal import Role, system
from storage.quarantine import COUNT_KEPT

if TYPE_CHECKING:
    from api.services import Services

_KEPT = Gauge("patrol_quarantine_kept", "Refused records that wait for a person.")
_OVERDUE = Gauge(
    "patrol_quarantine_overdue", "Refused records that wait for a person for longer than a shift."
)
_OLDEST = Gauge("patrol_quarantine_oldest_seconds", "Age of the oldest of them; 0 without any.")


async def look_at_quarantine(services: Services) -> dict[str, int]:
    """How many refused records wait, and how many for too long; the gauges of this process say the same then.

    Raises:
        StorageFault: nobody can be asked.
    """
    shift = timedelta(hours=services.settings.shift_hours)
    async with services.database.enter(Role.SYSTEM, system("health")) as entered:
        row = await entered.connection.fetchrow(COUNT_KEPT, shift)
    _KEPT.set(row["kept"])
    _OVERDUE.set(row["overdue"])
    _OLDEST.set(row["oldest_seconds"] or 0)
    return {"kept": row["kept"], "overdue": row["overdue"]}
