"""`patrol keys`: the one key set behind tokens, cursors and receipts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from api.cli.exits import plainly, run
from api.cli.session import database, note, operator, out, settings, table


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(
        help="Signing keys: list, rotate with overlap, retire.", no_args_is_help=True
    )
    noun.command("list")(list_)
    noun.command("rotate")(rotate)
    noun.command("retire")(retire)
    app.add_typer(noun, name="keys")


@plainly
def list_() -> None:
    """List the keys: their kid, from when they sign, until when they are believed. Seeds are never shown."""

    async def work() -> None:
        from storage.keys import READ_KEYS
        from storage.principal import Role

        async with database() as opened, opened.read(Role.SYSTEM, operator()) as entered:
            rows = await entered.connection.fetch(READ_KEYS)
        now = datetime.now(UTC)
        signing = [row["kid"] for row in rows if row["signs_from"] <= now][-1:]
        table(
            ("kid", "signs from", "believed until", "signs now"),
            [
                (row["kid"], row["signs_from"], row["believed_until"], row["kid"] in signing)
                for row in rows
            ],
        )

    run(work())


@plainly
def rotate(
    overlap_minutes: Annotated[
        int,
        typer.Option(
            min=2, help="How long before its first use the new key is known to all processes."
        ),
    ] = 10,
) -> None:
    """Add a key that signs after the overlap. Older keys are believed on until they are retired."""

    async def work() -> None:
        from api.secret import installation_secret
        from patrol.audit import audit
        from patrol.keys import rotate as add
        from storage.principal import Role

        loaded = settings()
        async with (
            database(loaded) as opened,
            opened.write(operator(), Role.SYSTEM) as connection,
        ):
            kid = await add(
                connection, installation_secret(loaded), overlap=timedelta(minutes=overlap_minutes)
            )
            await audit(connection, "key.rotate", kid)
        out(kid)
        note(
            f"It signs in {overlap_minutes} minutes. Retire older keys once what they signed has run out."
        )

    run(work())


@plainly
def retire(
    kid: Annotated[str, typer.Argument(help="The kid that `keys list` shows.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Stop believing a key: access tokens and cursors that it signed are void within a minute. Refresh tokens are not."""
    if not yes:
        typer.confirm(
            f"Phones whose access tokens {kid} signed must refresh, and pull from the start where it signed their cursor. "
            "Nobody is signed out. Retire it?",
            abort=True,
        )

    async def work() -> None:
        from patrol.audit import audit
        from patrol.errors import LastSigningKey, NotFound
        from patrol.keys import retire as stop
        from storage.keys import READ_KEYS
        from storage.principal import Role

        async with database() as opened, opened.write(operator(), Role.SYSTEM) as connection:
            now = datetime.now(UTC)
            rows = await connection.fetch(READ_KEYS)
            others = [
                row
                for row in rows
                if row["kid"] != kid
                and row["signs_from"] <= now
                and (row["believed_until"] is None or row["believed_until"] > now)
            ]
            if kid in {row["kid"] for row in rows} and not others:
                raise LastSigningKey(
                    f"{kid} is the only key that signs now. Run `patrol keys rotate` first and wait for its overlap."
                )
            if not await stop(connection, kid):
                raise NotFound(f"There is no key {kid}.")
            await audit(connection, "key.retire", kid)
        note(
            "The key was retired; every process stops believing it within a minute, but for refresh tokens."
        )

    run(work())
