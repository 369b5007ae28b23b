"""A phone's way to the server, which breaks as mobile networks do: no signal, cut requests, answers that never arrive."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any, Self

import httpx

from api.trusted import OPERATIONS, operation_id

AWAY = frozenset({429, 502, 503, 504})
"""Statuses of a server that cannot answer now."""


class Away(Exception):
    """Nothing was heard from the server; whether it heard us is not known. Try the same again."""


class LostAnswer(Away):
    """The request went out and its answer never came."""


class Refused(Exception):
    """The server answered that it will not."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.status = status


_AFTER_SENDING = ("http11.receive_response_headers.started", "http11.receive_response_body.started")
"""Two places to lose an answer: before the server is known to have finished, and after."""

_TIMEOUT = httpx.Timeout(15, connect=5)


@dataclass
class Line:
    """One phone's network.

    `weakness` is the share of answers that get lost on the way back; the request itself was sent in full.
    """

    client: httpx.AsyncClient
    rng: Random
    weakness: float = 0.0
    lost_answers: int = 0
    up: asyncio.Event = field(default_factory=asyncio.Event)
    down: asyncio.Event = field(default_factory=asyncio.Event)
    _flying: set[asyncio.Task[httpx.Response]] = field(default_factory=set)

    @classmethod
    def to(cls, address: str, rng: Random) -> Self:
        """A line to the server at an HTTP address, with signal."""
        line = cls(httpx.AsyncClient(base_url=address, timeout=_TIMEOUT, trust_env=False), rng)
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

    async def close(self) -> None:
        """Ends all connections."""
        await self.client.aclose()

    async def post(
        self, path: str, body: dict[str, Any], *, token: str | None = None
    ) -> dict[str, Any]:
        """Sends JSON and returns the JSON that comes back.

        Raises:
            Away: no network, no answer, or a server that cannot answer now.
            Refused: the server's own refusal, with its code.
        """
        headers = {"accept": "application/graphql-response+json, application/json"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        response = await self._send(path, body, headers)
        if response.status_code in AWAY:
            raise Away(f"the server answered {response.status_code}")
        try:
            answer: dict[str, Any] = response.json() if response.content else {}
        except ValueError as error:
            raise Away("the answer was cut") from error
        if response.is_error and "errors" not in answer:
            told = answer.get("error", {})
            raise Refused(
                told.get("code", "UNKNOWN"), told.get("message", ""), response.status_code
            )
        return answer

    async def _send(
        self, path: str, body: dict[str, Any], headers: dict[str, str]
    ) -> httpx.Response:
        if not self.online:
            raise Away("no signal")
        request = self.client.build_request("POST", path, json=body, headers=headers)
        if self.rng.random() < self.weakness:
            request.extensions["trace"] = self._loser(self.rng.choice(_AFTER_SENDING))
        task = asyncio.create_task(self.client.send(request))
        self._flying.add(task)
        task.add_done_callback(self._flying.discard)
        try:
            return await task
        except asyncio.CancelledError:
            us = asyncio.current_task()
            if us is not None and us.cancelling():
                raise
            raise LostAnswer("signal went while the request was under way") from None
        except httpx.HTTPError as error:
            raise Away(type(error).__name__) from error

    def _loser(self, place: str) -> Any:
        async def trace(event: str, _: dict[str, Any]) -> None:
            if event == place:
                self.lost_answers += 1
                raise LostAnswer("the answer was lost")

        return trace

    async def ask(self, operation: str, token: str, **variables: Any) -> dict[str, Any]:
        """Runs a trusted operation by its id and returns its data.

        Raises:
            Away: as `post`.
            Refused: with the code of the first error.
        """
        body = {"documentId": document_id(operation), "variables": variables}
        return data_of(await self.post("/graphql", body, token=token))


def document_id(operation: str) -> str:
    """The id of an operation that the app was released with."""
    if operation not in _IDS:
        text = (OPERATIONS / f"{operation}.graphql").read_text(encoding="utf-8")
        _IDS[operation] = operation_id(text)
    return _IDS[operation]


_IDS: dict[str, str] = {}


def data_of(answer: dict[str, Any]) -> dict[str, Any]:
    """The data of a GraphQL answer.

    Raises:
        Refused: the answer holds errors.
    """
    if answer.get("errors"):
        first = answer["errors"][0]
        code = first.get("extensions", {}).get("code", "UNKNOWN")
        if code in ("UNAVAILABLE", "DATABASE_UNAVAILABLE", "STORE_UNAVAILABLE"):
            raise Away(code)
        raise Refused(code, first.get("message", ""), 200)
    data: dict[str, Any] = answer["data"]
    return data
