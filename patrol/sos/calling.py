"""Calls the people of a step: sends to the phones that were chosen, and keeps what became of each, until somebody answers.

A step is run by its job. It ends when every phone was answered for; phones that the push service could not take now are
tried again under the same step, and only those. When nobody at all can be reached the next step is due at once.

Whom it calls is written down before he is sent to, because a phone that rings may ask for the alert, or tell that it heard,
before the last one was sent to. Sending happens outside any transaction, and its results are stored in one. A worker
that dies in between sends again: an SOS that rings twice is better than one that does not ring.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from uuid_utils.compat import uuid7

from patrol.notify import Delivery, Notification, Notifier, Outcome, PushAddress, Teller
from patrol.sos.care import read_care
from patrol.sos.channels import call_channels
from patrol.sos.escalation import call_key, policy_of, urgency
from patrol.sos.events import Event, note
from patrol.sos.selection import Phone, Selection, choose
from patrol.sos.steps import finish_step, hasten_next
from storage.alerts import (
    ANNOUNCE_RECIPIENTS,
    BEGIN_CALL,
    READ_STEP,
    RETIRE_ADDRESSES,
    STEP_REACHED,
    STORE_RECIPIENTS,
)
from storage.database import Connection, Database
from storage.dispatch import WAITING_STEPS
from storage.escalation import LOCK_CHAIN
from storage.faults import StorageFault
from storage.jobs import Retry, reprioritise
from storage.principal import Role, system
from storage.selection import READ_CALLED
from storage.statements import as_json
from storage.vocabulary import (
    AlertEventKind,
    AlertStatus,
    DeliveryOutcome,
    StepOutcome,
    StepTarget,
)

log = structlog.get_logger(__name__)

TTL_SECONDS = 900
"""An SOS that a phone learns of later than this comes by its own pull."""

MOST_ATTEMPTS = 10
"""Tries for one phone in one step; by then the later steps have called it too."""

LONGEST_WAIT = timedelta(minutes=5)

WRONG_PROJECT = "SENDER_ID_MISMATCH"
"""What a push service answers when the address belongs to another project than our credentials."""

NEAREST = 10
"""Who is written down before anything is sent: as many as are under way at once (`api.push.firebase.WINDOW`)."""

_WORKER = system("calling")


async def call_step(
    database: Database, notifier: Notifier, step_id: UUID, *, teller: Teller | None = None
) -> None:
    """Runs a step of an alert's escalation; harmless when it is done already or the alert needs nobody any more.

    Args:
        teller: tells through fallback channels, for steps to CHANNELS.

    Raises:
        Retry: some phones are to be tried again under the same step, or somebody was sent and has a moment to answer.
    """
    async with database.enter(Role.SYSTEM, _WORKER) as entered:
        step = await entered.connection.fetchrow(READ_STEP, step_id)
        if step is None or step["done_at"] is not None:
            return
        answered = step["status"] != AlertStatus.OPEN.value
        if not answered:
            policy = policy_of(step["policy"])
            if step["sent_ago"] is not None and step["sent_ago"] < policy.answer_within:
                raise Retry(policy.answer_within - step["sent_ago"], "somebody was sent")
            chosen = await choose(entered.connection, step_id, step, policy.answer_within)
            # Still on this connection: each statement that stands before the first push is one that somebody waits for.
            begun = await _begin(entered.connection, step_id, step, _to_call(chosen.free))
    if answered:
        async with database.write(_WORKER, Role.SYSTEM) as connection:
            await finish_step(connection, step["alert_id"], step_id, StepOutcome.ANSWERED)
        return
    if step["target"] == StepTarget.CHANNELS:
        reached = teller is not None and await call_channels(database, teller, step_id)
        async with database.write(_WORKER, Role.SYSTEM) as connection:
            await _end(connection, step_id, step, reached=reached)
        return

    told = await _call_tiers(database, notifier, step_id, step, chosen, begun)
    again = [
        (phone, delivery)
        for phone, delivery in told
        if delivery.outcome is Outcome.RETRY and phone.attempts + 1 < MOST_ATTEMPTS
    ]
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        await connection.execute(LOCK_CHAIN, step["alert_id"])
        await _store(connection, step_id, step, told)
        await _note_passed_over(connection, step_id, step, chosen)
        if not again:
            doubtful = [phone.installation_id for phone in chosen.unreachable]
            await _end(
                connection,
                step_id,
                step,
                reached=await connection.fetchval(STEP_REACHED, step_id, doubtful),
                push_off=bool(told) and not notifier.enabled,
            )
    if again:
        raise Retry(_pause(again), f"{len(again)} phones are tried again")


async def keep_ready(database: Database) -> None:
    """Runs what a step asks before its first push, for a step that is not there: on a connection that has not planned these
    statements lately, the nearest phone would wait for it, 50 ms and more."""
    nowhere = uuid7()
    async with database.enter(Role.SYSTEM, _WORKER) as entered:
        await entered.connection.fetchrow(READ_STEP, nowhere)
        await entered.connection.fetch(
            READ_CALLED, nowhere, StepTarget.ON_DUTY, nowhere, nowhere, None, None, None, "{}", nowhere, False, LONGEST_WAIT,
        )  # fmt: skip
        await entered.connection.fetch(
            BEGIN_CALL, nowhere, nowhere, nowhere, "[]", datetime.now(UTC), []
        )


async def call_next(database: Database, alert_id: UUID) -> None:
    """Runs the job `CALL_NEXT`: the next step of an open alert begins now."""
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        await connection.fetchrow(LOCK_CHAIN, alert_id)
        for care in await read_care(connection, [alert_id]):
            # Somebody else may have been sent meanwhile, and has a moment to answer.
            if care.status is AlertStatus.OPEN and care.until is None:
                await hasten_next(connection, alert_id, care.urgency)


async def raise_urgency(database: Database, alert_id: UUID) -> None:
    """Runs the job `PRESS_HARDER`: the steps that wait become as urgent as their alert is now."""
    async with database.write(_WORKER, Role.SYSTEM) as connection:
        alert = await connection.fetchrow(LOCK_CHAIN, alert_id)
        if alert is not None:
            waiting = await connection.fetch(WAITING_STEPS, alert_id)
            keys = [call_key(row["id"]) for row in waiting]
            await reprioritise(connection, keys, urgency(alert["severity"], alert["drill"]))


async def _call_tiers(
    database: Database,
    notifier: Notifier,
    step_id: UUID,
    step: Mapping[str, Any],
    chosen: Selection,
    begun: Mapping[PushAddress, tuple[UUID, ...]],
) -> list[tuple[Phone, Delivery]]:
    """Sends to the free, for whom the call was `begun`, and to others only when nobody of them can be reached."""
    told: list[tuple[Phone, Delivery]] = []
    for tier, counts in chosen.tiers():
        waiting = _to_call(tier)
        # Several officers may share a phone: it rings once, and the ledger has a line for each of them.
        addresses = list(dict.fromkeys(phone.address for phone in waiting))
        sent: Sequence[Delivery] = []
        if addresses:
            others = begun
            if tier is not chosen.free:
                async with database.enter(Role.SYSTEM, _WORKER) as entered:
                    others = await _begin(entered.connection, step_id, step, waiting)
            sent, _ = await asyncio.gather(
                notifier.send(_notification(step_id, step, others), addresses),
                _announce_rest(database, step_id, step, waiting[NEAREST:]),
            )
        by_address = dict(zip(addresses, _believed(step, sent), strict=True))
        told += [(phone, by_address[phone.address]) for phone in waiting]
        if told and not notifier.enabled:
            break
        hoped = any(phone.outcome is DeliveryOutcome.ACCEPTED for phone in tier) or any(
            each.outcome in (Outcome.ACCEPTED, Outcome.RETRY) for each in by_address.values()
        )
        if counts and hoped:
            break
    return told


async def _begin(
    connection: Connection, step_id: UUID, step: Mapping[str, Any], phones: Sequence[Phone]
) -> dict[PushAddress, tuple[UUID, ...]]:
    """Writes down the nearest of those whom the step is about to call; what else is open for whoever holds each phone."""
    if not phones:
        return {}
    officers = list({one.officer_id for one in phones})
    found = await connection.fetch(
        BEGIN_CALL, *_announced(step_id, step, phones[:NEAREST]), officers
    )
    others = {row["officer_id"]: row["others"] for row in found if row["others"]}
    open_for: dict[PushAddress, dict[UUID, None]] = {}
    for one in phones if others else ():
        # Officers who share a phone see what is open for any of them.
        open_for.setdefault(one.address, {}).update(dict.fromkeys(others.get(one.officer_id, ())))
    return {address: tuple(ids) for address, ids in open_for.items() if ids}


async def _announce_rest(
    database: Database, step_id: UUID, step: Mapping[str, Any], phones: Sequence[Phone]
) -> None:
    """The same for those behind the nearest, while these are being sent to: two hundred lines take longer than a call may
    wait for. Without them the call goes on all the same."""
    if not phones:
        return
    try:
        async with database.enter(Role.SYSTEM, _WORKER) as entered:
            await entered.connection.execute(
                ANNOUNCE_RECIPIENTS, *_announced(step_id, step, phones)
            )
    except (StorageFault, asyncpg.PostgresError, OSError, TimeoutError) as error:
        log.warning("sos_not_announced", step_id=str(step_id), error=type(error).__name__)


def _announced(
    step_id: UUID, step: Mapping[str, Any], phones: Sequence[Phone]
) -> tuple[UUID, UUID, UUID, str, datetime]:
    """The values of `ANNOUNCE_RECIPIENTS`."""
    rows = [
        {"id": uuid7(), "officer_id": one.officer_id, "installation_id": one.installation_id}
        for one in phones
    ]
    return step["alert_id"], step_id, step["scope_id"], as_json(rows), datetime.now(UTC)


def _to_call(tier: Sequence[Phone]) -> list[Phone]:
    """The phones of a tier that are still to be called in this step."""
    return [
        phone
        for phone in tier
        if phone.outcome is None
        or (phone.outcome is DeliveryOutcome.RETRY and phone.attempts < MOST_ATTEMPTS)
    ]


async def _note_passed_over(
    connection: Connection, step_id: UUID, step: Mapping[str, Any], chosen: Selection
) -> None:
    """Says in the alert's log who was not called first, and why; once, when the step is first run."""
    phones = (*chosen.free, *chosen.taken, *chosen.unreachable)
    passed = chosen.passed_over()
    if passed and all(phone.attempts == 0 for phone in phones):
        now = datetime.now(UTC)
        event = Event(
            step["alert_id"], AlertEventKind.PASSED_OVER, now, now, step_id=step_id, detail=passed
        )
        await note(connection, [event])


