"""`patrol admin`: administrators' tokens."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer

from api.cli.exits import plainly, run
from api.cli.session import note, out, reading, table, writing


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(help="Administrators' tokens: token, list, revoke.", no_args_is_help=True)
    noun.command("token")(token)
    noun.command("list")(list_)
    noun.command("revoke")(revoke)
    app.add_typer(noun, name="admin")


@plainly
def token(
    name: Annotated[str, typer.Option(help="Whose token it is.")] = "administrator",
    until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="Until when (UTC); default: until revoked.",
        ),
    ] = None,
) -> None:
    """Issue a token for /admin/graphql. It is shown once: only its SHA-256 is kept."""

    async def work() -> None:
        from patrol.identity import issue_admin_token

        async with writing() as connection:
            issued = await issue_admin_token(
                connection, name, expires_at=until and until.replace(tzinfo=UTC)
            )
        out(issued.secret)
        note(f"Token {issued.id} of {name}. Keep it now: it is not shown again.")

    run(work())


@plainly
def list_() -> None:
    """List the administrators' tokens: their visible beginning, never the token."""

    async def work() -> None:
        from storage.admins import STORED_ADMINS

        async with reading() as connection:
            rows = await connection.fetch(STORED_ADMINS)
        shown = ("id", "name", "prefix", "created_at", "expires_at", "revoked_at")
        table(shown, [[row[column] for column in shown] for row in rows])

    run(work())


@plainly
def revoke(
    token_id: Annotated[UUID, typer.Argument(help="The id that `admin list` shows.")],
) -> None:
    """End an administrator's token at once."""

    async def work() -> None:
        from patrol.identity import revoke_admin_token

        async with writing() as connection:
            await revoke_admin_token(connection, token_id)
        note("The token was revoked.")

    run(work())
