"""Calls the people of a step: chooses the phones, sends, and keeps what became of each, until somebody answers.

A step is run by its job. It ends when every phone was answered for; phones that the push service could not take now are
tried again under the same step, and only those. When nobody at all can be reached the next step is due at once.

Sending happens outside any transaction, and its results are stored in one. A worker that dies in between sends again:
an SOS that rings twice is better than one that does not ring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from patrol.geometry import distance_m
from patrol.notify import Delivery, Notification, Notifier, Outcome, PushAddress
from patrol.sos.escalation import CALL_STEP, call_key
from storage.alerts import (
    ADVANCE_STEP,
    FINISH_STEP,
    READ_CALLED,
    READ_STEP,
    RETIRE_ADDRESSES,
    STEP_REACHED,
    STORE_RECIPIENTS,
)
from storage.database import Connection, Database
from storage.jobs import Retry, enqueue, hasten
from storage.principal import Role, system
from storage.statements import as_json
from storage.vocabulary import AlertStatus, DeliveryOutcome, StepOutcome

log = structlog.get_logger(__name__)

TTL_SECONDS = 900
"""An SOS that a phone learns of later than this comes by its own pull."""

MOST_ATTEMPTS = 10
"""Tries for one phone in one step; by then the later steps have called it too."""

LONGEST_WAIT = timedelta(minutes=5)

WRONG_PROJECT = "SENDER_ID_MISMATCH"
"""What a push service answers when the address belongs to another project than our credentials."""

_WORKER = system("calling")


@dataclass(frozen=True, slots=True)
class _Phone:
    """One installation that a step calls. `outcome` is what earlier runs of the step have kept."""

    installation_id: UUID
    officer_id: UUID
    address: PushAddress
    distance_m: float
    outcome: DeliveryOutcome | None
    attempts: int

    @property
    def waits(self) -> bool:
        return self.outcome is None or (
            self.outcome is DeliveryOutcome.RETRY and self.attempts < MOST_ATTEMPTS
        )


async def call_step(database: Database, notifier: Notifier, step_id: UUID) -> None:
    """Runs a step of an alert's escalation; harmless when it is done already or the alert needs nobody any more.

    Raises:
        Retry: some phones are to be tried again under the same step.
    """
    async with database.enter(Role.SYSTEM, _WORKER) as entered:
        step = await entered.connection.fetchrow(READ_STEP, step_id)
        if step is None or step["done_at"] is not None:
            return
        answered = step["status"] != AlertStatus.OPEN.value
        phones = [] if answered else await _phones(entered.connection, step_id, step)
    if answered:
        async with database.write(_WORKER, Role.SYSTEM) as connection:
            await _finish(connection, step_id, StepOutcome.ANSWERED)
        return

    waiting = [phone for phone in phones if phone.waits]
    # Several officers may share a phone: it rings once, and the ledger has a line for each of them.
    addresses = list(dict.fromkeys(phone.address for phone in waiting))
    sent = await notifier.send(_notification(step_id, step), addresses) if addresses else []
    by_address = dict(zip(addresses, _believed(step, sent), strict=True))
    told = [(phone, by_address[phone.address]) for phone in waiting]
    again = [
        (phone, delivery)
        for phone, delivery in told
        if delivery.outcome is Outcome.RETRY and phone.attempts + 1 < MOST_ATTEMPTS
    ]
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        await _store(connection, step_id, step, told)
        if not again:
            await _end(connection, step_id, step, push_off=bool(told) and not notifier.enabled)
    if again:
        raise Retry(_pause(again), f"{len(again)} phones are tried again")


async def _phones(connection: Connection, step_id: UUID, step: Mapping[str, Any]) -> list[_Phone]:
    """The phones of a step, nearest officer first; who is nowhere known comes last."""
    rows = await connection.fetch(
        READ_CALLED,
        step_id,
        step["target"],
        step["scope_id"],
        step["station_id"],
        step["officer_id"],
    )
    phones = [
        _Phone(
            row["installation_id"],
            row["officer_id"],
            _address(row["kind"], row["address"]),
            _distance(step, row),
            DeliveryOutcome(row["outcome"]) if row["outcome"] else None,
            row["attempts"],
        )
        for row in rows
    ]
    return sorted(phones, key=lambda phone: (phone.distance_m, phone.installation_id))


def _address(kind: str, value: str) -> PushAddress:
    written: Literal["fid", "token"] = "fid" if kind == "FID" else "token"
    return PushAddress(written, value)


def _distance(step: Mapping[str, Any], officer: Mapping[str, Any]) -> float:
    if step["latitude"] is None or officer["latitude"] is None:
        return float("inf")
    return distance_m(
        step["latitude"], step["longitude"], officer["latitude"], officer["longitude"]
    )


def _notification(step_id: UUID, step: Mapping[str, Any]) -> Notification:
    return Notification(
        kind="SOS",
        ttl_seconds=TTL_SECONDS,
        urgent=True,
        drill=step["drill"],
        alert_id=step["alert_id"],
        step_id=step_id,
        open_alert_ids=(step["alert_id"], *step["others_open"]),
    )


def _believed(step: Mapping[str, Any], sent: Sequence[Delivery]) -> Sequence[Delivery]:
    """Deliveries whose DEAD may be acted upon.

    When every address belongs to another project, it is our credentials that are wrong: retiring them all would cut
    off the whole station, and nothing would bring the addresses back.
    """
    if not sent or any(each.reason != WRONG_PROJECT for each in sent):
        return sent
    log.error("push_project_is_wrong", alert_id=str(step["alert_id"]), addresses=len(sent))
    return [
        Delivery(each.address, Outcome.FAILED, each.at, each.reason, each.message_id)
        for each in sent
    ]


async def _store(
    connection: Connection,
    step_id: UUID,
    step: Mapping[str, Any],
    told: Sequence[tuple[_Phone, Delivery]],
) -> None:
    rows = [
        {
            "id": uuid7(),
            "officer_id": phone.officer_id,
            "installation_id": phone.installation_id,
            "outcome": delivery.outcome.value,
            "reason": delivery.reason,
            "message_id": delivery.message_id,
            "at": delivery.at,
        }
        for phone, delivery in told
    ]
    if rows:
        await connection.execute(
            STORE_RECIPIENTS, step["alert_id"], step_id, step["scope_id"], as_json(rows)
        )
    dead = [
        {
            "kind": delivery.address.kind.upper(),
            "address": delivery.address.value,
            "reason": delivery.reason,
        }
        for delivery in {each.address: each for _, each in told}.values()
        if delivery.outcome is Outcome.DEAD
    ]
    if dead:
        await connection.execute(RETIRE_ADDRESSES, as_json(dead), datetime.now(UTC))


async def _end(
    connection: Connection, step_id: UUID, step: Mapping[str, Any], *, push_off: bool
) -> None:
    """Ends a step whose phones were all answered for, and goes on at once where nobody was reached."""
    if await connection.fetchval(STEP_REACHED, step_id):
        await _finish(connection, step_id, StepOutcome.CALLED)
    elif push_off:
        # The next step would meet the same silence; open apps keep their time to answer.
        await _finish(connection, step_id, StepOutcome.PUSH_OFF)
    else:
        await _finish(connection, step_id, StepOutcome.NOBODY)
        next_step = await connection.fetchval(
            ADVANCE_STEP, step["alert_id"], step["number"], datetime.now(UTC)
        )
        if next_step is None:
            log.error("sos_reaches_nobody", alert_id=str(step["alert_id"]), drill=step["drill"])
        elif not await hasten(connection, call_key(next_step)):
            # Its job was given up, or runs just now and may have looked before this one ended.
            await enqueue(
                connection,
                CALL_STEP,
                {"step_id": str(next_step)},
                priority=0 if step["drill"] else 10,
                dedupe_key=call_key(next_step),
            )


async def _finish(connection: Connection, step_id: UUID, outcome: StepOutcome) -> None:
    await connection.execute(FINISH_STEP, step_id, datetime.now(UTC), outcome.value)


def _pause(again: Sequence[tuple[_Phone, Delivery]]) -> timedelta:
    """As long as the push service asks, else longer with each try."""
    asked = [each.retry_after for _, each in again if each.retry_after is not None]
    seconds = max(asked, default=min(2.0 ** min(phone.attempts for phone, _ in again), 30.0))
    return min(timedelta(seconds=seconds), LONGEST_WAIT)
