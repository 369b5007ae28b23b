"""Runs the HTTP server and the worker of a process until it is told to stop, and then ends them cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import structlog
import uvicorn

from api.auditing import auditing
from api.listening import address_of, bound_socket
from api.services import Services, running
from api.settings import Settings
from api.stores import require_fit_store
from patrol.sos.calling import keep_ready
from storage.faults import StorageFault, StoreUnavailable

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
            await _examine_store(services)
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

            # What is there now stays for good. The collector would look at all of it again and again, for nothing.
            gc.collect()
            gc.freeze()
            with _told_to_stop(stop):
                async with auditing(services):
                    await server.serve([sock])
    finally:
        sock.close()


async def _examine_store(services: Services) -> None:
    """Refuses buckets that cannot keep evidence. A store that is away is told by /readyz, and may come back."""
    try:
        await require_fit_store(services.store)
    except StoreUnavailable as fault:
        log.warning("store_not_examined", reason=fault.message)


async def work(settings: Settings, *, ready: Callable[[], None]) -> None:
    """Runs jobs until SIGINT or SIGTERM; running jobs may finish, and what is cut off runs again elsewhere."""
    from api.worker import worker_of

    async with running(settings) as services:
        await _examine_store(services)
        worker = worker_of(services)
        with _told_to_stop(worker.stop):
            announcing = asyncio.create_task(_announce(worker.started, ready))
            warming = asyncio.create_task(_keep_warm(services))
            try:
                async with auditing(services):
                    await worker.run()
            finally:
                announcing.cancel()
                warming.cancel()


async def _announce(started: asyncio.Event, tell: Callable[[], None]) -> None:
    await started.wait()
    tell()


async def _keep_warm(services: Services) -> None:
    """The first SOS must not pay for a cold push client, an access token that ran out, or statements not yet planned."""
    while True:
        try:
            await keep_ready(services.database)
        except (StorageFault, asyncpg.PostgresError, OSError, TimeoutError) as error:
            log.warning("calling_not_ready", error=type(error).__name__)
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
