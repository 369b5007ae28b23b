"""What most commands begin with: the settings, the database under the administrator's own name, and tables to show."""

from __future__ import annotations

import getpass
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from api.settings import Settings
    from storage.database import Database
    from storage.principal import Principal


def note(text: str) -> None:
    """Says something beside the result, which alone goes to standard output."""
    sys.stderr.write(f"{text}\n")


def out(text: str = "") -> None:
    """One line of the result."""
    sys.stdout.write(f"{text}\n")


def settings() -> Settings:
    """The settings of the environment, with logs going to standard error."""
    from api.logs import configure_logs
    from api.settings import load_settings

    loaded = load_settings()
    configure_logs("console", "error", for_good=False)
    return loaded


def operator() -> Principal:
    """Whom the audit log names for what is done by command: the product, and who was logged in on this machine."""
    from storage.principal import system

    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return system(f"cli/{name}")


@asynccontextmanager
async def database(loaded: Settings | None = None) -> AsyncIterator[Database]:
    """The database of the settings, of a running `patrol up`, or of the data directory for as long as the command."""
    import asyncio

    from api.machine import servers
    from storage.database import Database
    from storage.fitness import require_fit

    found = servers(loaded or settings(), note=note)
    addressed = await asyncio.to_thread(found.__enter__)
    try:
        assert addressed.database_url is not None  # `servers` found or refused it
        await require_fit(addressed.database_url)
        opened = await Database.connect(addressed.database_url, size=2)
        try:
            yield opened
        finally:
            await opened.close()
    finally:
        await asyncio.to_thread(found.__exit__, None, None, None)


@asynccontextmanager
async def reading() -> AsyncIterator[Any]:
    """A connection that reads everything an administrator may list, in one snapshot."""
    from storage.principal import Role

    async with database() as opened, opened.read(Role.SYSTEM, operator()) as entered:
        yield entered.connection


@asynccontextmanager
async def writing() -> AsyncIterator[Any]:
    """A connection in one transaction under the administrator's own name."""
    async with database() as opened, opened.write(operator()) as connection:
        yield connection


async def poke_staff(connection: Any, subject: Any) -> None:
    """Tells phones at the commit that an officer has changed, or the officers of a session or phone."""
    from api.live import poke_at_commit
    from patrol.stations import staff_of

    await poke_at_commit(connection, await staff_of(connection, subject), ["officers"])


async def poke_station(connection: Any, station: Any, subjects: Sequence[str]) -> None:
    """Tells the phones of a station at the commit that something of it, or of any of its zones, has changed."""
    from api.live import poke_at_commit
    from storage.stations import READ_ALL_SCOPES

    rows = await connection.fetch(READ_ALL_SCOPES, station)
    await poke_at_commit(connection, [row["id"] for row in rows], subjects)


async def poke_checkpoint(connection: Any, checkpoint: Any) -> None:
    """Tells the phones of the place where a checkpoint hangs, at the commit, that it has changed."""
    from api.live import poke_at_commit
    from patrol.checkpoints import scope_of

    scope = await scope_of(connection, checkpoint)
    await poke_at_commit(connection, [] if scope is None else [scope], ["checkpoints"])


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Shows rows as a table on a terminal, and as tab-separated lines to a program."""
    if not sys.stdout.isatty():
        for row in rows:
            out("\t".join(_plain(cell) for cell in row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(_plain(cell)) for cell in row))
    Console().print(drawn)


def _plain(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, list | tuple):
        return " ".join(_plain(one) for one in cell) or "-"
    if hasattr(cell, "isoformat"):
        return str(cell.isoformat(timespec="seconds"))
    return str(cell)
