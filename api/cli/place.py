"""`patrol zones` and `patrol cameras`: whole files of zones and cameras, stored all or nothing; and `patrol station`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.exits import plainly, run
from api.cli.session import note, out, poke_station, reading, table, writing

if TYPE_CHECKING:
    from patrol.imports.store import Imported

Station = Annotated[
    str | None, typer.Option(help="Code of the station; not needed while there is only one.")
]
File = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="See docs/imports.md.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    stations = typer.Typer(help="Stations: add, list.", no_args_is_help=True)
    stations.command("add")(add_station)
    stations.command("list")(list_stations)
    app.add_typer(stations, name="station")
    zones = typer.Typer(help="Zones: import from GeoJSON, list.", no_args_is_help=True)
    zones.command("import")(import_zones)
    zones.command("list")(list_zones)
    app.add_typer(zones, name="zones")
    cameras = typer.Typer(help="Cameras and SOS posts: import from CSV.", no_args_is_help=True)
    cameras.command("import")(import_cameras)
    # A group with one command would swallow its name; the callback keeps `cameras import` as it is written.
    cameras.callback()(lambda: None)
    app.add_typer(cameras, name="cameras")


@plainly
def add_station(
    code: Annotated[str, typer.Argument(help="A short code, such as MST.")],
    name: Annotated[str, typer.Option(help="Name in English.")],
    latitude: Annotated[float, typer.Option(min=-90, max=90, help="Decimal degrees, WGS 84.")],
    longitude: Annotated[float, typer.Option(min=-180, max=180, help="Decimal degrees, WGS 84.")],
    name_th: Annotated[str, typer.Option(help="Name in Thai; default: the English one.")] = "",
) -> None:
    """Add a station: the first thing that an installation without demonstration data needs."""

    async def work() -> None:
        from patrol.stations import add_station as add

        async with writing() as connection:
            station = await add(
                connection,
                code=code,
                name=name,
                name_th=name_th or name,
                latitude=latitude,
                longitude=longitude,
            )
            await poke_station(connection, station, ["stations"])
        out(str(station))

    run(work())


@plainly
def list_stations() -> None:
    """List the stations."""

    async def work() -> None:
        from storage.stations import STORED_STATIONS

        async with reading() as connection:
            rows = await connection.fetch(STORED_STATIONS)
        shown = ("code", "name", "name_th", "id")
        table(shown, [[row[column] for column in shown] for row in rows])

    run(work())


@plainly
def import_zones(file: File, station: Station = None) -> None:
    """Import zones. One error refuses the whole file; importing it again changes only what differs."""

    async def work() -> None:
        from patrol.imports import parse_zones
        from patrol.imports import store as imports
        from patrol.stations import find_station

        data = file.read_bytes()
        async with writing() as connection:
            home = await find_station(connection, station)
            known = await imports.stored_zones(connection, home)
            note(f"Reading {file.name} …")
            parsed = parse_zones(data, known.parents)
            if not parsed.errors:
                note(f"Storing {len(parsed.zones)} zones …")
            done = await imports.import_zones(connection, home, parsed)
            if done.added or done.changed:
                await poke_station(connection, home, ["zones"])
        _tell(done)

    run(work())


@plainly
def list_zones(station: Station = None) -> None:
    """List the zones of a station."""

    async def work() -> None:
        from patrol.stations import find_station
        from storage.zones import STORED_ZONES

        async with reading() as connection:
            rows = await connection.fetch(STORED_ZONES, await find_station(connection, station))
        table(
            ("code", "kind", "name", "name_th", "parent", "km2", "id"),
            [
                (
                    row["code"],
                    row["kind"],
                    row["name"],
                    row["name_th"],
                    row["parent_code"],
                    f"{row['area_km2']:.3f}",
                    row["id"],
                )
                for row in rows
            ],
        )

    run(work())


@plainly
def import_cameras(file: File, station: Station = None) -> None:
    """Import cameras and SOS posts. One error refuses the whole file; importing it again changes only what differs."""

    async def work() -> None:
        from patrol.imports import parse_cameras
        from patrol.imports import store as imports
        from patrol.stations import find_station

        data = file.read_bytes()
        async with writing() as connection:
            home = await find_station(connection, station)
            known = await imports.stored_zones(connection, home)
            note(f"Reading {file.name} …")
            parsed = parse_cameras(data, known.shapes)
            if not parsed.errors:
                note(f"Storing {len(parsed.cameras)} cameras …")
            done = await imports.import_cameras(connection, home, parsed)
            if done.added or done.changed:
                await poke_station(connection, home, ["cameras", "posts"])
        _tell(done)

    run(work())


def _tell(done: Imported) -> None:
    for warning in done.warnings:
        note(f"  warning: {warning}")
    out(f"{done.added} added, {done.changed} changed, {done.unchanged} unchanged.")
