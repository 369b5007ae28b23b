"""Looks each minute, past the job queue, whether each call for help did what was due, and raises a louder alarm if not.

Every process audits, the ones that serve as well: when all workers are dead somebody still speaks. One at a time does a
round, once a minute for the whole installation.

What is safe to repair is repaired first: a step without a job gets one, and what a wrong clock put into the future is moved
to now. What remains is told to the supervisors' phones and through the fallback channels of the alert's station, at once
and then ever more slowly, until it is so no more. Nothing is told inside a transaction: a process that dies in between tells
again, under the same ids.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID, uuid5

import structlog
from uuid_utils.compat import uuid7

from patrol.notify import Notification, Notifier, Outcome, PushAddress, Teller
from patrol.sos.care import MEET_DEADLINE
from patrol.sos.channels import tell_of_alert
from patrol.sos.escalation import CALL_STEP, call_key, urgency
from patrol.sos.events import Event, note
from patrol.sos.words import alarm_text
from storage.database import Connection, Database
from storage.findings import (
    DEADLINES_WITHOUT_JOB,
    DUE,
    END_ROUND,
    END_TURN,
    FINDINGS_TO_TELL,
    FINDINGS_TOLD,
    MOVE_BACK,
    READ_SUPERVISORS,
    RESOLVE_FINDINGS,
    RETIME_JOBS,
    RETIME_TURNS,
    SEE_FINDINGS,
    STEPS_WITHOUT_JOB,
    TAKE_TURN,
    TRY_TURN,
)
from storage.jobs import enqueue
from storage.principal import Role, system
from storage.statements import as_json
from storage.vocabulary import AlertEventKind, CallFinding, PushKind

log = structlog.get_logger(__name__)

EVERY: Final = timedelta(seconds=55)
"""A round is due so long after the last one; processes ask every few seconds."""

GRACE: Final = timedelta(seconds=45)
"""A step may take so long to reach somebody: two time limits of the push service."""

AFTERWARDS: Final = timedelta(seconds=60)
"""So long after the last step nobody may have answered, and an answer may be without a deadline."""

SILENCE: Final = timedelta(seconds=30)
"""Workers keep a turn each second; none for so long means that none lives."""

FUTURE: Final = timedelta(seconds=5)
"""So far ahead of the database's clock an alert may seem to have been received."""

TTL_SECONDS: Final = 900
MOST_NAMED: Final = 50
STATIONS_AT_ONCE: Final = 4

_AUDITOR = system("auditor")


@dataclass(frozen=True, slots=True)
class Round:
    """What one round found.

    Attributes:
        standing: what is wrong now and was not repaired, by kind.
        repaired: what was wrong and was put right.
        told: how many findings were told in this round.
        reached: how many phones and channels took it.
    """

    standing: Counter[CallFinding]
    repaired: int
    told: int
    reached: int

    @property
    def well(self) -> bool:
        """Whether each open alert did what was due, and workers live."""
        return not self.standing


async def audit_calls(
    database: Database,
    notifier: Notifier,
    teller: Teller,
    *,
    every: timedelta = EVERY,
    poke: Callable[[], None] = lambda: None,
) -> Round | None:
    """Does a round, unless another process does it now or did it a short while ago: then None.

    Args:
        every: the time between two rounds.
        poke: wakes the workers; called when jobs were added.

    Raises:
        StorageFault: the database cannot be asked. Whoever calls must say so loudly.
    """
    async with database.enter(Role.SYSTEM, _AUDITOR) as entered:
        turn = entered.connection
        # The lock is the session's and not a transaction's: telling takes seconds, and an open snapshot holds up pulls.
        if not await turn.fetchval(TRY_TURN):
            return None
        try:
            if await turn.fetchval(TAKE_TURN, every) is None:
                return None
            return await _round(database, notifier, teller, poke)
        finally:
            if not turn.is_closed():
                await turn.fetchval(END_TURN)


async def _round(
    database: Database, notifier: Notifier, teller: Teller, poke: Callable[[], None]
) -> Round:
    async with database.write(_AUDITOR, Role.SYSTEM) as connection:
        repaired = await _repair(connection)
        found = await connection.fetch(DUE, GRACE, AFTERWARDS, SILENCE)
        seen = [*repaired, *(dict(row) | {"repaired": False} for row in found)]
        if seen:
            rows = [one | {"id": uuid7()} for one in seen]
            await connection.execute(SEE_FINDINGS, as_json(rows))
        standing = [f"{row['kind']} {row['subject_id']}" for row in found]
        await connection.execute(RESOLVE_FINDINGS, standing)
        to_tell = await connection.fetch(FINDINGS_TO_TELL)
    if repaired:
        poke()
        log.error("sos_repaired", **_counted(one["kind"] for one in repaired))
    kinds = Counter(CallFinding(row["kind"]) for row in found)
    reached = 0
    if to_tell:
        log.critical("sos_needs_a_person", **_counted(row["kind"] for row in to_tell))
        by_station: dict[UUID | None, list[Any]] = {}
        for row in to_tell:
            by_station.setdefault(row["station_id"], []).append(row)
        few = asyncio.Semaphore(STATIONS_AT_ONCE)

        async def tell(station: UUID | None, rows: Sequence[Any]) -> int:
            async with few:
                return await _tell_station(database, notifier, teller, station, rows)

        reached = sum(await asyncio.gather(*(tell(*one) for one in by_station.items())))
    async with database.write(_AUDITOR, Role.SYSTEM) as connection:
        await connection.execute(END_ROUND, kinds.total(), not kinds)
    return Round(kinds, len(repaired), len(to_tell), reached)


