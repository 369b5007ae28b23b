"""One officer signed in on one phone: a session, an outbox and a copy of his own, whoever else uses the phone."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Self

from api.demo.line import Line, Refused
from api.demo.outbox import LANES, Outbox
from api.demo.phone_key import DeviceKey
from api.demo.replica import Replica

PAGE = 500
EARLY_SECONDS = 30.0
"""An access token is renewed this long before its end, so that no request meets the end."""


@dataclass
class Profile:
    """An officer on a phone. Signing in needs the network once; afterwards everything but syncing works without."""

    key: DeviceKey
    line: Line
    officer: dict[str, Any]
    session_id: str
    access_token: str
    refresh_token: str
    access_ends: float
    outbox: Outbox = field(default_factory=Outbox)
    replica: Replica = field(default_factory=Replica)
    last_pull: float | None = None
    refreshes: int = 0
    _refreshing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _syncing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    async def enrol(cls, key: DeviceKey, line: Line, code: str, model: str) -> Self:
        """Trades a one-time code for a session on this phone.

        Raises:
            Away: nothing was heard; the same code with the same key may be sent again.
            Refused: the code is not good.
        """
        body = {
            "code": code,
            "publicKey": key.public_jwk,
            "proof": key.enrolment_proof(code),
            "platform": "android",
            "model": model,
            "appVersion": "demo",
        }
        told = await line.post("/auth/enrol", body)
        return cls(
            key,
            line,
            told["officer"],
            told["sessionId"],
            told["accessToken"],
            told["refreshToken"],
            time.monotonic() + told["accessTokenSeconds"],
        )

    async def refresh(self) -> None:
        """Trades the refresh token for its successor. The old one stays until the answer is here: it may be lost."""
        used = self.refresh_token
        async with self._refreshing:
            if self.refresh_token != used:
                return
            body = {
                "refreshToken": used,
                "proof": self.key.refresh_proof(used),
                "appVersion": "demo",
            }
            told = await self.line.post("/auth/refresh", body)
            self.refresh_token, self.access_token = told["refreshToken"], told["accessToken"]
            self.access_ends = time.monotonic() + told["accessTokenSeconds"]
            self.refreshes += 1

    async def token(self) -> str:
        """An access token that is good for a while.

        Raises:
            Away, Refused: it had to be renewed, and could not.
        """
        if time.monotonic() > self.access_ends - EARLY_SECONDS:
            await self.refresh()
        return self.access_token

    async def ask(self, operation: str, **variables: Any) -> dict[str, Any]:
        """Runs a trusted operation as this officer, with a fresh token when the old one is at its end.

        Raises:
            Away, Refused: as `Line.ask`.
        """
        try:
            return await self.line.ask(operation, await self.token(), **variables)
        except Refused as refused:
            if refused.code != "TOKEN_EXPIRED":
                raise
        await self.refresh()
        return await self.line.ask(operation, self.access_token, **variables)

    async def sync(self, *, pull: bool = True) -> int:
        """Pushes every lane and then pulls until the copy is complete; returns how much news the pull brought.

        The lanes travel side by side: an SOS never waits for records.

        Raises:
            Away, Refused: not everything was done; nothing is lost.
        """
        async with self._syncing:
            pushed = await asyncio.gather(*map(self._push, LANES), return_exceptions=True)
            for fault in pushed:
                if fault is not None:
                    raise fault
            return await self._pull() if pull else 0

    async def _push(self, lane: str) -> None:
        while batch := self.outbox.next_batch(lane):
            mutations = [one.as_input() for one in batch]
            told = (await self.ask("Push", lane=lane, mutations=mutations))["push"]
            if not self.outbox.settle(lane, told["answers"]):
                return

    async def _pull(self) -> int:
        news = 0
        while True:
            page = (await self.ask("Pull", cursor=self.replica.cursor, first=PAGE))["pull"]
            news += self.replica.apply(page)
            self.outbox.adopt(self.replica.applied)
            if self.replica.complete:
                self.last_pull = time.monotonic()
                return news

    def token_ends(self) -> None:
        """As if the app had not been opened for long: the next request must renew the session first."""
        self.access_ends = 0.0

    @property
    def badge(self) -> str:
        """The officer's service number."""
        return str(self.officer["badge"])

    @property
    def unseen(self) -> int:
        """Own changes whose effect is not in the copy yet, so that the app still shows its own version of them."""
        applied = self.replica.applied
        return sum(
            one.sequence > applied.get(lane, 0) for lane in LANES for one in self.outbox.lanes[lane]
        )
