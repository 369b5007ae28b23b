"""`patrol alert`: calls for help, and the report of one: who was told, when, through what, and what they did."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from api.cli.exits import plainly, run
from api.cli.session import database, note, operator, out, reading, table
from storage.vocabulary import ReportForm

COLUMNS = ("id", "status", "severity", "source", "drill", "raised_at", "station", "place")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(help="Calls for help: list, report.", no_args_is_help=True)
    noun.command("list")(list_)
    noun.command("report")(report)
    app.add_typer(noun, name="alert")


@plainly
def list_(
    all_: Annotated[bool, typer.Option("--all", help="Also those that are finished.")] = False,
    station: Annotated[str | None, typer.Option(help="Code of a station; default: all.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
) -> None:
    """List calls for help, the latest first."""

    async def work() -> None:
        from storage.reports import LIST_ALERTS

        async with reading() as connection:
            rows = await connection.fetch(LIST_ALERTS, not all_, station, limit)
        if json:
            import orjson

            out(orjson.dumps([dict(row) for row in rows], default=str).decode())
        else:
            table(COLUMNS, [[row[column] for column in COLUMNS] for row in rows])

    run(work())


@plainly
def report(
    alert: Annotated[UUID, typer.Argument(help="Id that `alert list` shows.")],
    form: Annotated[ReportForm, typer.Option(case_sensitive=False)] = ReportForm.PDF,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file, or - ; default: sos-ALERT.pdf.")
    ] = None,
) -> None:
    """Write the whole story of an alert as PDF or JSON; who took it is in the audit log."""

    async def work() -> None:
        from patrol.sos.export import make_report

        async with database() as opened:
            made = await make_report(opened, operator(), alert, form)
        if str(output) == "-":
            sys.stdout.buffer.write(made.content)
            return
        path = output or Path(made.filename)
        path.write_bytes(made.content)
        note(f"{path}: {len(made.content)} bytes, SHA-256 {made.sha256}")

    run(work())
