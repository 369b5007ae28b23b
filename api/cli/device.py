"""`patrol device`: the phones that officers are signed in on."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from api.cli.exits import plainly, run
from api.cli.session import note, out, poke_staff, reading, table, writing


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(help="Phones: list, revoke, report lost.", no_args_is_help=True)
    noun.command("list")(list_)
    noun.command("revoke")(revoke)
    noun.command("lost")(lost)
    app.add_typer(noun, name="device")


@plainly
def list_() -> None:
    """List the phones, who is signed in, when they were last seen, and how many records they hold for whom."""

    async def work() -> None:
        from storage.devices import STORED_DEVICES

        async with reading() as connection:
            rows = await connection.fetch(STORED_DEVICES)
        shown = (
            "id",
            "platform",
            "model",
            "officers",
            "app_version",
            "last_seen_at",
            "revoked_at",
            "held",
            "wipe_ordered_at",
            "wiped_at",
        )
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
            await poke_staff(connection, device)
        note("The phone was revoked.")

    run(work())


@plainly
def lost(
    device: Annotated[UUID, typer.Argument(help="The id that `device list` shows.")],
    reason: Annotated[str, typer.Option(help="What happened; kept in the audit log.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Revoke a lost phone, have it erase its copy when it is next heard of, and list what it may have.

    The list is at most what it had: all rows that stood in its officers' scopes.
    """

    async def work() -> None:
        from dataclasses import asdict

        import orjson

        from patrol.sync.lost import lose_device

        async with writing() as connection:
            phone = await lose_device(connection, device, reason=reason)
            await poke_staff(connection, device)
        if as_json:
            out(orjson.dumps(asdict(phone), default=str).decode())
            return
        table(
            ("scope", "name", "subject", "rows"),
            [(one.scope_id, one.name, one.subject, one.rows) for one in phone.received],
        )
        note(
            f"{phone.platform} {phone.model}, app {phone.app_version or 'unknown'}, of {', '.join(phone.officers) or 'nobody'}: "
            f"last pull {phone.last_pull_at or 'unknown'}, last seen {phone.last_seen_at or 'never'}."
        )
        note("It is revoked and erases its copy when it is next heard of; `device list` says when.")

    run(work())
