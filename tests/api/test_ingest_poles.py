"""What limited boxes can do at a pole's door: short passwords, secrets in addresses, GET, lamps and heartbeats."""

from __future__ import annotations

import io
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import structlog

from api.logs import configure_logs
from patrol.errors import VariableInvalid
from patrol.identity.credentials import revoke_device_key
from patrol.identity.post_keys import issue_post_link, issue_post_password
from patrol.keys import KeySet
from patrol.sos.posts import arm_test, mute_post, press_test, set_post
from storage.buckets import ObjectStore
from storage.database import Database
from storage.principal import system
from storage.vocabulary import PostAction
from tests.api.site import Site, code, opened
from tests.patrol.sos import waiting
from tests.world import World


@pytest.fixture
async def site(
    login_url: str, database: Database, store: ObjectStore, keys: KeySet, world: World
) -> AsyncIterator[Site]:
    async with opened(login_url, database, store, keys, world) as site:
        yield site


async def password_of(site: Site, password: str | None = None) -> str:
    async with site.services.database.write(system("test")) as connection:
        return (await issue_post_password(connection, site.world.post, password=password)).secret


async def link_of(site: Site, action: PostAction) -> str:
    async with site.services.database.write(system("test")) as connection:
        return (await issue_post_link(connection, site.world.post, action)).secret


async def alerts(owner: asyncpg.Connection) -> int:
    return int(await owner.fetchval("select count(*) from sos_alert"))


# Ways in


async def test_a_short_password_opens_its_own_pole_only(
    site: Site, owner: asyncpg.Connection
) -> None:
    password = await password_of(site)
    other = await site.world.add_post(site.world.temple)

    pressed = await site.http.post(site.alarm, auth=("anybody", password))
    foreign = await site.http.post(f"/ingest/posts/{other}/alarm", auth=("x", password))
    wrong = await site.http.post(site.alarm, auth=("anybody", "12345678"))
    camera = await site.http.put(site.snapshots, auth=("camera", password), content=b"x")

    assert len(password) == 8
    assert pressed.status_code == 201
    assert code(foreign) == code(wrong) == (401, "NOT_SIGNED_IN")
    assert camera.status_code in (401, 415)
    assert await alerts(owner) == 1
    kept = await owner.fetchrow("select * from device_key where kind = 'PASSWORD'")
    assert kept["key_sha256"] is None
    assert password not in str(dict(kept))


async def test_a_boxs_own_password_is_taken_and_garbled_ones_are_not(site: Site) -> None:
    await password_of(site, "4711-SOS")
    assert (await site.http.post(site.alarm, auth=("", "4711-SOS"))).status_code == 201
    for unfit in ("12345", "x" * 33, "pass word", "รหัสผ่านยาว"):
        with pytest.raises(VariableInvalid):
            await password_of(site, unfit)


async def test_a_password_that_was_ended_opens_nothing_the_next_moment(site: Site) -> None:
    password = await password_of(site)
    assert (await site.http.post(site.alarm, auth=("", password))).status_code == 201
    row = await site.world.row("select id from device_key where kind = 'PASSWORD'")
    async with site.services.database.write(system("test")) as connection:
        await revoke_device_key(connection, row["id"])

    assert code(await site.http.post(site.alarm, auth=("", password))) == (401, "NOT_SIGNED_IN")


async def test_wrong_guesses_are_counted_and_the_key_still_opens(
    site: Site, owner: asyncpg.Connection
) -> None:
    for n in range(20):
        guess = await site.http.post(site.alarm, auth=("", f"guess-{n:03}"))
        assert guess.status_code == 401
    refused = await site.http.post(site.alarm, auth=("", await password_of(site)))
    pressed = await site.http.post(site.alarm, headers=site.as_post())

    assert code(refused) == (429, "TOO_MANY")
    assert int(refused.headers["retry-after"]) > 0
    assert pressed.status_code == 201
    assert await alerts(owner) == 1


