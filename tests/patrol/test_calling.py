"""An SOS on its way to people, through the real SDK: who is called in which order, and what each answer leads to."""

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg
import pytest

from api.fake_firebase import FakeFirebase, answers
from api.push import FirebaseNotifier
from patrol.sos.alerts import answer_alerts, press_button
from patrol.sos.calling import call_step
from storage.database import Database
from storage.job_worker import Worker
from storage.jobs import Job
from storage.principal import system
from storage.vocabulary import AlertSource, AlertStatus, OfficerRole
from tests import personas
from tests.patrol.sos import (
    add_phone,
    an_alert,
    ledger,
    on_duty,
    outcomes,
    raise_one,
    rung,
    steps,
    waiting,
)
from tests.world import World, now


async def test_officers_on_duty_are_called_nearest_first_and_never_the_one_who_raised_it(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    near = await world.add_officer("Near", scopes=[world.market])
    for officer, name, metres in (
        (world.kanya, "raiser", 0),
        (world.somkid, "far", 900),
        (world.prasert, "nowhere known", None),
        (near, "near", 50),
    ):
        await on_duty(world, officer, metres_away=metres)
        await add_phone(world, officer, name)
    await add_phone(world, await world.add_officer("At home", scopes=[world.market]), "at home")
    [first, *_] = await steps(owner, alert)

    await call_step(database, notifier, first)

    assert rung(firebase) == ["near", "far", "nowhere known"]
    assert await ledger(owner, first) == dict.fromkeys(
        ("near", "far", "nowhere known"), ("ACCEPTED", None, 1)
    )
    assert (await outcomes(owner, alert))[:3] == ["CALLED", None, None]
    told = firebase.messages[0].data
    assert (told["kind"], told["urgent"], told["drill"]) == ("SOS", "true", "false")
    assert (told["alertId"], told["stepId"]) == (str(alert), str(first))
    assert told["openAlertIds"] == str(alert)


async def test_the_second_step_calls_the_whole_station_and_the_third_its_supervisors(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    elsewhere = await world.add_station("Tak")
    guest = await world.add_officer("Guest", station=elsewhere, scopes=[world.market])
    stranger = await world.add_officer(
        "Stranger", station=elsewhere, role=OfficerRole.SUPERVISOR, scopes=[elsewhere]
    )
    for officer, name in (
        (world.kanya, "raiser"),
        (world.somkid, "somkid"),
        (world.prasert, "prasert"),
        (guest, "guest"),
        (stranger, "stranger"),
    ):
        await add_phone(world, officer, name)
    [_, second, third, *_] = await steps(owner, alert)

    await call_step(database, notifier, second)
    assert set(rung(firebase)) == {"somkid", "prasert", "guest"}
    await call_step(database, notifier, third)

    assert rung(firebase)[3:] == ["prasert"]
    assert (await outcomes(owner, alert))[:3] == [None, "CALLED", "CALLED"]


async def test_phones_that_are_no_longer_trusted_or_reached_are_not_called(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    for state in ("session revoked", "session expired", "device revoked", "retired", "inactive"):
        officer = await world.add_officer(state, scopes=[world.market])
        await on_duty(world, officer)
        await add_phone(world, officer, state)
    of = "(select session_id from installation where address = $1)"
    await world.change(f"update session set revoked_at = now() where id = {of}", "session revoked")
    await world.change(f"update session set expires_at = now() where id = {of}", "session expired")
    await world.change(
        f"update device set revoked_at = now() where id = (select device_id from session where id = {of})",
        "device revoked",
    )
    await world.change("update installation set retired_at = now() where address = 'retired'")
    await world.change("update officer set active = false where name = 'inactive'")
    [first, second, *_] = await steps(owner, alert)

    await call_step(database, notifier, first)

    assert rung(firebase) == []
    assert (await outcomes(owner, alert))[:3] == ["NOBODY", None, None]
    assert dict(await waiting(owner))[second] <= 0


@pytest.mark.parametrize("status", [AlertStatus.ACKNOWLEDGED, AlertStatus.CANCELLED])
async def test_once_somebody_answered_nobody_else_is_called(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
    status: AlertStatus,
) -> None:
    await add_phone(world, world.somkid, "somkid")
    async with database.write(system("test")) as connection:
        # Only the raiser calls it off alone, and everybody but the raiser may answer.
        who = world.kanya if status is AlertStatus.CANCELLED else world.prasert
        await answer_alerts(connection, who, {world.market}, [(alert, status, now())])
    [_, second, *_] = await steps(owner, alert)

    await call_step(database, notifier, second)

    assert rung(firebase) == []
    assert (await outcomes(owner, alert))[:3] == [None, "ANSWERED", None]


async def test_a_step_that_is_done_and_one_that_never_was_send_nothing(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    await on_duty(world, world.somkid)
    await add_phone(world, world.somkid, "somkid")
    [first, *_] = await steps(owner, alert)

    await call_step(database, notifier, first)
    await call_step(database, notifier, first)
    await call_step(database, notifier, world.station)

    assert rung(firebase) == ["somkid"]


async def test_when_nobody_at_all_can_be_reached_the_steps_run_to_their_end(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    for step in await steps(owner, alert):
        await call_step(database, notifier, step)

    assert await outcomes(owner, alert) == ["NOBODY"] * 5


async def test_a_next_step_whose_job_was_given_up_gets_a_new_one(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    [first, second, *_] = await steps(owner, alert)
    await owner.execute(
        "update pgqueuer set status = 'failed' where dedupe_key = $1", f"call_step {second}"
    )

    await call_step(database, notifier, first)

    assert dict(await waiting(owner))[second] <= 0


async def test_a_message_names_all_alerts_that_are_open_for_its_officer(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    await on_duty(world, world.somkid)
    await add_phone(world, world.somkid, "somkid")
    by_post = {"source": AlertSource.POST, "officer_id": None, "post_id": world.post}
    other = (await raise_one(database, an_alert(world, **by_post))).alert_id
    hidden = an_alert(world, scope_id=world.temple, zone_id=world.temple)
    await raise_one(database, hidden)
    drill = await raise_one(database, an_alert(world, drill=True, latitude=None, longitude=None))
    # He was called for two of them; of the third, and of one in another zone, he was told nothing.
    for called in (alert, other):
        [step, *_] = await steps(owner, called)
        await call_step(database, notifier, step)
    [first, *_] = await steps(owner, drill.alert_id)

    await call_step(database, notifier, first)

    told = firebase.messages[-1].data
    assert (told["drill"], told["severity"]) == ("true", "LOW")
    assert told["openAlertIds"].split(",")[0] == str(drill.alert_id)
    assert set(told["openAlertIds"].split(",")) == {str(drill.alert_id), str(other), str(alert)}


async def test_a_press_of_the_button_rings_through_the_worker_even_past_a_429(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    login_url: str,
) -> None:
    await on_duty(world, world.somkid)
    await add_phone(world, world.somkid, "gone")
    await add_phone(world, world.prasert, "prasert")
    firebase.will_answer(answers.unregistered(), to="gone")
    firebase.will_answer(answers.quota_exceeded(0), to="prasert")
    pole = await personas.as_post(world, world.post)

    async def run(job: Job) -> None:
        await call_step(database, notifier, UUID(job.data()["step_id"]))

    worker = Worker(login_url, {"call_step": run})
    working = asyncio.create_task(worker.run())
    await asyncio.wait_for(worker.started.wait(), 10)
    pressed = await press_button(database, pole, world.post, None, now())
    worker.wake()
    # The first step finds a dead phone, so the second, due in a minute, comes at once, and tries the busy one again.
    await firebase.arrived(3, timeout=20)
    worker.stop()
    await asyncio.wait_for(working, 20)

    assert rung(firebase) == ["gone", "prasert", "prasert"]
    [_, second, *_] = await steps(owner, pressed.alert_id)
    assert await ledger(owner, second) == {"prasert": ("ACCEPTED", None, 2)}
    assert (await outcomes(owner, pressed.alert_id))[:3] == ["NOBODY", "CALLED", None]