async def _repair(connection: Connection) -> list[dict[str, Any]]:
    """Puts right what cannot be made worse by it; each as a finding that is over already."""
    done: list[dict[str, Any]] = []
    moved = await connection.fetch(MOVE_BACK, FUTURE)
    for row in moved:
        done.append(
            _finding(CallFinding.CLOCK_WENT_BACK, row["id"], row["id"], None, row["station_id"])
        )
    if moved:
        await connection.execute(RETIME_JOBS, [row["id"] for row in moved])
    for row in await connection.fetch(RETIME_TURNS):
        log.warning("turn_lay_in_the_future", job=row["name"])
    for row in await connection.fetch(STEPS_WITHOUT_JOB):
        await _enqueue(connection, CALL_STEP, {"step_id": str(row["id"])}, row, call_key(row["id"]))
        done.append(
            _finding(CallFinding.JOB_LOST, row["id"], row["alert_id"], row["id"], row["station_id"])
        )
    for row in await connection.fetch(DEADLINES_WITHOUT_JOB):
        key = f"{MEET_DEADLINE} {row['id']} again"
        await _enqueue(connection, MEET_DEADLINE, {"deadline_id": str(row["id"])}, row, key)
        done.append(
            _finding(CallFinding.JOB_LOST, row["id"], row["alert_id"], None, row["station_id"])
        )
    return done


async def _enqueue(
    connection: Connection, job: str, payload: dict[str, str], row: Any, key: str
) -> None:
    await enqueue(
        connection,
        job,
        payload,
        run_after=row["after"],
        priority=urgency(row["severity"], row["drill"]),
        dedupe_key=key,
    )


def _finding(
    kind: CallFinding, subject: UUID, alert: UUID, step: UUID | None, station: UUID
) -> dict[str, Any]:
    return {
        "kind": kind.value,
        "subject_id": subject,
        "alert_id": alert,
        "step_id": step,
        "station_id": station,
        "repaired": True,
    }


async def _tell_station(
    database: Database,
    notifier: Notifier,
    teller: Teller,
    station: UUID | None,
    findings: Sequence[Any],
) -> int:
    """Tells everything that stands at a station in one message; returns how many phones and channels took it."""
    reached = 0
    if station is not None:
        first = findings[0]
        # The same after a crash, another at each repetition: an app shows what it does not know yet.
        call = uuid5(UUID(str(first["id"])), str(first["times_told"]))
        alerts = list(dict.fromkeys(row["alert_id"] for row in findings))
        kinds = [CallFinding(row["kind"]) for row in findings if row["alert_id"] == alerts[0]]
        phones, channels = await asyncio.gather(
            _ring(
                database,
                notifier,
                station,
                alerts,
                call,
                drill=first["drill"],
                silent=all(row["silent"] for row in findings),
            ),
            tell_of_alert(
                database,
                teller,
                alerts[0],
                call,
                lambda alert, link, language: alarm_text(
                    alert, kinds, len(alerts) - 1, call, link, language
                ),
            ),
        )
        reached = phones + channels
        if not reached:
            log.critical("sos_alarm_reaches_nobody", station=str(station), alerts=len(alerts))
    async with database.write(_AUDITOR, Role.SYSTEM) as connection:
        now = await connection.fetchval(FINDINGS_TOLD, [row["id"] for row in findings], reached)
        await note(connection, [_event(row, now) for row in findings if row["alert_id"]])
    return reached


def _event(finding: Any, now: datetime) -> Event:
    return Event(
        finding["alert_id"],
        AlertEventKind.ALARM,
        now,
        now,
        step_id=finding["step_id"],
        detail={"kind": finding["kind"], "findingId": finding["id"]},
    )


async def _ring(
    database: Database,
    notifier: Notifier,
    station: UUID,
    alerts: Sequence[UUID],
    call: UUID,
    *,
    drill: bool,
    silent: bool,
) -> int:
    """Rings the station's supervisors; where none can be reached, those of all stations.

    A silent alert betrays nobody here either: the phones of its raiser are left out.
    """
    notification = Notification(
        kind=PushKind.ALARM.value,
        ttl_seconds=TTL_SECONDS,
        urgent=True,
        drill=drill,
        silent=silent,
        alert_id=alerts[0],
        step_id=call,
        open_alert_ids=tuple(alerts[:MOST_NAMED]),
    )
    for asked in (station, None):
        async with database.enter(Role.SYSTEM, _AUDITOR) as entered:
            rows = await entered.connection.fetch(READ_SUPERVISORS, asked, alerts)
        addresses = list(dict.fromkeys(_address(row["kind"], row["address"]) for row in rows))
        sent = await notifier.send(notification, addresses) if addresses else []
        if accepted := sum(each.outcome is Outcome.ACCEPTED for each in sent):
            return accepted
    return 0


def _address(kind: str, value: str) -> PushAddress:
    written: Literal["fid", "token"] = "fid" if kind == "FID" else "token"
    return PushAddress(written, value)


def _counted(kinds: Iterable[str]) -> dict[str, int]:
    return {kind.lower(): count for kind, count in sorted(Counter(kinds).items())}