async def test_a_neighbour_with_a_wrong_password_holds_up_no_button(
    site: Site, owner: asyncpg.Connection
) -> None:
    """Poles of one street often share an address, with each other and with strangers."""
    password, link = await password_of(site), await link_of(site, PostAction.ALARM)
    assert (await site.http.post(site.alarm, auth=("", password))).status_code == 201
    strangers = [f"/ingest/posts/{uuid4()}/alarm" for _ in range(110)]
    answers = [(await site.http.post(one, auth=("", "guess-me"))).status_code for one in strangers]
    assert answers[-1] == 429  # the control: who is not known here waits

    assert (await site.http.post(site.alarm, auth=("", password))).status_code == 200
    assert (await site.http.post(f"{site.alarm}/{link}")).status_code == 200


async def test_a_look_by_head_presses_nothing(site: Site, owner: asyncpg.Connection) -> None:
    async with site.services.database.write(system("test")) as connection:
        await set_post(connection, site.world.post, get_allowed=True)
    link = f"{site.alarm}/{await link_of(site, PostAction.ALARM)}"
    for address in (site.alarm, link):
        looked = await site.http.head(address, headers=site.as_post())
        assert (looked.status_code, looked.headers["allow"]) == (405, "POST, GET")
    assert await alerts(owner) == 0
    assert (await site.http.get(link)).status_code == 201


async def test_a_secret_in_the_address_does_one_thing(
    site: Site, owner: asyncpg.Connection
) -> None:
    alarm = await link_of(site, PostAction.ALARM)
    heartbeat = await link_of(site, PostAction.HEARTBEAT)
    post = f"/ingest/posts/{site.world.post}"

    assert (await site.http.post(f"{post}/heartbeat/{heartbeat}")).status_code == 204
    for wrong in (f"{post}/alarm/{heartbeat}", f"{post}/heartbeat/{alarm}", f"{post}/alarm/x"):
        assert code(await site.http.post(wrong)) == (401, "NOT_SIGNED_IN")
    bearer = await site.http.post(site.alarm, headers={"authorization": f"Bearer {alarm}"})
    assert code(bearer) == (401, "NOT_SIGNED_IN")
    assert await alerts(owner) == 0

    assert (await site.http.post(f"{post}/alarm/{alarm}")).status_code == 201
    assert (await site.http.get(f"{post}/state/{heartbeat}")).json()["state"] == "OPEN"


async def test_get_raises_an_alarm_only_where_it_was_allowed(
    site: Site, owner: asyncpg.Connection
) -> None:
    secret = await link_of(site, PostAction.ALARM)
    address = f"{site.alarm}/{secret}"

    refused = await site.http.get(address)
    assert code(refused) == (405, "METHOD_NOT_ALLOWED")
    assert refused.headers["allow"] == "POST"
    assert await alerts(owner) == 0

    async with site.services.database.write(system("test")) as connection:
        await set_post(connection, site.world.post, get_allowed=True)
    pressed = await site.http.get(f"{address}?press=17")
    again = await site.http.get(f"{address}?press=17")

    assert pressed.status_code == 201
    assert pressed.headers["cache-control"] == "no-store"
    assert pressed.json() == again.json()
    assert await owner.fetchval("select presses from sos_alert") == 1


async def test_refusals_are_logged_and_no_secret_is(site: Site) -> None:
    written = io.StringIO()
    configure_logs("json", "info", for_good=False)
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    try:
        secret = await link_of(site, PostAction.HEARTBEAT)
        await site.http.post(f"{site.alarm}/{secret}")
        await site.http.post(site.alarm, auth=("", "guess-me"))
        await site.http.post(site.alarm, headers={"authorization": f"Bearer {site.camera_key}x"})
    finally:
        structlog.reset_defaults()
        logging.getLogger().handlers = []

    lines = written.getvalue()
    assert lines.count("device_refused") == 3
    assert str(site.world.post) in lines
    for hidden in (secret, "guess-me", site.camera_key, "/alarm"):
        assert hidden not in lines


