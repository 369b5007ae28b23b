"""The server that the demo plays on: one that runs already, or one of its own with a Firebase of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from uuid import UUID

from api.children import answers_ready
from api.cli.session import database, operator
from api.demo.options import Options
from api.fake_firebase import FakeFirebase
from api.machine import published_address
from api.settings import Settings, SettingsWrong
from storage.embedded.processes import ChildProcess
from storage.embedded.s3_doors import write_private
from storage.principal import Role

START_SECONDS = 120.0
POLL_SECONDS = 0.05
TOKEN_TIME = timedelta(hours=2)
_STOP = ((signal.SIGTERM, 45.0), (signal.SIGKILL, 5.0))


@dataclass(frozen=True)
class Stage:
    """Where the demo plays. `firebase` is None where the server's push is not ours, `help_code` where its database is not
    at hand: it makes the text of the code that hangs on a pole."""

    address: str
    token: str
    own: bool
    firebase: FakeFirebase | None = None
    help_code: Callable[[str], Awaitable[str]] | None = None


@asynccontextmanager
async def stage(
    options: Options, settings: Settings, note: Callable[[str], None]
) -> AsyncIterator[Stage]:
    """A ready server with an administrator's token.

    Raises:
        SettingsWrong: nobody answers at the address that was given.
        StorageFault: the server cannot be started, or its database cannot be asked for a token.
    """
    if options.data_dir is not None:
        settings = settings.model_copy(update={"data_dir": options.data_dir})
    running = options.url or published_address(settings)
    if running is not None and await asyncio.to_thread(answers_ready, running):
        note(f"Playing on the server at {running}. The demonstration's records stay there.")
        at_hand = None if options.token else _help_codes(settings)
        yield Stage(running, options.token or await _token(settings), own=False, help_code=at_hand)
    elif options.url is not None:
        raise SettingsWrong(f"No server is ready at {options.url}.")
    else:
        async with _own(options, settings, note) as own:
            yield own


async def _token(settings: Settings) -> str:
    """A token as `patrol admin token` gives one; it ends by itself."""
    from patrol.identity import issue_admin_token  # takes a second, in which a server can start

    async with database(settings) as opened, opened.write(operator()) as connection:
        until = datetime.now(UTC) + TOKEN_TIME
        return (await issue_admin_token(connection, "demo", expires_at=until)).secret


def _help_codes(settings: Settings) -> Callable[[str], Awaitable[str]]:
    """What `patrol post qr` prints."""

    async def code(post_id: str) -> str:
        from api.help_codes import help_code

        async with (
            database(settings) as opened,
            opened.write(operator(), Role.SYSTEM) as connection,
        ):
            return await help_code(connection, settings, UUID(post_id))

    return code


@asynccontextmanager
async def _own(
    options: Options, settings: Settings, note: Callable[[str], None]
) -> AsyncIterator[Stage]:
    """`patrol up` as a child, in the given data directory or in one that is deleted afterwards."""
    async with contextlib.AsyncExitStack() as stack:
        directory = options.data_dir
        if directory is None:
            directory = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="patrol-demo-"))
            stack.push_async_callback(
                asyncio.to_thread, shutil.rmtree, directory, ignore_errors=True
            )
        await asyncio.to_thread(directory.mkdir, mode=0o700, parents=True, exist_ok=True)
        settings = settings.model_copy(update={"data_dir": directory})
        environment = {"PATROL_DATA_DIR": str(directory.resolve()), "PATROL_HOST": "127.0.0.1"}
        firebase = None
        if settings.firebase_credentials is None:
            firebase = stack.enter_context(FakeFirebase())
            environment |= _credentials(firebase, directory.resolve())
        port = _free_port()
        child = _up(port, environment, directory.resolve())
        stack.push_async_callback(asyncio.to_thread, child.stop)
        note("Starting a server of its own …")
        address = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(child.start)
        # What the hour needs takes seconds to import, and the server takes seconds to start.
        await asyncio.to_thread(import_module, "api.demo.hour_on_stage")
        await _ready(child, address)
        yield Stage(
            address,
            await _token(settings),
            own=True,
            firebase=firebase,
            help_code=_help_codes(settings),
        )
        note("Stopping it …")


def _credentials(firebase: FakeFirebase, directory: Path) -> dict[str, str]:
    path = directory / "fake-firebase.json"
    write_private(path, json.dumps(firebase.service_account()).encode())
    return {
        "PATROL_FIREBASE_CREDENTIALS": str(path),
        "PATROL_FIREBASE_ENDPOINT": firebase.url,
    }


def _up(port: int, environment: dict[str, str], directory: Path) -> ChildProcess:
    return ChildProcess(
        "`patrol up`",
        [sys.executable, "-m", "api.cli", "up", "--port", str(port)],
        directory=Path.cwd(),
        log=directory / "logs" / "up.log",
        stop_steps=_STOP,
        environment=dict(os.environ) | environment,
    )


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


async def _ready(child: ChildProcess, address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not await asyncio.to_thread(answers_ready, address):
        if not child.alive:
            raise child.failure("ended while it started")
        if time.monotonic() > deadline:
            raise child.failure("did not become ready in time")
        await asyncio.sleep(POLL_SECONDS)
