"""A citizen's way to help over real sockets: scan, press, and see that somebody comes; without account or script."""

from __future__ import annotations

import html
import io
import logging
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest
import structlog

from api.citizen_page import SCRIPT, STYLE
from api.logs import configure_logs
from patrol.errors import CitizenLinkInvalid
from patrol.keys import KeySet
from patrol.sos.citizen_codes import (
    Code,
    Watch,
    read_post_code,
    read_visit,
    read_watch,
    reissue_post_code,
    sign_post_code,
    sign_visit,
    sign_watch,
)
from patrol.sos.posts import mute_post, press_test
from storage.buckets import ObjectStore
from storage.database import Database
from storage.principal import system
from tests.api.site import Site, opened
from tests.patrol.sos import waiting
from tests.world import LATITUDE, LONGITUDE, SIDE, World

NOW = datetime.now(UTC)


@pytest.fixture
async def site(
    login_url: str, database: Database, store: ObjectStore, keys: KeySet, world: World
) -> AsyncIterator[Site]:
    async with opened(login_url, database, store, keys, world) as site:
        yield site


def code_of(site: Site, number: int = 1) -> str:
    return f"/help/{sign_post_code(site.services.keys.current, site.world.post, number)}"


async def scan(site: Site) -> str:
    """What the page of the pole's code hands out."""
    page = await site.http.get(code_of(site))
    assert page.status_code == 200
    found = re.search(r'name="visit" value="([^"]+)"', page.text)
    assert found is not None
    return html.unescape(found[1])


async def call(site: Site, visit: str, **more: str) -> httpx.Response:
    return await site.http.post("/help", data={"visit": visit, **more})


async def test_a_scanned_code_calls_for_help_and_shows_what_becomes_of_it(
    site: Site, owner: asyncpg.Connection
) -> None:
    visit = await scan(site)
    assert await owner.fetchval("select count(*) from sos_alert") == 0

    called = await call(site, visit)
    shown = await site.http.get(called.headers["location"])

    assert called.status_code == 303
    assert "กำลังเรียกเจ้าหน้าที่" in shown.text
    assert 'http-equiv="refresh"' in shown.text
    stored = await owner.fetchrow("select * from sos_alert")
    assert (stored["source"], stored["post_id"], stored["officer_id"]) == (
        "CITIZEN",
        site.world.post,
        None,
    )
    assert (stored["latitude"], stored["zone_id"]) == (LATITUDE + SIDE / 2, site.world.market)
    assert await waiting(owner)
    assert await owner.fetchval("select last_seen_at from sos_post_state") is None

    await site.world.change("update sos_alert set status = 'ACKNOWLEDGED', acknowledged_at = now()")
    assert "An officer has answered" in (await site.http.get(called.headers["location"])).text
    await site.world.change("update sos_alert set status = 'CLOSED'")
    over = await site.http.get(called.headers["location"])
    assert "dealt with" in over.text
    assert 'http-equiv="refresh"' not in over.text


async def test_who_has_called_is_never_told_that_nobody_was(
    site: Site, owner: asyncpg.Connection, login_url: str
) -> None:
    visit = await scan(site)
    shown = (await call(site, visit)).headers["location"]
    working = site.services.database
    async with asyncpg.create_pool(login_url, min_size=0, max_size=1) as pool:
        gone = Database(pool, login_url)
    object.__setattr__(site.services, "database", gone)
    try:
        watching, calling = await site.http.get(shown), await call(site, visit)
    finally:
        object.__setattr__(site.services, "database", working)

    assert watching.status_code >= 500
    assert "Help was told" in watching.text
    assert 'http-equiv="refresh"' in watching.text
    # The control: who wanted to call now is told to do it another way.
    assert "does not work" in calling.text
    assert 'http-equiv="refresh"' not in calling.text


async def test_the_page_works_without_script_and_loads_nothing(site: Site) -> None:
    page = await site.http.get(code_of(site))

    assert '<html lang="th">' in page.text
    assert "tel:191" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "src=" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.text.count("<script>") == page.text.count(SCRIPT) == 1
    assert page.text.count(STYLE) == 1
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert '<button type="submit">' in re.sub(r"<script>.*?</script>", "", page.text, flags=re.S)


async def test_a_call_that_is_sent_twice_is_one_and_others_join(
    site: Site, owner: asyncpg.Connection
) -> None:
    visit = await scan(site)
    for _ in range(2):
        await call(site, visit)
    assert await owner.fetchval("select presses from sos_alert") == 1

    await site.http.post(site.alarm, headers=site.as_post())
    await call(site, await scan(site))

    assert await owner.fetchval("select count(*) from sos_alert") == 1
    assert await owner.fetchval("select presses from sos_alert") == 3


