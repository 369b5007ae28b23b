"""`patrol post`: SOS posts of a station, how they fare, what opens their door, and their tests.

Posts come with their cameras, by `cameras import`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from api.cli.checkpoint import Picture
from api.cli.devicekeys import found, issue, list_keys, revoke
from api.cli.exits import plainly, run
from api.cli.session import database, note, operator, out, reading, settings, table, writing
from storage.vocabulary import PostAction

Station = Annotated[
    str | None, typer.Option(help="Code of the station; not needed while there is only one.")
]
Code = Annotated[str, typer.Argument(help="The post's code, which is also its camera's.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(
        help="SOS posts: list, health, keys, settings, mutes, tests, citizens' codes.",
        no_args_is_help=True,
    )
    noun.command("list")(list_)
    noun.command("health")(health)
    noun.command("set")(set_)
    noun.command("password")(password)
    noun.command("link")(link)
    noun.command("mute")(mute)
    noun.command("unmute")(unmute)
    noun.command("test")(drill)
    noun.command("qr")(qr)
    noun.command("reissue-qr")(reissue_qr)
    noun.command("key")(key)
    noun.command("keys")(keys)
    noun.command("revoke-key")(revoke_key)
    app.add_typer(noun, name="post")


@plainly
def list_(station: Station = None) -> None:
    """List the SOS posts of a station, their cameras, and when they were last seen."""

    async def work() -> None:
        from patrol.stations import find_station
        from storage.posts import STORED_POSTS

        async with reading() as connection:
            rows = await connection.fetch(STORED_POSTS, await find_station(connection, station))
        shown = ("code", "name", "name_th", "zone_code", "camera_code", "last_seen_at", "id")
        table(shown, [[row[column] for column in shown] for row in rows])

    run(work())


@plainly
def key(
    code: Code,
    station: Station = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the key.")] = False,
) -> None:
    """Issue a device key for an SOS post. It is shown once: only its SHA-256 is kept."""
    from storage.posts import STORED_POSTS

    run(issue(STORED_POSTS, station, code, "post_id", quiet))


@plainly
def keys(code: Code, station: Station = None) -> None:
    """List a post's keys: their visible beginning, never the key."""
    from storage.posts import STORED_POSTS

    run(list_keys(STORED_POSTS, station, code))


@plainly
def revoke_key(
    key_id: Annotated[UUID, typer.Argument(help="The id that `post keys CODE` shows.")],
) -> None:
    """End a device key at once."""
    run(revoke(key_id))


async def _post(connection: Any, station: str | None, code: str) -> UUID:
    from storage.posts import STORED_POSTS

    return UUID(str((await found(connection, STORED_POSTS, station, code))["id"]))


@plainly
def health(station: Station = None) -> None:
    """List how the SOS posts fare: silence, power, buttons, mutes, and when a test press is due."""

    async def work() -> None:
        from patrol.stations import find_station
        from storage.post_health import STORED_HEALTH

        async with reading() as connection:
            rows = await connection.fetch(STORED_HEALTH, await find_station(connection, station))
        shown = (
            "code", "last_seen_at", "silent_since", "stuck_since", "power", "battery_percent", "tampered_since",
            "muted_until", "mute_reason", "muted_presses", "heartbeat_seconds", "get_allowed", "last_test_at",
            "test_due_at",
        )  # fmt: skip
        table(shown, [[row[column] for column in shown] for row in rows])
        overdue = [row["code"] for row in rows if row["test_due_at"] < datetime.now(UTC)]
        if overdue:
            note(f"warning: a test press is overdue at {', '.join(overdue)}")

    run(work())


@plainly
def set_(
    code: Code,
    get: Annotated[
        bool | None, typer.Option("--get/--no-get", help="Whether GET raises alarms too.")
    ] = None,
    heartbeat: Annotated[
        int | None, typer.Option(help="Seconds between heartbeats, 10 to 86400.")
    ] = None,
    test_days: Annotated[int | None, typer.Option(help="Days between test presses.")] = None,
    station: Station = None,
) -> None:
    """Change how a post is served; what is left out stays."""

    async def work() -> None:
        from patrol.sos.posts import set_post

        async with writing() as connection:
            now = await set_post(
                connection,
                await _post(connection, station, code),
                get_allowed=get,
                heartbeat_seconds=heartbeat,
                test_days=test_days,
            )
        note(
            f"{code}: GET {'allowed' if now.get_allowed else 'refused'}, a heartbeat every "
            f"{now.heartbeat_seconds} s, a test every {now.test_days} days."
        )

    run(work())


