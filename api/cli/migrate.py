"""`patrol migrate`: brings the database to the schema of this release."""

from __future__ import annotations

import typer

from api.cli.exits import plainly, run
from api.cli.session import note, out, settings


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(migrate)


@plainly
def migrate() -> None:
    """Bring the database to the schema of this release; safe to repeat, and while an older release still serves.

    Uses PATROL_DATABASE_OWNER_URL (the tables' owner) and lets the login of PATROL_DATABASE_URL act for the doors.
    """
    from api.machine import prepare, servers

    with servers(settings(), note=note) as addressed:
        note("Looking, and migrating what is behind …")
        run(prepare(addressed))
    out("The database is at the schema of this release.")
