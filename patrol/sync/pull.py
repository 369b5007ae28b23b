"""What is new for a phone, decided by snapshots, because rows become visible in commit order and in no other.

A pull is a walk from the state that a phone has (`Done`) to a pinned snapshot (`until`): fills of scopes and shapes
that it does not have yet, then the difference of the scopes that it keeps. A row that changes during the walk drops out
of the pinned pages, so the walk ends with a closing difference from `until` to now; if that fits the page the pull is
complete, otherwise it is the next walk.

A row is new when the transaction that stamped it was not visible then and is visible now. Clocks and counters order rows
otherwise than commits do, and lose some under concurrent writers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from patrol.keys import KeySet
from patrol.sync import cursor as cursors
from patrol.sync import statements
from patrol.sync.cursor import Cursor, CursorRefused, Done, Pass
from patrol.sync.sets import SetBook
from patrol.sync.statements import Wanted
from patrol.sync.subjects import BY_TABLE, SUBJECTS, Subject
from storage.database import Connection
from storage.sync import READ_LANES, READ_PULL_STATE

PAGE_ROWS = 500
"""The default and largest number of rows in a page."""

NO_KEY = ("0", "00000000-0000-0000-0000-000000000000")
"""Below every (sync_xid, id)."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A row that the phone must drop. Removals are applied before rows."""

    subject: str
    id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class LaneState:
    """How far the phone's own outbox was applied, in the same snapshot as the page."""

    lane: str
    applied_sequence: int


@dataclass(slots=True)
class PulledPage:
    """One page of a pull. `reset` means: drop your copy (never the outbox) before you apply this page."""

    server_time: datetime
    scopes: Sequence[UUID]
    rows: dict[str, list[Any]] = field(default_factory=dict)
    removals: list[Removal] = field(default_factory=list)
    revoked: list[UUID] = field(default_factory=list)
    reset: str | None = None
    cursor: str = ""
    complete: bool = False
    lanes: list[LaneState] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Fill:
    subject: Subject
    scope: UUID

    @property
    def name(self) -> str:
        return f"{self.subject.name} {self.scope}"


@dataclass(frozen=True, slots=True)
class _Delta:
    subject: Subject

    @property
    def name(self) -> str:
        return self.subject.name


@dataclass(frozen=True, slots=True)
class _Exits:
    name: str = "exits"


_Part = _Fill | _Delta | _Exits


