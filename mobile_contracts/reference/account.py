"""One officer on one phone: a session, an outbox and a copy of his own, whoever else uses the phone.

    sync    SOS first ─▶ records and tracks, side by side ─▶ open calls, while the copy is not complete ─▶ the rest

Lanes never wait for each other, and nothing goes before an SOS: one that is recorded meanwhile is sent before the next
page or batch of anything else.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from mobile_contracts.reference.copy import SUBJECTS, Copy, Row
from mobile_contracts.reference.key import DeviceKey
from mobile_contracts.reference.line import Line, LostAnswer, Refused, data_of, document_id
from mobile_contracts.reference.outbox import LANES, Outbox
from mobile_contracts.reference.pace import Pace
from mobile_contracts.reference.parts import Part, Parts
from mobile_contracts.reference.session import APP_VERSION, Session
from mobile_contracts.reference.store import Store
from mobile_contracts.reference.view import view

PAGE_ROWS: Final = 500
FIRST: Final = ("alerts", "steps")
"""What is pulled before a copy is complete: open calls for help do not wait behind a first fill on a bad link."""

VERIFY_EVERY: Final = timedelta(hours=4)

REPAIRED_AT_ONCE: Final = 100
"""Rows of a part up to which it is repaired; a larger one is looked at in sixteenths first."""

PARTS_AT_ONCE: Final = 5
REPAIR_PULLS: Final = 200
"""A repair ends after so many; a copy that still differs is begun anew."""


class Account:
    """Signing in needs the network once; afterwards everything but syncing works without."""

    def __init__(
        self,
        store: Store,
        key: DeviceKey,
        line: Line,
        officer: str,
        *,
        session: Session | None = None,
        documents: Mapping[str, str] | None = None,
    ) -> None:
        """`documents` are the ids of the operations of this release of the app, by name; by default the newest."""
        self.store, self.line, self.id = store, line, officer
        self.session = session or Session(store, key, line, officer)
        self.outbox = Outbox(store, officer)
        self.copy = Copy(store, officer)
        self.pace = Pace()
        self.documents = dict(documents or {})
        self.verified = time.monotonic()
        self.last_pull: float | None = None
        self._sending = {lane: asyncio.Lock() for lane in LANES}
        self._pulling = asyncio.Lock()

    # What it knows

    @property
    def officer(self) -> dict[str, Any]:
        """Who it is, as the server told it."""
        officer: dict[str, Any] = json.loads(self._row()["profile"])
        return officer

    @property
    def badge(self) -> str:
        """The officer's service number."""
        return str(self.officer["badge"])

    @property
    def scopes(self) -> frozenset[str]:
        """What he holds, as the last page told."""
        return frozenset(json.loads(self._row()["scopes"]))

    def complete(self, subjects: Sequence[str] | None = None) -> bool:
        """Whether the walk of these lists, or of all, came to its end."""
        found = self._cursor(subjects)
        return found is not None and bool(found["complete"])

    def _row(self) -> Any:
        return self.store.db.execute(
            "select * from account where officer = ?", (self.id,)
        ).fetchone()

    def cursor(self, subjects: Sequence[str] | None = None) -> str | None:
        """Where a pull of these lists, or of all, goes on."""
        found = self._cursor(subjects)
        return None if found is None else str(found["cursor"])

    def _cursor(self, subjects: Sequence[str] | None) -> Any:
        return self.store.db.execute(
            "select * from cursor where officer = ? and subjects = ?", (self.id, _choice(subjects))
        ).fetchone()

    def view(self, subject: str) -> dict[str, Row]:
        """The rows of a subject as the screens show them."""
        return view(self.copy, self.outbox, subject)

    def stored_until(self, lane: str) -> str | None:
        """The newest receipt of a lane, to be shown as text and as a QR code."""
        return self.outbox.said(lane)["receipt"]  # type: ignore[no-any-return] # a column of text

    # Asking

    async def ask(self, operation: str, **variables: Any) -> dict[str, Any]:
        """Runs an operation of the app, with a fresh token when the old one is at its end.

        Raises:
            Away, Refused: as `Line.post`.
        """
        body = {
            "documentId": self.documents.get(operation) or document_id(operation),
            "variables": variables,
        }
        try:
            return await self._asked(body, await self.session.token())
        except Refused as refused:
            if refused.code not in ("TOKEN_EXPIRED", "NOT_SIGNED_IN"):
                raise
        return await self._asked(body, await self.session.token(fresh=True))

    async def _asked(self, body: dict[str, Any], token: str) -> dict[str, Any]:
        async def answered() -> dict[str, Any]:
            return data_of(await self.line.post("/graphql", body, token=token))

        return await self.session.heeding(answered())

    async def _timed(self, operation: str, **variables: Any) -> dict[str, Any]:
        """As `ask`, and learns from it how good the link is."""
        began = time.monotonic()
        try:
            answer = await self.ask(operation, **variables)
        except LostAnswer:
            self.pace.cut()
            raise
        self.pace.arrived(time.monotonic() - began)
        return answer

    async def sync(self, *, pull: bool = True) -> int:
        """Pushes all lanes and pulls until the copy is complete; returns how much news the pull brought.

        Raises:
            Away, Refused: not everything was done; nothing is lost.
        """
        await self.push("SOS")
        sent = await asyncio.gather(*map(self.push, LANES[1:]), return_exceptions=True)
        for fault in sent:
            if fault is not None:
                raise fault
        if not pull:
            return 0
        # Also where only the walk of the first lists was cut: it may have dropped rows that it has not brought again.
        if not self.complete() or (self.cursor(FIRST) and not self.complete(FIRST)):
            await self.pull(FIRST)
        return await self.pull()

    async def report_backlog(self, battery_percent: int | None = None) -> None:
        """Tells what still waits; after a sync that left something, and when the battery gets low.

        Raises:
            Away, Refused: supervisors go on with what was reported before.
        """
        await self.ask(
            "ReportBacklog",
            lanes=self.outbox.backlog(),
            appVersion=APP_VERSION,
            batteryPercent=battery_percent,
        )

    # Pushing

    async def push(self, lane: str) -> None:
        """Sends what waits in a lane, until nothing does or the server asks to wait.

        Raises:
            Away, Refused: not everything was sent; what was answered is kept.
        """
        async with self._sending[lane]:
            while self.outbox.waiting(lane):
                await self._sos_first(lane)
                if not self.outbox.known(lane):
                    # Asks only where the lane stands: this phone may have had it before it was wiped.
                    told = (await self.ask("Push", lane=lane, mutations=[]))["push"]
                    self.outbox.begin(lane, told["appliedSequence"])
                batch = [one.as_input() for one in self.outbox.next_batch(lane, self.pace.bytes)]
                said = self.outbox.said(lane)
                told = (await self._timed("Push", lane=lane, mutations=batch, **said))["push"]
                if not self.outbox.settle(lane, told):
                    return

    async def _sos_first(self, lane: str | None = None) -> None:
        if lane != "SOS" and self.outbox.waiting("SOS"):
            await self.push("SOS")

    # Pulling

    async def pull(self, subjects: Sequence[str] | None = None, **check: Any) -> int:
        """Pulls until the copy is complete, and repairs it if it is not what the server has; returns how much came.

        Raises:
            Away, Refused: what had come was kept; go on later.
        """
        async with self._pulling:
            if subjects is None and not check and self._check_is_due():
                check = {"verify": True}
            news, page = await self._walk(subjects, check)
            if page["digests"] is not None:
                await self._repair(subjects, self._differing(page, subjects))
            if subjects is None:
                self.last_pull = time.monotonic()
            return news

    def _check_is_due(self) -> bool:
        return time.monotonic() - self.verified > VERIFY_EVERY.total_seconds()

    async def _walk(
        self, subjects: Sequence[str] | None, check: Mapping[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        """Page by page to the end; how much came, and the last page."""
        news = 0
        while True:
            await self._sos_first()
            page = await self.pull_page(subjects, **check)
            news += self.apply(page, subjects)
            if page["complete"]:
                return news, page

    async def pull_page(
        self, subjects: Sequence[str] | None = None, **check: Any
    ) -> dict[str, Any]:
        """Asks for the next page, and applies nothing."""
        chosen = {} if subjects is None else {"subjects": list(subjects)}
        asked = {"cursor": self.cursor(subjects), "first": PAGE_ROWS, "maxBytes": self.pace.bytes}
        page: dict[str, Any] = (await self._timed("Pull", **asked, **chosen, **check))["pull"]
        return page

    def apply(self, page: dict[str, Any], subjects: Sequence[str] | None = None) -> int:
        """Applies a page, cursor and all, in one transaction; returns how much it brought."""
        with self.store.transaction() as db:
            news = self.copy.apply(page, subjects)
            if subjects is None:
                self.outbox.heed_page(page)
                db.execute(
                    "update account set epoch = ?, scopes = ? where officer = ?",
                    (page["epoch"], json.dumps(page["scopes"]), self.id),
                )
            # The cursor last: where anything before it failed, the same page comes again.
            db.execute(
                "insert or replace into cursor (officer, subjects, cursor, complete) values (?, ?, ?, ?)",
                (self.id, _choice(subjects), page["cursor"], page["complete"]),
            )
        return news

    def purge(self, at: datetime) -> None:
        """Drops what has expired by the phone's own clock, also without signal."""
        with self.store.transaction():
            self.copy.purge(at)

    # Checking

    async def verify(self) -> list[Part]:
        """Pulls to the end and says where the copy is not what the server has; repairs nothing."""
        async with self._pulling:
            return await self._verify(None)

    async def _verify(self, subjects: Sequence[str] | None) -> list[Part]:
        _, page = await self._walk(subjects, {"verify": True})
        self.verified = time.monotonic()
        return self._differing(page, subjects)

    def _differing(self, page: Mapping[str, Any], subjects: Sequence[str] | None) -> list[Part]:
        # What a release before this one knew, and this one does not ask for, is not checked: it is given anew to the next.
        asked = [one for one in SUBJECTS if one in page and (subjects is None or one in subjects)]
        return Parts(self.copy).differing(page["digests"], asked)

    async def _repair(self, subjects: Sequence[str] | None, left: list[Part]) -> None:
        """Goes down to parts that are small enough, and has them put right, until nothing differs."""
        self.verified = time.monotonic()
        for _ in range(REPAIR_PULLS):
            if not left:
                return
            now = Parts(self.copy)
            small = [one for one in left if len(now.of(one)) <= REPAIRED_AT_ONCE][:PARTS_AT_ONCE]
            large = [one for one in left if one not in small][: PARTS_AT_ONCE - len(small)]
            check = {
                "repair": [now.held(one) for one in small],
                "ranges": [one.as_input() for one in large],
            }
            _, page = await self._walk(subjects, check)
            left = [one for one in left if one not in (*small, *large)]
            if large:
                left += Parts(self.copy).differing_below(page["digests"], large)
            left = left or await self._verify(subjects)
        self._begin_anew()

    def _begin_anew(self) -> None:
        with self.store.transaction() as db:
            db.execute("delete from copy where officer = ?", (self.id,))
            db.execute("delete from cursor where officer = ?", (self.id,))


def _choice(subjects: Sequence[str] | None) -> str:
    return "" if subjects is None else " ".join(sorted(subjects))
