"""`patrol up`: everything on this machine with one command."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.exits import plainly, run
from api.cli.session import note, out, settings

if TYPE_CHECKING:
    from api.bootstrap import Bootstrapped
    from api.children import Children
    from api.machine import Machine
    from api.settings import Settings


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(up)


@plainly
def up(
    empty: Annotated[
        bool, typer.Option("--empty", help="Without the demonstration station.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Instead of PATROL_PORT; 0 picks a free one."),
    ] = None,
) -> None:
    """Run everything on this machine: database, object store, server and worker.

    PATROL_DATABASE_URL and PATROL_S3_URL replace the embedded servers by your own. Data is kept in PATROL_DATA_DIR
    (.patrol). The first start makes an administrator's token, shown once, and the demonstration station.
    Ctrl-C ends it cleanly; a second Ctrl-C at once, which loses nothing that was stored.
    """
    from api.children import Children

    loaded = settings()
    loaded = loaded.model_copy(update={"data_dir": loaded.data_dir.resolve()})
    if port is not None:
        loaded = loaded.model_copy(update={"port": port})
    children = Children(loaded.data_dir)
    # First of all, because its imports take longer than the rest; it waits until the addresses are published.
    children.start("serve")
    from api.machine import Machine

    machine = Machine(loaded)
    try:
        run(_run(machine, children, demo=not empty))
    finally:
        children.stop()
        with _progress("Stopping the embedded servers"):
            machine.stop()


async def _run(machine: Machine, children: Children, *, demo: bool) -> None:
    import asyncio

    from api.children import leave_at_once

    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    main = asyncio.current_task()
    assert main is not None  # we run in it
    running = False

    def stop() -> None:
        if stopping.is_set():
            leave_at_once()
        stopping.set()
        if not running:
            main.cancel()

    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(one, stop)
    try:
        with _progress("Starting the servers"):
            made, addressed, address = await _prepared(machine, children.start_id, demo=demo)
            children.start("work")
            await children.ready(address)
        from api.banner import banner

        out(await asyncio.to_thread(banner, addressed, address, made, logs=children.logs))
        sys.stdout.flush()
        running = True
        await children.keep(stopping, note=note)
    except asyncio.CancelledError:
        if not stopping.is_set():
            raise
    finally:
        with _progress("Stopping the server and the worker"):
            # In a thread, so that a second signal is heard meanwhile.
            await asyncio.to_thread(children.stop)


async def _prepared(
    machine: Machine, start: str, *, demo: bool
) -> tuple[Bootstrapped, Settings, str]:
    """Starts the servers, makes what is missing, and publishes the addresses."""
    import asyncio

    from api.bootstrap import bootstrap
    from api.listening import address_of, bound_socket
    from api.machine import prepare
    from api.secret import installation_secret
    from storage.fitness import require_fit

    addressed = await asyncio.to_thread(machine.start)
    installation_secret(addressed)
    # A taken port must be told before anything is made.
    with bound_socket(addressed.host, addressed.port) as sock:
        address = address_of(sock)
        addressed = addressed.model_copy(update={"port": sock.getsockname()[1]})
        found = await prepare(addressed)
        assert addressed.database_url is not None  # started machines have it
        await require_fit(addressed.database_url)
        await _buckets(addressed)
        made = await bootstrap(addressed, found, demo=demo)
    machine.publish(addressed, address, start)
    return made, addressed, address


async def _buckets(addressed: Settings) -> None:
    from api.stores import require_fit_store, store_of

    store = store_of(addressed)
    try:
        await store.ensure_buckets()
        await require_fit_store(store)
    finally:
        store.close()


@contextmanager
def _progress(what: str) -> Iterator[None]:
    """A spinner on a terminal, one line elsewhere."""
    if not sys.stderr.isatty():
        note(f"{what} …")
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(f"{what} …"):
        yield
