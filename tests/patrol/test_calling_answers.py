"""What each answer of the push service leads to: another try, a retired address, or the next step at once."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from api.fake_firebase import FakeFirebase, answers
from api.push import FirebaseNotifier, SilentNotifier
from patrol.sos.calling import MOST_ATTEMPTS, call_step
from storage.database import Database
from storage.jobs import Retry
from tests.patrol.sos import (
    add_phone,
    ledger,
    on_duty,
    outcomes,
    rung,
    steps,
    waiting,
)
from tests.world import World


async def test_a_phone_that_could_not_be_sent_to_is_tried_again_alone_when_asked(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    for officer, name, metres in ((world.somkid, "one", 10), (world.prasert, "two", 20)):
        await on_duty(world, officer, metres_away=metres)
        await add_phone(world, officer, name)
    firebase.will_answer(answers.quota_exceeded(17), to="two")
    [first, *_] = await steps(owner, alert)

    with pytest.raises(Retry) as again:
        await call_step(database, notifier, first)

    assert again.value.after == timedelta(seconds=17)
    assert await ledger(owner, first) == {
        "one": ("ACCEPTED", None, 1),
        "two": ("RETRY", "QUOTA_EXCEEDED", 1),
    }
    assert (await outcomes(owner, alert))[:3] == [None, None, None]

    await call_step(database, notifier, first)

    assert rung(firebase) == ["one", "two", "two"]
    assert (await ledger(owner, first))["two"] == ("ACCEPTED", None, 2)
    assert (await outcomes(owner, alert))[:3] == ["CALLED", None, None]


async def test_a_phone_is_not_tried_without_end_in_one_step(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    await on_duty(world, world.somkid)
    await add_phone(world, world.somkid, "busy")
    firebase.always_answers(answers.quota_exceeded(), to="busy")
    [first, second, *_] = await steps(owner, alert)
    pauses = []
    for _ in range(MOST_ATTEMPTS - 1):
        with pytest.raises(Retry) as again:
            await call_step(database, notifier, first)
        pauses.append(again.value.after.total_seconds())

    await call_step(database, notifier, first)

    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert (await ledger(owner, first))["busy"] == ("RETRY", "QUOTA_EXCEEDED", MOST_ATTEMPTS)
    assert (await outcomes(owner, alert))[:3] == ["NOBODY", None, None]
    assert dict(await waiting(owner))[second] <= 0


async def test_a_dead_address_is_retired_and_the_next_step_is_due_at_once(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    await on_duty(world, world.somkid)
    installation = await add_phone(world, world.somkid, "gone", kind="TOKEN")
    firebase.will_answer(answers.unregistered(), to="gone")
    [first, second, third, *_] = await steps(owner, alert)
    assert dict(await waiting(owner))[second] > 50

    await call_step(database, notifier, first)

    assert await ledger(owner, first) == {"gone": ("DEAD", "UNREGISTERED", 1)}
    retired = await owner.fetchrow("select * from installation where id = $1", installation)
    assert (retired["retired_at"] is not None, retired["retired_reason"]) == (True, "UNREGISTERED")
    assert (await outcomes(owner, alert))[:3] == ["NOBODY", None, None]
    due = dict(await waiting(owner))
    assert due[second] <= 0 < due[third]
    assert await owner.fetchval("select due_at <= now() from sos_step where id = $1", second)


async def test_a_dead_address_beside_a_living_one_does_not_hasten_the_next_step(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    for officer, name in ((world.somkid, "another project's"), (world.prasert, "alive")):
        await on_duty(world, officer)
        await add_phone(world, officer, name)
    firebase.will_answer(answers.sender_id_mismatch(), to="another project's")
    [first, second, *_] = await steps(owner, alert)

    await call_step(database, notifier, first)

    gone = await owner.fetch("select address from installation where retired_at is not null")
    assert [row["address"] for row in gone] == ["another project's"]
    assert (await outcomes(owner, alert))[:3] == ["CALLED", None, None]
    assert dict(await waiting(owner))[second] > 50


async def test_wrong_credentials_never_retire_a_whole_station(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    for officer, name in ((world.somkid, "one"), (world.prasert, "two")):
        await on_duty(world, officer)
        await add_phone(world, officer, name)
    firebase.always_answers(answers.sender_id_mismatch())
    [first, *_] = await steps(owner, alert)

    await call_step(database, notifier, first)

    assert (
        await owner.fetchval("select count(*) from installation where retired_at is not null") == 0
    )
    assert await ledger(owner, first) == dict.fromkeys(
        ("one", "two"), ("FAILED", "SENDER_ID_MISMATCH", 1)
    )
    assert (await outcomes(owner, alert))[:3] == ["NOBODY", None, None]


async def test_a_phone_that_officers_share_rings_once_and_dies_for_all_of_them(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    for officer in (world.somkid, world.prasert):
        await on_duty(world, officer)
        await add_phone(world, officer, "shared")
    firebase.will_answer(answers.unregistered(), to="shared")
    [first, *_] = await steps(owner, alert)

    await call_step(database, notifier, first)

    assert rung(firebase) == ["shared"]
    found = await owner.fetch("select officer_id, outcome from sos_recipient")
    assert {(row["officer_id"], row["outcome"]) for row in found} == {
        (world.somkid, "DEAD"),
        (world.prasert, "DEAD"),
    }
    assert await owner.fetchval("select count(*) from installation where retired_at is null") == 0


async def test_without_push_the_ledger_says_so_and_the_steps_keep_their_times(
    database: Database, world: World, owner: asyncpg.Connection, alert: UUID
) -> None:
    await on_duty(world, world.somkid)
    await add_phone(world, world.somkid, "somkid")
    [first, second, *_] = await steps(owner, alert)

    await call_step(database, SilentNotifier(), first)

    assert await ledger(owner, first) == {"somkid": ("FAILED", "PUSH_OFF", 1)}
    assert (await outcomes(owner, alert))[:3] == ["PUSH_OFF", None, None]
    assert dict(await waiting(owner))[second] > 50
