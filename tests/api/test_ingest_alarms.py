"""The door of SOS poles over real sockets: one alert for many presses, told at once to those who listen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from api import ingest
from patrol.keys import KeySet
from storage.buckets import ObjectStore
from storage.database import Database
from tests.api.site import Site, code, leaves_nothing, opened
from tests.world import World


@pytest.fixture
async def site(
    login_url: str, database: Database, store: ObjectStore, keys: KeySet, world: World
) -> AsyncIterator[Site]:
    async with opened(login_url, database, store, keys, world) as site:
        yield site


@pytest.fixture
async def nothing_left(
    owner: asyncpg.Connection, store: ObjectStore, world: World
) -> AsyncIterator[None]:
    """Looks, after the test, that nothing stayed."""
    yield
    await leaves_nothing(owner, store, world)


async def test_a_press_raises_an_alert_and_further_presses_join_it(
    site: Site, owner: asyncpg.Connection
) -> None:
    first = await site.http.post(site.alarm, headers=site.as_post())
    second = await site.http.post(
        site.alarm,
        content="<alarm>ช่วยด้วย</alarm>".encode(),
        headers=site.as_post(**{"content-type": "text/xml"}),
    )

    alert = first.json()["alertId"]
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == {"alertId": alert, "status": "OPEN", "joined": False}
    assert second.json() == {"alertId": alert, "status": "OPEN", "joined": True}
    assert await owner.fetchval("select presses from sos_alert") == 2


@pytest.mark.parametrize("header", ["idempotency-key", "x-press-id"])
async def test_a_press_that_is_repeated_is_answered_the_same(
    site: Site, owner: asyncpg.Connection, header: str
) -> None:
    answers = [
        await site.http.post(site.alarm, headers=site.as_post(**{header: "17"})) for _ in range(3)
    ]

    assert len({(answer.status_code, answer.text) for answer in answers}) == 1
    assert await owner.fetchval("select presses from sos_alert") == 1


async def test_presses_at_the_same_moment_over_the_wire_make_one_alert(
    site: Site, owner: asyncpg.Connection
) -> None:
    answers = await asyncio.gather(
        *(site.http.post(site.alarm, headers=site.as_post()) for _ in range(5))
    )

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert await owner.fetchval("select count(*) from sos_alert") == 1


async def test_a_press_is_heard_by_those_who_listen(site: Site) -> None:
    changes = site.services.live.changes(frozenset({site.world.market}))
    hearing = asyncio.create_task(anext(changes))
    await asyncio.sleep(0)  # lets the listener stand before the press

    answer = await site.http.post(site.alarm, headers=site.as_post())

    change = await asyncio.wait_for(hearing, 10)
    await changes.aclose()
    assert change.scope_ids == (site.world.market,)
    assert change.subjects == ("alerts",)
    assert change.alert_ids == (UUID(answer.json()["alertId"]),)


async def test_a_press_is_answered_quickly(site: Site) -> None:
    await site.http.post(f"/ingest/posts/{site.world.post}/heartbeat", headers=site.as_post())
    took = []
    for _ in range(5):
        began = time.perf_counter()
        await site.http.post(site.alarm, headers=site.as_post())
        took.append(time.perf_counter() - began)

    # The best of five: other work on a busy machine is not what is measured.
    assert min(took) < 0.1


@pytest.mark.usefixtures("nothing_left")
async def test_a_pole_must_be_that_of_the_key_and_say_little(site: Site) -> None:
    other = await site.world.add_post(site.world.temple)
    for post in (other, uuid7(), "pole"):
        for what in ("alarm", "heartbeat"):
            answer = await site.http.post(f"/ingest/posts/{post}/{what}", headers=site.as_post())
            assert code(answer) == (404, "POST_UNKNOWN")
    answer = await site.http.post(site.alarm, headers=site.as_camera())
    assert code(answer) == (404, "POST_UNKNOWN")
    much = b"x" * (ingest.SIGNAL_BYTES + 1)
    assert code(await site.http.post(site.alarm, content=much, headers=site.as_post())) == (
        413,
        "BODY_TOO_LARGE",
    )
