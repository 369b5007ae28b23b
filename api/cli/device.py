"""`patrol device`: the phones that officers are signed in on."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from api.cli.exits import plainly, run
from api.cli.session import note, reading, table, writing


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(help="Phones: list, revoke.", no_args_is_help=True)
    noun.command("list")(list_)
    noun.command("revoke")(revoke)
    app.add_typer(noun, name="device")


@plainly
def list_() -> None:
    """List the phones, who is signed in on them, and when they were last seen."""

    async def work() -> None:
        from storage.devices import STORED_DEVICES

        async with reading() as connection:
            rows = await connection.fetch(STORED_DEVICES)
        shown = ("id", "platform", "model", "officers", "app_version", "last_seen_at", "revoked_at")
        table(shown, [[row[column] for column in shown] for row in rows])

    run(work())


@plainly
def revoke(
    device: Annotated[UUID, typer.Argument(help="The id that `device list` shows.")],
) -> None:
    """End all sessions on a phone at once and never let it enrol again, as after a theft."""

    async def work() -> None:
        from patrol.identity import revoke_device

        async with writing() as connection:
            await revoke_device(connection, device)
        note("The phone was revoked.")

    run(work())
