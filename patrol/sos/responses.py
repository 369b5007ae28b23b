"""What officers do about calls for help: who answers first leads, everybody's answer is kept, and nobody is moved back.

    alert OPEN ──first ACKNOWLEDGED, ON_THE_WAY or ON_SCENE──▶ ACKNOWLEDGED, and that officer leads
    the lead declines ──▶ who is nearest to being there leads; with nobody left the alert is OPEN and people are called anew

A phone without signal tells late. Word of a part of the way that its officer is beyond already, and word about an alert
that is finished, is kept as history and changes nothing else. Who says again that he comes, to an alert that was opened
because he did not, takes it again and has his time again.

Who called for help does not answer himself: whoever has his phone could silence the call with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from patrol.clock import PhoneTime
from patrol.errors import NotFound, NotInScope, Problem, StateNotReachable
from patrol.sos.care import watch_over
from patrol.sos.escalation import begin_anew, go_on
from patrol.sos.events import Event, note, told
from patrol.transitions import response_is_history, response_may_become
from storage.alerts import ANSWER_ALERTS
from storage.database import Connection
from storage.responses import (
    END_LEADS,
    KEEP_HISTORY,
    KEEP_RESPONSES,
    LOCK_ANSWERED,
    NAME_LEADS,
    NEXT_LEADS,
    READ_ANSWERED,
    RENEW_RESPONSES,
)
from storage.statements import as_json
from storage.vocabulary import AlertEventKind, AlertStatus, ResponseStatus

ANSWERS = (ResponseStatus.ACKNOWLEDGED, ResponseStatus.ON_THE_WAY, ResponseStatus.ON_SCENE)
"""What takes an open alert: whoever does one of these takes care of it."""

ENGAGED = (ResponseStatus.ASSIGNED, *ANSWERS)
"""What keeps an officer from being called elsewhere, while the alert is unfinished."""

LONGEST_REASON = 2000


@dataclass(frozen=True, slots=True)
class Response:
    """What an officer says that he does about an alert. `when` is by his phone's clock, or ours."""

    alert_id: UUID
    status: ResponseStatus
    when: PhoneTime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Responded:
    """What became of a response. `status` and `rev` are the alert's; with `refusal` nothing was changed.

    `history`: it was kept, but the officer is further on already or the alert was finished before.
    """

    alert_id: UUID
    status: AlertStatus | None = None
    rev: int | None = None
    scope_id: UUID | None = None
    refusal: type[Problem] | None = None
    response: ResponseStatus | None = None
    history: bool = False


async def respond(
    connection: Connection,
    officer: UUID,
    scopes: Collection[UUID],
    responses: Sequence[Response],
    *,
    received_at: datetime,
    device: UUID | None = None,
) -> list[Responded]:
    """Keeps what an officer does about alerts, in the caller's transaction; refusals are data, in the order given.

    Args:
        scopes: where he may answer. Besides he may answer what he raised, was called for or was sent to.
        responses: no alert may stand twice.
        received_at: when we learned of them.
    """
    ids = [one.alert_id for one in responses]
    if len(set(ids)) < len(ids):
        raise ValueError("an alert stands twice in one call")
    await connection.execute(LOCK_ANSWERED, ids)
    stored = {row["id"]: row for row in await connection.fetch(READ_ANSWERED, ids, officer)}
    decided = {one.alert_id: _decide(one, stored.get(one.alert_id), scopes) for one in responses}
    kept = [one for one in responses if decided[one.alert_id].refusal is None]
    spoken = await _keep(connection, officer, kept, decided, stored)
    revs = await _take(connection, officer, spoken, stored)
    revs |= await _leave(connection, officer, kept, stored, received_at)
    await _watch(connection, kept, stored)
    await note(
        connection,
        [
            told(
                one.alert_id,
                AlertEventKind(one.status.value),
                one.when,
                received_at,
                officer_id=officer,
                device_id=device,
                detail=_detail(one, decided[one.alert_id]),
            )
            for one in kept
        ],
    )
    return [
        replace(decided[key], status=revs[key][0], rev=revs[key][1])
        if key in revs
        else decided[key]
        for key in ids
    ]


