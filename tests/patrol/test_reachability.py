"""Whether an SOS would be heard is known before it is needed, and pushes follow the officer who is signed in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from api.fake_firebase import FakeFirebase, answers
from api.push import FirebaseNotifier
from patrol.identity.presence import go_on_duty, set_push_address
from patrol.pushes import SEND_PUSH, ask_to_sync, send_push, tell
from patrol.reachability import (
    TEST_PUSH,
    PhoneState,
    check_stations,
    report_reachability,
    send_test,
)
from storage.database import Database
from storage.jobs import Retry
from storage.principal import system
from storage.vocabulary import PushAddressKind, PushKind
from tests import personas
from tests.patrol.sos import add_phone, on_duty, rung
from tests.world import World


async def jobs(owner: asyncpg.Connection, name: str) -> list[dict[str, Any]]:
    rows = await owner.fetch("select payload from pgqueuer where entrypoint = $1 order by id", name)
    return [orjson.loads(row["payload"]) for row in rows]


async def why(owner: asyncpg.Connection, installation: UUID) -> str | None:
    reason: str | None = await owner.fetchval(
        "select why_unreachable(state) from installation "
        "left join installation_state state on installation_id = id where id = $1",
        installation,
    )
    return reason


async def say(database: Database, owner: asyncpg.Connection, phone: UUID, **state: Any) -> bool:
    """A phone tells of itself."""
    session = await owner.fetchval("select session_id from installation where id = $1", phone)
    async with database.write(system("test")) as connection:
        return await report_reachability(connection, session, PhoneState(**state))


async def test_going_on_duty_is_tested_the_whole_way_of_an_sos(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
) -> None:
    phone = await add_phone(world, world.kanya, "kanya")
    for _ in range(2):  # saying it again is no news
        async with database.write(system("test")) as connection:
            await go_on_duty(connection, world.kanya)
    assert await jobs(owner, TEST_PUSH) == [{"officer_id": str(world.kanya)}]

    await send_test(database, notifier, world.kanya)

    [message] = firebase.messages
    assert (message.data["kind"], message.data["urgent"]) == ("TEST", "true")
    assert message.message["android"]["priority"] == "high"
    assert await why(owner, phone) is None  # he has a moment to tell
    await world.change("update installation_state set test_sent_at = now() - interval '3 minutes'")
    assert await why(owner, phone) == "TEST_UNANSWERED"
    assert await say(database, owner, phone, test_id=UUID(message.data["testId"]))
    assert await why(owner, phone) is None


async def test_a_test_that_another_phone_tells_of_or_that_is_old_proves_nothing(
    database: Database, world: World, owner: asyncpg.Connection, notifier: FirebaseNotifier
) -> None:
    phone = await add_phone(world, world.kanya, "kanya")
    await send_test(database, notifier, world.kanya)
    old = await owner.fetchval("select test_id from installation_state")
    await send_test(database, notifier, world.kanya)
    await world.change("update installation_state set test_sent_at = now() - interval '3 minutes'")

    await say(database, owner, phone, test_id=old, last_push_at="2099-01-01T00:00:00Z")

    assert await why(owner, phone) == "TEST_UNANSWERED"


async def test_what_a_phone_says_of_itself_counts_and_what_it_leaves_out_stays(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    phone = await add_phone(world, world.kanya, "kanya")
    assert await why(owner, phone) is None  # nothing is known, which is no reason to pass her over
    await say(database, owner, phone, notifications_allowed=False, battery_percent=130)
    await say(database, owner, phone, charging=True)
    assert await why(owner, phone) == "NOT_ALLOWED"
    await say(database, owner, phone, notifications_allowed=True, silent=True)
    assert await why(owner, phone) == "SILENT"
    row = await owner.fetchrow("select * from installation_state")
    assert (row["charging"], row["battery_percent"]) == (True, None)


async def test_an_address_that_firebase_refuses_is_known_before_any_sos(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
) -> None:
    phone = await add_phone(world, world.kanya, "kanya")
    firebase.will_answer(answers.unregistered(), to="kanya")

    await send_test(database, notifier, world.kanya)

    assert await why(owner, phone) == "TEST_REFUSED"
    assert await owner.fetchval("select retired_reason from installation") == "UNREGISTERED"


async def test_a_test_that_could_not_be_sent_says_nothing_of_the_phone_and_is_tried_again(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
) -> None:
    phone = await add_phone(world, world.kanya, "kanya")
    firebase.will_answer(answers.quota_exceeded(0), to="kanya")

    with pytest.raises(Retry) as waits:
        await send_test(database, notifier, world.kanya)

    assert waits.value.after == timedelta(minutes=1)
    old = "update installation_state set test_sent_at = now() - interval '3 minutes'"
    await world.change(old)
    assert await why(owner, phone) is None
    await send_test(database, notifier, world.kanya)
    await world.change(old)
    assert await why(owner, phone) == "TEST_UNANSWERED"


async def test_a_station_that_nobody_on_duty_can_be_reached_at_is_told_once(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    phone = await add_phone(world, world.kanya, "kanya")
    await on_duty(world, world.kanya)
    for _ in range(2):
        await check_stations(database)
    assert await jobs(owner, SEND_PUSH) == []

    await say(database, owner, phone, silent=True)
    for _ in range(3):
        await check_stations(database)
    await say(database, owner, phone, silent=False)
    for _ in range(2):
        await check_stations(database)

    told = [(one["kind"], one["officer_ids"]) for one in await jobs(owner, SEND_PUSH)]
    assert told == [
        ("STATION_SILENT", [str(world.prasert)]),
        ("STATION_REACHED", [str(world.prasert)]),
    ]


async def test_pushes_follow_the_officer_who_is_signed_in(
    database: Database,
    world: World,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    owner: asyncpg.Connection,
) -> None:
    """One phone, two officers: whoever reported the address last has the phone in hand."""
    kanya = await personas.as_officer(world, world.kanya)
    somkid = await personas.as_officer(world, world.somkid)
    payload = {"kind": "SYNC", "officer_ids": [str(world.kanya)]}
    for holder in (kanya, somkid):
        assert holder.credential_id is not None
        async with database.write(system("test")) as connection:
            await set_push_address(
                connection, holder.credential_id, PushAddressKind.FID, "the phone"
            )
        await send_push(database, notifier, payload)

    assert rung(firebase) == ["the phone"]  # the second one was no more for Kanya
    await send_push(database, notifier, payload | {"officer_ids": [str(world.somkid)]})
    assert rung(firebase) == ["the phone"] * 2
    assert await jobs(owner, TEST_PUSH) == []  # nobody is on duty


async def test_an_ordinary_push_is_quiet_and_its_failures_are_tried_again_alone(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
) -> None:
    kanya = await add_phone(world, world.kanya, "kanya")
    await add_phone(world, world.somkid, "somkid")
    firebase.will_answer(answers.quota_exceeded(retry_after=90), to="kanya")
    async with database.write(system("test")) as connection:
        await tell(connection, [world.kanya, world.somkid, world.kanya], PushKind.ASSIGNED, kanya)
    [payload] = await jobs(owner, SEND_PUSH)

    await send_push(database, notifier, payload)

    assert [one.message["android"]["priority"] for one in firebase.messages] == ["normal"] * 2
    again = (await jobs(owner, SEND_PUSH))[1]
    assert (again["installation_ids"], again["attempt"]) == ([str(kanya)], 2)
    wait = await owner.fetchval("select max(execute_after) - now() from pgqueuer")
    assert timedelta(seconds=60) < wait <= timedelta(seconds=90)


async def test_a_phone_that_holds_old_records_is_asked_once_in_a_while(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    phone = await add_phone(world, world.kanya, "kanya")
    await add_phone(world, world.somkid, "somkid")
    await world.change(
        "update officer_phone set records_held = 3, records_oldest_at = now() - interval '2 hours', "
        "heard_at = now() - interval '1 hour' where officer_id = $1",
        world.kanya,
    )
    for _ in range(2):
        await ask_to_sync(database)

    assert await jobs(owner, SEND_PUSH) == [{"kind": "SYNC", "installation_ids": [str(phone)]}]
