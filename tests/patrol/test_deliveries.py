"""What phones tell of the calls that reached them: kept with both clocks, also late, and only from whom it concerns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from api.fake_firebase import FakeFirebase
from api.push import FirebaseNotifier
from patrol.clock import PhoneTime
from patrol.errors import NotFound, Problem
from patrol.sos.calling import call_step
from patrol.sos.deliveries import Report, report
from storage.database import Database
from storage.principal import system
from storage.vocabulary import CallReport
from tests.patrol.sos import add_phone, on_duty, steps
from tests.world import World

AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


async def tell(
    database: Database,
    officer: UUID,
    device: UUID,
    alert: UUID,
    step: UUID | None,
    state: CallReport = CallReport.RECEIVED,
    *,
    at: datetime = AT,
) -> type[Problem] | None:
    """A phone tells of a call; gives why it was refused."""
    async with database.write(system("test")) as connection:
        scopes = await connection.fetch("select access.officer_scopes($1) as id", officer)
        [refusal] = await report(
            connection,
            officer,
            device,
            {row["id"] for row in scopes},
            [Report(alert, state, PhoneTime(at, "2569-11-23T16:30:00", True), step)],
            received_at=datetime.now(UTC),
        )
    return refusal


async def device_of(world: World, installation: UUID) -> UUID:
    row = await world.row(
        "select device_id from session join installation on session_id = session.id where installation.id = $1",
        installation,
    )
    return UUID(str(row["device_id"]))


@pytest.fixture
async def called(
    database: Database, world: World, owner: asyncpg.Connection, notifier: FirebaseNotifier,
    alert: UUID,
) -> tuple[UUID, UUID]:  # fmt: skip
    """The step that called Prasert for Kanya's alert, and his phone."""
    await on_duty(world, world.prasert)
    phone = await add_phone(world, world.prasert, "prasert")
    [step, *_] = await steps(owner, alert)
    await call_step(database, notifier, step)
    return step, await device_of(world, phone)


async def test_a_call_is_received_then_displayed_and_that_answers_nothing(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    alert: UUID,
    called: tuple[UUID, UUID],
) -> None:
    step, device = called
    later = AT + timedelta(seconds=9)
    assert await tell(database, world.prasert, device, alert, step) is None
    shown = CallReport.DISPLAYED
    assert await tell(database, world.prasert, device, alert, step, shown, at=later) is None

    row = await owner.fetchrow("select * from sos_recipient")
    assert (row["outcome"], row["received_at"], row["displayed_at"]) == ("ACCEPTED", AT, later)
    assert row["received_at_raw"] == "2569-11-23T16:30:00"
    assert row["received_told_at"] > AT
    assert await owner.fetchval("select status from sos_alert") == "OPEN"
    assert await owner.fetchval("select count(*) from sos_response") == 0
    events = await owner.fetch("select * from sos_event where device_id = $1 order by id", device)
    assert [(one["kind"], one["time_suspect"]) for one in events if one["step_id"]] == [
        ("RECEIVED", True),
        ("DISPLAYED", True),
    ]
    assert await owner.fetchval("select proven_at is not null from installation_state")


async def test_a_report_is_kept_also_when_the_alert_is_over(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    alert: UUID,
    called: tuple[UUID, UUID],
) -> None:
    step, device = called
    await world.change("update sos_alert set status = 'CLOSED', closed_at = now()")

    assert await tell(database, world.prasert, device, alert, step) is None
    assert await owner.fetchval("select received_at from sos_recipient") == AT


async def test_a_report_of_what_does_not_concern_him_is_as_if_there_were_nothing(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    alert: UUID,
    called: tuple[UUID, UUID],
) -> None:
    step, device = called
    somkid = await device_of(world, await add_phone(world, world.somkid, "somkid"))
    before = await owner.fetchval("select count(*) from sos_event")
    refusals = [
        await tell(database, world.somkid, somkid, alert, step),  # he was not called
        await tell(database, world.somkid, somkid, alert, None),  # nor is it in his scope
        await tell(database, world.somkid, somkid, uuid7(), None),  # nor does it exist
        await tell(database, world.kanya, device, alert, step),  # in her scope, but not her call
        await tell(database, world.prasert, device, uuid7(), step),  # another alert's step
    ]

    assert refusals == [NotFound] * 5
    assert await owner.fetchval("select received_at from sos_recipient") is None
    assert await owner.fetchval("select count(*) from sos_event") == before


async def test_a_phone_that_rings_may_tell_of_it_before_the_last_was_sent_to(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    alert: UUID,
) -> None:
    await on_duty(world, world.prasert)
    device = await device_of(world, await add_phone(world, world.prasert, "prasert"))
    [step, *_] = await steps(owner, alert)
    early: list[type[Problem] | None] = []

    class Telling(FirebaseNotifier):
        async def send(self, notification, addresses):  # type: ignore[no-untyped-def] # as its parent
            early.append(await tell(database, world.prasert, device, alert, step))
            return await super().send(notification, addresses)

    notifier = Telling(firebase.service_account(), endpoint=firebase.url)
    await call_step(database, notifier, step)
    await notifier.close()

    assert early == [None]
    row = await owner.fetchrow("select outcome, attempts, received_at from sos_recipient")
    assert tuple(row) == ("ACCEPTED", 1, AT)
