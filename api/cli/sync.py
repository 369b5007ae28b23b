"""`patrol sync`: explains the state of sync, and repairs what a restore left."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from api.cli.exits import Exit, plainly, run
from api.cli.session import database, note, out, settings, table


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(help="Sync: what state it is in.", no_args_is_help=True)
    # Without a callback a noun with one command would itself become the command.
    noun.callback()(lambda: None)
    noun.command("doctor")(doctor)
    app.add_typer(noun, name="sync")


@plainly
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Begin a new epoch and stamp rows anew where that is needed."
        ),
    ] = False,
) -> None:
    """Explain the epoch, the server, stamps, the witness, backups, lanes with holes and what waits for a person.

    Exit code 1 if something must be repaired.
    """

    async def work() -> bool:
        import orjson

        from api.machine import servers
        from api.stores import store_of
        from patrol.sync import doctor as doctors

        loaded = settings()
        with servers(loaded, store=loaded.s3_url is None and loaded.database_url is None) as found:
            store = None if found.s3_url is None else store_of(found)
            try:
                async with database(found) as opened:
                    if repair:
                        number = await doctors.repair(opened, store)
                        note(
                            "Nothing had to be repaired."
                            if number is None
                            else f"Epoch {number} begins."
                        )
                    report = await doctors.examine(opened, store)
            finally:
                if store is not None:
                    store.close()
        if as_json:
            shown = {
                "verdict": report.verdict,
                "findings": [
                    {
                        "about": one.about,
                        "value": one.value,
                        "verdict": one.verdict,
                        "advice": one.advice,
                    }
                    for one in report.findings
                ],
                "gaps": report.gaps,
            }
            out(orjson.dumps(shown, default=str).decode())
        else:
            table(
                ("about", "verdict", "state", "advice"),
                [
                    (one.about, one.verdict, one.value, one.advice or None)
                    for one in report.findings
                ],
            )
            if report.gaps:
                out()
                columns = (
                    "badge",
                    "lane",
                    "from_sequence",
                    "to_sequence",
                    "missing",
                    "epoch",
                    "device_id",
                )
                table(columns, [[gap[column] for column in columns] for gap in report.gaps])
        return report.verdict is not doctors.Verdict.REPAIR

    if not run(work()):
        sys.exit(Exit.ANSWER_IS_NO)
