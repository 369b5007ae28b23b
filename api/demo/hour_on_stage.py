"""An hour on a server that is ready: everybody signs in, lives it, and is compared in the end."""

from __future__ import annotations

import contextlib

from rich.live import Live

from api.demo.board import Board
from api.demo.cast import cast
from api.demo.office import NotTheDemo, Office
from api.demo.options import Options
from api.demo.photos import NoPhotos
from api.demo.scene import Scene
from api.demo.servers import Stage
from api.demo.verdict import lose_a_row, tell, verdict
from api.settings import SettingsWrong
from mobile_contracts.reference import Away, Refused
from storage.faults import ServerFailed


async def play(options: Options, found: Stage, board: Board) -> bool:
    """Whether everybody agrees in the end.

    Raises:
        SettingsWrong: the photographs or the installation do not fit, or the server refuses what the demo needs.
        ServerFailed: it does not answer any more.
    """
    office = Office(found.address, found.token)
    try:
        return await _play(options, found, board, office)
    except (NotTheDemo, NoPhotos) as error:
        raise SettingsWrong(str(error)) from error
    except Refused as refused:
        raise SettingsWrong(f"The server refused what the demo needs: {refused}.") from refused
    except Away as away:
        raise ServerFailed(f"The server no longer answers: {away}.") from away
    finally:
        await office.close()


async def _play(options: Options, found: Stage, board: Board, office: Office) -> bool:
    async with cast(found.address, office, options, found.help_code) as people:
        board.note(
            f"{len(people.phones)} phones, {len(people.cameras)} cameras, {len(people.poles)} SOS poles and "
            f"{len(people.partners)} partners are signed in at {found.address}."
        )
        scene = Scene(people, options, board.say, board.show, found.firebase)
        board.scene = scene
        with contextlib.ExitStack() as shown:
            if board.console.is_terminal:
                board.live = shown.enter_context(Live(console=board.console, auto_refresh=False))
            await scene.play()
            if board.live is not None:
                board.live.update(board.drawn(), refresh=True)
        board.live = None
        for line in board.calls():
            board.note(line)
        if options.break_agreement:
            board.note(lose_a_row(people))
        findings = await verdict(people, scene.alarms, scene.recordings)
        tell(board.console, findings)
        return all(one.agrees for one in findings)
