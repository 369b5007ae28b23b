"""Just enough HTTP/1.1 for the fake Firebase: whole requests in, whole answers out, connections that can be cut."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus

from api.fake_firebase.answers import Answer

LARGEST_BODY = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request of a connection, None when the client has closed it.

    Raises:
        ValueError: the bytes are not a request that this server understands.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _version = first.split(" ", 2)
    headers: dict[str, str] = {}
    for line in filter(None, lines):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    length = int(headers.get("content-length", "0"))
    if "transfer-encoding" in headers or not 0 <= length <= LARGEST_BODY:
        raise ValueError("only bodies of a known, modest length are read")
    return Request(method, path, headers, await reader.readexactly(length))


def encode(answer: Answer) -> bytes:
    """The bytes of an answer."""
    if isinstance(answer.body, str):
        content_type, body = "text/html; charset=UTF-8", answer.body.encode()
    else:
        content_type, body = (
            "application/json; charset=UTF-8",
            json.dumps(answer.body or {}).encode(),
        )
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in answer.headers),
        "\r\n",
    ]
    return "\r\n".join(lines).encode("latin-1") + body
