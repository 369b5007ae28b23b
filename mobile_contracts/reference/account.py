"""One officer on one phone: a session, an outbox and a copy of his own, whoever else uses the phone.

    sync    SOS first ─▶ records and tracks, side by side ─▶ pull the calls for help ─▶ pull the rest

Lanes never wait for each other, and nothing goes before an SOS: one that is recorded meanwhile is sent before the next
page or batch of anything else.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from mobile_contracts.reference.copy import SUBJECTS, Choice, Copy, Row, name_of
from mobile_contracts.reference.key import DeviceKey
from mobile_contracts.reference.line import (
    Away,
    Line,
    LostAnswer,
    Refused,
    data_of,
    document_id,
)
from mobile_contracts.reference.outbox import LANES, Outbox
from mobile_contracts.reference.pace import Pace
from mobile_contracts.reference.parts import Part, Parts
from mobile_contracts.reference.session import APP_VERSION, Session
from mobile_contracts.reference.store import Store
from mobile_contracts.reference.view import view

PAGE_ROWS: Final = 500

URGENT: Final = ("alerts", "steps", "responses")
REST: Final = tuple(one for one in SUBJECTS if one not in URGENT)
CHOICES: Final[tuple[Choice, ...]] = (URGENT, REST)
"""What is pulled apart, in this order: calls for help do not wait behind a first fill on a bad link.

No list is in two of them. A cursor says what a copy holds only while nobody else changes that copy.
"""

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
        choices: tuple[Choice, ...] = CHOICES,
    ) -> None:
        """Takes up what the store has of the officer.

        Args:
            documents: the ids of the operations of this release of the app, by name; by default the newest.
            choices: which lists are pulled together, in which order. An app may pull all by one cursor: `(None,)`.
        """
        self.store, self.line, self.id = store, line, officer
        self.session = session or Session(store, key, line, officer)
        self.outbox = Outbox(store, officer)
        self.copy = Copy(store, officer)
        self.pace = Pace()
        self.documents = dict(documents or {})
        self.choices = choices
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

    def complete(self) -> bool:
        """Whether the walks of all lists came to their ends."""
        found = [self._cursor(one) for one in self.choices]
        return all(one is not None and one["complete"] for one in found)

    def _row(self) -> Any:
        return self.store.db.execute(
            "select * from account where officer = ?", (self.id,)
        ).fetchone()

    def cursor(self, subjects: Choice = None) -> str | None:
        """Where a pull of these lists, or of all by one cursor, goes on."""
        found = self._cursor(subjects)
        return None if found is None else str(found["cursor"])

    def _cursor(self, subjects: Choice) -> Any:
        return self.store.db.execute(
            "select * from cursor where officer = ? and choice = ?", (self.id, name_of(subjects))
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
        return await self.pull() if pull else 0

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
                    if told["epoch"] is None:
                        raise Away("the database could not be asked where the lane stands")
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

    async def pull(self, **check: Any) -> int:
        """Pulls until the copy is complete, and repairs it if it is not what the server has; returns how much came.

        Raises:
            Away, Refused: what had come was kept; go on later.
        """
        async with self._pulling:
            due = self._check_is_due()
            if due and not check:
                check = {"verify": True}
            news = 0
            for subjects in self.choices:
                came, page = await self._walk(subjects, check)
                news += came
                if page["digests"] is not None:
                    await self._repair(subjects, self._differing(page, subjects))
            self.last_pull = time.monotonic()
            if due:
                self.verified = self.last_pull
            return news

    def _check_is_due(self) -> bool:
        return time.monotonic() - self.verified > VERIFY_EVERY.total_seconds()

    async def _walk(self, subjects: Choice, check: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Page by page to the end; how much came, and the last page."""
        news = 0
        while True:
            await self._sos_first()
            page = await self.pull_page(subjects, **check)
            news += self.apply(page, subjects)
            if page["complete"]:
                return news, page

    async def pull_page(self, subjects: Choice = None, **check: Any) -> dict[str, Any]:
        """Asks for the next page of one of the choices, and applies nothing."""
        chosen = {} if subjects is None else {"subjects": list(subjects)}
        asked = {"cursor": self.cursor(subjects), "first": PAGE_ROWS, "maxBytes": self.pace.bytes}
        page: dict[str, Any] = (await self._timed("Pull", **asked, **chosen, **check))["pull"]
        return page

    def apply(self, page: dict[str, Any], subjects: Choice = None) -> int:
        """Applies a page, cursor and all, in one transaction; returns how much it brought."""
        begins = self.cursor(subjects) is None
        with self.store.transaction() as db:
            news = self.copy.apply(page, subjects, begins=begins)
            self.outbox.heed_page(page, name_of(subjects), [name_of(one) for one in self.choices])
            db.execute(
                "update account set scopes = ? where officer = ?",
                (json.dumps(page["scopes"]), self.id),
            )
            # The cursor last: where anything before it failed, the same page comes again.
            db.execute(
                "insert or replace into cursor (officer, choice, cursor, complete) values (?, ?, ?, ?)",
                (self.id, name_of(subjects), page["cursor"], page["complete"]),
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
            return [part for one in self.choices for part in await self._verify(one)]

    async def _verify(self, subjects: Choice) -> list[Part]:
        _, page = await self._walk(subjects, {"verify": True})
        return self._differing(page, subjects)

    def _differing(self, page: Mapping[str, Any], subjects: Choice) -> list[Part]:
        # What a release before this one knew, and this one does not ask for, is not checked: it is given anew to the next.
        asked = [one for one in SUBJECTS if one in page and (subjects is None or one in subjects)]
        return Parts(self.copy).differing(page["digests"], asked)

    async def _repair(self, subjects: Choice, left: list[Part]) -> None:
        """Goes down to parts that are small enough, and has them put right, until nothing differs."""
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
        self._begin_anew(subjects)

    def _begin_anew(self, subjects: Choice) -> None:
        # The first page without a cursor drops what was there.
        self.store.db.execute(
            "delete from cursor where officer = ? and choice = ?", (self.id, name_of(subjects))
        )
