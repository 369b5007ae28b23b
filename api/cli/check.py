"""`patrol check`: what is wrong with this installation, in plain words."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from api.cli.exits import Exit, plainly, run
from api.cli.session import note, out, settings


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(check)


@plainly
def check(
    json: Annotated[bool, typer.Option("--json", help="One JSON array of findings.")] = False,
) -> None:
    """Check settings, database, buckets, Firebase, keys and clocks; fetch a signed link through the public address.

    Exit code 1 if anything must be corrected before the product may run.
    """
    from api.check import Level, findings
    from api.machine import servers

    with servers(settings(), store=True, note=note) as addressed:
        found = run(findings(addressed))
    if json:
        import orjson

        out(orjson.dumps([one.as_data() for one in found]).decode())
    else:
        for one in found:
            out(f"{one.level.value:<8} {one.part}: {one.text}")
    if any(one.level is Level.REFUSAL for one in found):
        sys.exit(Exit.ANSWER_IS_NO)
