"""Tells the supervisors of a station that refused work waits for too long: on their phones, beside the log and the figures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Literal
from uuid import UUID

import structlog

from patrol.notify import Notification, Notifier, Outcome, PushAddress
from storage.database import Connection, Database
from storage.jobs import Retry, enqueue
from storage.principal import Role, system
from storage.quarantine import READ_SUPERVISORS
from storage.vocabulary import PushKind

log = structlog.get_logger(__name__)

TELL: Final = "quarantine.tell"
"""The job that tells; its data are `station_id`, and `urgent` where a call for help is among it."""

TTL_SECONDS: Final = 12 * 3600
"""A shift later the list itself says the same."""

_WORKER = system("quarantine")


async def ask_to_tell(connection: Connection, station: UUID, *, urgent: bool) -> None:
    """Adds the job, in the transaction that marks what is overdue: who crashes after it has told nobody for nothing."""
    key = f"{TELL}:{station}:{'urgent' if urgent else 'calm'}"
    await enqueue(connection, TELL, {"station_id": str(station), "urgent": urgent}, dedupe_key=key)


async def tell_supervisors(
    database: Database, notifier: Notifier, data: Mapping[str, Any], *, again: bool = True
) -> list[UUID]:
    """Runs the job `TELL`; `again`: it may still be tried later.

    Returns:
        The scopes to poke: a supervisor who has the app open, or no push service, learns of it by that.

    Raises:
        Retry: the push service could not take it now.
    """
    async with database.enter(Role.SYSTEM, _WORKER) as entered:
        rows = await entered.connection.fetch(READ_SUPERVISORS, UUID(data["station_id"]))
    urgent = bool(data.get("urgent"))
    addresses = [_address(row) for row in rows if row["address"] is not None]
    sent = []
    if addresses and notifier.enabled:
        told = Notification(PushKind.QUARANTINE.value, TTL_SECONDS, urgent=urgent)
        sent = await notifier.send(told, addresses)
    taken = sum(one.outcome is Outcome.ACCEPTED for one in sent)
    log.info("supervisors_told", station=data["station_id"], phones=len(addresses), taken=taken)
    if again and sent and not taken and any(one.outcome is Outcome.RETRY for one in sent):
        raise Retry(timedelta(minutes=1), "no supervisor's phone could be told")
    return sorted({row["scope_id"] for row in rows})


def _address(row: Mapping[str, Any]) -> PushAddress:
    kind: Literal["fid", "token"] = "fid" if row["kind"] == "FID" else "token"
    return PushAddress(kind, row["address"])
