"""`patrol post`: SOS posts of a station and their keys. Posts come with their cameras, by `cameras import`."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from api.cli.devicekeys import issue, list_keys, revoke
from api.cli.exits import plainly, run
from api.cli.session import reading, table

Station = Annotated[
    str | None, typer.Option(help="Code of the station; not needed while there is only one.")
]
Code = Annotated[str, typer.Argument(help="The post's code, which is also its camera's.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    noun = typer.Typer(help="SOS posts: list, key, revoke-key.", no_args_is_help=True)
    noun.command("list")(list_)
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
