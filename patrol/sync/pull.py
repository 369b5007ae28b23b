"""What is new for a phone, decided by snapshots, because rows become visible in commit order and in no other.

A pull is a walk from the state that a phone has (`Done`) to a pinned snapshot (`until`): fills of scopes and shapes
that it does not have yet, then the difference of the scopes that it keeps. A row that changes during the walk drops out
of the pinned pages, so the walk ends with a closing difference from `until` to now; if that fits the page the pull is
complete, otherwise it is the next walk.

A page ends where its rows or its bytes do. Rows that have expired at the time of the page are left out, or removed.

A row is new when the transaction that stamped it was not visible then and is visible now. Clocks and counters order rows
otherwise than commits do, and lose some under concurrent writers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any
from uuid import UUID

from patrol.keys import KeySet
from patrol.sync import cursor as cursors
from patrol.sync import statements
from patrol.sync.cursor import Cursor, CursorRefused, Done, Pass
from patrol.sync.digests import Repair, digests_below, digests_of, strangers
from patrol.sync.held import holding_due
from patrol.sync.history import settle
from patrol.sync.page import NO_CHECK, PAGE_BYTES, Check, LaneState, PulledPage, Removal
from patrol.sync.room import Room
from patrol.sync.sets import SetBook
from patrol.sync.statements import Wanted
from patrol.sync.subjects import BY_TABLE, SUBJECTS
from patrol.sync.walk import Delta, Exits, Fill, Part, gone, key_of, size_of_change
from storage.database import Connection
from storage.statements import Statement
from storage.sync import READ_LANES, READ_PULL_STATE

NO_KEY = ("0", "00000000-0000-0000-0000-000000000000")
"""Below every (sync_xid, id)."""


@dataclass(slots=True)
class Pull:
    """One pull by one officer on one device. `only` names the subjects that were chosen, and is empty for all."""

    connection: Connection
    officer: UUID
    device: UUID
    wanted: Mapping[str, Wanted]
    keys: KeySet
    sets: SetBook
    only: str = ""

    async def page(
        self, text: str | None, limit: int, size: int = PAGE_BYTES, check: Check = NO_CHECK
    ) -> PulledPage:
        """The next page after a cursor, of at most so many rows and about so many bytes; without a cursor the first one.

        Must run inside one repeatable-read transaction, under the row policies of the officer.
        """
        # The scopes of this very snapshot: those of a moment ago may differ from what the policies show.
        state = await self.connection.fetchrow(
            READ_PULL_STATE, self.officer, self.device, self.only
        )
        await settle(self.connection, state)
        now, epoch = state["snapshot"], state["epoch"]
        page = PulledPage(state["now"], sorted(state["scopes"]))
        page.epoch, page.durable_through = epoch, state["durable_through"]
        page.rows = {name: [] for name in self.wanted}
        shapes = self.sets.name(
            [[name, wanted.shape_id()] for name, wanted in sorted(self.wanted.items())]
        )
        scopes = self.sets.name([str(scope) for scope in page.scopes])
        done, walk = await self._read(text, state, page)
        shown = [part for part in (done, walk) if part is not None]
        if walk is None or (walk.scopes, walk.shapes) != (scopes, shapes):
            page.revoked = self._revoked(done, walk, set(page.scopes))
            done = self._unmixed(done, walk)
            page.reset_subjects = self._unknown(done)
            walk = Pass(now, scopes, shapes, None, None)
        room = Room(limit, size)
        filled = False
        while walk is not None:
            finished = Done(walk.until, walk.scopes, walk.shapes)
            parts, kept = self._parts(done, walk)
            filled = filled or walk.filled or any(isinstance(one, Fill) for one in parts)
            walk = await self._walk(parts, kept, done, walk, room, page)
            if walk is not None:
                walk = replace(walk, filled=filled)
                break
            done = finished
            if done.snapshot != now:
                # The closing difference: what became of rows while the pinned pages were walked.
                walk = Pass(now, scopes, shapes, None, None, filled)
                if room.full:
                    break
        page.complete = walk is None
        if page.complete:
            await self._check(check, filled, room, page)
            # Only now is everything in the copy that the lanes say was applied.
            rows = await self.connection.fetch(READ_LANES, self.device, self.officer)
            page.lanes = [LaneState(row["lane"], row["applied_sequence"]) for row in rows]
        given = [part for part in (done, walk) if part is not None]
        page.holding = holding_due(
            state, device=self.device, officer=self.officer, subjects=self.only, shown=shown, given=given
        )  # fmt: skip
        page.cursor = cursors.sign(Cursor(epoch, done, walk), self.keys, holder=self.officer)
        return page

    async def _read(
        self, text: str | None, state: Mapping[str, Any], page: PulledPage
    ) -> tuple[Done | None, Pass | None]:
        """What the cursor says that the phone has; nothing, with a reset, if it cannot be honoured."""
        if text is None:
            return None, None
        try:
            cursor = cursors.read(text, self.keys, holder=self.officer)
            if cursor.epoch != state["epoch"]:
                raise CursorRefused("EPOCH_ENDED")
            if state["must_reset"]:
                raise CursorRefused("CURSOR_TOO_OLD")
            for part in (cursor.done, cursor.walk):
                if part is None:
                    continue
                snapshot = part.snapshot if isinstance(part, Done) else part.until
                if cursors.xmax(snapshot) > cursors.xmax(state["snapshot"]):
                    raise CursorRefused("CURSOR_AHEAD")
                if state["horizon"] is not None and int(cursors.xmin(snapshot)) < int(
                    state["horizon"]
                ):
                    # Tombstones that this phone has not seen may be gone.
                    raise CursorRefused("CURSOR_TOO_OLD")
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
        gone = (had | self._scopes(abandoned)) - (had & {str(scope) for scope in scopes})
        return sorted(map(UUID, gone))

    def _unmixed(self, done: Done | None, abandoned: Pass | None) -> Done | None:
        """The state that a phone has, without the subjects of which an abandoned walk gave rows in another shape.

        Those rows lie among the others, with fewer fields, and are new to nobody: the subject is filled from nothing. So
        it is when an app goes back to an earlier release in the middle of a walk, and forth again.
        """
        if done is None or abandoned is None:
            return done
        given = dict(self.sets.content(abandoned.shapes))
        had = self.sets.content(done.shapes)
        left = [[name, shape] for name, shape in had if given.get(name, shape) == shape]
        return done if left == had else replace(done, shapes=self.sets.name(left))

    def _unknown(self, done: Done | None) -> list[str]:
        """Subjects that are filled from nothing, although the phone has a copy of others.

        A fill has no removals: rows that the phone has of such a subject, under another filter or from an earlier release
        of the app, would stay when they were deleted since.
        """
        if done is None:
            return []
        had = dict(self.sets.content(done.shapes))
        return [name for name in self.wanted if name not in had]

    def _scopes(self, part: Done | Pass | None) -> set[str]:
        return set() if part is None else set(self.sets.content(part.scopes))

    def _parts(self, done: Done | None, walk: Pass) -> tuple[list[Part], list[str]]:
        """The parts of a walk, the same on each of its pages; and the scopes that it keeps."""
        scopes, had = self._scopes(walk), self._scopes(done)
        old = {} if done is None else dict(self.sets.content(done.shapes))
        # As texts: they stand in the order of the ids, and a walk of hundreds of parts needs the ids of few.
        whole, added, kept = sorted(scopes), sorted(scopes - had), sorted(scopes & had)
        parts: list[Part] = []
        for subject in SUBJECTS:
            if subject.name not in self.wanted:
                continue
            same = old.get(subject.name) == self.wanted[subject.name].shape_id()
            parts += [Fill(subject, scope) for scope in (added if same else whole)]
            # Also for a new shape, whose fill has no removals, and for one that an abandoned walk began to fill.
            if kept:
                parts.append(Delta(subject))
        if kept:
            parts.append(Exits())
        return parts, kept

    async def _walk(
        self,
        parts: Sequence[Part],
        kept: list[str],
        done: Done | None,
        walk: Pass,
        room: Room,
        page: PulledPage,
    ) -> Pass | None:
        """Goes on with a walk until the page is full: where it stands then, or None at its end."""
        changed = await self._changed(done, walk, kept) if kept else frozenset()
        # A part of another release's order is begun again: rows may come twice, and none is left out.
        place, after = 0, None
        if walk.part is not None:
            names = [part.name for part in parts]
            if walk.part in names:
                place, after = names.index(walk.part), walk.after
        while place < len(parts):
            here = parts[place]
            if room.full:
                return replace(walk, part=here.name, after=after)
            rows: list[Any] = []
            ended = True
            if isinstance(here, Fill):
                rows, ended = await self._fill(here, walk, after, room, page)
            elif isinstance(here, Delta) and here.subject.name in changed:
                rows, ended = await self._delta(here, done, walk, kept, after, room, page)
            elif isinstance(here, Exits) and "exits" in changed:
                rows, ended = await self._exits(done, walk, kept, after, room, page)
            if not ended:
                after = key_of(rows[-1]) if rows else after
                return replace(walk, part=here.name, after=after)
            place, after = place + 1, None
        return None

    async def _changed(self, done: Done | None, walk: Pass, kept: list[str]) -> frozenset[str]:
        """The subjects that have a difference at all: one statement, so that an empty pull costs one."""
        assert done is not None  # scopes are kept only from a state that the phone has
        found = await self.connection.fetch(
            statements.CHANGED, kept, cursors.xmin(done.snapshot), done.snapshot, walk.until
        )
        return frozenset(row["subject"] for row in found)

    async def _fill(
        self, part: Fill, walk: Pass, after: Any, room: Room, page: PulledPage
    ) -> tuple[list[Any], bool]:
        bound = {"scope": part.scope, "until": walk.until, "now": page.server_time}
        name = part.subject.name
        statement = statements.fill(self.wanted[name])
        rows, ended = await self._fitting(name, statement, bound, after, room)
        page.rows[name] += rows
        return rows, ended

    async def _fitting(
        self,
        kind: str,
        statement: Statement,
        bound: dict[str, Any],
        after: Any,
        room: Room,
        size: Callable[[Any], int] = itemgetter("_size"),
    ) -> tuple[list[Any], bool]:
        """The rows that fit the page, and whether they are all. What is large is not fetched to be thrown away."""
        taken: list[Any] = []
        while room.rows:
            chunk = room.chunk(kind)
            xid, key = after or NO_KEY
            values = statement.values({**bound, "xid": xid, "key": key, "limit": chunk})
            found = await self.connection.fetch(statement.sql, *values)
            fitting = room.take(kind, [size(row) for row in found])
            taken += found[:fitting]
            if fitting < len(found):
                return taken, False
            if len(found) < chunk:
                return taken, True
            after = key_of(found[-1])
        return taken, False

    async def _delta(
        self,
        part: Delta,
        done: Done | None,
        walk: Pass,
        kept: list[str],
        after: Any,
        room: Room,
        page: PulledPage,
    ) -> tuple[list[Any], bool]:
        name = part.subject.name
        rows, ended = await self._difference(
            name, statements.delta(self.wanted[name]), done, walk, kept, after, room, page
        )
        for row in rows:
            reason = gone(row)
            if reason:
                page.removals.append(Removal(name, row["_id"], reason))
            else:
                page.rows[name].append(row)
        return rows, ended

    async def _exits(
        self,
        done: Done | None,
        walk: Pass,
        kept: list[str],
        after: Any,
        room: Room,
        page: PulledPage,
    ) -> tuple[list[Any], bool]:
        rows, ended = await self._difference(
            "exits", statements.EXITS, done, walk, kept, after, room, page
        )
        left: dict[str, list[UUID]] = {}
        for row in rows:
            if row["subject"] in BY_TABLE:
                left.setdefault(row["subject"], []).append(row["_id"])
        for table, ids in left.items():
            # A row that moved to another scope of the same officer, or came back, has not left this phone.
            here = {
                row["id"]
                for row in await self.connection.fetch(
                    statements.still_here(table), ids, page.scopes
                )
            }
            name = BY_TABLE[table].name
            if name in self.wanted:
                page.removals += [
                    Removal(name, one, "LEFT_SCOPE")
                    for one in dict.fromkeys(ids)
                    if one not in here
                ]
        return rows, ended

    async def _difference(
        self,
        kind: str,
        statement: Statement,
        done: Done | None,
        walk: Pass,
        kept: list[str],
        after: Any,
        room: Room,
        page: PulledPage,
    ) -> tuple[list[Any], bool]:
        assert done is not None  # scopes are kept only from a state that the phone has
        bound = {
            "scopes": kept, "previous": done.snapshot, "until": walk.until, "now": page.server_time
        }  # fmt: skip
        # Nothing that was stamped below `xmin` is new. The index is entered there: from its very beginning it would be
        # read as a whole, also where a second condition told so.
        after = after or (str(int(cursors.xmin(done.snapshot)) - 1), NO_KEY[1])
        return await self._fitting(kind, statement, bound, after, room, size_of_change)

    async def _check(self, check: Check, filled: bool, room: Room, page: PulledPage) -> None:
        """Repairs and digests of a complete copy: all of it is read in the snapshot that the copy now has."""
        if check.repairs:
            page.repaired = True
        for repair in check.repairs:
            await self._repair(repair, room, page)
        now = page.server_time
        if check.verify or (check.verify is None and filled):
            page.digests = await digests_of(self.connection, list(self.wanted), page.scopes, now)
        if check.ranges:
            found = await digests_below(self.connection, check.ranges, now)
            page.digests = [*(page.digests or ()), *found]

    async def _repair(self, repair: Repair, room: Room, page: PulledPage) -> None:
        name, now = repair.part.subject, page.server_time
        statement = statements.lacking(self.wanted[name])
        bound = {
            "scope": repair.part.scope_id, "suffix": repair.part.suffix, "now": now,
            "ids": list(repair.ids), "revs": list(repair.revs),
        }  # fmt: skip
        rows, ended = await self._fitting(name, statement, bound, None, room)
        page.rows[name] += rows
        page.repaired = page.repaired and ended
        found = await self.connection.fetch(
            strangers(name), [repair.part.scope_id], now, list(repair.ids)
        )
        page.removals += [Removal(name, row["id"], "NOT_HELD") for row in found]