async def reopen(
    connection: Connection,
    scopes: Mapping[UUID, UUID],
    at: datetime,
    *,
    why: str,
    officer: UUID | None = None,
) -> dict[UUID, int]:
    """Opens alerts again that nobody takes care of any more, and calls people anew; gives the alerts' new versions.

    Args:
        scopes: the scope of each alert. They must be ACKNOWLEDGED, and locked by the caller.
        why: a code for the log, as `LEAD_DECLINED`.
        officer: who brought it about, if anybody did.
    """
    if not scopes:
        return {}
    await connection.execute(END_LEADS, list(scopes))
    back = [{"id": key, "status": AlertStatus.OPEN.value, "at": at} for key in scopes]
    rows = await connection.fetch(ANSWER_ALERTS, as_json(back), None)
    await begin_anew(connection, scopes)
    await note(
        connection,
        [
            Event(key, AlertEventKind.REOPENED, at, at, officer_id=officer, detail={"why": why})
            for key in scopes
        ],
    )
    return {row["id"]: row["rev"] for row in rows}


def _decide(one: Response, row: Mapping[str, Any] | None, scopes: Collection[UUID]) -> Responded:
    if row is None or row["deleted_at"] is not None:
        return Responded(one.alert_id, refusal=NotFound)
    if row["scope_id"] not in scopes and not row["concerns"]:
        # What stands in a scope that he may not read is not told, unless the alert concerns him.
        return Responded(one.alert_id, refusal=NotInScope)
    status = AlertStatus(row["status"])
    now = ResponseStatus(row["response"]) if row["response"] else None
    answer = Responded(one.alert_id, status, row["rev"], row["scope_id"], response=one.status)
    if row["raised"] and one.status in ANSWERS:
        return replace(answer, response=now, refusal=StateNotReachable)
    if response_is_history(now, one.status):
        return replace(answer, response=now, history=True)
    if not response_may_become(now, one.status):
        return replace(answer, response=now, refusal=StateNotReachable)
    return replace(answer, history=status in (AlertStatus.CLOSED, AlertStatus.CANCELLED))


async def _keep(
    connection: Connection,
    officer: UUID,
    kept: Sequence[Response],
    decided: Mapping[UUID, Responded],
    stored: Mapping[UUID, Mapping[str, Any]],
) -> list[Response]:
    """Stores the officer's own rows: a step of his, or the time of one that he is beyond.

    Returns:
        What is his word now, and no history.
    """
    rows = [
        {
            "id": uuid7(),
            "scope_id": stored[one.alert_id]["scope_id"],
            "alert_id": one.alert_id,
            "officer_id": officer,
            "status": one.status.value,
            # Who takes the alert is named after this.
            "lead": bool(stored[one.alert_id]["lead"]) and one.status in ANSWERS,
            "reason": (one.reason or "").strip()[:LONGEST_REASON] or None,
            "at": one.when.at,
            "captured_at_raw": one.when.raw,
            "time_suspect": one.when.suspect,
        }
        for one in kept
    ]
    moves = {
        one.alert_id
        for one in kept
        if decided[one.alert_id].response is one.status
        and stored[one.alert_id]["response"] != one.status
    }
    if moved := [row for row in rows if row["alert_id"] in moves]:
        await connection.execute(KEEP_RESPONSES, as_json(moved))
    if past := [row for row in rows if row["alert_id"] not in moves]:
        await connection.execute(KEEP_HISTORY, as_json(past))
    again = {
        one.alert_id
        for one in kept
        if one.alert_id not in moves and _comes_again(one, stored[one.alert_id])
    }
    if renewed := [row for row in rows if row["alert_id"] in again]:
        await connection.execute(RENEW_RESPONSES, as_json(renewed))
    return [one for one in kept if one.alert_id in moves | again]


def _comes_again(one: Response, row: Mapping[str, Any]) -> bool:
    """Whether the officer says anew that he comes, to an alert that was opened again since he said so first."""
    if row["status"] != AlertStatus.OPEN.value or one.status not in ANSWERS:
        return False
    return bool(row["response"] == one.status or one.when.at > row["changed_at"])


