"""Runs the HTTP server and the worker of a process until it is told to stop, and then ends them cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
import uvicorn

from api.services import Services, running
from api.settings import Settings, SettingsWrong

log = structlog.get_logger(__name__)

GRACE_SECONDS = 10
"""How long requests that are under way may take at a stop before they are cut off."""

BACKLOG = 2048


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a process's main coroutine, on uvloop where it is installed."""
    factory = None
    with contextlib.suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket bound to the address but not yet listening; port 0 picks a free one.

    Raises:
        SettingsWrong: the address is not this machine's, or is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise SettingsWrong(
            f"The server cannot use {host} port {port}: {error.strerror or error}. "
            "Set PATROL_PORT to another port (0 picks a free one), or stop what uses it."
        ) from error
    return sock


def address_of(sock: socket.socket) -> str:
    """The HTTP address of a bound socket."""
    host, port = sock.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handling: it would end the process before our own doors are closed."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


async def serve(settings: Settings, *, ready: Callable[[str], None]) -> None:
    """Serves HTTP until SIGINT or SIGTERM; a second signal does not wait for requests that are under way.

    Args:
        ready: is told the address as soon as requests are answered.
    """
    from api.app import create_app

    sock = bound_socket(settings.host, settings.port)
    try:
        async with running(settings) as services:
            server = _Server(
                uvicorn.Config(
                    create_app(services),
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    backlog=BACKLOG,
                    ws_max_size=settings.body_bytes,
                    timeout_graceful_shutdown=GRACE_SECONDS,
                ),
                lambda: ready(address_of(sock)),
            )

            def stop() -> None:
                server.force_exit = server.should_exit
                server.should_exit = True

            with _told_to_stop(stop):
                await server.serve([sock])
    finally:
        sock.close()


async def work(settings: Settings, *, ready: Callable[[], None]) -> None:
    """Runs jobs until SIGINT or SIGTERM; running jobs may finish, and what is cut off runs again elsewhere."""
    from api.worker import worker_of

    async with running(settings) as services:
        worker = worker_of(services)
        with _told_to_stop(worker.stop):
            announcing = asyncio.create_task(_announce(worker.started, ready))
            warming = asyncio.create_task(_keep_warm(services))
            try:
                await worker.run()
            finally:
                announcing.cancel()
                warming.cancel()


async def _announce(started: asyncio.Event, tell: Callable[[], None]) -> None:
    await started.wait()
    tell()


async def _keep_warm(services: Services) -> None:
    """The first SOS must not pay for a cold push client, nor for an access token that ran out."""
    while True:
        if (problem := await services.notifier.warm()) is not None:
            log.warning("push_not_ready", problem=problem)
        await asyncio.sleep(60)


@contextmanager
def _told_to_stop(stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop)
    try:
        yield
    finally:
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(one)
