"""`patrol demo`: a patrol hour in a minute, lived by simulated phones, cameras and a partner."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from api.cli.exits import plainly


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(demo)


@plainly
def demo(
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Feed the cameras with the photographs of this directory.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
) -> None:
    """Live a patrol hour in a minute on a machine of its own, and check that everybody agrees at the end.

    Exit code 1 if a phone, the partner and the server do not agree.
    """
    from api.demo import main

    sys.exit(main(photos=photos))
