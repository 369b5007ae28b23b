"""`patrol checkpoint`: points that patrols visit, and the codes to print and hang there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.exits import plainly, run
from api.cli.session import (
    database,
    note,
    operator,
    out,
    poke_checkpoint,
    reading,
    settings,
    table,
    writing,
)

if TYPE_CHECKING:
    from uuid import UUID

    from patrol.keys import KeySet

Station = Annotated[
    str | None, typer.Option(help="Code of the station; not needed while there is only one.")
]
Code = Annotated[str, typer.Argument(help="The checkpoint's code, such as K07.")]

SHOWN = (
    "code", "name", "name_th", "zone_code", "latitude", "longitude", "active", "code_number", "last_checkin_at", "id",
)  # fmt: skip


class Picture(StrEnum):
    """How a code is drawn."""

    SVG = "svg"
    PNG = "png"


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(
        help="Checkpoints: add, list, print codes, reissue, retire.", no_args_is_help=True
    )
    noun.command("add")(add)
    noun.command("list")(list_)
    noun.command("qr")(qr)
    noun.command("reissue")(reissue)
    noun.command("retire")(retire)
    noun.command("restore")(restore)
    app.add_typer(noun, name="checkpoint")


@plainly
def add(
    code: Code,
    name: Annotated[str, typer.Option(help="Name in English.")],
    latitude: Annotated[float, typer.Option(min=-90, max=90, help="Decimal degrees, WGS 84.")],
    longitude: Annotated[float, typer.Option(min=-180, max=180, help="Decimal degrees, WGS 84.")],
    name_th: Annotated[str, typer.Option(help="Name in Thai; default: the English one.")] = "",
    station: Station = None,
) -> None:
    """Add a checkpoint. Its position decides its zone."""

    async def work() -> None:
        from patrol.checkpoints import add_checkpoint
        from patrol.stations import find_station

        async with _keyed() as (connection, keys):
            added = await add_checkpoint(
                connection,
                keys,
                await find_station(connection, station),
                code=code,
                name=name,
                name_th=name_th or name,
                latitude=latitude,
                longitude=longitude,
            )
            await poke_checkpoint(connection, added)
        out(str(added))

    run(work())


@plainly
def list_(station: Station = None) -> None:
    """List the checkpoints of a station, and when each was last checked in at."""

    async def work() -> None:
        async with reading() as connection:
            rows = await _stored(connection, station)
        table(SHOWN, [[row[column] for column in SHOWN] for row in rows])

    run(work())


@plainly
def qr(
    codes: Annotated[
        list[str] | None, typer.Argument(help="Codes of checkpoints; none: all that are in use.")
    ] = None,
    directory: Annotated[
        Path, typer.Option(file_okay=False, help="Where the pictures are written.")
    ] = Path("."),
    picture: Annotated[
        Picture, typer.Option("--format", case_sensitive=False, help="svg is sharp at any size.")
    ] = Picture.SVG,
    text: Annotated[bool, typer.Option("--text", help="Print the contents instead.")] = False,
    station: Station = None,
) -> None:
    """Draw the codes to print, one file for each checkpoint. See docs/checkpoints.md for how to place them."""

    async def work() -> None:
        import segno

        from patrol.checkpoints import content_of

        async with _keyed() as (connection, keys):
            rows = await _stored(connection, station)
            wanted = _wanted(rows, codes)
        for row in wanted:
            content = content_of(keys, row["id"], row["code_number"], row["code_kid"])
            if text:
                out(f"{row['code']}\t{content}")
                continue
            directory.mkdir(parents=True, exist_ok=True)
            file = directory / f"{row['code']}-{row['code_number']}.{picture.value}"
            # Q survives dirt on a quarter of it, as on a wall outside.
            segno.make_qr(content, error="q").save(str(file), scale=10, border=4)
            out(str(file))
        if not wanted:
            note("There is no checkpoint in use.")

    run(work())


@plainly
def reissue(code: Code, station: Station = None) -> None:
    """Issue a code anew, as when the old one was photographed. Check-ins by older codes are kept and flagged."""

    async def work() -> None:
        from patrol.checkpoints import reissue_code

        async with _keyed() as (connection, keys):
            checkpoint = await _id_of(connection, station, code)
            number = await reissue_code(connection, keys, checkpoint)
            await poke_checkpoint(connection, checkpoint)
        out(str(number))
        note(f"Print it with `patrol checkpoint qr {code}` and hang it in place of the old one.")

    run(work())


@plainly
def retire(code: Code, station: Station = None) -> None:
    """Take a checkpoint out of use. Its check-ins stay."""
    run(_set_active(station, code, False))


@plainly
def restore(code: Code, station: Station = None) -> None:
    """Take a checkpoint back into use."""
    run(_set_active(station, code, True))


async def _set_active(station: str | None, code: str, active: bool) -> None:
    from patrol.checkpoints import set_checkpoint_active

    async with writing() as connection:
        checkpoint = await _id_of(connection, station, code)
        await set_checkpoint_active(connection, checkpoint, active)
        await poke_checkpoint(connection, checkpoint)


@asynccontextmanager
async def _keyed() -> AsyncIterator[tuple[Any, KeySet]]:
    """A connection in one transaction, and the keys of the installation."""
    from api.secret import installation_secret
    from patrol.keys import load
    from storage.principal import Role

    loaded = settings()
    async with database(loaded) as opened, opened.write(operator(), Role.SYSTEM) as connection:
        yield connection, await load(connection, installation_secret(loaded))


async def _stored(connection: Any, station: str | None) -> list[Any]:
    from patrol.stations import find_station
    from storage.checkpoints import STORED_CHECKPOINTS

    return list(await connection.fetch(STORED_CHECKPOINTS, await find_station(connection, station)))


def _wanted(rows: list[Any], codes: list[str] | None) -> list[Any]:
    from patrol.errors import NotFound

    if not codes:
        return [row for row in rows if row["active"]]
    by_code = {row["code"]: row for row in rows}
    if unknown := [code for code in codes if code not in by_code]:
        raise NotFound(f"The station has no checkpoint {', '.join(unknown)}.")
    return [by_code[code] for code in dict.fromkeys(codes)]


async def _id_of(connection: Any, station: str | None, code: str) -> UUID:
    [row] = _wanted(await _stored(connection, station), [code])
    found: UUID = row["id"]
    return found