@dataclass(slots=True)
class Pull:
    """One pull by one officer on one device."""

    connection: Connection
    officer: UUID
    device: UUID
    wanted: Mapping[str, Wanted]
    keys: KeySet
    sets: SetBook

    async def page(self, text: str | None, limit: int) -> PulledPage:
        """The next page after a cursor; without one the first of everything.

        Must run inside one repeatable-read transaction, under the row policies of the officer.
        """
        # The scopes of this very snapshot: those of a moment ago may differ from what the policies show.
        state = await self.connection.fetchrow(READ_PULL_STATE, self.officer)
        now, epoch = state["snapshot"], state["epoch"]
        page = PulledPage(state["now"], sorted(state["scopes"]))
        page.rows = {name: [] for name in self.wanted}
        shapes = self.sets.name(
            [[name, wanted.shape_id()] for name, wanted in sorted(self.wanted.items())]
        )
        scopes = self.sets.name([str(scope) for scope in page.scopes])
        done, walk = await self._read(text, epoch, now, page)
        if walk is None or (walk.scopes, walk.shapes) != (scopes, shapes):
            page.revoked = self._revoked(done, walk, set(page.scopes))
            walk = Pass(now, scopes, shapes, None, None)
        left = limit
        while walk is not None:
            finished = Done(walk.until, walk.scopes, walk.shapes)
            walk, left = await self._walk(done, walk, left, page)
            if walk is not None:
                break
            done = finished
            if done.snapshot != now:
                # The closing difference: what became of rows while the pinned pages were walked.
                walk = Pass(now, scopes, shapes, None, None)
                if left == 0:
                    break
        page.complete = walk is None
        if page.complete:
            # Only now is everything in the copy that the lanes say was applied.
            rows = await self.connection.fetch(READ_LANES, self.device, self.officer)
            page.lanes = [LaneState(row["lane"], row["applied_sequence"]) for row in rows]
        page.cursor = cursors.sign(Cursor(epoch, done, walk), self.keys, holder=self.officer)
        return page

    async def _read(
        self, text: str | None, epoch: UUID, now: str, page: PulledPage
    ) -> tuple[Done | None, Pass | None]:
        """What the cursor says that the phone has; nothing, with a reset, if it cannot be honoured."""
        if text is None:
            return None, None
        try:
            cursor = cursors.read(text, self.keys, holder=self.officer)
            if cursor.epoch != epoch:
                raise CursorRefused("EPOCH_ENDED")
            for part in (cursor.done, cursor.walk):
                if part is None:
                    continue
                snapshot = part.snapshot if isinstance(part, Done) else part.until
                if _xmax(snapshot) > _xmax(now):
                    raise CursorRefused("CURSOR_AHEAD")
                if not (await self.sets.knows(part.scopes) and await self.sets.knows(part.shapes)):
                    raise CursorRefused("CURSOR_FORGOTTEN")
        except CursorRefused as refused:
            page.reset = refused.reason
            return None, None
        return cursor.done, cursor.walk

    def _revoked(self, done: Done | None, abandoned: Pass | None, scopes: set[UUID]) -> list[UUID]:
        """What the phone must drop as a whole: scopes that are gone, and those that an abandoned walk filled in part.

        The latter are filled anew by the walk that begins: a fill has no removals, so rows that were deleted since
        would stay.
        """
        had = self._scopes(done)
        return sorted((had | self._scopes(abandoned)) - (had & scopes))

    def _scopes(self, part: Done | Pass | None) -> set[UUID]:
        return set() if part is None else {UUID(one) for one in self.sets.content(part.scopes)}

    def _parts(self, done: Done | None, walk: Pass) -> tuple[list[_Part], list[UUID]]:
        """The parts of a walk, the same on each of its pages; and the scopes that it keeps."""
        scopes, had = self._scopes(walk), self._scopes(done)
        old = {} if done is None else dict(self.sets.content(done.shapes))
        kept = sorted(scopes & had)
        parts: list[_Part] = []
        for subject in SUBJECTS:
            if subject.name not in self.wanted:
                continue
            same = old.get(subject.name) == self.wanted[subject.name].shape_id()
            parts += [_Fill(subject, scope) for scope in sorted(scopes - had if same else scopes)]
            # Also for a new shape, whose fill has no removals, and for one that an abandoned walk began to fill.
            if kept:
                parts.append(_Delta(subject))
        if kept:
            parts.append(_Exits())
        return parts, kept

    async def _walk(
        self, done: Done | None, walk: Pass, left: int, page: PulledPage
    ) -> tuple[Pass | None, int]:
        """Goes on with a walk until the page is full: where it stands then, or None at its end; and the room left."""
        parts, kept = self._parts(done, walk)
        changed = await self._changed(done, walk, kept) if kept else frozenset()
        names = [part.name for part in parts]
        # A part of another release's order is begun again: rows may come twice, and none is left out.
        place, after = (names.index(walk.part), walk.after) if walk.part in names else (0, None)
        while place < len(parts):
            here = parts[place]
            if left == 0:
                return Pass(walk.until, walk.scopes, walk.shapes, here.name, after), 0
            rows = []
            if isinstance(here, _Fill):
                rows = await self._fill(here, walk, after, left)
                page.rows[here.subject.name] += rows
            elif isinstance(here, _Delta) and here.subject.name in changed:
                rows = await self._delta(here, done, walk, kept, after, left, page)
            elif isinstance(here, _Exits) and "exits" in changed:
                rows = await self._exits(done, walk, kept, after, left, page)
            left -= len(rows)
            if rows and left == 0:
                after = (rows[-1]["_xid"], str(rows[-1]["_id"]))
            else:
                place, after = place + 1, None
        return None, left

    async def _changed(self, done: Done | None, walk: Pass, kept: list[UUID]) -> frozenset[str]:
        """The subjects that have a difference at all: one statement, so that an empty pull costs one."""
        assert done is not None  # scopes are kept only from a state that the phone has
        found = await self.connection.fetch(
            statements.CHANGED, kept, _xmin(done.snapshot), done.snapshot, walk.until
        )
        return frozenset(row["subject"] for row in found)

    async def _fill(self, part: _Fill, walk: Pass, after: Any, limit: int) -> list[Any]:
        xid, key = after or NO_KEY
        statement = statements.fill(self.wanted[part.subject.name])
        return list(
            await self.connection.fetch(
                statement.sql,
                *statement.values(
                    {
                        "scope": part.scope,
                        "until": walk.until,
                        "xid": xid,
                        "key": key,
                        "limit": limit,
                    }
                ),
            )
        )

    async def _delta(
        self,
        part: _Delta,
        done: Done | None,
        walk: Pass,
        kept: list[UUID],
        after: Any,
        limit: int,
        page: PulledPage,
    ) -> list[Any]:
        rows = await self._difference(
            statements.delta(self.wanted[part.subject.name]), done, walk, kept, after, limit
        )
        for row in rows:
            if row["_deleted"]:
                page.removals.append(Removal(part.subject.name, row["_id"], "DELETED"))
            else:
                page.rows[part.subject.name].append(row)
        return rows

    async def _exits(
        self,
        done: Done | None,
        walk: Pass,
        kept: list[UUID],
        after: Any,
        limit: int,
        page: PulledPage,
    ) -> list[Any]:
        rows = await self._difference(statements.EXITS, done, walk, kept, after, limit)
        left: dict[str, list[UUID]] = {}
        for row in rows:
            if row["subject"] in BY_TABLE:
                left.setdefault(row["subject"], []).append(row["_id"])
        for table, ids in left.items():
            # A row that moved to another scope of the same officer, or came back, has not left this phone.
            here = {
                row["id"] for row in await self.connection.fetch(statements.still_here(table), ids)
            }
            name = BY_TABLE[table].name
            if name in self.wanted:
                page.removals += [
                    Removal(name, one, "LEFT_SCOPE")
                    for one in dict.fromkeys(ids)
                    if one not in here
                ]
        return rows

    async def _difference(
        self,
        statement: Any,
        done: Done | None,
        walk: Pass,
        kept: list[UUID],
        after: Any,
        limit: int,
    ) -> list[Any]:
        assert done is not None  # scopes are kept only from a state that the phone has
        xid, key = after or NO_KEY
        bound = {
            "scopes": kept, "xmin": _xmin(done.snapshot), "previous": done.snapshot,
            "until": walk.until, "xid": xid, "key": key, "limit": limit,
        }  # fmt: skip
        return list(await self.connection.fetch(statement.sql, *statement.values(bound)))


def _xmin(snapshot: str) -> str:
    return snapshot.split(":")[0]


def _xmax(snapshot: str) -> int:
    return int(snapshot.split(":")[1])