@plainly
def password(
    code: Code,
    given: Annotated[
        bool, typer.Option("--given", help="Read the password that the box was built with.")
    ] = False,
    length: Annotated[int, typer.Option(min=6, max=32, help="Of the one that is made.")] = 8,
    station: Station = None,
) -> None:
    """Give a post a short password, for a box that cannot send a key. It is shown once."""
    own = typer.prompt("Password", hide_input=True, err=True) if given else None

    async def work() -> None:
        from patrol.identity.post_keys import issue_post_password

        async with writing() as connection:
            issued = await issue_post_password(
                connection, await _post(connection, station, code), password=own, length=length
            )
        if own is None:
            out(issued.secret)
        note(f"Key {issued.id}. End it by `patrol post revoke-key`.")

    run(work())


@plainly
def link(
    code: Code,
    action: Annotated[PostAction, typer.Option(case_sensitive=False)] = PostAction.ALARM,
    server: Annotated[
        str | None, typer.Option(help="Address of this server; default: the public one.")
    ] = None,
    station: Station = None,
) -> None:
    """Make an address with a secret in it, for a box that can only call an address. It is shown once."""

    async def work() -> None:
        from patrol.identity.post_keys import issue_post_link

        async with writing() as connection:
            post = await _post(connection, station, code)
            issued = await issue_post_link(connection, post, action)
        out(f"{_server(server)}/ingest/posts/{post}/{action.value.lower()}/{issued.secret}")
        note(f"Key {issued.id}. End it by `patrol post revoke-key`.")

    run(work())


@plainly
def mute(
    code: Code,
    reason: Annotated[str, typer.Option(help="Why; everybody of the station may read it.")],
    hours: Annotated[float, typer.Option(min=0.01, max=168, help="When it ends by itself.")],
    station: Station = None,
) -> None:
    """Let a stuck button call nobody for a while; its presses are kept and counted."""

    async def work() -> None:
        from patrol.sos.posts import mute_post

        now = datetime.now(UTC)
        async with writing() as connection:
            post = await _post(connection, station, code)
            until = now + timedelta(hours=hours)
            await mute_post(connection, post, reason=reason, until=until, now=now)
        note(f"{code} is muted until {until:%Y-%m-%d %H:%M} UTC.")

    run(work())


@plainly
def unmute(code: Code, station: Station = None) -> None:
    """End a mute before its time."""

    async def work() -> None:
        from patrol.sos.posts import unmute_post

        async with writing() as connection:
            await unmute_post(connection, await _post(connection, station, code), datetime.now(UTC))
        note(f"{code} calls people again.")

    run(work())


@plainly
def drill(
    code: Code,
    at_pole: Annotated[
        int, typer.Option(help="Make the next press at the pole within so many minutes the test.")
    ] = 0,
    station: Station = None,
) -> None:
    """Press a post's button as a drill: the whole chain runs, marked everywhere."""

    async def work() -> None:
        from patrol.sos.posts import arm_test, press_test

        now = datetime.now(UTC)
        async with writing() as connection:
            post = await _post(connection, station, code)
            if at_pole:
                until = await arm_test(connection, post, now, window=timedelta(minutes=at_pole))
                note(f"Press the button of {code} before {until:%H:%M} UTC: it is the test.")
                return
            pressed = await press_test(connection, post, now)
        out(str(pressed.alert_id))
        note("The drill was raised; the officers on duty are being called for it.")

    run(work())


@plainly
def qr(
    code: Code,
    directory: Annotated[
        Path, typer.Option(file_okay=False, help="Where the picture is written.")
    ] = Path("."),
    picture: Annotated[
        Picture, typer.Option("--format", case_sensitive=False, help="svg is sharp at any size.")
    ] = Picture.SVG,
    text: Annotated[bool, typer.Option("--text", help="Print the address instead.")] = False,
    server: Annotated[
        str | None, typer.Option(help="Address of this server; default: the public one.")
    ] = None,
    station: Station = None,
) -> None:
    """Draw the code that hangs on a pole: a citizen scans it and calls for help without an account."""

    async def work() -> None:
        import segno

        from api.help_codes import help_code
        from storage.principal import Role

        loaded = settings()
        async with database(loaded) as opened, opened.write(operator(), Role.SYSTEM) as connection:
            post = await _post(connection, station, code)
            address = f"{_server(server)}/help/{await help_code(connection, loaded, post)}"
        if text:
            out(address)
            return
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / f"sos-{code}.{picture.value}"
        # Q survives dirt on a quarter of it, as on a wall outside.
        segno.make_qr(address, error="q").save(str(file), scale=10, border=4)
        out(str(file))

    run(work())


@plainly
def reissue_qr(code: Code, station: Station = None) -> None:
    """Make the codes of a pole that hang about worthless; print the new one with `patrol post qr`."""

    async def work() -> None:
        from patrol.sos.citizen_codes import reissue_post_code

        async with writing() as connection:
            number = await reissue_post_code(connection, await _post(connection, station, code))
        note(f"Code {number} of {code} holds from now on. Print and hang it.")

    run(work())


def _server(given: str | None) -> str:
    loaded = settings()
    return (given or loaded.public_url or f"http://{loaded.host}:{loaded.port}").rstrip("/")
