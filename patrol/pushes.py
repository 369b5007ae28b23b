"""Ordinary pushes: what officers should hear of soon, and what never delays a call for help.

Whatever is told is told again by the next pull. So a push is a job of the ordinary lane that is tried a few times and then
forgotten, and the sender lets every SOS pass (`api.push.firebase`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import structlog

from patrol.notify import Delivery, Notification, Notifier, Outcome, PushAddress
from storage.alerts import RETIRE_ADDRESSES
from storage.database import Connection, Database
from storage.job_turns import Every
from storage.jobs import enqueue
from storage.principal import Role, system
from storage.pushes import (
    ASK_TO_SYNC,
    READ_INSTALLATIONS,
    READ_NOTICE_PUSHED,
    READ_PHONES,
    READ_READERS,
)
from storage.statements import as_json
from storage.vocabulary import PushKind

log = structlog.get_logger(__name__)

SEND_PUSH: Final = "send_push"
"""The name of the job; its payload is what `tell` and its like write."""

ASK_PHONES: Final = "ask_to_sync"

SCHEDULES: Final = (Every(ASK_PHONES, timedelta(minutes=5)),)

MOST_ATTEMPTS: Final = 4

LONGEST_WAIT: Final = timedelta(minutes=10)

OLD_BACKLOG: Final = timedelta(minutes=30)
"""What waits on a phone for longer should have come."""

NOT_HEARD: Final = timedelta(minutes=10)
"""A phone that was heard of more lately sends by itself."""

ASKED_AGAIN: Final = timedelta(hours=2)

_TTL: Final[Mapping[PushKind, timedelta]] = {
    PushKind.ASSIGNED: timedelta(hours=1),
    PushKind.ASK: timedelta(hours=1),
    PushKind.NOTICE: timedelta(hours=12),
    PushKind.SYNC: timedelta(hours=2),
    PushKind.STATION_SILENT: timedelta(hours=1),
    PushKind.STATION_REACHED: timedelta(hours=1),
    PushKind.CHANNEL_FAILS: timedelta(hours=12),
}
"""How long the push service keeps a message for a phone that is away."""

_WORKER = system("pushes")


async def tell(
    connection: Connection,
    officer_ids: Iterable[UUID],
    kind: PushKind,
    alert_id: UUID | None = None,
) -> None:
    """Has the phones of officers told soon after the caller's commit."""
    officers = sorted({str(one) for one in officer_ids})
    if officers:
        payload = {"kind": kind.value, "officer_ids": officers}
        await _enqueue(
            connection, payload | ({} if alert_id is None else {"alert_id": str(alert_id)})
        )


async def tell_of_notice(
    connection: Connection, notice_id: UUID, valid_from: datetime | None = None
) -> None:
    """Has everybody told whom a notice is for, when it begins to hold; without a time soon after the caller's commit."""
    wait = None if valid_from is None else max(valid_from - datetime.now(UTC), timedelta(0))
    await _enqueue(
        connection, {"kind": PushKind.NOTICE.value, "notice_id": str(notice_id)}, after=wait
    )


async def ask_to_sync(database: Database) -> None:
    """Asks phones for what they have held for too long; the job of `ASK_PHONES`."""
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        rows = await connection.fetch(ASK_TO_SYNC, OLD_BACKLOG, NOT_HEARD, ASKED_AGAIN)
        if rows:
            phones = sorted(str(row["installation_id"]) for row in rows)
            await _enqueue(connection, {"kind": PushKind.SYNC.value, "installation_ids": phones})


async def send_push(database: Database, notifier: Notifier, payload: Mapping[str, Any]) -> None:
    """Sends one ordinary push to all whom it is for; phones that could not be sent to are tried again by another job."""
    if not notifier.enabled:
        return
    kind = PushKind(payload["kind"])
    async with database.enter(Role.SYSTEM, _WORKER) as entered:
        phones = await _phones(entered.connection, payload)
    addresses = list(dict.fromkeys(address_of(row) for row in phones))
    if not addresses:
        return
    sent = await notifier.send(_notification(kind, payload), addresses)
    again = {each.address for each in sent if each.outcome is Outcome.RETRY}
    attempt = payload.get("attempt", 1)
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        await retire(connection, sent)
        if again and attempt < MOST_ATTEMPTS:
            left = sorted(str(row["id"]) for row in phones if address_of(row) in again)
            about = {
                key: payload[key] for key in ("kind", "alert_id", "notice_id") if key in payload
            }
            await _enqueue(
                connection,
                about | {"installation_ids": left, "attempt": attempt + 1},
                after=_pause(sent, attempt),
            )


async def retire(connection: Connection, sent: Sequence[Delivery]) -> None:
    """Retires the addresses that reach nobody any more, unless it is our own credentials that are wrong."""
    dead = [each for each in sent if each.outcome is Outcome.DEAD]
    if not dead or all(each.reason == "SENDER_ID_MISMATCH" for each in sent):
        return
    rows = [
        {"kind": each.address.kind.upper(), "address": each.address.value, "reason": each.reason}
        for each in dead
    ]
    await connection.execute(RETIRE_ADDRESSES, as_json(rows), datetime.now(UTC))


def address_of(row: Mapping[str, Any]) -> PushAddress:
    """The address in a row of an installation."""
    kind: Literal["fid", "token"] = "fid" if row["kind"] == "FID" else "token"
    return PushAddress(kind, row["address"])


async def _phones(connection: Connection, payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Whom a push is for, as things stand when it is sent."""
    if "notice_id" in payload:
        notice = await connection.fetchrow(READ_NOTICE_PUSHED, UUID(payload["notice_id"]))
        if notice is None:
            return []  # withdrawn or over
    if "installation_ids" in payload:
        ids = [UUID(one) for one in payload["installation_ids"]]
        return list(await connection.fetch(READ_INSTALLATIONS, ids))
    if "notice_id" in payload:
        rows = await connection.fetch(READ_READERS, notice["scope_id"], notice["posted_by"])
        officers = [row["id"] for row in rows]
    else:
        officers = [UUID(one) for one in payload["officer_ids"]]
    return list(await connection.fetch(READ_PHONES, officers))


def _notification(kind: PushKind, payload: Mapping[str, Any]) -> Notification:
    alert, notice = payload.get("alert_id"), payload.get("notice_id")
    return Notification(
        kind=kind.value,
        ttl_seconds=int(_TTL[kind].total_seconds()),
        alert_id=None if alert is None else UUID(alert),
        notice_id=None if notice is None else UUID(notice),
    )


def _pause(sent: Sequence[Delivery], attempt: int) -> timedelta:
    """As long as the push service asks, else longer with each try."""
    asked = max((each.retry_after for each in sent if each.retry_after is not None), default=0.0)
    return min(timedelta(seconds=max(asked, 15.0 * 2**attempt)), LONGEST_WAIT)


async def _enqueue(
    connection: Connection, payload: Mapping[str, Any], *, after: timedelta | None = None
) -> None:
    await enqueue(connection, SEND_PUSH, payload, run_after=after)
