"""`patrol quarantine`: records that were refused and kept, and what becomes of them."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import typer

from api.cli.exits import Exit, plainly, run
from api.cli.session import note, operator, out, reading, settings, table, writing
from storage.vocabulary import QuarantineState

COLUMNS = (
    "id",
    "state",
    "station",
    "badge",
    "lane",
    "subject",
    "summary",
    "code",
    "created_at",
    "overdue",
)

Ids = Annotated[list[UUID], typer.Argument(help="Ids that `quarantine list` shows.")]
Why = Annotated[str, typer.Option("--reason", help="Why; kept with it and in the audit log.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(
        help="Refused records: list, show, replay, discard. None is ever deleted.",
        no_args_is_help=True,
    )
    noun.command("list")(list_)
    noun.command("show")(show)
    noun.command("replay")(replay)
    noun.command("discard")(discard)
    app.add_typer(noun, name="quarantine")


@plainly
def list_(
    state: Annotated[
        QuarantineState, typer.Option(case_sensitive=False, help="Which of them.")
    ] = QuarantineState.KEPT,
    all_: Annotated[bool, typer.Option("--all", help="Whatever became of them.")] = False,
    station: Annotated[str | None, typer.Option(help="Code of a station; default: all.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 200,
    as_json: Json = False,
) -> None:
    """List what waits for a decision, the oldest first."""

    async def work() -> None:
        from storage.quarantine import LIST_ITEMS

        wanted = None if all_ else state.value
        async with reading() as connection:
            rows = await connection.fetch(LIST_ITEMS, _shift(), wanted, station, limit)
        items = [_told(row) for row in rows]
        if as_json:
            _as_json([{name: item[name] for name in COLUMNS} for item in items])
        else:
            table(COLUMNS, [[item[column] for column in COLUMNS] for item in items])

    run(work())


@plainly
def show(
    item: Annotated[UUID, typer.Argument(help="The id that `quarantine list` shows.")],
    as_json: Json = False,
) -> None:
    """Show one record as its phone sent it, why it was refused, and what became of it."""

    async def work() -> None:
        from patrol.errors import NotFound
        from storage.quarantine import READ_ITEM

        async with reading() as connection:
            row = await connection.fetchrow(READ_ITEM, _shift(), item)
        if row is None:
            raise NotFound("There is no such refused record.")
        told = _told(row)
        if as_json:
            _as_json(told)
        else:
            table(("what", "value"), told.items())

    run(work())


@plainly
def replay(
    items: Ids,
    reason: Why,
    overrule: Annotated[
        bool,
        typer.Option("--overrule", help="Its values win over what others wrote since."),
    ] = False,
) -> None:
    """Apply records after all, in the given order, as the officers who made them.

    Exit code 1 if one was refused again; it stays, with the code of this time.
    """

    async def work() -> bool:
        from patrol.sync import quarantine
        from schema.reading import read_kept

        taken = True
        for item in items:
            async with writing() as connection:
                became = await quarantine.replay(
                    connection, item, by=str(operator()), reason=reason, read=read_kept, overrule=overrule
                )  # fmt: skip
            out("\t".join((str(item), became.outcome.value, became.code or "-")))
            taken = taken and became.taken
        return taken

    if not run(work()):
        sys.exit(Exit.ANSWER_IS_NO)


@plainly
def discard(items: Ids, reason: Why) -> None:
    """Set records aside: they are not applied, and stay with who decided so and why."""

    async def work() -> None:
        from patrol.sync import quarantine

        for item in items:
            async with writing() as connection:
                await quarantine.discard(connection, item, by=str(operator()), reason=reason)
        note(f"{len(items)} set aside.")

    run(work())


def _shift() -> timedelta:
    return timedelta(hours=settings().shift_hours)


def _told(row: Any) -> dict[str, Any]:
    """A row with what a person needs to judge it."""
    import orjson

    from patrol.errors import by_code
    from patrol.sync.quarantine import subject_of, summary_of

    payload = orjson.loads(row["payload"])
    item = dict(row)
    item["detail"] = orjson.loads(row["detail"])
    item["payload"] = payload
    item["subject"], item["summary"] = subject_of(payload), summary_of(payload)
    try:
        item["why"] = by_code(row["code"]).default_message()
    except KeyError:
        item["why"] = row["code"]
    return item


def _as_json(value: Any) -> None:
    import orjson

    out(orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z).decode())