def _notification(
    step_id: UUID, step: Mapping[str, Any], others: Mapping[PushAddress, Sequence[UUID]]
) -> Notification:
    alert_id = step["alert_id"]
    return Notification(
        kind="SOS",
        ttl_seconds=TTL_SECONDS,
        urgent=True,
        drill=step["drill"],
        silent=step["silent"],
        alert_id=alert_id,
        step_id=step_id,
        severity=step["severity"],
        open_alert_ids=(alert_id,),
        open_for={address: (alert_id, *ids) for address, ids in others.items()},
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
    told: Sequence[tuple[Phone, Delivery]],
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
        now = datetime.now(UTC)
        # Who was called stands in the ledger, line by line; the log says that the step called, and how it went.
        counted = Counter(delivery.outcome.value for _, delivery in told)
        kind = AlertEventKind.CALLED if counted["ACCEPTED"] else AlertEventKind.CALL_FAILED
        event = Event(step["alert_id"], kind, now, now, step_id=step_id, detail=dict(counted))
        await note(connection, [event])
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
    connection: Connection,
    step_id: UUID,
    step: Mapping[str, Any],
    *,
    reached: bool,
    push_off: bool = False,
) -> None:
    """Ends a step whose people were all answered for, and goes on at once where nobody was reached."""
    alert_id = step["alert_id"]
    if reached:
        await finish_step(connection, alert_id, step_id, StepOutcome.CALLED)
    elif push_off:
        # The next step would meet the same silence; open apps keep their time to answer.
        await finish_step(connection, alert_id, step_id, StepOutcome.PUSH_OFF)
    else:
        await finish_step(connection, alert_id, step_id, StepOutcome.NOBODY)
        if not await hasten_next(connection, alert_id, urgency(step["severity"], step["drill"])):
            log.error("sos_reaches_nobody", alert_id=str(alert_id), drill=step["drill"])


def _pause(again: Sequence[tuple[Phone, Delivery]]) -> timedelta:
    """As long as the push service asks, else longer with each try."""
    asked = [each.retry_after for _, each in again if each.retry_after is not None]
    seconds = max(asked, default=min(2.0 ** min(phone.attempts for phone, _ in again), 30.0))
    return min(timedelta(seconds=seconds), LONGEST_WAIT)
