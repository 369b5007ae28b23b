"""docs/channels.md says what happens: its commands are run as they are written, its addresses are taken, and its words exist."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from api.cli.exits import Exit
from api.telling import AppriseTeller
from storage.vocabulary import ChannelOutcome
from tests.api.cli_support import CommandLine, environment, on_database
from tests.conftest import SECRET
from tests.listeners import Listener, webhook

GUIDE = (Path(__file__).parents[2] / "docs" / "channels.md").read_text(encoding="utf-8")


@pytest.fixture
def hook() -> Iterator[Listener]:
    with webhook() as listener:
        yield listener


@pytest.fixture
async def patrol(login_url: str, fresh_database_url: str) -> CommandLine:
    command = on_database(login_url, fresh_database_url)
    await command.ok(
        *("station", "add", "MST", "--name", "Mae Sot", "--latitude", "16.7", "--longitude", "98.5")
    )
    return command


async def run(script: str, patrol: CommandLine, directory: Path) -> tuple[int, str, str]:
    """A script as its reader runs it, with `patrol` on the path."""
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-ec",
        script,
        cwd=directory,
        env=environment(**patrol.settings)
        | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_the_commands_of_the_guide_work_as_they_are_written(
    patrol: CommandLine, owner: asyncpg.Connection, hook: Listener, tmp_path: Path
) -> None:
    [script] = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "address.txt").write_text(f"{hook.address}\n")

    code, out, err = await run(script, patrol, tmp_path)

    assert (code, "s3cr3t" in out + err) == (Exit.DONE, False), err
    added, listed, tested = out.splitlines()
    assert listed.split("\t")[:4] == ["MST", "Duty room", "json", "THAI"]
    assert tested.split("\t") == [added, "TOLD", "-"]
    assert "ทดสอบ" in hook.texts[0]

    hook.status = 403
    failing = await patrol("channel", "test", added)
    assert failing.code == Exit.ANSWER_IS_NO
    assert failing.out.split("\t")[1:] == ["FAILED", "HTTP_403\n"]
    await patrol.ok("channel", "remove", added)
    assert await patrol.ok("channel", "list") == ""
    assert (await patrol("channel", "test", added)).code == Exit.REFUSED
    acts = await owner.fetch("select act from audit_entry where act like 'channel.%' order by id")
    assert [row["act"] for row in acts] == ["channel.add", "channel.remove"]


@pytest.mark.parametrize(
    "address",
    re.findall(r"^\|[^|]*\| `([a-z]+://[^`]*)`|: `([a-z]+://[^`]*)`", GUIDE, re.MULTILINE),
)
def test_an_address_of_the_guide_is_one(address: tuple[str, str]) -> None:
    written = address[0] or address[1]
    for name, real in (
        ("ACCOUNT_SID", "AC" + "0" * 32),
        ("AUTH_TOKEN", "0" * 32),
        ("FROM_PHONE", "15551234567"),
        ("TO_PHONE", "15557654321"),
        ("HOST", "example.go.th"),
    ):
        written = written.replace(name, real)
    assert AppriseTeller(SECRET).seal(uuid7(), written).scheme in written


def test_the_guide_names_every_outcome() -> None:
    named = set(re.findall(r"^\| `([A-Z]+)` +\|", GUIDE, re.MULTILINE))
    assert named == {one.value for one in ChannelOutcome} - {"CALLING"}
