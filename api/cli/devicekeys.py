"""What `patrol camera` and `patrol post` share: a thing of a station, found by its code, and its keys."""

from __future__ import annotations

from typing import Any

from api.cli.session import note, out, reading, table, writing
from patrol.errors import NotFound


async def found(connection: Any, statement: str, station: str | None, code: str) -> Any:
    """The row of a code among those that a listing gives.

    Raises:
        NotFound: the station has none of this code.
    """
    from patrol.stations import find_station

    for row in await connection.fetch(statement, await find_station(connection, station)):
        if row["code"] == code:
            return row
    raise NotFound(f"The station has no {code}.")


async def issue(statement: str, station: str | None, code: str, holder: str, quiet: bool) -> None:
    """Issues a key and prints it, with the id that its address needs."""
    from patrol.identity import issue_device_key

    async with writing() as connection:
        row = await found(connection, statement, station, code)
        issued = await issue_device_key(connection, **{holder: row["id"]})
    out(issued.secret)
    if not quiet:
        note(f"Id of {code}: {row['id']}")
        note(f"Key {issued.id}. Put it into the device now: it is not shown again.")


async def list_keys(statement: str, station: str | None, code: str) -> None:
    """Lists the keys of one thing."""
    from storage.devices import STORED_DEVICE_KEYS

    async with reading() as connection:
        row = await found(connection, statement, station, code)
        rows = await connection.fetch(STORED_DEVICE_KEYS, row["id"])
    shown = ("id", "kind", "action", "prefix", "created_at", "revoked_at")
    table(shown, [[row[column] for column in shown] for row in rows])


async def revoke(key_id: Any) -> None:
    """Ends a key at once."""
    from patrol.identity import revoke_device_key

    async with writing() as connection:
        await revoke_device_key(connection, key_id)
    note("The key was revoked.")
