"""What the tests of calls for help share: phones that can ring, and how the ledger and the queue are looked at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from api.fake_firebase import FakeFirebase
from patrol.sos.alerts import Answered, NewAlert, Raised, answer_alerts, raise_alerts
from storage.database import Database
from storage.principal import system
from storage.vocabulary import AlertSource, AlertStatus
from tests import personas
from tests.world import LATITUDE, LONGITUDE, SIDE, World

METRES = 1 / 111_195
"""Degrees of latitude."""

ANSWERED_AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


async def add_phone(world: World, officer: UUID, address: str, *, kind: str = "FID") -> UUID:
    """A phone on which an officer is signed in and reached; returns the installation."""
    signed_in = await personas.as_officer(world, officer)
    return await world.store(
        "installation", session_id=signed_in.credential_id, kind=kind, address=address
    )


async def on_duty(world: World, officer: UUID, *, metres_away: float | None = None) -> None:
    """Puts an officer on duty, north of the middle of the market, or nobody knows where."""
    latitude = None if metres_away is None else LATITUDE + SIDE / 2 + metres_away * METRES
    longitude = None if metres_away is None else LONGITUDE + SIDE / 2
    await world.change(
        "insert into officer_state (officer_id, on_duty, latitude, longitude, fix_at) "
        "values ($1, true, $2, $3, now())",
        officer,
        latitude,
        longitude,
    )


def an_alert(world: World, **changes: Any) -> NewAlert:
    """A call for help by Kanya, from the middle of the market."""
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "id": uuid7(),
        "scope_id": world.market,
        "station_id": world.station,
        "zone_id": world.market,
        "source": AlertSource.OFFICER,
        "officer_id": world.kanya,
        "latitude": LATITUDE + SIDE / 2,
        "longitude": LONGITUDE + SIDE / 2,
        "accuracy_m": 8.0,
        "raised_at": now,
        "captured_at_raw": now.isoformat(),
        "received_at": now,
    }
    return NewAlert(**values | changes)


async def raise_one(database: Database, alert: NewAlert) -> Raised:
    """Raises one alert in a transaction of its own."""
    async with database.write(system("test")) as connection:
        [raised] = await raise_alerts(connection, [alert])
    return raised


async def raise_of_another(database: Database, world: World, **changes: Any) -> UUID:
    """A call for help in the market by somebody whom the test does not name: a raiser cannot answer himself."""
    raiser = await world.add_officer("Raiser", scopes=[world.market])
    return (await raise_one(database, an_alert(world, officer_id=raiser, **changes))).alert_id


async def answer(
    database: Database, world: World, alert: UUID, wanted: AlertStatus, *, officer: UUID
) -> Answered:
    """An answer of an officer, with the scopes that he holds now."""
    # A cancel is counted from the moment of raising, which is now.
    when = datetime.now(UTC) if wanted is AlertStatus.CANCELLED else ANSWERED_AT
    async with database.write(system("test")) as connection:
        scopes = await connection.fetch("select access.officer_scopes($1) as id", officer)
        [answered] = await answer_alerts(
            connection, officer, {row["id"] for row in scopes}, [(alert, wanted, when)]
        )
    return answered


async def steps(owner: asyncpg.Connection, alert: UUID) -> list[UUID]:
    """The ids of an alert's steps in their order."""
    found = await owner.fetch("select id from sos_step where alert_id = $1 order by number", alert)
    return [row["id"] for row in found]


async def ledger(owner: asyncpg.Connection, step: UUID) -> dict[str, tuple[str, str | None, int]]:
    """Outcome, reason and tries by address."""
    found = await owner.fetch(
        "select address, outcome, reason, attempts from sos_recipient "
        "join installation on installation.id = installation_id where step_id = $1",
        step,
    )
    return {row["address"]: (row["outcome"], row["reason"], row["attempts"]) for row in found}


async def waiting(owner: asyncpg.Connection) -> list[tuple[UUID, float]]:
    """The steps whose jobs wait, with the seconds until each is due (below zero when it is due)."""
    found = await owner.fetch(
        "select convert_from(payload, 'utf8')::jsonb ->> 'step_id' as step, "
        "extract(epoch from execute_after - now())::float8 as seconds "
        "from pgqueuer where entrypoint = 'call_step' and status = 'queued' order by execute_after, id"
    )
    return [(UUID(row["step"]), row["seconds"]) for row in found]


def rung(firebase: FakeFirebase) -> list[str]:
    """The addresses that were sent to, in order."""
    return [arrival.address for arrival in firebase.messages]


async def outcomes(owner: asyncpg.Connection, alert: UUID) -> list[str | None]:
    found = await owner.fetch(
        "select outcome from sos_step where alert_id = $1 order by number", alert
    )
    return [row["outcome"] for row in found]