async def test_the_position_is_what_the_browser_was_let_to_tell(
    site: Site, owner: asyncpg.Connection
) -> None:
    there = {"lat": str(LATITUDE), "lon": str(LONGITUDE), "acc": "12.5"}
    await call(site, await scan(site), **there)
    await site.world.change("update sos_alert set status = 'CLOSED'")
    await call(site, await scan(site), lat="91", lon="nan", acc="x")

    rows = await owner.fetch("select latitude, accuracy_m from sos_alert order by id")
    assert [tuple(row) for row in rows] == [(LATITUDE, 12.5), (LATITUDE + SIDE / 2, None)]


async def test_a_muted_button_and_a_drill_never_silence_a_citizen(
    site: Site, owner: asyncpg.Connection
) -> None:
    async with site.services.database.write(system("test")) as connection:
        await mute_post(
            connection, site.world.post, reason="x", until=NOW + timedelta(hours=2), now=NOW
        )
        await press_test(connection, site.world.post, NOW)

    called = await call(site, await scan(site))

    assert called.status_code == 303
    rows = await owner.fetch("select source, drill from sos_alert order by id")
    assert [tuple(row) for row in rows] == [("POST", True), ("CITIZEN", False)]


async def test_calls_are_limited_and_the_button_never_is(
    site: Site, owner: asyncpg.Connection
) -> None:
    for _ in range(5):
        assert (await call(site, await scan(site))).status_code == 303
    joined = await call(site, await scan(site))
    assert joined.status_code == 303  # it is open: whoever waits is told so
    assert await owner.fetchval("select presses from sos_alert") == 5

    await site.world.change("update sos_alert set status = 'CLOSED'")
    refused = await call(site, await scan(site))
    pressed = await site.http.post(site.alarm, headers=site.as_post())

    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert "tel:191" in refused.text
    assert pressed.status_code == 201


async def test_what_is_not_ours_replaced_or_over_is_told_and_calls_nobody(
    site: Site, owner: asyncpg.Connection, keys: KeySet
) -> None:
    visit = await scan(site)
    good = code_of(site)
    other = code_of(site, 2)
    async with site.services.database.write(system("test")) as connection:
        await reissue_post_code(connection, site.world.post)

    for address in (good, "/help/x", "/help/a.b.c", f"{other}x", "/help/call/x.y.z"):
        page = await site.http.get(address)
        assert (page.status_code, "tel:191" in page.text) == (404, True)
    for text in (visit, "", "x.y.z", good.removeprefix("/help/")):
        assert (await call(site, text)).status_code == 404
    too_large = await site.http.post("/help", content=b"visit=" + b"x" * 5000)
    assert too_large.status_code == 413
    assert (await site.http.get(other)).status_code == 200
    assert await owner.fetchval("select count(*) from sos_alert") == 0


def test_one_text_never_passes_for_another_and_each_ends(keys: KeySet) -> None:
    post = UUID(int=7)
    code = sign_post_code(keys.current, post, 3)
    visit = sign_visit(keys, Code(post, 3), NOW)
    watch = sign_watch(keys, Watch(UUID(int=9), post), NOW)

    assert read_post_code(keys, code) == Code(post, 3)
    assert read_visit(keys, visit, NOW).post_id == post
    assert read_watch(keys, watch, NOW) == Watch(UUID(int=9), post)
    for wrong in (visit, watch, code[:-2], code.replace(".", "")):
        with pytest.raises(CitizenLinkInvalid):
            read_post_code(keys, wrong)
    with pytest.raises(CitizenLinkInvalid):
        read_visit(keys, visit, NOW + timedelta(minutes=10))
    with pytest.raises(CitizenLinkInvalid):
        read_watch(keys, watch, NOW + timedelta(hours=6))


async def test_nothing_about_a_citizen_is_logged(site: Site) -> None:
    written = io.StringIO()
    configure_logs("json", "info", for_good=False)
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    try:
        visit = await scan(site)
        await call(site, visit, lat="16.7163", lon="98.5708")
        await call(site, f"{visit}x")
    finally:
        structlog.reset_defaults()
        logging.getLogger().handlers = []

    lines = written.getvalue()
    assert "citizen_refused" in lines
    for hidden in (visit[:30], "16.7163", "98.5708", "127.0.0.1"):
        assert hidden not in lines
