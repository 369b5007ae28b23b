"""What was refused is decided about by a person: applied after all, or set aside; it is never deleted.

A replay applies the kept mutation by the very rule that refused it, as the officer who recorded it. Whoever replays vouches
for it: all scopes of the station may be written, so that a change of what lies outside of the officer's zones can be taken.
No lane moves, because the phone was answered long ago.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

import asyncpg
import orjson
import structlog

from patrol.audit import audit
from patrol.constraints import problem_of
from patrol.errors import (
    BadRequest,
    ChangeUnreadable,
    FieldConflict,
    NotAllowed,
    NotFound,
    RecordInvalid,
    StateNotReachable,
)
from patrol.incidents import FIELDS_TOLD
from patrol.sync.kinds import KINDS
from patrol.sync.mutation import UNREADABLE, Author, Effect, Mutation, refused, telling_unread
from patrol.sync.overdue import ask_to_tell
from storage.database import Connection, Database
from storage.job_turns import Every
from storage.officers import READ_RANK
from storage.principal import Role, system
from storage.quarantine import (
    DISCARD_ITEM,
    KEEP_ITEM,
    LOCK_ITEM,
    MARK_OVERDUE,
    READ_SETTLED,
    REMEMBER_REPLAYED,
    RESOLVE_PUSHED,
    SETTLE_ITEM,
)
from storage.stations import READ_ALL_SCOPES
from storage.sync import READ_AUTHOR
from storage.vocabulary import Lane, MutationOutcome, OfficerRole, QuarantineState

log = structlog.get_logger(__name__)

WATCH: Final = "quarantine.watch"
"""The job that raises the alarm about what waits for too long."""

SCHEDULES: Final = (Every(WATCH, timedelta(minutes=5)),)

SHIFT: Final = timedelta(hours=12)
"""How long a kept mutation may wait unless settings say otherwise."""

LONGEST_REASON = 500

_TAKEN = (MutationOutcome.APPLIED, MutationOutcome.MERGED, MutationOutcome.DUPLICATE)
_POSITION = ("latitude", "longitude", "accuracy_m")


Reader: TypeAlias = Callable[[Mapping[str, Any]], Mutation | None]
"""Reads a change as a phone sent it; None where this release still cannot."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay made of a mutation, and whom to poke. DUPLICATE: it had been applied before."""

    outcome: MutationOutcome
    code: str | None = None
    scopes: Sequence[UUID] = ()
    subject: str | None = None
    alerts: Sequence[UUID] = ()

    @property
    def taken(self) -> bool:
        """Whether the mutation has its effect now."""
        return self.outcome in _TAKEN


async def station_led_by(connection: Connection, officer: UUID) -> UUID:
    """The station of a supervisor.

    Raises:
        NotAllowed: he is none.
    """
    rank = await connection.fetchrow(READ_RANK, officer)
    if rank is None or rank["role"] != OfficerRole.SUPERVISOR:
        raise NotAllowed("Only a supervisor decides about refused records.")
    return UUID(str(rank["station_id"]))


