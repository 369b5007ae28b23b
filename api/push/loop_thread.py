"""An event loop in a thread of its own, so that a library that blocks its loop cannot stall the server's."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs coroutines on its own loop; started by the first `submit` (so a fork before that is safe)."""

    def __init__(self, name: str, *, last: Callable[[], None] | None = None) -> None:
        """`last` runs in this thread after its loop has gone quiet and before the loop is closed."""
        self._name = name
        self._last = last
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._stopped = False

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Starts the coroutine there; the future may be awaited with `asyncio.wrap_future` from any loop.

        Raises:
            RuntimeError: the thread was stopped.
        """
        with self._lock:
            if self._stopped:
                work.close()
                raise RuntimeError(f"{self._name} was closed")
            if self._thread is None:
                self._start()
            assert self._loop is not None
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def stop(self, timeout: float) -> bool:
        """Cancels what runs and ends the thread; False if it was still blocked after `timeout` seconds."""
        with self._lock:
            self._stopped = True
            if self._thread is None:
                return True
            if self._thread.is_alive():
                # The loop may have closed since; that is what we want.
                with contextlib.suppress(RuntimeError):
                    self._ask_to_stop()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _ask_to_stop(self) -> None:
        if self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)

    def _start(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._main, args=(ready,), name=self._name, daemon=True
        )
        self._thread.start()
        ready.wait()

    def _main(self, ready: threading.Event) -> None:
        # A plain selector loop whatever policy the process has chosen: nothing here needs a faster one.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._until_stopped(ready))
            if self._last is not None:
                self._last()
                # Connections that `last` closed say goodbye in the next turn of the loop that they were born in.
                runner.run(asyncio.sleep(0))

    async def _until_stopped(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        ready.set()
        await self._stopping.wait()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
