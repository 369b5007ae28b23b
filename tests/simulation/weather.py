"""A phone's line to the simulated server: no signal, lost answers, requests that arrive twice, or long after."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from mobile_contracts.reference import Away, LostAnswer
from tests.simulation.ledger import Broken
from tests.simulation.server import Server


@dataclass
class Weather:
    """`bad` is the share of requests to which something happens; `between` may let others act before a request arrives."""

    server: Server
    rng: Random
    between: Callable[[], Awaitable[None]]
    tell: Callable[[str], None]
    online: bool = True
    bad: float = 0.0
    may_repair: set[str] = field(default_factory=set)
    late: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    repaired: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def post(
        self, path: str, body: dict[str, Any], *, token: str | None = None
    ) -> dict[str, Any]:
        """As `Line.post`. One request after the other, so that the same seed is the same schedule."""
        assert path == "/graphql"
        assert token is not None
        async with self._turn:
            # What is on the wire does not change with the sender's objects.
            return await self._post(json.loads(json.dumps(body)), token)

    async def _post(self, body: dict[str, Any], token: str) -> dict[str, Any]:
        if not self.online:
            raise Away("no signal")
        await self.between()
        self._look(body["variables"])
        luck = self.rng.random()
        if luck < self.bad * 0.2:
            self.tell("  a request is lost")
            raise LostAnswer("the request was lost")
        if luck < self.bad * 0.35:
            self.tell("  a request goes astray, and will arrive late")
            self.late.append((body, token))
            raise LostAnswer("the request went astray")
        answer = await self.server.answer(body, token)
        if luck < self.bad * 0.6:
            self.tell("  an answer is lost")
            raise LostAnswer("the answer was lost")
        if luck < self.bad * 0.75:
            self.tell("  a request arrives twice")
            answer = await self.server.answer(body, token)
        elif luck < self.bad * 0.9:
            self.late.append((body, token))
        if self.rng.random() < self.bad * 0.2:
            self.tell("  signal goes")
            self.online = False
        self._learn(body["variables"], answer)
        return answer

    async def deliver_late(self) -> None:
        """What went astray, or was sent twice, arrives now, in any order; nobody hears the answers."""
        self.rng.shuffle(self.late)
        for body, token in self.late:
            await self.server.answer(body, token)
        self.late.clear()

    def _look(self, variables: dict[str, Any]) -> None:
        """A repair heals what should never have been wrong, so each must have its cause."""
        for one in variables.get("repair") or ():
            self.repaired += 1
            if one["subject"] not in self.may_repair:
                raise Broken(f"the copy of {one['subject']} was not what the server has")

    def _learn(self, variables: dict[str, Any], answer: dict[str, Any]) -> None:
        if "lane" in variables and answer.get("data"):
            self.server.ledger.heard(variables["mutations"], answer["data"]["push"])