async def replay(
    connection: Connection,
    item: UUID,
    *,
    by: str,
    reason: str,
    read: Reader,
    station: UUID | None = None,
    overrule: bool = False,
) -> Replayed:
    """Applies a kept mutation after all; doing it twice applies it once.

    Refused again it stays, with the code of this time.

    Args:
        by: who decides, as kept beside the item.
        read: for what an earlier release of the server could not read.
        station: the station that it must be of; None for any.
        overrule: values that somebody else has changed since give way to those of the mutation.

    Raises:
        NotFound: there is no such item, or it is another station's.
        BadRequest: no reason was given.
    """
    why = _reason(reason)
    kept = await _lock(connection, item, station)
    if kept["state"] == QuarantineState.REPLAYED:
        return Replayed(MutationOutcome.DUPLICATE)
    settled = await connection.fetchrow(READ_SETTLED, kept["mutation_id"])
    if settled is not None:
        await connection.execute(SETTLE_ITEM, item, MutationOutcome.DUPLICATE.value, by, why)
        await audit(connection, "quarantine.replay", item, outcome="DUPLICATE", reason=why)
        return Replayed(MutationOutcome.DUPLICATE)
    mutation = _mutation(kept, read)
    effect = (
        Effect(MutationOutcome.REJECTED, item, code=ChangeUnreadable.code)
        if mutation is None
        else telling_unread(
            mutation,
            await _apply(connection, kept, _contested(kept, mutation, overrule=overrule)),
        )
    )
    detail = orjson.dumps(dict(effect.detail), default=str).decode()
    if mutation is not None and effect.outcome in _TAKEN:
        await connection.execute(SETTLE_ITEM, item, effect.outcome.value, by, why)
        await connection.execute(
            REMEMBER_REPLAYED,
            kept["device_id"],
            kept["officer_id"],
            kept["lane"],
            kept["sequence"],
            kept["mutation_id"],
            mutation.digest,
            effect.outcome.value,
            effect.row_id,
            effect.rev,
            detail,
        )
    else:
        await connection.execute(KEEP_ITEM, item, effect.code, effect.outcome.value, detail)
    await audit(
        connection,
        "quarantine.replay",
        item,
        outcome=effect.outcome.value,
        code=effect.code,
        reason=why,
        **({"overrule": True} if overrule else {}),
    )
    subject = None if mutation is None else KINDS[mutation.kind].subject
    return Replayed(effect.outcome, effect.code, effect.scopes, subject, effect.alerts)


async def discard(
    connection: Connection, item: UUID, *, by: str, reason: str, station: UUID | None = None
) -> None:
    """Sets a kept mutation aside, with who did it and why. It stays, and can still be replayed; twice is no mistake.

    Raises:
        NotFound: there is no such item, or it is another station's.
        StateNotReachable: it was replayed.
        BadRequest: no reason was given.
    """
    why = _reason(reason)
    kept = await _lock(connection, item, station)
    if kept["state"] == QuarantineState.REPLAYED:
        raise StateNotReachable("It was replayed already.", now=kept["state"])
    if kept["state"] == QuarantineState.KEPT:
        await connection.execute(DISCARD_ITEM, item, by, why)
        await audit(connection, "quarantine.discard", item, reason=why)


async def watch(database: Database, *, shift: timedelta = SHIFT) -> int:
    """Runs the job `WATCH`: tells supervisors and the log, once for each item, that it has waited for longer than a shift.

    What its phone has pushed since is resolved without anybody.

    Returns:
        How many items were told of now.
    """
    async with database.write(system("quarantine"), Role.SYSTEM) as connection:
        await connection.execute(RESOLVE_PUSHED)
        late = await connection.fetch(MARK_OVERDUE, shift)
        for one in sorted({(row["station_id"], row["lane"] == Lane.SOS) for row in late}):
            await ask_to_tell(connection, one[0], urgent=one[1])
    for station in sorted({row["station"] for row in late}):
        mine = [row for row in late if row["station"] == station]
        log.warning(
            "quarantine_overdue",
            station=station,
            items=len(mine),
            alarms=sum(row["lane"] == Lane.SOS for row in mine),
            oldest=mine[0]["created_at"].isoformat(),
        )
    return len(late)


def is_overdue(state: str, lane: str, kept_at: datetime, now: datetime, shift: timedelta) -> bool:
    """Whether an item waits for too long; the same as `OVERDUE` in SQL."""
    return state == QuarantineState.KEPT and (lane == Lane.SOS or now - kept_at > shift)


def subject_of(payload: Mapping[str, Any]) -> str | None:
    """The subject that a kept mutation is of; None where it cannot be read."""
    kind = KINDS.get(payload.get("kind") or "")
    return None if kind is None else kind.subject


