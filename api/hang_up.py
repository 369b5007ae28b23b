"""Refuses a body that is still on its way without losing the refusal.

A connection that is closed while bytes arrive is reset, and the reset takes our answer with it; a connection that is
kept would have to swallow the whole body. So the answer goes out first, what follows is thrown away for a moment, and
then we hang up (nginx calls it a lingering close).
"""

from __future__ import annotations

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

LINGER_SECONDS = 2.0
LINGER_BYTES = 32 * 1024 * 1024


class LastAnswer(Response):
    """An answer after which the connection ends."""

    @classmethod
    def of(cls, answer: Response) -> LastAnswer:
        """The same answer, as the last one."""
        last = cls(answer.body, answer.status_code)
        last.raw_headers = [*answer.raw_headers, (b"connection", b"close")]
        return last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the answer whole, and its formal end only when the sender stopped or had its time."""
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        swallowed = 0
        with anyio.move_on_after(LINGER_SECONDS):
            while swallowed < LINGER_BYTES:
                message = await receive()
                swallowed += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    break
        await send({"type": "http.response.body", "body": b"", "more_body": False})
