"""`patrol officer`: officers of a station, their zones and their phones."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Annotated

import typer

from api.cli.exits import plainly, run
from api.cli.session import note, out, poke_staff, reading, settings, table, writing
from storage.vocabulary import OfficerRole

Station = Annotated[
    str | None, typer.Option(help="Code of the station; not needed while there is only one.")
]
Badge = Annotated[str, typer.Argument(help="The officer's badge number.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(help="Officers: add, list, enrol a phone, revoke.", no_args_is_help=True)
    noun.command("add")(add)
    noun.command("list")(list_)
    noun.command("enrol")(enrol)
    noun.command("revoke")(revoke)
    app.add_typer(noun, name="officer")


@plainly
def add(
    badge: Badge,
    name: Annotated[str, typer.Option(help="Name in English.")],
    name_th: Annotated[str, typer.Option(help="Name in Thai; default: the English one.")] = "",
    rank: Annotated[str, typer.Option(help="Such as 'Pol. Sgt.'")] = "",
    role: Annotated[OfficerRole, typer.Option(case_sensitive=False)] = OfficerRole.OFFICER,
    zone: Annotated[
        list[str] | None,
        typer.Option(help="Code of a zone that he patrols, with all zones inside it; repeatable."),
    ] = None,
    station: Station = None,
) -> None:
    """Add an officer. A supervisor, or an officer without --zone, gets the whole station."""

    async def work() -> None:
        from patrol.stations import add_officer, find_station, zones_by_code

        async with writing() as connection:
            home = await find_station(connection, station)
            zones = await zones_by_code(connection, home, zone or [], inner=True)
            whole = role is OfficerRole.SUPERVISOR or not zones
            officer = await add_officer(
                connection,
                home,
                badge=badge,
                role=role,
                rank=rank,
                name=name,
                name_th=name_th or name,
                scopes=[home] if whole else zones,
            )
            await poke_staff(connection, officer)
        out(str(officer))

    run(work())


@plainly
def list_(station: Station = None) -> None:
    """List the officers of a station, what is assigned to them, and on how many phones they are signed in."""

    async def work() -> None:
        from patrol.stations import find_station
        from storage.officers import STORED_OFFICERS

        async with reading() as connection:
            rows = await connection.fetch(STORED_OFFICERS, await find_station(connection, station))
        shown = ("badge", "role", "rank", "name", "name_th", "scopes", "phones", "active")
        table(shown, [[row[column] for column in shown] for row in rows])

    run(work())


@plainly
def enrol(
    badge: Badge,
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="How long the code is good.")] = 60,
    station: Station = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the code.")] = False,
) -> None:
    """Issue a one-time code with which a phone becomes this officer's. It is shown once."""

    async def work() -> None:
        from api.machine import published_address
        from patrol.identity import issue_enrolment_code
        from patrol.stations import find_officer, find_station

        loaded = settings()
        async with writing() as connection:
            home = await find_station(connection, station)
            officer = await find_officer(connection, home, badge)
            issued = await issue_enrolment_code(
                connection, officer["id"], "command line", timedelta(minutes=minutes)
            )
        out(issued.code)
        if quiet:
            return
        server = loaded.public_url or published_address(loaded)
        if server is None:
            note("Set PATROL_PUBLIC_URL to get a QR code: it must say where the phone enrols.")
        else:
            payload = issued.qr_payload(server)
            note(f"As a QR code: {payload}")
        note(f"Good once, until {issued.expires_at:%Y-%m-%d %H:%M} UTC.")
        if sys.stdout.isatty() and server is not None:
            show_qr(issued.qr_payload(server))

    run(work())


@plainly
def revoke(badge: Badge, station: Station = None) -> None:
    """Take an officer off: all his sessions end at once. His records stay, and so does unsent work on his phones."""

    async def work() -> None:
        from patrol.identity import revoke_officer_sessions
        from patrol.stations import find_officer, find_station, set_officer_active

        async with writing() as connection:
            officer = await find_officer(connection, await find_station(connection, station), badge)
            changed = await set_officer_active(connection, officer["id"], False)
            ended = await revoke_officer_sessions(connection, officer["id"])
            await poke_staff(connection, officer["id"])
        note(
            f"Officer {badge} {'is taken off' if changed else 'was off already'}; {len(ended)} sessions ended."
        )

    run(work())


def show_qr(payload: str) -> None:
    """Draws a QR code on the terminal, for the phone's camera."""
    import segno

    segno.make_qr(payload, error="m").terminal(out=sys.stderr, compact=True)
