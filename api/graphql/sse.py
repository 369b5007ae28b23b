"""GraphQL over server-sent events, distinct connections mode of the graphql-sse protocol."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.types import Receive, Scope, Send

from api.graphql.disconnect import ClientGone, wait_for_disconnect
from api.graphql.engine import Outcome
from api.graphql.refusals import body_of, mistake
from patrol.errors import Problem

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back until its buffer is full
]
# A comment; the first one also makes proxies and clients see that the stream is open.
_COMMENT = b":\n\n"
# EventSource dispatches only events that have a data line, even an empty one.
_COMPLETE = b"event: complete\ndata:\n\n"


class EventStream:
    """A response of `next` events and a `complete` event; it ends and cleans up when the client goes away.

    A slow client slows the reading of the stream, and nothing else: what the stream's source does meanwhile is
    its own business.
    """

    def __init__(
        self, answer: AsyncGenerator[bytes, None] | Outcome, keep_alive_seconds: float
    ) -> None:
        self._stream = _once(answer.body) if isinstance(answer, Outcome) else answer
        self._keep_alive_seconds = keep_alive_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with aclosing(self._stream), asyncio.TaskGroup() as group:
                await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
                watching = group.create_task(_fail_on_disconnect(receive))
                keeping = group.create_task(self._keep_alive(send))
                await self._send_results(send)
                keeping.cancel()  # before the last bytes: a comment after them would be an error
                await _write(send, _COMPLETE, more=False)
                watching.cancel()
        except* ClientGone:
            pass  # there is nobody left to tell; all is cleaned up

    async def _send_results(self, send: Send) -> None:
        await _write(send, _COMMENT)
        try:
            async for result in self._stream:
                await _write(send, next_event(result))
                # A server takes bytes for a client that is gone without a pause, and a source that has much to
                # say need not pause either: without this the news of the disconnect would never get a turn.
                await asyncio.sleep(0)
        except ClientGone:
            raise
        except Problem as problem:
            await _write(send, next_event(body_of(problem)))
        except Exception as error:
            await _write(send, next_event(body_of(mistake(error, "sse"))))

    async def _keep_alive(self, send: Send) -> None:
        while True:
            await asyncio.sleep(self._keep_alive_seconds)
            await _write(send, _COMMENT)


def next_event(result: bytes) -> bytes:
    """One `next` event. JSON may hold line breaks between its tokens, and each line needs its field name."""
    return b"event: next\ndata: " + b"\ndata: ".join(result.splitlines()) + b"\n\n"


async def _write(send: Send, event: bytes, *, more: bool = True) -> None:
    try:
        await send({"type": "http.response.body", "body": event, "more_body": more})
    except OSError:
        raise ClientGone from None


async def _fail_on_disconnect(receive: Receive) -> None:
    await wait_for_disconnect(receive)
    raise ClientGone


async def _once(result: bytes) -> AsyncGenerator[bytes, None]:
    yield result
