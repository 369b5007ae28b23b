"""`patrol schema`: the contracts that others build against, and the pages that are made from the code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.exits import plainly
from api.cli.session import note


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(help="Contracts: export.", no_args_is_help=True)
    noun.command("export")(export)
    noun.callback()(lambda: None)
    app.add_typer(noun, name="schema")


@plainly
def export(
    directory: Annotated[
        Path, typer.Option(help="Root of the checkout to write into.", file_okay=False)
    ] = Path(),
) -> None:
    """Write the three SDL files, docs/errors.md and docs/settings.md, as they follow from the code."""
    from api.pages import write_pages

    for path in write_pages(directory):
        note(f"wrote {path}")
