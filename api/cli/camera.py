"""`patrol camera`: cameras of a station and their keys."""

from __future__ import annotations

import csv
import io
from typing import Annotated
from uuid import UUID

import typer

from api.cli.devicekeys import issue, list_keys, revoke
from api.cli.exits import plainly, run
from api.cli.session import note, reading, table, writing
from storage.vocabulary import CameraKind

Station = Annotated[
    str | None, typer.Option(help="Code of the station; not needed while there is only one.")
]
Code = Annotated[str, typer.Argument(help="The camera's code.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(help="Cameras: add, list, key, revoke-key.", no_args_is_help=True)
    noun.command("add")(add)
    noun.command("list")(list_)
    noun.command("key")(key)
    noun.command("keys")(keys)
    noun.command("revoke-key")(revoke_key)
    app.add_typer(noun, name="camera")


@plainly
def add(
    code: Code,
    name: Annotated[str, typer.Option(help="Name in English.")],
    latitude: Annotated[float, typer.Option(help="Decimal degrees, WGS 84.")],
    longitude: Annotated[float, typer.Option(help="Decimal degrees, WGS 84.")],
    name_th: Annotated[str, typer.Option(help="Name in Thai; default: the English one.")] = "",
    kind: Annotated[CameraKind, typer.Option(case_sensitive=False)] = CameraKind.FIXED,
    zone: Annotated[
        str, typer.Option(help="Code of its zone; default: the smallest around it.")
    ] = "",
    station: Station = None,
) -> None:
    """Add a camera, or update the one of this code, by the same rules as `cameras import`."""
    file = io.StringIO()
    csv.writer(file).writerows(
        [
            ("code", "name", "name_th", "latitude", "longitude", "kind", "zone_code"),
            (code, name, name_th, repr(latitude), repr(longitude), kind.value, zone),
        ]
    )

    async def work() -> None:
        from patrol.imports import parse_cameras
        from patrol.imports.store import import_cameras, stored_zones
        from patrol.stations import find_station

        async with writing() as connection:
            home = await find_station(connection, station)
            known = await stored_zones(connection, home)
            parsed = parse_cameras(file.getvalue(), known.shapes)
            done = await import_cameras(connection, home, parsed)
        for warning in done.warnings:
            note(f"warning: {warning}")
        note(
            "The camera was added."
            if done.added
            else "The camera was updated."
            if done.changed
            else "The camera is there already, as given."
        )

    run(work())


@plainly
def list_(station: Station = None) -> None:
    """List the cameras of a station, their zones, and when they were last seen."""

    async def work() -> None:
        from patrol.stations import find_station
        from storage.cameras import STORED_CAMERAS

        async with reading() as connection:
            rows = await connection.fetch(STORED_CAMERAS, await find_station(connection, station))
        shown = ("code", "kind", "name", "name_th", "zone_code", "last_seen_at", "id")
        table(shown, [[row[column] for column in shown] for row in rows])

    run(work())


@plainly
def key(
    code: Code,
    station: Station = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the key.")] = False,
) -> None:
    """Issue a device key for a camera. It is shown once: only its SHA-256 is kept."""
    from storage.cameras import STORED_CAMERAS

    run(issue(STORED_CAMERAS, station, code, "camera_id", quiet))


@plainly
def keys(code: Code, station: Station = None) -> None:
    """List a camera's keys: their visible beginning, never the key."""
    from storage.cameras import STORED_CAMERAS

    run(list_keys(STORED_CAMERAS, station, code))


@plainly
def revoke_key(
    key_id: Annotated[UUID, typer.Argument(help="The id that `camera keys CODE` shows.")],
) -> None:
    """End a device key at once."""
    run(revoke(key_id))
