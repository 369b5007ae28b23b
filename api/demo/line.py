"""A phone's way to the server, which breaks as mobile networks do: no signal, cut requests, answers that never arrive."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from mobile_contracts.reference import Away, HttpLine, LostAnswer
from mobile_contracts.reference.line import TIMEOUT

_AFTER_SENDING = ("http11.receive_response_headers.started", "http11.receive_response_body.started")
"""Two places to lose an answer: before the server is known to have finished, and after."""


@dataclass
class WeakLine(HttpLine):
    """One phone's network.

    `weakness` is the share of answers that get lost on the way back; the request itself was sent in full.
    """

    rng: Random
    weakness: float = 0.0
    lost_answers: int = 0
    up: asyncio.Event = field(default_factory=asyncio.Event)
    down: asyncio.Event = field(default_factory=asyncio.Event)
    _flying: set[asyncio.Task[httpx.Response]] = field(default_factory=set)

    @classmethod
    def over(cls, address: str, rng: Random) -> WeakLine:
        """A line to the server at an HTTP address, with signal."""
        line = cls(httpx.AsyncClient(base_url=address, timeout=TIMEOUT, trust_env=False), rng)
        line.up.set()
        return line

    @property
    def online(self) -> bool:
        """Whether there is signal."""
        return self.up.is_set()

    def connect(self) -> None:
        """Signal comes back."""
        self.down.clear()
        self.up.set()

    def disconnect(self) -> None:
        """Signal goes, also under requests that are on their way."""
        self.up.clear()
        self.down.set()
        for task in self._flying:
            task.cancel()

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Sends one request, if there is signal.

        Raises:
            Away: nothing was heard.
        """
        if not self.online:
            raise Away("no signal")
        if self.rng.random() < self.weakness:
            request.extensions["trace"] = self._loser(self.rng.choice(_AFTER_SENDING))
        task = asyncio.create_task(super().send(request))
        self._flying.add(task)
        task.add_done_callback(self._flying.discard)
        try:
            return await task
        except asyncio.CancelledError:
            us = asyncio.current_task()
            if us is not None and us.cancelling():
                raise
            raise LostAnswer("signal went while the request was under way") from None

    def _loser(self, place: str) -> Any:
        async def trace(event: str, _: dict[str, Any]) -> None:
            if event == place:
                self.lost_answers += 1
                raise LostAnswer("the answer was lost")

        return trace
