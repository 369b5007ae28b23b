"""What supervisors do with calls for help while they last: send officers and free them, link duplicates, raise the severity.

A supervisor steers the alerts of his own station. Nothing here silences a chain: who is sent has the policy's time to
answer, then the steps go on, and a duplicate is called for until somebody has answered it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from uuid_utils.compat import uuid7

from patrol.clock import PhoneTime
from patrol.errors import (
    NotAllowed,
    NotFound,
    OfficerEngaged,
    StateNotReachable,
    VariableInvalid,
)
from patrol.pushes import tell
from patrol.sos.care import Watch, arm, frozen_policy, watch_over
from patrol.sos.closing import Closing, close_alerts
from patrol.sos.escalation import go_on, press_harder, urgency
from patrol.sos.events import Event, note
from patrol.sos.responses import ENGAGED, LONGEST_REASON, pass_on
from storage.database import Connection
from storage.dispatch import (
    HEARS,
    LINK_ALERT,
    LINKED_ABOVE,
    LOCK_LINKS,
    LOCK_OFFICER,
    LOCK_STEERED,
    RAISE_SEVERITY,
    READ_SENT,
)
from storage.escalation import POSTPONE_DEADLINE, POSTPONE_STEPS
from storage.officers import READ_RANK
from storage.responses import KEEP_RESPONSES
from storage.statements import as_json
from storage.vocabulary import (
    AlertEventKind,
    AlertResolution,
    AlertStatus,
    DeadlineKind,
    IncidentSeverity,
    OfficerRole,
    PushKind,
    ResponseStatus,
)

_UNFINISHED: Final = (AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED)
_PRESSING: Final = tuple(IncidentSeverity)


@dataclass(frozen=True, slots=True)
class Steered:
    """What a supervisor changed: the alert and its scope, for whoever is to be poked. `heard`: the officer who was sent has
    a phone on which he should hear of it."""

    alert_id: UUID
    scope_id: UUID
    heard: bool = True


async def steered_station(connection: Connection, officer: UUID) -> UUID:
    """The station whose alerts an officer steers.

    Raises:
        NotAllowed: he is no supervisor.
    """
    rank = await connection.fetchrow(READ_RANK, officer)
    if rank is None or rank["role"] != OfficerRole.SUPERVISOR:
        raise NotAllowed("Only a supervisor steers calls for help.")
    return UUID(str(rank["station_id"]))


async def assign(
    connection: Connection,
    supervisor: UUID,
    alert_id: UUID,
    officer: UUID,
    *,
    reason: str | None = None,
    even_if_engaged: bool = False,
) -> Steered:
    """Sends an officer to an alert. The steps of an open one wait as long as the policy gives him to answer, if he can be
    heard of at all; the same again changes nothing as long as he has time.

    Raises:
        NotAllowed: see `steered_station`.
        NotFound: the station has no such alert, or there is no such officer who could be sent there.
        OfficerEngaged: he takes care of another alert (`extra["alertId"]`).
        StateNotReachable: the alert is finished, he takes care of it already, or it is he who called for help.
    """
    station = await steered_station(connection, supervisor)
    alert = await _unfinished(connection, alert_id, station)
    return await _send(connection, supervisor, alert, officer, reason, even_if_engaged)


async def reassign(
    connection: Connection,
    supervisor: UUID,
    alert_id: UUID,
    officer: UUID,
    *,
    instead_of: UUID,
    reason: str | None = None,
    even_if_engaged: bool = False,
) -> Steered:
    """Frees one officer and sends another in his place, both or neither. Raises as `assign` and `stand_down`."""
    if officer == instead_of:
        raise VariableInvalid("An officer cannot be sent in his own place.")
    station = await steered_station(connection, supervisor)
    alert = await _unfinished(connection, alert_id, station)
    await _free(connection, supervisor, alert, instead_of, reason)
    # That nobody leads now may have opened it.
    alert = await _unfinished(connection, alert_id, station)
    return await _send(connection, supervisor, alert, officer, reason, even_if_engaged)


async def stand_down(
    connection: Connection,
    supervisor: UUID,
    alert_id: UUID,
    officer: UUID,
    *,
    reason: str | None = None,
) -> Steered:
    """Frees an officer. Where he led, the next one leads; with nobody left the alert is open again and people are called.

    Raises:
        NotAllowed: see `steered_station`.
        NotFound: the station has no such alert, or he has nothing to do with it.
        StateNotReachable: the alert is finished, or he is free already.
    """
    station = await steered_station(connection, supervisor)
    alert = await _unfinished(connection, alert_id, station)
    await _free(connection, supervisor, alert, officer, reason)
    return Steered(alert_id, alert["scope_id"])


async def link_duplicate(
    connection: Connection, supervisor: UUID, alert_id: UUID, duplicate_of: UUID | None
) -> Steered:
    """Says that an alert tells of the same need as another, or with None that it does not. It stops no chain: until
    somebody has looked, each of them may be a person of its own.

    Raises:
        NotAllowed: see `steered_station`.
        NotFound: the station has no such alert.
        VariableInvalid: it would be a duplicate of itself.
    """
    station = await steered_station(connection, supervisor)
    await connection.execute(LOCK_LINKS, station)
    wanted = [alert_id] if duplicate_of is None else [alert_id, duplicate_of]
    rows = {row["id"]: row for row in await connection.fetch(LOCK_STEERED, wanted, station)}
    if len(rows) < len(set(wanted)):
        raise NotFound("The station has no such alert.")
    alert = rows[alert_id]
    if duplicate_of is not None:
        above = {row["id"] for row in await connection.fetch(LINKED_ABOVE, duplicate_of)}
        if alert_id in above:
            raise VariableInvalid("An alert cannot be a duplicate of itself.")
    if alert["duplicate_of"] != duplicate_of:
        await connection.execute(LINK_ALERT, alert_id, duplicate_of)
        kind = AlertEventKind.UNLINKED if duplicate_of is None else AlertEventKind.LINKED
        other = alert["duplicate_of"] if duplicate_of is None else duplicate_of
        await _log(connection, supervisor, alert_id, kind, alert=str(other))
    return Steered(alert_id, alert["scope_id"])


async def raise_severity(
    connection: Connection, supervisor: UUID, alert_id: UUID, severity: IncidentSeverity
) -> Steered:
    """Says that an alert presses more than it said itself, so that it is called before others.

    Raises:
        NotAllowed: see `steered_station`.
        NotFound: the station has no such alert.
        StateNotReachable: it is finished, or presses more already: nothing is ever called later for this.
    """
    station = await steered_station(connection, supervisor)
    alert = await _unfinished(connection, alert_id, station)
    before = IncidentSeverity(alert["severity"])
    if _PRESSING.index(severity) < _PRESSING.index(before):
        raise StateNotReachable(
            f"The alert is {before.value} already; its severity is only raised."
        )
    if severity is not before:
        await connection.execute(RAISE_SEVERITY, alert_id, severity.value)
        await press_harder(connection, alert_id)
        await _log(
            connection,
            supervisor,
            alert_id,
            AlertEventKind.SEVERITY_RAISED,
            before=before.value,
            now=severity.value,
        )
    return Steered(alert_id, alert["scope_id"])


async def resolve(
    connection: Connection,
    supervisor: UUID,
    alert_id: UUID,
    resolution: AlertResolution,
    text: str = "",
) -> Steered:
    """Says how an alert of the station ended: closes an answered one, or adds it to a closed one of which it is unsaid.

    Raises:
        NotAllowed: see `steered_station`.
        NotFound: the station has no such alert.
        StateNotReachable: nobody has answered it, or it is said already.
        RecordInvalid: OTHER says in its note what it was.
    """
    station = await steered_station(connection, supervisor)
    rows = await connection.fetch(LOCK_STEERED, [alert_id], station)
    if not rows:
        raise NotFound("The station has no such alert.")
    [alert] = rows
    now = await connection.fetchval("select now()")
    closing = Closing(alert_id, PhoneTime(now, now.isoformat(), False), resolution, text)
    [closed] = await close_alerts(
        connection, supervisor, [alert["scope_id"]], [closing], received_at=now
    )
    if closed.refusal is not None:
        raise closed.refusal
    return Steered(alert_id, alert["scope_id"])


async def _send(
    connection: Connection,
    supervisor: UUID,
    alert: Mapping[str, Any],
    officer: UUID,
    reason: str | None,
    even_if_engaged: bool,
) -> Steered:
    alert_id = alert["id"]
    if officer == alert["officer_id"]:
        raise StateNotReachable("Who called for help is not sent to himself.")
    policy = await frozen_policy(connection, alert_id)
    await connection.execute(LOCK_OFFICER, officer)
    found = await connection.fetchrow(
        READ_SENT,
        officer,
        alert_id,
        alert["station_id"],
        alert["scope_id"],
        alert["drill"],
        policy.answer_within,
    )
    if found is None or not found["active"] or not found["near"]:
        raise NotFound("There is no such officer who could be sent there.")
    now = await connection.fetchval("select now()")
    heard = bool(await connection.fetchval(HEARS, officer))
    response = found["response"]
    if response == ResponseStatus.ASSIGNED and now - found["since"] < policy.answer_within:
        return Steered(alert_id, alert["scope_id"], heard)
    if response in ENGAGED and response != ResponseStatus.ASSIGNED:
        raise StateNotReachable("The officer takes care of this alert already.")
    if found["engaged_by"] is not None and not even_if_engaged:
        raise OfficerEngaged(alertId=str(found["engaged_by"]))
    await _keep(connection, alert, officer, ResponseStatus.ASSIGNED, supervisor, reason)
    if alert["status"] == AlertStatus.OPEN and heard:
        until = now + policy.answer_within
        await connection.execute(POSTPONE_STEPS, alert_id, until)
        await _postpone_again(connection, alert, policy.answer_within)
    await watch_over(connection, [alert_id])
    return Steered(alert_id, alert["scope_id"], heard)


async def _postpone_again(
    connection: Connection, alert: Mapping[str, Any], span: timedelta
) -> None:
    now = await connection.fetchval("select now()")
    waits = DeadlineKind.AGAIN
    if await connection.fetchval(POSTPONE_DEADLINE, alert["id"], waits.value, now + span):
        # The job of the time before finds that it is too early, and is gone.
        pressing = urgency(alert["severity"], alert["drill"])
        await arm(connection, [Watch(alert["id"], waits, span, pressing)])


async def _free(
    connection: Connection,
    supervisor: UUID,
    alert: Mapping[str, Any],
    officer: UUID,
    reason: str | None,
) -> None:
    alert_id = alert["id"]
    found = await connection.fetchrow(
        READ_SENT,
        officer,
        alert_id,
        alert["station_id"],
        alert["scope_id"],
        alert["drill"],
        timedelta(0),
    )
    if found is None or found["response"] is None:
        raise NotFound("The officer has nothing to do with this alert.")
    if found["response"] not in ENGAGED:
        raise StateNotReachable("The officer is free already.")
    await _keep(connection, alert, officer, ResponseStatus.STOOD_DOWN, supervisor, reason)
    now = await connection.fetchval("select now()")
    if found["lead"] and alert["status"] == AlertStatus.ACKNOWLEDGED:
        await pass_on(
            connection,
            {alert_id: alert["scope_id"]},
            now,
            why="LEAD_STOOD_DOWN",
            officer=supervisor,
        )
    elif alert["status"] == AlertStatus.OPEN:
        await go_on(connection, [alert_id])
    await watch_over(connection, [alert_id])


async def _keep(
    connection: Connection,
    alert: Mapping[str, Any],
    officer: UUID,
    status: ResponseStatus,
    supervisor: UUID,
    reason: str | None,
) -> None:
    """Stores the state, writes it into the log, and has the officer's phones told."""
    text = (reason or "").strip()[:LONGEST_REASON] or None
    now = await connection.fetchval("select now()")
    row = {
        "id": uuid7(),
        "scope_id": alert["scope_id"],
        "alert_id": alert["id"],
        "officer_id": officer,
        "status": status.value,
        "lead": False,
        "assigned_by": supervisor,
        "reason": text,
        "at": now,
        "captured_at_raw": now.isoformat(),
        "time_suspect": False,
    }
    await connection.execute(KEEP_RESPONSES, as_json([row]))
    said = {"by": str(supervisor)} | ({} if text is None else {"reason": text})
    event = Event(
        alert["id"], AlertEventKind(status.value), now, now, officer_id=officer, detail=said
    )
    await note(connection, [event])
    await tell(connection, [officer], PushKind.ASSIGNED, alert["id"])


async def _unfinished(connection: Connection, alert_id: UUID, station: UUID) -> Mapping[str, Any]:
    rows = await connection.fetch(LOCK_STEERED, [alert_id], station)
    if not rows:
        raise NotFound("The station has no such alert.")
    [row] = rows
    if row["status"] not in _UNFINISHED:
        raise StateNotReachable("The alert is finished.")
    found: Mapping[str, Any] = row
    return found


async def _log(
    connection: Connection,
    supervisor: UUID,
    alert_id: UUID,
    kind: AlertEventKind,
    **detail: str,
) -> None:
    now = await connection.fetchval("select now()")
    await note(connection, [Event(alert_id, kind, now, now, officer_id=supervisor, detail=detail)])
