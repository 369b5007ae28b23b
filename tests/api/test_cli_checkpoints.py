"""What is printed at a checkpoint comes from the command line, and must be what a phone's check-in is judged by."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
from PIL import Image

from api.cli.exits import Exit
from api.live import CHANNEL
from patrol.checkpoints import read_code
from tests.api.cli_support import CommandLine, on_database


@pytest.fixture
async def patrol(login_url: str, fresh_database_url: str) -> CommandLine:
    """The command line on this test's own database, with a station."""
    command = on_database(login_url, fresh_database_url)
    await command.ok(
        *("station", "add", "MST", "--name", "Mae Sot", "--latitude", "16.7", "--longitude", "98.5")
    )
    return command


def is_svg(file: str) -> bool:
    return "<svg" in Path(file).read_text(encoding="utf-8")


WHERE = ("--latitude", "16.713", "--longitude", "98.571")


async def test_every_act_on_a_checkpoint_or_station_pokes_its_phones_and_a_refused_one_nobody(
    patrol: CommandLine, owner: asyncpg.Connection
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    def hear(*told: Any) -> None:
        heard.put_nowait(told[3])

    await owner.add_listener(CHANNEL, hear)
    station = str(await owner.fetchval("select id from station"))
    told = [[[station], ["checkpoints"], []]]
    for act in (("add", "K1", "--name", "Gate", *WHERE), ("reissue", "K1"), ("retire", "K1"), ("restore", "K1")):  # fmt: skip
        await patrol.ok("checkpoint", *act)
        async with asyncio.timeout(20):
            assert orjson.loads(await heard.get()) == told, act
    assert (await patrol("checkpoint", "restore", "K1")).code == Exit.REFUSED
    new = await patrol.ok(
        *("station", "add", "TAK", "--name", "Tak", "--latitude", "16.9", "--longitude", "99.1")
    )
    async with asyncio.timeout(20):
        assert orjson.loads(await heard.get()) == [[[new.strip()], ["stations"], []]]
    await owner.remove_listener(CHANNEL, hear)


async def test_a_checkpoint_is_added_listed_printed_reissued_and_retired(
    patrol: CommandLine, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    added = (
        await patrol.ok("checkpoint", "add", "K1", "--name", "Gate", "--name-th", "ประตู", *WHERE)
    ).strip()
    await patrol.ok("checkpoint", "add", "K2", "--name", "Pier", *WHERE)
    again = await patrol("checkpoint", "add", "K1", "--name", "Other", *WHERE)
    assert again.code == Exit.REFUSED
    assert "K1 already" in again.err
    [first, _] = (await patrol.ok("checkpoint", "list")).splitlines()
    assert first.split("\t")[:3] == ["K1", "Gate", "ประตู"]
    assert first.split("\t")[-1] == added

    files = (await patrol.ok("checkpoint", "qr", "--directory", str(tmp_path / "codes"))).split()
    assert [Path(file).name for file in files] == ["K1-1.svg", "K2-1.svg"]
    assert is_svg(files[0])
    [png] = (
        await patrol.ok("checkpoint", "qr", "K1", "--format", "png", "--directory", str(tmp_path))
    ).split()
    with Image.open(png) as picture:
        assert picture.size[0] == picture.size[1] > 400

    text = (await patrol.ok("checkpoint", "qr", "K1", "--text")).strip().split("\t")[1]
    code = read_code(text)
    assert code is not None
    assert (str(code.checkpoint_id), code.number) == (added, 1)
    public = await owner.fetchval("select public_key from checkpoint_key where kid = $1", code.kid)
    assert code.is_signed_by(public)

    assert (await patrol.ok("checkpoint", "reissue", "K1")).strip() == "2"
    await patrol.ok("checkpoint", "retire", "K2")
    left = (await patrol.ok("checkpoint", "qr", "--directory", str(tmp_path))).split()
    assert [Path(file).name for file in left] == ["K1-2.svg"]
    await patrol.ok("checkpoint", "restore", "K2")
    acts = await owner.fetch(
        "select act from audit_entry where act like 'checkpoint.%' order by id"
    )
    assert [row["act"].removeprefix("checkpoint.") for row in acts] == [
        "add", "add", "reissue", "retire", "restore",
    ]  # fmt: skip


async def test_a_code_keeps_its_key_when_keys_are_rotated(
    patrol: CommandLine, owner: asyncpg.Connection
) -> None:
    await patrol.ok("checkpoint", "add", "K1", "--name", "Gate", *WHERE)
    before = await patrol.ok("checkpoint", "qr", "--text")
    await patrol.ok("keys", "rotate", "--overlap-minutes", "2")
    await owner.execute(
        "update signing_key set signs_from = now() where signs_from > now()",
    )
    assert await patrol.ok("checkpoint", "qr", "--text") == before
    await patrol.ok("checkpoint", "reissue", "K1")
    after = read_code((await patrol.ok("checkpoint", "qr", "--text")).strip().split("\t")[1])
    old = read_code(before.strip().split("\t")[1])
    assert after is not None
    assert old is not None
    assert after.kid != old.kid


async def test_what_cannot_be_done_is_said_in_one_line(patrol: CommandLine) -> None:
    for words in (
        ("checkpoint", "qr", "K9"),
        ("checkpoint", "reissue", "K9"),
        ("checkpoint", "retire", "K9"),
        ("checkpoint", "add", "../K1", "--name", "x", *WHERE),
    ):
        done = await patrol(*words)
        assert done.code == Exit.REFUSED
        assert len(done.err.splitlines()) == 1