# Lamps


async def test_the_lamp_follows_the_help(site: Site, owner: asyncpg.Connection) -> None:
    plain = site.as_post(accept="text/plain")
    state = f"/ingest/posts/{site.world.post}/state"

    async def lamp() -> str:
        return (await site.http.get(state, headers=plain)).text

    assert await lamp() == "NONE\n"
    pressed = await site.http.post(site.alarm, headers=plain)
    assert (pressed.text, pressed.headers["content-type"]) == (
        "OPEN\n",
        "text/plain; charset=utf-8",
    )
    alert = await owner.fetchval("select id from sos_alert")
    await site.world.change("update sos_alert set status = 'ACKNOWLEDGED', acknowledged_at = now()")
    assert await lamp() == "ACKNOWLEDGED\n"
    await site.world.store(
        "sos_response",
        alert_id=alert,
        scope_id=site.world.market,
        officer_id=site.world.kanya,
        status="ON_THE_WAY",
        changed_at=datetime.now(UTC),
        captured_at_raw="2026",
        received_at=datetime.now(UTC),
    )
    assert await lamp() == "ON_THE_WAY\n"
    joined = await site.http.post(site.alarm, headers=site.as_post())
    assert joined.json() == {
        "alertId": str(alert),
        "status": "ACKNOWLEDGED",
        "joined": True,
        "state": "ON_THE_WAY",
        "drill": False,
    }
    await site.world.change("update sos_alert set status = 'CLOSED'")
    assert await lamp() == "NONE\n"


# Heartbeats


@pytest.mark.parametrize(
    "said",
    [
        {"params": {"button": "0", "power": "AC", "battery": "87%", "tamper": "closed"}},
        {"json": {"button": False, "power": "mains", "battery": 87.2, "tamper": 0, "x": [1]}},
        {"data": {"button": "OK", "power": "1", "battery": "87", "tamper": "no"}},
        {
            "content": b"button=released&power=grid&battery=87&tamper=0",
            "headers": {"content-type": "image/gif"},
        },
    ],
    ids=["query", "json", "form", "odd type"],
)
async def test_a_heartbeat_says_how_the_pole_fares(
    site: Site, owner: asyncpg.Connection, said: dict[str, Any]
) -> None:
    said = {**said, "headers": site.as_post(**said.get("headers", {}))}

    answer = await site.http.post(f"/ingest/posts/{site.world.post}/heartbeat", **said)

    assert answer.status_code == 204
    kept = await owner.fetchrow("select * from sos_post_state")
    assert (kept["button"], kept["power"], kept["battery_percent"], kept["tampered"]) == (
        "OK",
        "MAINS",
        87,
        False,
    )


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[1]",
        b"\xff\xfe",
        b"button=maybe&battery=full&power=",
        b"&" * 3000,
        b'{"battery":1e999}',
    ],
)
async def test_a_heartbeat_that_cannot_be_read_is_still_a_sign_of_life(
    site: Site, owner: asyncpg.Connection, body: bytes
) -> None:
    heartbeat = f"/ingest/posts/{site.world.post}/heartbeat"
    await site.http.post(heartbeat, headers=site.as_post(), json={"power": "battery"})

    answer = await site.http.post(heartbeat, headers=site.as_post(), content=body)

    assert answer.status_code == 204
    kept = await owner.fetchrow("select * from sos_post_state")
    assert (kept["power"], kept["button"], kept["battery_percent"]) == ("BATTERY", None, None)


# Mutes and tests


