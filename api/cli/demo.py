"""`patrol demo`: a patrol hour in a minute, lived by simulated phones, cameras and partners."""

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
    seconds: Annotated[
        float, typer.Option(min=1, max=3600, help="How long the patrol hour takes.")
    ] = 60.0,
    phones: Annotated[
        int, typer.Option(min=1, max=50, help="How many phones the six officers have.")
    ] = 6,
    seed: Annotated[int, typer.Option(help="Chance; the same seed gives the same plan.")] = 1,
    url: Annotated[
        str | None,
        typer.Option(
            help="A running server. Default: the `patrol up` of the data directory, else one of its own."
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="DEMO_ADMIN_TOKEN",
            help="An administrator's token for --url; else one is made as by `patrol admin token`.",
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Where the server is looked for, or keeps its data. Default: a directory that is deleted.",
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A few seconds, for tests.")] = False,
    break_agreement: Annotated[bool, typer.Option("--break", hidden=True)] = False,
) -> None:
    """Live a patrol hour in a minute, and check that everybody agrees at the end.

    Plays on a running `patrol up` if there is one, else on a server of its own. Exit code 1 if a phone, a partner and
    the server do not agree.
    """
    from api.demo import main

    code = main(
        photos=photos,
        seconds=seconds,
        phones=phones,
        seed=seed,
        quick=quick,
        url=url,
        token=token,
        data_dir=data_dir,
        break_agreement=break_agreement,
    )
    sys.exit(code)
