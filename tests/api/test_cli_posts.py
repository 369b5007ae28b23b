"""What opens a pole's door, its mutes, tests and code come from the command line."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg

from api.cli.exits import Exit
from patrol.keys import load
from patrol.sos.citizen_codes import Code, read_post_code
from storage.database import Database
from storage.principal import Role, system
from tests.api.cli_support import on_database
from tests.conftest import SECRET
from tests.world import World


def is_svg(file: str) -> bool:
    return "<svg" in Path(file).read_text(encoding="utf-8")


async def test_a_post_is_served_muted_tested_and_given_its_code(
    login_url: str,
    fresh_database_url: str,
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    tmp_path: Path,
) -> None:
    patrol = on_database(login_url, fresh_database_url)
    row = await world.row(
        "select post.code, station.code as station from sos_post post "
        "join station on station.id = post.station_id where post.id = $1",
        world.post,
    )
    code, here = row["code"], ("--station", row["station"])

    password = (await patrol.ok("post", "password", code, *here)).strip()
    assert re.fullmatch(r"[a-z2-9]{8}", password)
    link = (await patrol.ok("post", "link", code, "--server", "https://sos.example", *here)).strip()
    assert link.startswith(f"https://sos.example/ingest/posts/{world.post}/alarm/")
    kinds = [
        line.split("\t")[1:3]
        for line in (await patrol.ok("post", "keys", code, *here)).splitlines()
    ]
    assert [kind for kind, _ in kinds] == ["PASSWORD", "LINK"]

    await patrol.ok("post", "set", code, "--get", "--heartbeat", "30", "--test-days", "7", *here)
    wrong = await patrol("post", "set", code, "--heartbeat", "5", *here)
    assert wrong.code == Exit.REFUSED
    await patrol.ok("post", "mute", code, "--reason", "Stuck", "--hours", "2", *here)
    health = await patrol.ok("post", "health", *here)
    assert "Stuck" in health
    await patrol.ok("post", "unmute", code, *here)

    alert = (await patrol.ok("post", "test", code, *here)).strip()
    stored = await owner.fetchrow("select id, drill from sos_alert")
    assert (str(stored["id"]), stored["drill"]) == (alert, True)
    await patrol.ok("post", "test", code, "--at-pole", "10", *here)
    assert await owner.fetchval("select test_armed_until > now() from sos_post_setting")

    shown = ("--server", "https://sos.example", *here)
    address = (await patrol.ok("post", "qr", code, "--text", *shown)).strip()
    async with database.write(system("test"), Role.SYSTEM) as connection:
        keys = await load(connection, SECRET)
    assert read_post_code(keys, address.removeprefix("https://sos.example/help/")) == Code(
        world.post, 1
    )
    drawn = await patrol.ok("post", "qr", code, "--directory", str(tmp_path), *shown)
    assert is_svg(drawn.strip())
    await patrol.ok("post", "reissue-qr", code, *here)
    assert await owner.fetchval("select qr_version from sos_post_setting") == 2