async def test_presses_of_a_muted_button_are_counted_and_call_nobody_until_its_end(
    site: Site, owner: asyncpg.Connection
) -> None:
    now = datetime.now(UTC)
    async with site.services.database.write(system("test")) as connection:
        await mute_post(
            connection, site.world.post, reason="Stuck", until=now + timedelta(hours=1), now=now
        )

    muted = [
        await site.http.post(site.alarm, headers=site.as_post(**{"x-press-id": "17"}))
        for _ in range(2)
    ]
    await site.http.post(site.alarm, headers=site.as_post())

    assert [one.status_code for one in muted] == [200, 200]
    shown = {"alertId": None, "status": None, "joined": False, "state": "MUTED", "drill": False}
    assert muted[0].json() == muted[1].json() == shown
    assert await alerts(owner) == 0
    assert await waiting(owner) == []
    assert await owner.fetchval("select presses from sos_post_mute") == 2
    assert await owner.fetchval("select count(*) from sos_post_press where muted") == 2

    await site.world.change("update sos_post_mute set until = now()")
    assert (await site.http.post(site.alarm, headers=site.as_post())).status_code == 201
    assert await waiting(owner)


async def test_a_test_is_a_drill_that_no_real_press_joins(
    site: Site, owner: asyncpg.Connection
) -> None:
    async with site.services.database.write(system("test")) as connection:
        tested = await press_test(connection, site.world.post, datetime.now(UTC))
    steps = await owner.fetchval("select count(*) from sos_step")
    real = await site.http.post(site.alarm, headers=site.as_post())
    drill = await site.http.post(site.alarm, headers=site.as_post(**{"x-drill": "1"}))

    assert tested.drill
    assert steps > 0
    assert real.status_code == 201
    assert real.json()["drill"] is False
    assert drill.json()["alertId"] == str(tested.alert_id)
    rows = await owner.fetch("select drill, severity from sos_alert order by id")
    assert [tuple(row) for row in rows] == [(True, "LOW"), (False, "CRITICAL")]
    assert await owner.fetchval("select last_test_at is not null from sos_post_state")
    assert await owner.fetchval("select last_seen_at from sos_post_state") is not None


async def test_an_armed_test_takes_the_next_press_and_then_ends(
    site: Site, owner: asyncpg.Connection
) -> None:
    async with site.services.database.write(system("test")) as connection:
        await arm_test(connection, site.world.post, datetime.now(UTC), window=timedelta(minutes=10))
    first = await site.http.post(site.alarm, headers=site.as_post())
    again = await site.http.post(site.alarm, headers=site.as_post())
    await site.world.change("update sos_post_setting set test_armed_until = now()")
    real = await site.http.post(site.alarm, headers=site.as_post())

    assert first.json()["drill"] is again.json()["drill"] is True
    assert again.json()["joined"]
    assert real.json()["drill"] is False
    kinds = await owner.fetch("select kind from sos_post_event order by id")
    assert [row["kind"] for row in kinds] == ["TEST_ARMED", "TESTED"]


async def test_an_armed_test_never_swallows_a_call_that_is_under_way(site: Site) -> None:
    first = await site.http.post(site.alarm, headers=site.as_post())
    async with site.services.database.write(system("test")) as connection:
        await arm_test(connection, site.world.post, datetime.now(UTC), window=timedelta(minutes=9))

    second = await site.http.post(site.alarm, headers=site.as_post())

    assert second.json()["alertId"] == first.json()["alertId"]
    assert second.json()["drill"] is False


async def test_poles_in_trouble_and_drills_are_figures(site: Site) -> None:
    async with site.services.database.write(system("test")) as connection:
        await press_test(connection, site.world.post, datetime.now(UTC))
    await site.world.change("update sos_post_state set silent_since = now()")

    written = (await site.http.get("/metrics")).text
    ready = (await site.http.get("/readyz")).json()["posts"]

    assert 'patrol_posts_in_trouble{trouble="silent"} 1.0' in written
    assert 'patrol_posts_in_trouble{trouble="muted"} 0.0' in written
    assert "patrol_sos_drills 1.0" in written
    assert (ready["silent"], ready["stuck"]) == (1, 0)
