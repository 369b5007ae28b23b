"""Lets a citizen who scanned a pole's code call for help without an account: the pole's alert, as if its button were pressed.

The call joins the pole's unfinished alert. A mute of the button does not concern it: what is stuck is the button. Nothing
about who called is kept, but the position if he lets his browser tell it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from patrol.errors import CitizenLinkInvalid
from patrol.fixes import Position
from patrol.keys import KeySet
from patrol.sos.citizen_codes import Code, Visit, Watch, read_post_code, read_visit, read_watch
from patrol.sos.pressing import MOST_KEPT, Lamp, Pressed, join_or_raise, lamp_of
from patrol.sos.raising import NewAlert
from storage.database import Connection, Database
from storage.post_health import READ_QR_POST
from storage.posts import BEAT_POST
from storage.presses import KEEP_PRESS, READ_PRESSED_POST
from storage.principal import Role, system
from storage.vocabulary import AlertSource, AlertStatus, PostLamp

_CITIZEN = system("citizen")


@dataclass(frozen=True, slots=True)
class Place:
    """A pole as a citizen is shown it."""

    code: Code
    name: str
    name_th: str
    station_name: str
    station_name_th: str


async def scanned(database: Database, keys: KeySet, text: str) -> Place:
    """The pole of a scanned code.

    Raises:
        CitizenLinkInvalid: not one of ours, issued anew since, or the pole stands no more.
    """
    code = read_post_code(keys, text)
    async with database.write(_CITIZEN, Role.SYSTEM) as connection:
        row = await _post(connection, code.post_id, code.number)
    return Place(code, row["name"], row["name_th"], row["station_name"], row["station_name_th"])


async def call_for_citizen(
    database: Database, keys: KeySet, text: str, position: Position | None, now: datetime
) -> Pressed:
    """Raises the alert of the pole whose code was scanned, or joins it; the same visit again hears the first answer.

    Raises:
        CitizenLinkInvalid: the visit is over, or its code was issued anew since.
    """
    visit = read_visit(keys, text, now)
    name = f"citizen {visit.name}"
    async with database.write(_CITIZEN, Role.SYSTEM) as connection:
        place = await _post(connection, visit.post_id, visit.number)
        # Holds the pole's row, without saying that the pole itself lives.
        await connection.fetchval(BEAT_POST, visit.post_id, None)
        post = await connection.fetchrow(READ_PRESSED_POST, visit.post_id, name, now)
        if post["told"]:
            return Pressed(
                post["told_alert_id"],
                post["scope_id"],
                AlertStatus(post["told_status"]),
                post["told_joined"],
                lamp=PostLamp(post["told_lamp"]),
            )
        alert = _alert_of(visit, place, position, now)
        pressed = await join_or_raise(
            connection, visit.post_id, alert, quiet=post["recent"] >= MOST_KEPT
        )
        await connection.execute(
            KEEP_PRESS, uuid7(), visit.post_id, pressed.scope_id, name, pressed.alert_id,
            pressed.joined, False, False, now,
        )  # fmt: skip
        return pressed


async def unfinished(database: Database, keys: KeySet, text: str, now: datetime) -> UUID | None:
    """The alert that is open at the pole of a visit already: whoever may not call again is shown that it is cared for.

    Raises:
        CitizenLinkInvalid: the visit is over.
    """
    visit = read_visit(keys, text, now)
    async with database.write(_CITIZEN, Role.SYSTEM) as connection:
        lamp = await lamp_of(connection, visit.post_id)
    return None if lamp.drill else lamp.alert_id


async def progress(database: Database, keys: KeySet, text: str, now: datetime) -> Lamp:
    """How far the help has come.

    Raises:
        CitizenLinkInvalid: the link is not one of ours, or over.
    """
    watch: Watch = read_watch(keys, text, now)
    async with database.write(_CITIZEN, Role.SYSTEM) as connection:
        return await lamp_of(connection, watch.post_id, watch.alert_id)


async def _post(connection: Connection, post_id: UUID, number: int) -> Mapping[str, Any]:
    row: Mapping[str, Any] | None = await connection.fetchrow(READ_QR_POST, post_id)
    if row is None or row["qr_version"] != number:
        raise CitizenLinkInvalid(
            "This code was replaced by a newer one, or its pole stands no more."
        )
    return row


def _alert_of(
    visit: Visit, place: Mapping[str, Any], position: Position | None, now: datetime
) -> NewAlert:
    here = position or Position(place["latitude"], place["longitude"], None)
    return NewAlert(
        id=uuid7(),
        scope_id=place["scope_id"],
        station_id=place["station_id"],
        zone_id=place["zone_id"],
        source=AlertSource.CITIZEN,
        post_id=visit.post_id,
        latitude=here.latitude,
        longitude=here.longitude,
        accuracy_m=here.accuracy_m,
        raised_at=now,
        captured_at_raw=now.isoformat(),
        received_at=now,
    )
