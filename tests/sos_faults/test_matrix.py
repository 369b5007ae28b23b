"""Each fault of the world around a call: the next step happens on time, or the auditor speaks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from api.fake_firebase import FakeFirebase, answers
from patrol.sos.auditor import Round, audit_calls
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.migrations import migrate
from storage.vocabulary import CallFinding
from tests.conftest import LOGIN, address_of, administer
from tests.listeners import Listener
from tests.patrol.sos import add_phone, outcomes
from tests.sos_faults.scene import CHANNEL, LONGEST, Scene, later
from tests.sos_faults.worker import services_at, working
from tests.world import World

NOW = timedelta(0)


async def audited(scene: Scene) -> Round:
    """A round of the auditor; workers count as alive, because those of the tests keep no turns."""
    await scene.owner.execute(
        "insert into job_schedule (name, every, due_at) values ('audit.seal', '1 hour', now() + interval '1 hour') "
        "on conflict (name) do nothing"
    )
    async with scene.healthy() as where, services_at(where) as services:
        done = await audit_calls(services.database, services.notifier, services.teller, every=NOW)
    assert done is not None
    return done


async def until(scene: Scene, condition: str, *values: object) -> None:
    """Waits until a statement answers true."""
    async with asyncio.timeout(LONGEST):
        while not await scene.owner.fetchval(condition, *values):  # noqa: ASYNC110 # a condition of the database
            await asyncio.sleep(0.01)


FIRST_DONE = "select done_at is not null from sos_step where alert_id = $1 and number = 1"


@asynccontextmanager
async def one_works(scene: Scene) -> AsyncIterator[None]:
    async with scene.healthy() as where, working(where):
        yield


async def test_firebase_down_the_steps_go_on_to_the_channel_and_the_auditor_speaks_there(
    scene: Scene,
) -> None:
    scene.firebase.stop()
    alert = await scene.raised()
    async with one_works(scene):
        await until(scene, "select exists (select from sos_channel_call where outcome = 'TOLD')")
        await scene.owner.execute(
            "update sos_step set due_at = due_at - interval '1 minute' where done_at is null"
        )

    verdict = await scene.verdict(alert)
    assert {who for _, who in verdict.called} == {CHANNEL}
    before = len(scene.hook.told)
    done = await audited(scene)
    assert done.standing[CallFinding.STEP_OVERDUE] > 0
    assert len(scene.hook.told) == before + 1


async def test_firebase_slow_no_step_waits_for_another_and_the_late_one_is_tried_again(
    scene: Scene, firebase: FakeFirebase
) -> None:
    firebase.will_answer(answers.slow(60), to="near")
    alert = await scene.raised(first_step_only=True)
    async with one_works(scene):
        await until(
            scene,
            "select exists (select from sos_recipient where alert_id = $1 and outcome = 'ACCEPTED')",
            alert,
        )
        await until(scene, FIRST_DONE, alert)
    firebase.release()

    verdict = await scene.verdict(alert)
    assert verdict.called[1, "near"] >= 1
    assert verdict.called[1, "busy"] == 1
    assert verdict.strange == []


async def test_firebase_429_is_obeyed_for_one_phone_while_the_later_steps_go_on(
    scene: Scene, firebase: FakeFirebase
) -> None:
    scene.busy = False
    firebase.will_answer(answers.quota_exceeded(300), to="busy")
    alert = await scene.raised(first_step_only=True)
    async with one_works(scene):
        # So far ahead waits only who was told to.
        await until(
            scene,
            "select extract(epoch from execute_after - now()) between 200 and 300 from pgqueuer "
            "where dedupe_key = 'call_step ' || (select id from sos_step where alert_id = $1 and number = 1)",
            alert,
        )
        await scene.owner.execute("update sos_step set due_at = now() where number = 2")
        await scene.owner.execute(
            "update pgqueuer set execute_after = now() where dedupe_key = 'call_step ' || "
            "(select id from sos_step where alert_id = $1 and number = 2)",
            alert,
        )
        await until(
            scene,
            "select done_at is not null from sos_step where alert_id = $1 and number = 2",
            alert,
        )

    assert (await audited(scene)).well, "somebody was reached, so nothing is late"


async def test_firebase_429_for_everybody_makes_the_auditor_speak(
    scene: Scene, firebase: FakeFirebase
) -> None:
    firebase.always_answers(answers.quota_exceeded(300))
    alert = await scene.raised(first_step_only=True)
    async with one_works(scene):
        await until(
            scene,
            "select count(*) = 2 from sos_recipient where alert_id = $1 and outcome = 'RETRY'",
            alert,
        )
    await later(scene.owner, timedelta(seconds=46))

    done = await audited(scene)

    assert done.standing == {CallFinding.STEP_OVERDUE: 1}
    assert "has reached nobody" in scene.hook.texts[-1]


async def test_a_connection_that_breaks_rings_again_under_the_same_step(
    scene: Scene, firebase: FakeFirebase
) -> None:
    firebase.will_answer(*[answers.cut()] * 3, to="near")
    alert = await scene.raised(first_step_only=True)
    async with one_works(scene):
        await until(scene, FIRST_DONE, alert)

    near = [one for one in firebase.messages if one.address == "near"]
    assert len(near) > 1
    assert len({one.data["stepId"] for one in near}) == 1
    assert (await scene.verdict(alert)).strange == []


async def test_two_workers_call_each_phone_once(scene: Scene) -> None:
    alert = await scene.raised()
    async with scene.healthy() as where, working(where), working(where):
        await scene.done(alert)

    verdict = await scene.verdict(alert)
    assert (verdict.repeats, verdict.strange) == (0, [])
    assert {CHANNEL, "near", "busy"} <= {who for _, who in verdict.called}


async def test_all_addresses_dead_the_chain_runs_to_the_channel_at_once(
    scene: Scene, firebase: FakeFirebase
) -> None:
    scene.busy = False
    firebase.always_answers(answers.unregistered())
    alert = await scene.raised(first_step_only=True)
    async with one_works(scene):
        await until(scene, "select exists (select from sos_channel_call where outcome = 'TOLD')")

    assert (await outcomes(scene.owner, alert))[:3] == ["NOBODY", "NOBODY", "NOBODY"]
    assert scene.hook.texts


async def test_all_addresses_dead_and_no_channel_makes_the_auditor_speak(
    scene: Scene, firebase: FakeFirebase
) -> None:
    """The auditor has nobody to tell either, but the log, the figures and the silence of the heartbeat."""
    firebase.always_answers(answers.unregistered())
    alert = await scene.raised(first_step_only=True)
    async with one_works(scene):
        await scene.owner.execute("delete from sos_channel")
        await until(
            scene, "select bool_and(done_at is not null) from sos_step where alert_id = $1", alert
        )
    await scene.owner.execute("delete from sos_deadline")
    await later(scene.owner, timedelta(seconds=61))

    done = await audited(scene)

    assert not done.well


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_clock_that_jumps_stops_no_call(scene: Scene, hours: int) -> None:
    """Forward: everything is due at once. Back: what was received in the future is moved to now, with all its steps."""
    alert = await scene.raised(first_step_only=True)
    await later(scene.owner, timedelta(hours=hours))
    if hours < 0:
        async with one_works(scene):
            await asyncio.sleep(0.3)
        assert (await scene.verdict(alert)).called == {}, (
            "the jump must hurt, or the test shows nothing"
        )
        assert (await audited(scene)).repaired == 1
    async with one_works(scene):
        await until(scene, FIRST_DONE, alert)

    assert (await scene.verdict(alert)).called[1, "near"] == 1


async def test_dead_workers_make_the_auditor_speak_within_two_minutes(scene: Scene) -> None:
    alert = await scene.raised(first_step_only=True)
    await later(scene.owner, timedelta(seconds=46))

    done = await audited(scene)

    assert done.standing == {CallFinding.STEP_OVERDUE: 1}
    assert str(alert) in scene.hook.texts[-1]


@pytest.fixture
async def own_scene(
    tmp_path: Path, firebase: FakeFirebase, hook: Listener
) -> AsyncIterator[tuple[Scene, EmbeddedPostgres]]:
    """A scene on a server of its own, which may be restarted."""
    with EmbeddedPostgres(tmp_path, fast_for_tests=True) as server:
        await administer(
            server,
            f"create role {LOGIN} login nosuperuser nobypassrls",
            "create database patrol_own",
        )
        await migrate(address_of(server, "patrol_own"), login=LOGIN)
        login_url = address_of(server, "patrol_own", LOGIN)
        database = await Database.connect(login_url, size=5)
        owner = await asyncpg.connect(address_of(server, "patrol_own"))
        scene = Scene(login_url, database, await World.make(database), owner, firebase, hook)
        await scene.prepare()
        yield scene, server
        await database.close()
        with contextlib.suppress(asyncpg.InterfaceError):
            await scene.owner.close()


async def test_postgresql_restarted_in_the_middle_of_a_step_loses_nobody(
    own_scene: tuple[Scene, EmbeddedPostgres], firebase: FakeFirebase
) -> None:
    scene, server = own_scene
    firebase.will_answer(answers.slow(2), to="near")
    alert = await scene.raised(first_step_only=True)
    async with one_works(scene):
        await firebase.arrived(1, timeout=LONGEST)
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        scene.owner = await asyncpg.connect(address_of(server, "patrol_own"))
        firebase.release()
        await scene.done(alert)

    verdict = await scene.verdict(alert)
    assert verdict.strange == []
    assert {(1, "near"), (1, "busy")} <= set(verdict.called)


async def test_a_supervisors_phone_is_told_what_the_channel_is_told(
    scene: Scene, firebase: FakeFirebase
) -> None:
    await add_phone(scene.world, scene.world.prasert, "at the desk")
    alert = await scene.raised(first_step_only=True)
    await later(scene.owner, timedelta(seconds=46))

    await audited(scene)

    told = [one for one in firebase.messages if one.data["alertId"] == str(alert)]
    assert "at the desk" in {one.address for one in told}
    assert told[0].data["stepId"] in scene.hook.texts[-1]
