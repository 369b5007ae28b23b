"""Stores what phones recorded: in order, once, and answered even when it is refused.

A lane is a queue with contiguous numbers. Its row is locked, a chunk of mutations is applied in one transaction together
with its stored outcomes, and the lane advances; so a lost answer costs nothing, because the same numbers are answered
from what was stored. After a restore a lane goes on where the phone still can (`patrol.sync.adoption`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import structlog
from uuid_utils.compat import uuid7

from patrol.constraints import problem_of
from patrol.errors import (
    ChangeUnreadable,
    RetryLater,
    SequenceGap,
    SequenceReused,
    VariableInvalid,
)
from patrol.sync.adoption import NOTHING_SAID, Held, Holder, Lost, adopt, in_gaps
from patrol.sync.answers import Answer, is_repeat, kept_as, pending, plain, repeat, twin
from patrol.sync.epoch import begin_epoch_after
from patrol.sync.kinds import KINDS
from patrol.sync.mutation import Author, Effect, Mutation, refused, telling_unread
from storage.database import Connection, Database
from storage.faults import DatabaseUnavailable
from storage.history import EpochCause
from storage.principal import Principal
from storage.sync import (
    ADVANCE_LANE,
    KEEP_REFUSED,
    LOCK_LANE,
    READ_AUTHOR,
    READ_OUTCOMES,
    STORE_OUTCOMES,
)
from storage.vocabulary import Lane, MutationOutcome, OfficerRole

log = structlog.get_logger(__name__)

CHUNK = 50
"""Mutations in one transaction: a time limit loses at most this many, and they are sent again."""

BATCH = 500
"""Mutations in one push."""

_KEPT = (MutationOutcome.REJECTED, MutationOutcome.CONFLICT)


@dataclass(slots=True)
class Pushed:
    """The answers to a push, the lane's state after it, and whom to poke.

    `epoch` and `durable_through` are None while the database has not been reached. `news` are the alerts that are told to
    scopes beside a subject: who has one scope is not alarmed by what was pushed beside it for another.
    """

    answers: list[Answer] = field(default_factory=list)
    applied_sequence: int = 0
    epoch: UUID | None = None
    durable_through: datetime | None = None
    news: dict[tuple[frozenset[UUID], str], list[UUID]] = field(default_factory=dict)


async def push(
    database: Database,
    principal: Principal,
    lane: Lane,
    mutations: Sequence[Mutation],
    *,
    held: Held = NOTHING_SAID,
    committed: Callable[[Pushed], None] = lambda _: None,
) -> Pushed:
    """Applies mutations of one lane in the order of their numbers.

    A chunk that cannot be stored now is answered RETRY, and nothing after it is tried. `committed` is called after each
    commit with what has been stored so far, so that an alert is heard before the rest of its batch is stored. `held` is
    what the phone says of the lane; it matters after a restore. Without mutations the lane is only asked about.

    Raises:
        PrincipalRevoked: the session is no longer good; nothing of the rest was stored.
    """
    pushed = Pushed()
    ordered = sorted(mutations, key=lambda one: one.sequence)
    for start in range(0, len(ordered) or 1, CHUNK):
        chunk = ordered[start : start + CHUNK]
        try:
            try:
                done = await _apply(database, principal, lane, chunk, held)
            except Lost as lost:
                # The phone holds our own word for what is not here: the history went back and nobody noticed yet.
                await begin_epoch_after(
                    database, lost.epoch, EpochCause.RECEIPT, evidence=lost.evidence
                )
                done = await _apply(database, principal, lane, chunk, held)
        except (DatabaseUnavailable, asyncpg.PostgresError, TimeoutError, OSError) as error:
            log.warning("push_retry", lane=lane.value, error=type(error).__name__)
            pushed.answers += [
                plain(one, MutationOutcome.RETRY, RetryLater.code) for one in ordered[start:]
            ]
            break
        pushed.answers += done.answers
        pushed.applied_sequence = done.applied_sequence
        pushed.epoch, pushed.durable_through = done.epoch, done.durable_through
        committed(done)
    return pushed


async def _apply(
    database: Database, principal: Principal, lane: Lane, chunk: Sequence[Mutation], held: Held
) -> Pushed:
    async with database.write(principal) as connection:
        return await _Chunk(connection, principal, lane).apply(chunk, held)


class _Chunk:
    """One transaction's worth of a lane."""

    def __init__(self, connection: Connection, principal: Principal, lane: Lane) -> None:
        self.connection = connection
        self.lane = lane
        assert isinstance(principal.id, UUID)  # only officers push
        assert principal.device_id is not None
        self.holder: Holder = (principal.device_id, principal.id, lane.value)
        self.officer = principal.id
        self.device = principal.device_id

    async def apply(self, chunk: Sequence[Mutation], held: Held) -> Pushed:
        state = await self.connection.fetchrow(LOCK_LANE, *self.holder)
        first = chunk[0].sequence if chunk else None
        adopted = await adopt(self.connection, self.holder, state, held, first)
        by_sequence, by_mutation = await self._stored(chunk)
        done = Pushed(
            applied_sequence=adopted,
            epoch=state["current_epoch"],
            durable_through=state["durable_through"],
        )
        late = await self._late(chunk, adopted, by_sequence, by_mutation)
        taken = {id(one) for one in late}
        await self._flush(late, done)
        fresh: list[Mutation] = []
        twins: list[Mutation] = []
        reused: list[Mutation] = []
        for one in chunk:
            if id(one) in taken:
                continue
            before = by_sequence.get(one.sequence) or by_mutation.get(one.mutation_id)
            expected = done.applied_sequence + len(fresh) + 1
            if one.sequence > expected:
                done.answers.append(
                    plain(one, MutationOutcome.GAP, SequenceGap.code, expected=expected)
                )
            elif before is None and one.sequence == expected:
                fresh.append(one)
                by_sequence[one.sequence] = by_mutation[one.mutation_id] = pending(one)
            else:
                if one.sequence == expected:
                    # Stored under another number before a restore: the effect is there, so the lane goes on.
                    await self._flush(fresh, done)
                    done.applied_sequence = one.sequence
                if before is not None and is_repeat(one, before):
                    if "pending" in before:
                        twins.append(one)
                    else:
                        done.answers.append(repeat(one, before))
                else:
                    reused.append(one)
        await self._flush(fresh, done)
        # By what they are: an app that counted on after a lost answer sends the same under two numbers.
        settled = {
            answer.mutation_id: answer
            for answer in done.answers
            if answer.outcome is not MutationOutcome.GAP
        }
        done.answers += [twin(one, settled[one.mutation_id]) for one in twins]
        done.answers += [
            plain(one, MutationOutcome.SEQUENCE_REUSED, SequenceReused.code) for one in reused
        ]
        kept = [kept_as(one, by_mutation.get(one.mutation_id)) for one in reused]
        await self._keep([(one, SequenceReused.code, {}) for one in kept])
        # Going on proves that no hole is left, so the lane is bound to the epoch.
        moved = done.applied_sequence > state["applied_sequence"]
        epoch = state["current_epoch"] if moved else state["epoch_id"]
        await self.connection.execute(ADVANCE_LANE, *self.holder, done.applied_sequence, epoch)
        done.answers.sort(key=lambda answer: answer.sequence)
        return done

    async def _stored(self, chunk: Sequence[Mutation]) -> tuple[dict[int, Any], dict[UUID, Any]]:
        rows = await self.connection.fetch(
            READ_OUTCOMES, *self.holder,
            [one.sequence for one in chunk], [one.mutation_id for one in chunk],
        )  # fmt: skip
        return (
            {row["sequence"]: row for row in rows if row["same_lane"]},
            {row["mutation_id"]: row for row in rows},
        )

    async def _late(
        self,
        chunk: Sequence[Mutation],
        applied: int,
        by_sequence: dict[int, Any],
        by_mutation: dict[UUID, Any],
    ) -> list[Mutation]:
        """Mutations that were skipped after a restore and have come after all."""
        unknown = [
            one
            for one in chunk
            if one.sequence <= applied
            and one.sequence not in by_sequence
            and one.mutation_id not in by_mutation
        ]
        skipped = await in_gaps(self.connection, self.holder, [one.sequence for one in unknown])
        late: list[Mutation] = []
        for one in unknown:
            first = one.sequence not in by_sequence and one.mutation_id not in by_mutation
            if first and one.sequence in skipped:
                late.append(one)
                by_sequence[one.sequence] = by_mutation[one.mutation_id] = pending(one)
        return late

    async def _flush(self, fresh: list[Mutation], done: Pushed) -> None:
        """Applies what has gathered, run by run, and stores the outcomes."""
        if not fresh:
            return
        row = await self.connection.fetchrow(READ_AUTHOR, self.officer)
        author = Author(
            self.officer, self.device, row["station_id"], OfficerRole(row["role"]),
            frozenset(row["scopes"]), datetime.now(UTC),
        )  # fmt: skip
        effects: list[tuple[Mutation, Effect]] = []
        for run in runs(fresh):
            effects += await self._run(run, author)
        await self._store(effects)
        for mutation, effect in effects:
            done.answers.append(
                Answer(
                    mutation.sequence,
                    mutation.mutation_id,
                    effect.outcome,
                    effect.row_id,
                    effect.rev,
                    effect.code,
                    detail=dict(effect.detail),
                )
            )
            if effect.scopes or effect.alerts:
                about = (frozenset(effect.scopes), KINDS[mutation.kind].subject)
                done.news.setdefault(about, []).extend(effect.alerts)
        done.applied_sequence = max(done.applied_sequence, fresh[-1].sequence)
        fresh.clear()

    async def _run(self, run: Sequence[Mutation], author: Author) -> list[tuple[Mutation, Effect]]:
        """Applies a run kind by kind; within a run no row stands twice, so the kinds do not depend on each other."""
        groups: dict[str, list[Mutation]] = {}
        for one in run:
            groups.setdefault(one.kind, []).append(one)
        effects: dict[int, Effect] = {}
        for kind, group in groups.items():
            for mutation, effect in await self._halved(kind, group, author):
                effects[mutation.sequence] = telling_unread(mutation, effect)
        return [(one, effects[one.sequence]) for one in run]

    async def _halved(
        self, kind: str, group: Sequence[Mutation], author: Author
    ) -> list[tuple[Mutation, Effect]]:
        """Applies a group at once; bad data is halved until the culprit stands alone, all else is not its fault."""
        known = KINDS.get(kind)
        if known is None:
            return [(one, refused(one, ChangeUnreadable)) for one in group]
        # A call for help is taken from whatever lane it comes in.
        if known.lane not in (self.lane, Lane.SOS):
            return [(one, refused(one, VariableInvalid, lane=known.lane.value)) for one in group]
        try:
            async with self.connection.transaction():
                effects = await known.apply(self.connection, author, group)
                return list(zip(group, effects, strict=True))
        except asyncpg.PostgresError as error:
            if (error.sqlstate or "")[:2] not in ("22", "23"):
                raise
            if len(group) == 1:
                problem, detail = problem_of(error)
                return [
                    (
                        group[0],
                        Effect(
                            MutationOutcome.REJECTED,
                            group[0].row_id,
                            code=problem.code,
                            detail=detail,
                        ),
                    )
                ]
            middle = len(group) // 2
            return [
                *await self._halved(kind, group[:middle], author),
                *await self._halved(kind, group[middle:], author),
            ]

    async def _store(self, effects: Sequence[tuple[Mutation, Effect]]) -> None:
        outcomes = [
            {
                "sequence": mutation.sequence,
                "mutation_id": mutation.mutation_id,
                "content_sha256": mutation.digest.hex(),
                "outcome": effect.outcome.value,
                "code": effect.code,
                "row_id": effect.row_id,
                "rev": effect.rev,
                "detail": dict(effect.detail),
            }
            for mutation, effect in effects
        ]
        await self.connection.execute(STORE_OUTCOMES, *self.holder, _json(outcomes))
        await self._keep(
            [
                (mutation, effect.code or "", effect.detail)
                for mutation, effect in effects
                if effect.outcome in _KEPT
            ]
        )

    async def _keep(self, refused: Sequence[tuple[Mutation, str, Mapping[str, Any]]]) -> None:
        """Keeps whole mutations that were refused, so that a bug in an app, or a cloned phone, costs no data."""
        if not refused:
            return
        rows = [
            {
                "id": uuid7(),
                "sequence": mutation.sequence,
                "mutation_id": mutation.mutation_id,
                "code": code,
                "payload": mutation.payload,
                "detail": dict(detail),
            }
            for mutation, code, detail in refused
        ]
        await self.connection.execute(KEEP_REFUSED, *self.holder, _json(rows))


def runs(mutations: Iterable[Mutation]) -> list[list[Mutation]]:
    """Cuts a batch, in order, where a row stands again: one statement may write a row only once.

    A row that others of the run belong to counts as standing there: its report comes in an earlier run than its notes,
    and a change of it between them keeps its place. Rows that only share a parent do not disturb each other.
    """
    cut: list[list[Mutation]] = [[]]
    # By their numbers: an UUID hashes in Python, which here would be most of the work.
    written: set[int] = set()
    parents: set[int] = set()
    for one in mutations:
        kind = KINDS.get(one.kind)
        named = None if kind is None or kind.parent is None else one.fields.get(kind.parent)
        parent = None if named is None else UUID(str(named)).int
        row = one.row_id.int
        if row in written or row in parents or parent in written:
            cut.append([])
            written.clear()
            parents.clear()
        written.add(row)
        if parent is not None:
            parents.add(parent)
        cut[-1].append(one)
    return [run for run in cut if run]


def _json(values: Any) -> str:
    # The encoder writes plain UUIDs by itself; those that asyncpg read are of a kind of their own.
    return orjson.dumps(values, default=str).decode()
