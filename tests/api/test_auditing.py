"""A process that serves audits by itself, speaks when no worker lives, and beats outside only while all is well."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import asyncpg
import httpx
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from api.app import create_app
from api.auditing import audit_once, auditing, beat
from api.live import Live
from api.push import SilentNotifier
from api.services import Services
from api.settings import Settings
from api.telling import AppriseTeller
from patrol.keys import KeySet
from patrol.sos.channels import add_channel
from storage.buckets import ObjectStore
from storage.database import Database
from storage.principal import system
from tests.conftest import SECRET
from tests.listeners import Listener, webhook
from tests.patrol.sos import add_phone, an_alert, raise_one, steps
from tests.world import World


@pytest.fixture
def outside() -> Iterator[Listener]:
    """The address that is asked while all is well."""
    with webhook() as listener:
        yield listener


@pytest.fixture
async def services(
    database: Database, keys: KeySet, store: ObjectStore, world: World, outside: Listener
) -> Services:
    settings = Settings(
        secret=SecretStr(SECRET),
        heartbeat_url=SecretStr(f"http://127.0.0.1:{outside.port}/ping/s3cr3t"),
    )
    return Services(
        settings,
        database,
        keys,
        store,
        Live(database.url),
        SilentNotifier(),
        AppriseTeller(SECRET, time_limit=5),
    )


async def a_worker_kept_a_turn(owner: asyncpg.Connection) -> None:
    await owner.execute(
        "insert into job_schedule (name, every, due_at) values ('audit.seal', '1 hour', now() + interval '1 hour')"
    )


async def late(owner: asyncpg.Connection) -> None:
    await owner.execute("update sos_step set due_at = due_at - interval '46 seconds'")


async def test_the_heartbeat_is_given_once_a_round_while_all_is_well(
    services: Services, owner: asyncpg.Connection, outside: Listener, world: World
) -> None:
    await a_worker_kept_a_turn(owner)
    await raise_one(services.database, an_alert(world))

    for _ in range(3):
        await audit_once(services)

    assert outside.paths == ["/ping/s3cr3t"]


async def test_the_heartbeat_stops_when_a_call_is_late_or_no_worker_lives(
    services: Services, owner: asyncpg.Connection, outside: Listener, world: World
) -> None:
    await audit_once(services)
    assert outside.paths == []
    await a_worker_kept_a_turn(owner)
    await raise_one(services.database, an_alert(world))
    await late(owner)
    await owner.execute("update sos_audit set looked_at = null")
    await audit_once(services)

    assert outside.paths == []


async def test_a_process_that_serves_speaks_while_no_worker_lives(
    services: Services, owner: asyncpg.Connection, world: World
) -> None:
    with webhook() as hook:
        async with services.database.write(system("test")) as connection:
            await add_channel(
                connection, services.teller, world.station, "Duty room", hook.address, by="test"
            )
        alert = (await raise_one(services.database, an_alert(world))).alert_id
        await late(owner)

        async with auditing(services, first=0), asyncio.timeout(20):
            while not hook.told:  # noqa: ASYNC110 # another thread's progress
                await asyncio.sleep(0.01)

        assert str(alert) in hook.texts[0]


@pytest.mark.parametrize("status", [500, 404])
async def test_an_address_outside_that_fails_is_told_without_its_secret(
    outside: Listener, status: int
) -> None:
    where = SecretStr(f"http://127.0.0.1:{outside.port}/ping/s3cr3t")
    outside.status = status
    with capture_logs() as logs:
        assert not await beat(where)
        assert not await beat(SecretStr("http://127.0.0.1:1/s3cr3t"))

    assert [one["event"] for one in logs] == ["heartbeat_refused", "heartbeat_failed"]
    assert "s3cr3t" not in str(logs)


async def test_an_auditor_that_cannot_look_says_so_and_goes_on(
    services: Services, outside: Listener
) -> None:
    blind = await Database.connect(services.database.url, size=2)
    await blind.close()
    with capture_logs() as logs:
        pause = await audit_once(replace(services, database=blind))

    assert pause > 0
    assert [(one["event"], one["log_level"]) for one in logs] == [("calls_not_audited", "critical")]
    assert outside.paths == []


async def test_readyz_and_metrics_show_the_age_of_the_oldest_due_step(
    services: Services, owner: asyncpg.Connection, world: World
) -> None:
    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        quiet = (await client.get("/readyz")).json()["sos"]
        assert (quiet["open"], quiet["oldestDueStepSeconds"]) == (0, None)
        await raise_one(services.database, an_alert(world))
        await late(owner)
        answer = await client.get("/readyz")
        written = (await client.get("/metrics")).text

    assert answer.status_code == 200
    told = answer.json()["sos"]
    assert told["open"] == 1
    assert told["oldestDueStepSeconds"] == pytest.approx(46, abs=3)
    figures = dict(
        line.rsplit(" ", 1) for line in written.splitlines() if line.startswith("patrol_sos")
    )
    assert float(figures["patrol_sos_open"]) == 1
    assert float(figures["patrol_sos_oldest_due_step_seconds"]) == pytest.approx(46, abs=3)
    assert float(figures["patrol_sos_audit_age_seconds"]) == -1


async def test_metrics_show_how_long_first_push_and_answer_took(
    services: Services, owner: asyncpg.Connection, world: World
) -> None:
    phone = await add_phone(world, world.somkid, "somkid")
    alert = (await raise_one(services.database, an_alert(world))).alert_id
    [first, *_] = await steps(owner, alert)
    received = await owner.fetchval("select received_at from sos_alert")
    await world.store(
        "sos_recipient",
        alert_id=alert,
        step_id=first,
        scope_id=world.market,
        officer_id=world.somkid,
        installation_id=phone,
        outcome="ACCEPTED",
        attempted_at=received + timedelta(seconds=0.25),
    )
    await owner.execute(
        "update sos_alert set acknowledged_at = received_at + interval '90 seconds'"
    )
    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        written = (await client.get("/metrics")).text

    assert 'patrol_sos_first_push_seconds{quantile="0.99"} 0.25' in written
    assert 'patrol_sos_acknowledgement_seconds{quantile="0.5"} 90.0' in written
