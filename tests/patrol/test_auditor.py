"""The auditor must see everything that was due and did not happen, say it to people, and stay silent when all is well."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from structlog.testing import capture_logs

from api.fake_firebase import FakeFirebase, answers
from api.push import FirebaseNotifier
from api.telling import AppriseTeller
from patrol.sos.auditor import Round, audit_calls
from patrol.sos.calling import call_step
from patrol.sos.channels import add_channel
from storage.database import Database
from storage.principal import Role, system
from storage.vocabulary import AlertStatus, CallFinding, OfficerRole
from tests import personas
from tests.conftest import SECRET
from tests.listeners import Listener, webhook
from tests.patrol.sos import add_phone, an_alert, answer, on_duty, raise_one, rung, steps, waiting
from tests.world import World

NOW = timedelta(0)


@pytest.fixture
def hook() -> Iterator[Listener]:
    with webhook() as listener:
        yield listener


@pytest.fixture
def teller() -> AppriseTeller:
    return AppriseTeller(SECRET, time_limit=5)


@pytest.fixture
async def channel(database: Database, world: World, teller: AppriseTeller, hook: Listener) -> UUID:
    async with database.write(system("test")) as connection:
        return await add_channel(
            connection, teller, world.station, "Duty room", hook.address, by="test"
        )


@pytest.fixture
async def workers(owner: asyncpg.Connection) -> None:
    """A worker has just kept a turn."""
    await owner.execute(
        "insert into job_schedule (name, every, due_at) values ('audit.seal', '1 second', now() + interval '1 hour') "
        "on conflict (name) do update set every = excluded.every, due_at = excluded.due_at"
    )
    # An hour ahead would be a clock that went back; a rhythm of an hour is none.
    await owner.execute("update job_schedule set every = interval '1 hour'")


@pytest.fixture
async def supervisor(world: World) -> UUID:
    await add_phone(world, world.prasert, "prasert")
    return world.prasert


@pytest.fixture
async def audit(
    database: Database, notifier: FirebaseNotifier, teller: AppriseTeller, workers: None
) -> Any:
    async def run() -> Round:
        done = await audit_calls(database, notifier, teller, every=NOW)
        assert done is not None
        return done

    return run


async def later(owner: asyncpg.Connection, seconds: float) -> None:
    """Lets time pass for everything about alerts and their jobs, as if it were so much later."""
    by = timedelta(seconds=seconds)
    await owner.execute(
        "update sos_alert set received_at = received_at - $1::interval, acknowledged_at = acknowledged_at - $1::interval",
        by,
    )
    await owner.execute(
        "update sos_step set due_at = due_at - $1::interval, done_at = done_at - $1::interval", by
    )
    await owner.execute("update sos_deadline set due_at = due_at - $1::interval", by)
    await owner.execute("update sos_finding set told_at = told_at - $1::interval", by)
    await owner.execute("update pgqueuer set execute_after = execute_after - $1::interval", by)


async def open_findings(owner: asyncpg.Connection) -> list[str]:
    rows = await owner.fetch("select kind from sos_finding where resolved_at is null order by kind")
    return [row["kind"] for row in rows]


async def test_an_alert_that_goes_its_way_is_well_and_nobody_is_disturbed(
    owner: asyncpg.Connection, audit: Any, channel: UUID, hook: Listener, alert: UUID
) -> None:
    done = await audit()

    assert done == Round(done.standing, 0, 0, 0)
    assert done.well
    assert hook.told == []
    assert await owner.fetchval("select well_at is not null from sos_audit")


async def test_a_step_that_is_late_and_reached_nobody_is_told_to_supervisors_and_channels(
    owner: asyncpg.Connection,
    audit: Any,
    channel: UUID,
    supervisor: UUID,
    firebase: FakeFirebase,
    hook: Listener,
    alert: UUID,
) -> None:
    await later(owner, 46)

    with capture_logs() as logs:
        done = await audit()

    assert done.standing == {CallFinding.STEP_OVERDUE: 1}
    assert (done.told, done.reached) == (1, 2)
    assert rung(firebase) == ["prasert"]
    [message] = firebase.messages
    assert (message.data["kind"], message.data["alertId"]) == ("ALARM", str(alert))
    [text] = hook.texts
    assert str(alert) in text
    assert message.data["stepId"] in text
    assert "has reached nobody" in text
    assert [one["log_level"] for one in logs if one["event"] == "sos_needs_a_person"] == [
        "critical"
    ]
    assert not await owner.fetchval("select well_at is not null from sos_audit")
    kinds = await owner.fetch("select kind from sos_event where alert_id = $1", alert)
    assert {"ALARM", "CHANNEL_TOLD"} <= {row["kind"] for row in kinds}


async def test_just_before_its_grace_is_over_a_step_is_not_late(
    owner: asyncpg.Connection, audit: Any, alert: UUID
) -> None:
    await later(owner, 40)

    assert (await audit()).well


async def test_a_step_that_has_reached_somebody_and_tries_others_is_not_late(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    audit: Any,
    notifier: FirebaseNotifier,
    firebase: FakeFirebase,
    alert: UUID,
) -> None:
    from storage.jobs import Retry

    for officer, name in ((world.somkid, "good"), (world.prasert, "busy")):
        await on_duty(world, officer)
        await add_phone(world, officer, name)
    firebase.will_answer(answers.quota_exceeded(300), to="busy")
    [first, *_] = await steps(owner, alert)
    with pytest.raises(Retry):
        await call_step(database, notifier, first)
    await owner.execute(
        "update sos_step set due_at = due_at - interval '59 seconds' where id = $1", first
    )

    assert (await audit()).well


async def test_a_finding_is_told_again_ever_more_slowly_and_under_another_id(
    owner: asyncpg.Connection,
    audit: Any,
    channel: UUID,
    supervisor: UUID,
    firebase: FakeFirebase,
    hook: Listener,
    alert: UUID,
) -> None:
    await later(owner, 46)
    told_after = []
    for minutes in range(80):
        before = len(hook.told)
        await audit()
        if len(hook.told) > before:
            told_after.append(minutes)
        await owner.execute("update sos_finding set told_at = told_at - interval '1 minute'")

    assert told_after == [0, 2, 6, 14, 30, 60]
    ids = [one.data["stepId"] for one in firebase.messages]
    assert len(set(ids)) == len(ids) == len(told_after)


async def test_a_crash_before_the_telling_is_written_down_repeats_it_under_the_same_id(
    owner: asyncpg.Connection,
    audit: Any,
    channel: UUID,
    supervisor: UUID,
    firebase: FakeFirebase,
    hook: Listener,
    alert: UUID,
) -> None:
    await later(owner, 46)
    await audit()
    await owner.execute("update sos_finding set told_at = null, times_told = 0")

    await audit()

    first, second = firebase.messages
    assert first.data["stepId"] == second.data["stepId"]
    # The channel had been written down as told by then.
    assert len(hook.told) == 1


async def test_what_is_put_right_is_well_again(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    audit: Any,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    await on_duty(world, world.somkid)
    await add_phone(world, world.somkid, "somkid")
    await owner.execute(
        "update sos_step set due_at = due_at - interval '50 seconds' where number = 1"
    )
    assert not (await audit()).well
    [first, *_] = await steps(owner, alert)

    await call_step(database, notifier, first)

    assert (await audit()).well
    assert await open_findings(owner) == []
    assert await owner.fetchval("select count(*) from sos_finding") == 1


async def test_a_step_that_was_finished_before_anybody_was_called_is_seen(
    owner: asyncpg.Connection,
    audit: Any,
    supervisor: UUID,
    firebase: FakeFirebase,
    alert: UUID,
) -> None:
    """The planted fault: the outcome is written first, and the worker dies before it sends."""
    [first, *_] = await steps(owner, alert)
    await owner.execute(
        "update sos_step set done_at = now(), outcome = 'CALLED' where id = $1", first
    )

    done = await audit()

    assert done.standing == {CallFinding.STEP_WITHOUT_CALL: 1}
    assert rung(firebase) == ["prasert"]


async def test_an_alert_with_nobody_left_to_call_is_seen(
    owner: asyncpg.Connection, audit: Any, supervisor: UUID, alert: UUID
) -> None:
    await owner.execute("update sos_step set done_at = now(), outcome = 'NOBODY'")
    await owner.execute("delete from sos_deadline")
    await later(owner, 30)
    assert (await audit()).well
    await later(owner, 31)

    assert (await audit()).standing == {CallFinding.NO_STEP_LEFT: 1}


async def test_an_answer_that_nothing_watches_over_is_seen(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    audit: Any,
    alert: UUID,
) -> None:
    await answer(database, world, alert, AlertStatus.ACKNOWLEDGED, officer=world.prasert)
    await owner.execute("update sos_alert set acknowledged_at = now()")
    assert (await audit()).well
    await owner.execute("update sos_deadline set due_at = now() - interval '46 seconds'")
    assert (await audit()).standing == {CallFinding.DEADLINE_OVERDUE: 1}
    await owner.execute("delete from sos_deadline")
    await owner.execute("update sos_alert set acknowledged_at = now() - interval '61 seconds'")

    assert (await audit()).standing == {CallFinding.NO_DEADLINE: 1}


async def test_lost_jobs_come_back_for_the_time_of_their_steps(
    database: Database, owner: asyncpg.Connection, audit: Any, alert: UUID
) -> None:
    before = await waiting(owner)
    await owner.execute("delete from pgqueuer where entrypoint = 'call_step'")

    done = await audit()

    assert (done.repaired, done.well) == (len(before), True)
    after = dict(await waiting(owner))
    assert after == {step: pytest.approx(seconds, abs=2) for step, seconds in before}
    assert await open_findings(owner) == []
    assert (await audit()).repaired == 0


async def test_a_job_that_was_given_up_comes_back_and_one_that_runs_is_left_alone(
    owner: asyncpg.Connection, audit: Any, alert: UUID
) -> None:
    await owner.execute(
        "update pgqueuer set status = (case when id = (select min(id) from pgqueuer where entrypoint = 'call_step') "
        "then 'failed' else 'picked' end)::pgqueuer_status where entrypoint = 'call_step'"
    )

    assert (await audit()).repaired == 1


async def test_the_lost_job_of_a_deadline_comes_back(
    database: Database, world: World, owner: asyncpg.Connection, audit: Any, alert: UUID
) -> None:
    await answer(database, world, alert, AlertStatus.ACKNOWLEDGED, officer=world.prasert)
    await owner.execute("delete from pgqueuer where entrypoint = 'meet_deadline'")

    assert (await audit()).repaired == 1
    assert (await audit()).repaired == 0


async def test_an_alert_from_the_future_is_moved_to_now_with_all_that_is_due(
    owner: asyncpg.Connection, audit: Any, alert: UUID
) -> None:
    before = await waiting(owner)
    await later(owner, -3600)

    done = await audit()

    assert (done.repaired, done.well) == (1, True)
    assert await waiting(owner) == [(step, pytest.approx(at, abs=2)) for step, at in before]
    assert await owner.fetchval("select received_at <= now() from sos_alert")
    due = await owner.fetch("select due_at - now() as wait from sos_step order by number")
    assert due[0]["wait"] <= timedelta(0) < due[1]["wait"] < timedelta(seconds=61)


async def test_workers_that_keep_no_turn_are_seen_also_without_an_alert(
    owner: asyncpg.Connection, audit: Any
) -> None:
    await owner.execute("update job_schedule set due_at = now() - interval '31 seconds'")

    assert (await audit()).standing == {CallFinding.WORKERS_SILENT: 1}


async def test_turns_that_a_clock_left_in_the_future_come_back(
    owner: asyncpg.Connection, audit: Any
) -> None:
    await owner.execute(
        "update job_schedule set every = interval '1 second', due_at = now() + interval '1 hour'"
    )

    assert (await audit()).well
    assert await owner.fetchval("select due_at <= now() from job_schedule")


async def test_without_a_supervisor_whom_a_push_reaches_those_of_other_stations_are_rung(
    world: World,
    owner: asyncpg.Connection,
    audit: Any,
    supervisor: UUID,
    firebase: FakeFirebase,
    alert: UUID,
) -> None:
    tak = await world.add_station("Tak")
    elsewhere = await world.add_officer(
        "Else", station=tak, role=OfficerRole.SUPERVISOR, scopes=[tak]
    )
    await add_phone(world, elsewhere, "elsewhere")
    firebase.always_answers(answers.unregistered(), to="prasert")
    await later(owner, 46)

    done = await audit()

    assert rung(firebase)[0] == "prasert"
    assert rung(firebase)[-1] == "elsewhere"
    assert done.reached == 1


async def test_when_not_even_the_alarm_reaches_anybody_the_log_says_so(
    owner: asyncpg.Connection, audit: Any, alert: UUID
) -> None:
    await later(owner, 46)

    with capture_logs() as logs:
        done = await audit()

    assert done.reached == 0
    assert "sos_alarm_reaches_nobody" in [one["event"] for one in logs]


async def test_many_alerts_of_a_station_are_one_text_and_one_push(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    audit: Any,
    channel: UUID,
    supervisor: UUID,
    firebase: FakeFirebase,
    hook: Listener,
) -> None:
    for _ in range(4):
        await raise_one(database, an_alert(world))
    await later(owner, 46)

    done = await audit()

    assert (done.told, len(hook.told), len(firebase.messages)) == (4, 1, 1)
    assert "(and 3 more)" in hook.texts[0]
    assert len(firebase.messages[0].data["openAlertIds"].split(",")) == 4


async def test_a_drill_that_goes_wrong_is_told_as_a_drill_and_after_what_is_none(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    audit: Any,
    channel: UUID,
    supervisor: UUID,
    firebase: FakeFirebase,
    hook: Listener,
) -> None:
    await raise_one(database, an_alert(world, drill=True))
    await later(owner, 46)
    await audit()
    real = await raise_one(database, an_alert(world))
    await later(owner, 121)

    await audit()

    first, second = firebase.messages
    assert (first.data["drill"], second.data["drill"]) == ("true", "false")
    assert second.data["alertId"] == str(real.alert_id)
    assert hook.texts[0].startswith("[ฝึกซ้อม] [DRILL]")
    assert "DRILL" not in hook.texts[1]


@pytest.mark.parametrize("silent", [True, False])
async def test_the_alarm_about_a_silent_alert_does_not_betray_its_raiser(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    audit: Any,
    supervisor: UUID,
    firebase: FakeFirebase,
    silent: bool,
) -> None:
    device = await world.add_device()
    for name, where in (("second", None), ("shares", device)):
        other = await world.add_officer(name, role=OfficerRole.SUPERVISOR, scopes=[world.market])
        signed_in = await personas.as_officer(world, other, device=where)
        await world.store(
            "installation", session_id=signed_in.credential_id, kind="FID", address=name
        )
    await raise_one(
        database, an_alert(world, officer_id=supervisor, device_id=device, silent=silent)
    )
    await later(owner, 46)

    await audit()

    assert set(rung(firebase)) == ({"second"} if silent else {"prasert", "second", "shares"})
    assert {one.data.get("silent") for one in firebase.messages} == {"true" if silent else None}


async def test_of_many_processes_one_does_the_round(
    database: Database,
    notifier: FirebaseNotifier,
    teller: AppriseTeller,
    workers: None,
    owner: asyncpg.Connection,
    channel: UUID,
    hook: Listener,
    alert: UUID,
) -> None:
    await later(owner, 46)

    rounds = await asyncio.gather(*(audit_calls(database, notifier, teller) for _ in range(6)))

    assert sum(one is not None for one in rounds) == 1
    assert len(hook.told) == 1
    await owner.execute("update sos_audit set looked_at = now() - interval '56 seconds'")
    assert await audit_calls(database, notifier, teller) is not None
    await owner.execute("update sos_audit set looked_at = now() + interval '1 hour'")
    assert await audit_calls(database, notifier, teller) is not None


async def test_a_process_that_died_in_its_round_keeps_no_other_from_the_next(
    database: Database,
    notifier: FirebaseNotifier,
    teller: AppriseTeller,
    login_url: str,
    workers: None,
) -> None:
    dying = await Database.connect(login_url, size=1)
    async with dying.enter(Role.SYSTEM, system("auditor")) as entered:
        from storage.findings import TRY_TURN

        assert await entered.connection.fetchval(TRY_TURN)
        assert await audit_calls(database, notifier, teller, every=NOW) is None
        entered.connection.terminate()
    async with asyncio.timeout(10):
        while await audit_calls(database, notifier, teller, every=NOW) is None:
            pass
    await dying.close()
