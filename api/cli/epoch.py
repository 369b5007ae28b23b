"""`patrol epoch`: says that the database's history went back, so that phones begin their copies anew."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.exits import plainly, run
from api.cli.session import database, note, operator, out


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(
        help="Epochs of sync: begin a new one after a backup was restored.", no_args_is_help=True
    )
    # Without a callback a noun with one command would itself become the command.
    noun.callback()(lambda: None)
    noun.command("new")(new)
    app.add_typer(noun, name="epoch")


@plainly
def new(
    reason: Annotated[str, typer.Option(help="Why, for the audit log.")],
) -> None:
    """Begin a new epoch: every phone drops its copy at its next pull and pulls from the start. Outboxes stay."""

    async def work() -> None:
        from patrol.sync.epoch import begin_epoch
        from storage.principal import Role

        async with database() as opened, opened.write(operator(), Role.SYSTEM) as connection:
            number = await begin_epoch(connection, reason)
        out(str(number))
        note("Every phone is reset at its next pull.")

    run(work())
