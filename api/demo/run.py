"""One run of the demo from its server to its verdict."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator

from rich.console import Console
from rich.live import Live

from api.demo.board import Board
from api.demo.cast import cast
from api.demo.line import Refused
from api.demo.office import NotTheDemo, Office
from api.demo.options import Options
from api.demo.photos import NoPhotos
from api.demo.scene import Scene
from api.demo.servers import stage
from api.demo.verdict import lose_a_row, tell, verdict
from api.settings import Settings, SettingsWrong


async def run(options: Options, settings: Settings, console: Console | None = None) -> bool:
    """Plays the demo and tells its verdict; whether everybody agrees.

    Raises:
        SettingsWrong: the options or the installation do not fit.
        StorageFault: the server cannot be started or reached.
    """
    board = Board(console or Console())
    try:
        with _terminated_as_interrupted():
            return await _run(options, settings, board)
    except (NotTheDemo, NoPhotos, ValueError) as error:
        raise SettingsWrong(str(error)) from error
    except Refused as refused:
        raise SettingsWrong(f"The server refused the demo: {refused}.") from refused


async def _run(options: Options, settings: Settings, board: Board) -> bool:
    began = time.monotonic()
    async with stage(options, settings, board.note) as found:
        office = Office(found.address, found.token)
        try:
            async with cast(found.address, office, options) as people:
                board.note(
                    f"{len(people.phones)} phones, {len(people.cameras)} cameras, {len(people.poles)} SOS poles and "
                    f"{len(people.partners)} partners on {found.address}, ready after "
                    f"{time.monotonic() - began:.1f} s. "
                    + ("Pushes go to a fake Firebase." if found.firebase else "")
                )
                scene = Scene(people, options, board.say, board.show, found.firebase)
                board.scene = scene
                with contextlib.ExitStack() as shown:
                    if board.console.is_terminal:
                        board.live = shown.enter_context(
                            Live(console=board.console, auto_refresh=False)
                        )
                    await scene.play()
                    if board.live is not None:
                        board.live.update(board.drawn(), refresh=True)
                board.live = None
                _tell_alarms(board, scene)
                if options.break_agreement:
                    board.note(lose_a_row(people))
                findings = await verdict(people, scene.alarms)
                tell(board.console, findings)
        finally:
            await office.close()
    board.note(f"Done after {time.monotonic() - began:.0f} s.")
    return all(one.agrees for one in findings)


def _tell_alarms(board: Board, scene: Scene) -> None:
    for alarm in scene.alarms.by_id.values():
        called = (
            f"accepted by Firebase after {alarm.after(alarm.accepted_at)} for {alarm.accepted} phones"
            if alarm.accepted
            else "no push"
        )
        who = scene.cast.name_of(alarm.acknowledged_by) if alarm.acknowledged_by else "nobody"
        board.note(
            f"SOS by {alarm.by}{' (raised without signal)' if alarm.offline else ''}: {called}, heard after "
            f"{alarm.after(alarm.heard_at)}, answered by {who} after {alarm.after(alarm.acknowledged_at)}"
        )


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
