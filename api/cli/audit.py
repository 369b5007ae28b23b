"""`patrol audit`: the append-only log of what was done with rights that others do not have."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from api.cli.exits import Exit, plainly, run
from api.cli.session import database, note, operator, out, settings, table


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(help="Audit log: verify its chain, show its end.", no_args_is_help=True)
    noun.command("verify")(verify)
    noun.command("tail")(tail)
    app.add_typer(noun, name="audit")


@plainly
def verify() -> None:
    """Compute the hash chain again from the stored entries. Exit code 1 if a seal does not hold, or an entry is in none."""

    async def work() -> bool:
        from api.secret import installation_secret
        from patrol.audit import verify as verify_chain
        from patrol.keys import load
        from storage.principal import Role

        loaded = settings()
        async with database(loaded) as opened:
            async with opened.write(operator(), Role.SYSTEM) as connection:
                keys = await load(connection, installation_secret(loaded))
            note("Verifying …")
            async with opened.read(Role.SYSTEM, operator()) as entered:
                proven = await verify_chain(entered.connection, keys)
        out(f"{proven.entries} entries stand as they were sealed, under {proven.seals} seals.")
        out(f"{proven.unsealed} entries are not sealed yet.")
        if proven.head is not None:
            out(f"Newest seal: {proven.head}")
        if proven.broken_at is not None:
            note(f"patrol: seal {proven.broken_at} does not hold: the log was changed after it.")
        if proven.strays:
            note(
                f"patrol: {proven.strays} entries stand in no seal although the newest has seen them. After a restore the "
                "next seal takes them in; otherwise somebody has slipped them in."
            )
        return proven.broken_at is None and not proven.strays

    if not run(work()):
        sys.exit(Exit.ANSWER_IS_NO)


@plainly
def tail(
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=10_000)] = 20,
) -> None:
    """Show the newest entries, oldest of them first."""

    async def work() -> None:
        from storage.admins import AUDIT_TAIL
        from storage.principal import Role

        async with database() as opened, opened.read(Role.SYSTEM, operator()) as entered:
            rows = await entered.connection.fetch(AUDIT_TAIL, 0, lines)
        shown = ("at", "principal", "act", "subject", "detail")
        table(shown, [[row[column] for column in shown] for row in reversed(rows)])

    run(work())