async def _take(
    connection: Connection,
    officer: UUID,
    spoken: Sequence[Response],
    stored: Mapping[UUID, Mapping[str, Any]],
) -> dict[UUID, tuple[AlertStatus, int]]:
    """Gives the open alerts that the officer answered to him."""
    taken = [
        {"id": one.alert_id, "status": AlertStatus.ACKNOWLEDGED.value, "at": one.when.at}
        for one in spoken
        if one.status in ANSWERS and stored[one.alert_id]["status"] == AlertStatus.OPEN.value
    ]
    if not taken:
        return {}
    keys = [row["id"] for row in taken]
    await connection.execute(END_LEADS, keys)
    await connection.fetch(ANSWER_ALERTS, as_json(taken), officer)
    named = [{"alert_id": key, "officer_id": officer} for key in keys]
    return {
        row["id"]: (AlertStatus.ACKNOWLEDGED, row["rev"])
        for row in await connection.fetch(NAME_LEADS, as_json(named))
    }


async def _leave(
    connection: Connection,
    officer: UUID,
    kept: Sequence[Response],
    stored: Mapping[UUID, Mapping[str, Any]],
    at: datetime,
) -> dict[UUID, tuple[AlertStatus, int]]:
    """Finds somebody else for the alerts that the officer led and leaves; those of nobody are opened again."""
    left = {
        one.alert_id: stored[one.alert_id]["scope_id"]
        for one in kept
        if one.status not in ENGAGED
        and stored[one.alert_id]["lead"]
        and stored[one.alert_id]["status"] == AlertStatus.ACKNOWLEDGED.value
    }
    return await pass_on(connection, left, at, why="LEAD_DECLINED", officer=officer)


async def _watch(
    connection: Connection,
    kept: Sequence[Response],
    stored: Mapping[UUID, Mapping[str, Any]],
) -> None:
    """Sets by when the alerts that he goes to or leaves are looked at again, and calls others where he was sent in vain."""
    await watch_over(connection, [one.alert_id for one in kept])
    await go_on(
        connection,
        [
            one.alert_id
            for one in kept
            if one.status not in ENGAGED
            and stored[one.alert_id]["response"] == ResponseStatus.ASSIGNED
            and stored[one.alert_id]["status"] == AlertStatus.OPEN.value
        ],
    )


async def pass_on(
    connection: Connection,
    left: Mapping[UUID, UUID],
    at: datetime,
    *,
    why: str,
    officer: UUID | None = None,
) -> dict[UUID, tuple[AlertStatus, int]]:
    """Names new leads for acknowledged alerts whose lead has left; those of nobody are opened again.

    Args:
        left: the scope of each alert. They must be locked by the caller, and whoever left is no responder any more.

    Returns:
        The status and version of each.
    """
    if not left:
        return {}
    await connection.execute(END_LEADS, list(left))
    heirs = {
        row["alert_id"]: row["officer_id"] for row in await connection.fetch(NEXT_LEADS, list(left))
    }
    named = [{"alert_id": key, "officer_id": heir} for key, heir in heirs.items()]
    rows = await connection.fetch(NAME_LEADS, as_json(named)) if named else []
    await note(
        connection,
        [Event(key, AlertEventKind.LEAD_CHANGED, at, at, officer_id=heir, detail={"why": why})
         for key, heir in heirs.items()],
    )  # fmt: skip
    orphans = {key: scope for key, scope in left.items() if key not in heirs}
    opened = await reopen(connection, orphans, at, why=why, officer=officer)
    return {row["id"]: (AlertStatus.ACKNOWLEDGED, row["rev"]) for row in rows} | {
        key: (AlertStatus.OPEN, rev) for key, rev in opened.items()
    }


def _detail(one: Response, decided: Responded) -> dict[str, Any]:
    detail: dict[str, Any] = {}
    if decided.history:
        detail["history"] = True
    if one.reason:
        detail["reason"] = one.reason.strip()[:LONGEST_REASON]
    return detail
