"""`patrol channel`: a station's fallback channels. Their addresses are secrets: they are typed or piped in, never shown."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from api.cli.exits import Exit, plainly, run
from api.cli.session import database, note, operator, out, reading, settings, table
from storage.vocabulary import ChannelLanguage, ChannelOutcome

if TYPE_CHECKING:
    from api.settings import Settings
    from api.telling import AppriseTeller

COLUMNS = (
    "station",
    "label",
    "scheme",
    "language",
    "tested_at",
    "test_outcome",
    "test_reason",
    "failing_since",
    "id",
)

Station = Annotated[
    str | None, typer.Option(help="Code of the station; not needed while there is only one.")
]
Channel = Annotated[UUID, typer.Argument(help="The id that `channel list` shows.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(
        help="Fallback channels of SOS (LINE, text message, voice, mail): add, list, test, remove.",
        no_args_is_help=True,
    )
    noun.command("add")(add)
    noun.command("list")(list_)
    noun.command("test")(try_)
    noun.command("remove")(remove)
    app.add_typer(noun, name="channel")


@plainly
def add(
    label: Annotated[str, typer.Argument(help="How people call it, such as 'Duty room'.")],
    station: Station = None,
    language: Annotated[
        ChannelLanguage, typer.Option(case_sensitive=False, help="In which language it is told.")
    ] = ChannelLanguage.BOTH,
) -> None:
    """Add a channel. Its address is asked for, or read from standard input, and never shown again."""
    address = (
        typer.prompt("Address (not shown)", hide_input=True, err=True)
        if sys.stdin.isatty()
        else sys.stdin.readline()
    )

    async def work() -> UUID:
        from patrol.sos.channels import add_channel
        from patrol.stations import find_station

        loaded = settings()
        async with database(loaded) as opened, opened.write(operator()) as connection:
            return await add_channel(
                connection,
                _teller(loaded),
                await find_station(connection, station),
                label,
                address,
                language=language,
                by=str(operator()),
            )

    channel = run(work())
    note("Try it now: patrol channel test")
    out(str(channel))


@plainly
def list_(
    station: Annotated[str | None, typer.Option(help="Code of a station; default: all.")] = None,
) -> None:
    """List channels and how they did in their last test. Of an address only the scheme is shown."""

    async def work() -> None:
        from patrol.stations import find_station
        from storage.channels import LIST_CHANNELS

        async with reading() as connection:
            one = None if station is None else await find_station(connection, station)
            rows = await connection.fetch(LIST_CHANNELS, one)
        table(COLUMNS, [[row[column] for column in COLUMNS] for row in rows])

    run(work())


@plainly
def try_(
    channel: Annotated[
        UUID | None, typer.Argument(help="The id that `channel list` shows; default: all.")
    ] = None,
) -> None:
    """Tell channels that they work. Exit code 1 if one cannot be told."""

    async def work() -> bool:
        from patrol.sos.channels import try_channel
        from storage.channels import LIST_CHANNELS

        loaded = settings()
        works = True
        async with database(loaded) as opened:
            teller = _teller(loaded)
            chosen = [channel] if channel is not None else []
            if channel is None:
                from storage.principal import Role

                async with opened.read(Role.SYSTEM, operator()) as entered:
                    rows = await entered.connection.fetch(LIST_CHANNELS, None)
                chosen = [row["id"] for row in rows]
            for one in chosen:
                told = await try_channel(opened, teller, one)
                out("\t".join((str(one), told.outcome.value, told.reason or "-")))
                works = works and told.outcome is ChannelOutcome.TOLD
        return works

    if not run(work()):
        sys.exit(Exit.ANSWER_IS_NO)


@plainly
def remove(channel: Channel) -> None:
    """End a channel and forget its address."""

    async def work() -> None:
        from patrol.sos.channels import remove_channel

        async with database() as opened, opened.write(operator()) as connection:
            await remove_channel(connection, channel, by=str(operator()))

    run(work())
    note("The channel is told no more.")


def _teller(loaded: Settings) -> AppriseTeller:
    from api.secret import installation_secret
    from api.telling import AppriseTeller

    return AppriseTeller(installation_secret(loaded), alert_page=loaded.alert_page_url)
