"""The messages of graphql-transport-ws, read strictly and written by hand, because results are encoded already.

Source: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

from dataclasses import dataclass
from typing import Any

import orjson

from api.graphql.engine import GraphQLRequest
from api.graphql.parameters import from_members, kind_of
from patrol.errors import BadRequest

PROTOCOL = "graphql-transport-ws"

ACK = b'{"type":"connection_ack"}'
PING = b'{"type":"ping"}'


class Closing(Exception):
    """The socket ends with this code and reason.

    4400, 4401, 4403, 4406, 4408, 4409, 4429 and 4500 are the protocol's. Of the private codes, 4410 (the client
    gave no sign of life) and 4413 (the client reads too slowly) leave its library free to connect again, and
    1009 (message too big) does not.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        # A close frame has room for 123 bytes of UTF-8.
        self.reason = reason.encode()[:123].decode(errors="ignore")


@dataclass(frozen=True, slots=True)
class Init:
    """`connection_init`."""

    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ping:
    """`ping`; its payload comes back with the pong."""

    payload: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Pong:
    """`pong`, asked for or not."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """`subscribe`, for any kind of operation."""

    id: str
    request: GraphQLRequest


@dataclass(frozen=True, slots=True)
class Complete:
    """`complete`: the client no longer listens."""

    id: str


def read_message(data: bytes) -> Init | Ping | Pong | Subscribe | Complete:
    """Read one message of a client.

    Raises:
        Closing: 4400 and what is wrong with the message.
    """
    try:
        message = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise _bad("The message is not valid JSON") from None
    if not isinstance(message, dict):
        raise _bad(f"A message must be a JSON object, not {kind_of(message)}")
    match message.get("type"):
        case "connection_init":
            return Init(_payload(message) or {})
        case "ping":
            return Ping(_payload(message))
        case "pong":
            _payload(message)
            return Pong()
        case "subscribe":
            return Subscribe(_id(message), _request(message))
        case "complete":
            return Complete(_id(message))
        case str() as unknown:
            raise _bad(f"Clients send no message of type '{unknown[:40]}'")
        case other:
            raise _bad(f"A message needs a `type` that is a string, not {kind_of(other)}")


def write_pong(payload: dict[str, Any] | None) -> bytes:
    return orjson.dumps(
        {"type": "pong"} if payload is None else {"type": "pong", "payload": payload}
    )


def write_next(key: bytes, result: bytes) -> bytes:
    """`key` is the operation's id as JSON, `result` an encoded ExecutionResult."""
    return b'{"id":' + key + b',"type":"next","payload":' + result + b"}"


def write_error(key: bytes, errors: Any) -> bytes:
    return b'{"id":' + key + b',"type":"error","payload":' + orjson.dumps(errors) + b"}"


def write_complete(key: bytes) -> bytes:
    return b'{"id":' + key + b',"type":"complete"}'


def _payload(message: dict[str, Any]) -> dict[str, Any] | None:
    payload = message.get("payload")
    if payload is None or isinstance(payload, dict):
        return payload
    raise _bad(
        f"The payload of `{message['type']}` must be an object or null, not {kind_of(payload)}"
    )


def _id(message: dict[str, Any]) -> str:
    match message.get("id"):
        case "":
            raise _bad(f"The `id` of `{message['type']}` must not be empty")
        case str() as operation_id:
            return operation_id
        case other:
            raise _bad(f"The `id` of `{message['type']}` must be a string, not {kind_of(other)}")


def _request(message: dict[str, Any]) -> GraphQLRequest:
    payload = message.get("payload")
    if not isinstance(payload, dict):
        raise _bad(f"The payload of `subscribe` must be an object, not {kind_of(payload)}")
    try:
        return from_members(payload)
    except BadRequest as problem:
        raise _bad(f"Payload of `subscribe`: {problem.message}") from None


def _bad(reason: str) -> Closing:
    return Closing(4400, reason)
