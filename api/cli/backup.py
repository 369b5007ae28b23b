"""`patrol backup`: tells phones until when acknowledged work is in a backup, so that they need not hold it longer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from api.cli.exits import plainly, run
from api.cli.session import database, note, operator, out


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(help="Backups: note what they hold.", no_args_is_help=True)
    noun.command("time")(time)
    noun.command("note")(note_)
    app.add_typer(noun, name="backup")


@plainly
def time() -> None:
    """Print the database's time. Ask before the backup begins, and note it once the backup is safe."""

    async def work() -> None:
        from storage.principal import Role

        async with database() as opened, opened.enter(Role.SYSTEM, operator()) as entered:
            at: datetime = await entered.connection.fetchval("select clock_timestamp()")
        out(at.isoformat())

    run(work())


@plainly
def note_(
    until: Annotated[
        str, typer.Option(help="When the backup began, as `patrol backup time` printed it.")
    ],
    text: Annotated[str, typer.Option("--note", help="Which backup it is.")] = "",
) -> None:
    """Note that a backup is safe: phones may drop what was acknowledged before it began, less a minute."""

    async def work() -> None:
        from patrol.errors import BadRequest
        from patrol.sync.backups import note_backup

        try:
            begun = datetime.fromisoformat(until)
        except ValueError:
            raise BadRequest(f"{until!r} is no time such as 2026-11-24T02:00:00+07:00.") from None
        async with database() as opened, opened.write(operator()) as connection:
            through = await note_backup(connection, begun, text)
        out(through.isoformat())
        note("Phones are told with their next answer.")

    run(work())