def summary_of(payload: Mapping[str, Any]) -> str:
    """A line by which a person tells one kept mutation from another: a title, the beginning of a text, a step."""
    fields = payload.get("fields")
    kind = str(payload.get("kind") or UNREADABLE)
    if kind == UNREADABLE:
        kind, fields = _member_of(payload.get("raw"))
    if not isinstance(fields, Mapping):
        return kind
    for name in ("title", "text", "note", "description", "status", "severity", "category"):
        if isinstance(fields.get(name), str) and fields[name].strip():
            line = " ".join(fields[name].split())
            return line if len(line) <= 80 else f"{line[:79]}…"
    points = fields.get("points")
    return f"{kind}: {len(points)} points" if isinstance(points, list) else kind


def _member_of(raw: Any) -> tuple[str, Any]:
    """What a change that could not be read calls itself, and what is in it."""
    change = raw.get("change") if isinstance(raw, Mapping) else None
    if not isinstance(change, Mapping) or not change:
        return UNREADABLE, None
    name = next(iter(change))
    return str(name)[:80], change[name]


def _reason(reason: str) -> str:
    why = reason.replace("\0", "").strip()
    if not 0 < len(why) <= LONGEST_REASON:
        raise BadRequest(f"Say why, in at most {LONGEST_REASON} characters.")
    return why


async def _lock(connection: Connection, item: UUID, station: UUID | None) -> Mapping[str, Any]:
    kept: Mapping[str, Any] | None = await connection.fetchrow(LOCK_ITEM, item, station)
    if kept is None:
        raise NotFound("There is no such refused record.")
    return kept


def _mutation(kept: Mapping[str, Any], read: Reader) -> Mutation | None:
    """The mutation as its phone sent it; None for one that no rule knows."""
    payload = orjson.loads(kept["payload"])
    try:
        if payload["kind"] == UNREADABLE:
            return read(payload["raw"])
        if payload["kind"] not in KINDS:
            return None
        return Mutation(
            kept["sequence"],
            kept["mutation_id"],
            payload["kind"],
            UUID(payload["rowId"]),
            payload["capturedAt"],
            payload["baseRev"],
            payload["fields"],
        )
    except (KeyError, ValueError, TypeError):
        return None


def _contested(kept: Mapping[str, Any], mutation: Mutation, *, overrule: bool) -> Mutation:
    """Of a conflict only the fields that lost: the others were stored then, and may have been changed since."""
    lost = orjson.loads(kept["detail"]).get("fields")
    if kept["code"] == FieldConflict.code and lost:
        names = {*lost, *(_POSITION if "position" in lost else ())}
        names |= {name for name, told in FIELDS_TOLD.items() if told in lost}
        fields = {name: value for name, value in mutation.fields.items() if name in names}
        mutation = replace(mutation, fields=fields)
    # A change without a version is based on the row as it stands.
    return replace(mutation, base_rev=None) if overrule else mutation


async def _apply(connection: Connection, kept: Mapping[str, Any], mutation: Mutation) -> Effect:
    who = await connection.fetchrow(READ_AUTHOR, kept["officer_id"])
    lent = [row["id"] for row in await connection.fetch(READ_ALL_SCOPES, kept["station_id"])]
    author = Author(
        kept["officer_id"],
        kept["device_id"],
        kept["station_id"],
        OfficerRole(who["role"]),
        frozenset(who["scopes"]) | frozenset(lent),
        # What the phone's clock said is judged by when it arrived, not by when somebody decided.
        kept["created_at"],
    )
    try:
        async with connection.transaction():
            [effect] = await KINDS[mutation.kind].apply(connection, author, [mutation])
            return effect
    except asyncpg.PostgresError as error:
        if (error.sqlstate or "")[:2] not in ("22", "23"):
            raise
        problem, detail = problem_of(error)
        return refused(mutation, problem, **detail)
    except (KeyError, ValueError, TypeError) as error:
        # A payload of an app that is older than the rule.
        log.warning("replay_unreadable", kind=mutation.kind, error=type(error).__name__)
        return refused(mutation, RecordInvalid)
