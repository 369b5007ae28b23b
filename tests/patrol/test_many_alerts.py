"""Many calls for help at once: each is called for in its turn, by severity and then by age, and none waits for what others need later."""

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg
import pytest

from api.fake_firebase import FakeFirebase
from api.push import FirebaseNotifier
from patrol.sos.alerts import raise_alerts
from patrol.sos.calling import call_step
from storage.database import Database
from storage.job_worker import LANES, Worker
from storage.jobs import Job, JobKind
from storage.principal import system
from storage.vocabulary import IncidentSeverity
from tests.patrol.sos import add_phone, an_alert, on_duty
from tests.world import World

SEVERITIES = (
    IncidentSeverity.CRITICAL,
    IncidentSeverity.HIGH,
    IncidentSeverity.LOW,
    IncidentSeverity.CRITICAL,
)


@pytest.mark.parametrize("count", [100, pytest.param(1_000, marks=pytest.mark.prove)])
async def test_none_of_many_alerts_starves_and_they_are_called_by_severity_and_age(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    login_url: str,
    count: int,
) -> None:
    await on_duty(world, world.somkid)
    await add_phone(world, world.somkid, "somkid")
    alerts = [
        an_alert(world, severity=SEVERITIES[number % len(SEVERITIES)], drill=number % 10 == 9)
        for number in range(count)
    ]
    async with database.write(system("test")) as connection:
        await raise_alerts(connection, alerts)
    # They came within ten seconds, two minutes ago, and no worker was there: by now the second steps are due as well.
    await owner.execute(
        "with raised as (select id, row_number() over (order by id) as place from sos_alert) "
        "update pgqueuer set execute_after = now() - interval '2 minutes' + raised.place * interval '10 s' / $1 "
        "+ case step.number when 1 then interval '0' when 2 then interval '1 minute' else interval '1 hour' end "
        "from sos_step step join raised on raised.id = step.alert_id "
        "where dedupe_key = 'call_step ' || step.id",
        count,
    )

    async def run(job: Job) -> None:
        await call_step(database, notifier, UUID(job.data()["step_id"]))

    worker = Worker(login_url, {"call_step": JobKind(run, lane="urgent")})
    working = asyncio.create_task(worker.run())
    # The first step calls the phone of who is on duty, the second the same one, for it is the station's only phone.
    await firebase.arrived(2 * count, timeout=300)
    worker.stop()
    await asyncio.wait_for(working, 60)

    rows = await owner.fetch("select id, number from sos_step")
    numbers = {str(row["id"]): row["number"] for row in rows}
    called = [(one.data["alertId"], numbers[one.data["stepId"]]) for one in firebase.messages]
    order = {severity: place for place, severity in enumerate(reversed(IncidentSeverity))}
    turns = sorted(
        (
            one.drill,
            0 if one.drill else order[one.severity or IncidentSeverity.CRITICAL],
            step,
            str(one.id),
        )
        for one in alerts
        for step in (1, 2)
    )
    expected = {(alert, step): turn for turn, (_, _, step, alert) in enumerate(turns)}
    assert len(set(called)) == len(called) == 2 * count
    # So many are under way at once, in whatever order they end.
    slack = 2 * LANES["urgent"]
    out_of_turn = [
        (place, expected[one])
        for place, one in enumerate(called)
        if abs(place - expected[one]) > slack
    ]
    assert out_of_turn == []
