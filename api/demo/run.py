"""One run of the demo from its server to its verdict."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator

from rich.console import Console

from api.demo.board import Board
from api.demo.options import Options
from api.demo.servers import stage
from api.settings import Settings


async def run(options: Options, settings: Settings, console: Console | None = None) -> bool:
    """Plays the demo and tells its verdict; whether everybody agrees.

    Raises:
        SettingsWrong: the options or the installation do not fit.
        StorageFault: the server cannot be started or reached.
    """
    board, began = Board(console or Console()), time.monotonic()
    with _terminated_as_interrupted():
        async with stage(options, settings, board.note) as found:
            # Imported late: until the server is ready there is nothing to play.
            from api.demo.hour_on_stage import play

            board.note(f"Ready after {time.monotonic() - began:.1f} s.")
            if found.firebase is not None:
                board.note("Pushes go to a Firebase that runs on this machine.")
            agreed = await play(options, found, board)
    board.note(f"Done after {time.monotonic() - began:.0f} s.")
    return agreed


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does: servers stopped, officers on their own beats again."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # we run in it
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.remove_signal_handler(signal.SIGTERM)
