"""Keeps `serve` and `work` running as processes of their own, so that one machine runs exactly what many do.

Decoding a picture never stalls a door, a crash of one never takes the other along, and a killed parent takes both.
"""

from __future__ import annotations

import asyncio
import http
import http.client
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from storage.embedded.processes import ChildProcess

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.05
READY_SECONDS = 60.0
SHORT_LIFE_SECONDS = 10.0
"""A child that lived shorter than this did not work at all; three such lives in a row end the whole."""

SHORT_LIVES = 3

_STOP = ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0))


class Children:
    """The processes of one machine, by the name of their command."""

    def __init__(self, directory: Path) -> None:
        """`directory` is the data directory in which the addresses of this start will be published."""
        self.logs = directory / "logs"
        self.start_id = secrets.token_hex(8)
        self._environment = os.environ | {"PATROL_DATA_DIR": str(directory)}
        self._running: dict[str, ChildProcess] = {}
        self._started: dict[str, float] = {}
        self._short_lives: dict[str, int] = {}

    def start(self, name: str) -> None:
        """Spawns `serve` or `work`, which imports what it needs and then waits until the addresses are published."""
        self._short_lives[name] = 0
        self._spawn(name)

    def log_of(self, name: str) -> Path:
        """Where a child writes its log."""
        return self.logs / f"{name}.log"

    async def ready(self, address: str) -> None:
        """Returns when the server at the address says that it is ready.

        Raises:
            ServerFailed: a child keeps dying, or the server is not ready in time.
        """
        deadline = time.monotonic() + READY_SECONDS
        while not await asyncio.to_thread(answers_ready, address):
            self.restart_dead()
            if time.monotonic() > deadline:
                raise self._running["serve"].failure("did not become ready in time")
            await asyncio.sleep(POLL_SECONDS)

    async def keep(self, stopping: asyncio.Event, *, note: Callable[[str], None]) -> None:
        """Restarts what dies until `stopping` is set.

        Raises:
            ServerFailed: a child keeps dying.
        """
        while not stopping.is_set():
            for name in self.restart_dead():
                note(f"{name} ended and was started again; see {self.log_of(name)}.")
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await stopping.wait()
            except TimeoutError:
                continue

    def stop(self) -> None:
        """Ends all of them, harder after a while; blocking, and harmless when none runs."""
        with ThreadPoolExecutor(max(1, len(self._running))) as pool:
            for child in self._running.values():
                pool.submit(child.stop)
        self._running.clear()

    def restart_dead(self) -> list[str]:
        """Starts again what has ended, and says which."""
        dead = [name for name, child in self._running.items() if not child.alive]
        for name in dead:
            lived = time.monotonic() - self._started[name]
            short = lived < SHORT_LIFE_SECONDS
            self._short_lives[name] = self._short_lives[name] + 1 if short else 1
            if self._short_lives[name] >= SHORT_LIVES:
                raise self._running[name].failure("keeps ending")
            self._spawn(name)
        return dead

    def _spawn(self, name: str) -> None:
        child = ChildProcess(
            f"`patrol {name}`",
            [sys.executable, "-m", "api.cli", name, "--start", self.start_id],
            directory=Path.cwd(),
            log=self.log_of(name),
            stop_steps=_STOP,
            environment=self._environment,
        )
        child.start()
        self._running[name], self._started[name] = child, time.monotonic()


def answers_ready(address: str) -> bool:
    """Whether `/readyz` at an HTTP address answers 200."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def leave_at_once() -> None:
    """Ends this process without waiting; its children are told by the kernel, and nothing that was stored is lost."""
    os._exit(130)
