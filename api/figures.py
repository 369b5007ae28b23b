"""Figures about the installation as a whole, asked of the database when they are asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from prometheus_client import Gauge

from storage.channels import COUNT_CHANNELS
from storage.findings import SOS_FIGURES
from storage.post_health import COUNT_TROUBLES
from storage.principal import Role, system
from storage.quarantine import COUNT_KEPT
from storage.reachability import COUNT_SILENT

if TYPE_CHECKING:
    from api.services import Services

_KEPT = Gauge("patrol_quarantine_kept", "Refused records that wait for a person.")
_OVERDUE = Gauge(
    "patrol_quarantine_overdue", "Refused records that wait for a person for longer than a shift."
)
_OLDEST = Gauge("patrol_quarantine_oldest_seconds", "Age of the oldest of them; 0 without any.")

_SOS_OPEN = Gauge("patrol_sos_open", "Calls for help that nobody has answered.")
_SOS_ACKNOWLEDGED = Gauge("patrol_sos_acknowledged", "Calls for help that somebody takes care of.")
_SOS_DUE = Gauge(
    "patrol_sos_oldest_due_step_seconds",
    "How long the oldest step of an open call for help is overdue; 0 without any.",
)
_SOS_FINDINGS = Gauge(
    "patrol_sos_findings",
    "What should have happened for calls for help, did not, and still does not.",
)
_SOS_AUDITED = Gauge(
    "patrol_sos_audit_age_seconds", "Time since calls for help were last audited; -1 for never."
)
_SOS_WELL = Gauge(
    "patrol_sos_well_age_seconds", "Time since an audit last found all well; -1 for never."
)
_SOS_FIRST_PUSH = Gauge(
    "patrol_sos_first_push_seconds",
    "From receiving a call for help to the first push that was accepted, over the last day without drills.",
    ["quantile"],
)
_SOS_ANSWER = Gauge(
    "patrol_sos_acknowledgement_seconds",
    "From receiving a call for help to its answer, over the last day without drills.",
    ["quantile"],
)
_CHANNELS = Gauge("patrol_sos_channels", "Fallback channels.")
_CHANNELS_FAILING = Gauge(
    "patrol_sos_channels_failing", "Fallback channels that failed their last test."
)

_SILENT = Gauge("patrol_stations_silent", "Stations where nobody on duty would hear an SOS.")
_ON_DUTY = Gauge("patrol_officers_on_duty", "Officers on duty.")
_REACHED = Gauge("patrol_officers_reachable", "Officers on duty who would hear an SOS.")

_POSTS = Gauge("patrol_posts_in_trouble", "SOS posts in trouble, by kind.", ["trouble"])
_DRILLS = Gauge("patrol_sos_drills", "Drills that are under way.")

_QUANTILES = ("0.5", "0.99", "1")


async def look_at_calls(services: Services) -> dict[str, float | int | None]:
    """How calls for help stand; the gauges of this process say the same then.

    Raises:
        StorageFault: nobody can be asked.
    """
    async with services.database.enter(Role.SYSTEM, system("health")) as entered:
        row = await entered.connection.fetchrow(SOS_FIGURES)
        channels = await entered.connection.fetchrow(COUNT_CHANNELS)
        reach = await entered.connection.fetchrow(COUNT_SILENT)
    _SOS_OPEN.set(row["open"])
    _SOS_ACKNOWLEDGED.set(row["acknowledged"])
    _SOS_DUE.set(row["oldest_due_seconds"] or 0)
    _SOS_FINDINGS.set(row["findings"])
    _SOS_AUDITED.set(-1 if row["audit_seconds"] is None else row["audit_seconds"])
    _SOS_WELL.set(-1 if row["well_seconds"] is None else row["well_seconds"])
    for gauge, name in ((_SOS_FIRST_PUSH, "first_push"), (_SOS_ANSWER, "acknowledgement")):
        gauge.clear()
        for quantile, seconds in zip(_QUANTILES, row[name] or (), strict=False):
            gauge.labels(quantile).set(seconds)
    _SILENT.set(reach["silent"])
    _ON_DUTY.set(reach["on_duty"])
    _REACHED.set(reach["reached"])
    _CHANNELS.set(channels["channels"])
    _CHANNELS_FAILING.set(channels["failing"])
    return {
        "open": row["open"],
        "oldestDueStepSeconds": _rounded(row["oldest_due_seconds"]),
        "findings": row["findings"],
        "auditAgeSeconds": _rounded(row["audit_seconds"]),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


async def look_at_posts(services: Services) -> dict[str, int]:
    """How many SOS posts are in trouble, by kind; the gauges of this process say the same then.

    Raises:
        StorageFault: nobody can be asked.
    """
    async with services.database.enter(Role.SYSTEM, system("health")) as entered:
        row = await entered.connection.fetchrow(COUNT_TROUBLES)
    troubles = {name: count for name, count in row.items() if name != "drills"}
    for name, count in troubles.items():
        _POSTS.labels(name).set(count)
    _DRILLS.set(row["drills"])
    return troubles


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
