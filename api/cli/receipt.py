"""`patrol receipt`: checks what a phone shows as proof that its records are stored."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from api.cli.exits import Exit, plainly, run
from api.cli.session import database, note, operator, out, settings


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(help="Receipts that phones show.", no_args_is_help=True)
    # Without a callback a noun with one command would itself become the command.
    noun.callback()(lambda: None)
    noun.command("verify")(verify)
    app.add_typer(noun, name="receipt")


@plainly
def verify(
    text: Annotated[str, typer.Argument(help="The receipt as the phone shows it.")],
) -> None:
    """Check a receipt, and whether what it promises is stored now. Exit code 1 if it is not."""

    async def work() -> bool:
        from api.secret import installation_secret
        from patrol.keys import load
        from patrol.sync.receipts import judge
        from storage.principal import Role

        loaded = settings()
        async with (
            database(loaded) as opened,
            opened.write(operator(), Role.SYSTEM) as connection,
        ):
            keys = await load(connection, installation_secret(loaded))
            judged = await judge(connection, text, keys)
        one = judged.receipt
        out(
            f"All {one.lane.value} of {judged.badge or one.officer} on device {one.device} up to number "
            f"{one.sequence} was stored at {one.at.isoformat(timespec='seconds')}."
        )
        if judged.retired:
            note("It was signed with a key that has been retired since.")
        if judged.epoch is None:
            note("Its epoch is not known here: the database was restored from an older backup.")
        if judged.stored is None or judged.stored < one.sequence:
            note(f"patrol: now it is stored up to number {judged.stored or 0} only.")
            return False
        return True

    if not run(work()):
        sys.exit(Exit.ANSWER_IS_NO)
