"""The way to the server. Three things can come back: an answer, a refusal, or nothing; nothing says nothing.

Away             nothing was heard; send the same again
└── LostAnswer   it was under way: the server may have done it
Refused          the server answered that it will not
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, Self

import httpx

OPERATIONS = Path(__file__).resolve().parent.parent / "operations"
"""The operations that the app was released with."""

AWAY = frozenset({429, 502, 503, 504})
"""Statuses of a server, or of something before it, that cannot answer now."""

LATER = frozenset(
    {
        "UNAVAILABLE", "DATABASE_UNAVAILABLE", "DATABASE_IS_STANDBY", "STORE_UNAVAILABLE", "STORE_REFUSED",
        "RETRY_LATER", "INTERNAL",
    }
)  # fmt: skip
"""Codes by which the server says the same."""

TIMEOUT = httpx.Timeout(15, connect=5)


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


class Line(Protocol):
    """Anything that carries JSON to the server and back."""

    async def post(
        self, path: str, body: dict[str, Any], *, token: str | None = None
    ) -> dict[str, Any]:
        """Sends JSON and returns the JSON that comes back.

        Raises:
            Away: no network, no answer, or a server that cannot answer now.
            Refused: the server's own refusal, with its code.
        """
        ...


@dataclass
class HttpLine:
    """A line over HTTP. httpx asks for gzip by itself."""

    client: httpx.AsyncClient

    @classmethod
    def to(cls, address: str) -> Self:
        """A line to the server at an HTTP address."""
        return cls(httpx.AsyncClient(base_url=address, timeout=TIMEOUT, trust_env=False))

    async def close(self) -> None:
        """Ends all connections."""
        await self.client.aclose()

    async def post(
        self, path: str, body: dict[str, Any], *, token: str | None = None
    ) -> dict[str, Any]:
        """As `Line.post`."""
        headers = {"accept": "application/graphql-response+json, application/json"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        return answer_of(
            await self.send(self.client.build_request("POST", path, json=body, headers=headers))
        )

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Sends one request.

        Raises:
            Away: nothing was heard.
        """
        try:
            return await self.client.send(request)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Away(type(error).__name__) from error
        except httpx.HTTPError as error:
            raise LostAnswer(type(error).__name__) from error


def answer_of(response: httpx.Response) -> dict[str, Any]:
    """The JSON of a response. What is not the server's own JSON comes from something between, and is no answer.

    Raises:
        Away: it is none, or the server cannot answer now.
        Refused: with the server's code.
    """
    if response.status_code in AWAY:
        raise Away(f"the server answered {response.status_code}")
    try:
        answer: dict[str, Any] = response.json() if response.content else {}
    except ValueError as error:
        raise Away("the answer was cut") from error
    if response.is_error and "errors" not in answer:
        told = answer.get("error")
        if not isinstance(told, dict):
            raise Away(f"something answered {response.status_code}")
        if told["code"] in LATER:
            raise Away(told["code"])
        raise Refused(told["code"], told.get("message", ""), response.status_code)
    return answer


def data_of(answer: dict[str, Any]) -> dict[str, Any]:
    """The data of a GraphQL answer.

    Raises:
        Away: the server cannot answer now.
        Refused: with the code of the first error.
    """
    if answer.get("errors"):
        first = answer["errors"][0]
        code = first.get("extensions", {}).get("code", "UNKNOWN")
        if code in LATER:
            raise Away(code)
        raise Refused(code, first.get("message", ""), 200)
    data: dict[str, Any] = answer["data"]
    return data


@cache
def document_id(operation: str) -> str:
    """The id of an operation that the app was released with: the SHA-256 of the file's bytes."""
    return f"sha256:{sha256((OPERATIONS / f'{operation}.graphql').read_bytes()).hexdigest()}"
