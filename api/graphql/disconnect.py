"""Stops work whose client has gone, so that an abandoned query does not hold a database connection."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

T = TypeVar("T")

PATIENCE_SECONDS = 0.05
"""Work that is done sooner is not worth watching over: it ends before it could be stopped, and most work does."""


class ClientGone(Exception):
    """The client closed the connection before the answer was complete."""


async def wait_for_disconnect(receive: Receive) -> None:
    """Return when the client has gone. The request body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Run `work` in this task and cancel it if the client goes away.

    This task does the work and a second one watches, because the work may enter scopes that belong to the task
    (time limits, log context). It is not a TaskGroup because this is on the way of every request.

    Raises:
        ClientGone: the client went away; `work` has been cancelled and has ended.
    """
    this = asyncio.current_task()
    assert this is not None
    loop = asyncio.get_running_loop()
    gone = False
    watcher: asyncio.Task[None] | None = None

    async def watch() -> None:
        nonlocal gone
        await wait_for_disconnect(receive)
        gone = True
        this.cancel()

    def begin() -> None:
        nonlocal watcher
        watcher = loop.create_task(watch())

    beginning = loop.call_later(PATIENCE_SECONDS, begin)
    try:
        return await work
    except asyncio.CancelledError:
        if gone and this.uncancel() == 0:
            raise ClientGone from None
        raise
    finally:
        beginning.cancel()
        if watcher is not None:
            watcher.cancel()
