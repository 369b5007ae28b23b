"""One command runs everything; what it prints works when pasted, and killing it at any moment loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import psutil
import pytest

from api.cli.exits import Exit
from tests.api.cli_support import CommandLine, environment

START_SECONDS = 90.0
COMMAND = re.compile(r"^  curl(?:.*\\\n)*.*$", re.MULTILINE)
ADDRESS = re.compile(r"runs at (http://\S+)")


@dataclass
class Up:
    """A running `patrol up` and what it printed."""

    process: asyncio.subprocess.Process
    text: str

    @property
    def address(self) -> str:
        found = ADDRESS.search(self.text)
        assert found
        return found[1]

    @property
    def commands(self) -> list[str]:
        return COMMAND.findall(self.text)

    def tree(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    async def end(self, number: signal.Signals) -> int:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 60)


@asynccontextmanager
async def up(directory: Path, *words: str) -> AsyncIterator[Up]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.cli", "up", "--port", "0", *words),
        env=environment(data_dir=str(directory)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    text = ""
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            while not text.endswith("the data is kept.\n"):
                line = await process.stdout.readline()
                assert line, f"it ended with {await process.wait()}: {logs(directory)}"
                text += line.decode()
        yield Up(process, text)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def logs(directory: Path) -> str:
    return "\n".join(path.read_text()[-2000:] for path in (directory / "logs").glob("*.log"))


async def pasted(command: str) -> dict[str, object]:
    """What a shell answers to a pasted command, as JSON."""
    process = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    answer: dict[str, object] = orjson.loads(out)
    return answer


async def picture_link(command: str) -> str:
    """The first signed link among the partner's cameras, once the worker has made the picture."""
    async with asyncio.timeout(30):
        while True:
            answer = orjson.dumps(await pasted(command)).decode()
            if found := re.search(r'"picture320":"(http[^"]+)"', answer):
                return found[1]
            await asyncio.sleep(0.1)


def status_of(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # our own loopback server
        return int(answer.status)


async def answers(url: str) -> bool:
    try:
        return await asyncio.to_thread(status_of, url) == 200
    except OSError:
        return False


async def until_ready(address: str) -> None:
    async with asyncio.timeout(30):
        while not await answers(f"{address}/readyz"):  # noqa: ASYNC110  # another process's state
            await asyncio.sleep(0.05)


@pytest.mark.skipif(shutil.which("curl") is None, reason="the printed commands need curl")
async def test_what_up_prints_works_when_pasted_and_survives_a_kill(tmp_path: Path) -> None:
    # So deep that the database's socket lives elsewhere, which a second start beside it must not take away.
    tmp_path = tmp_path / ("deep" * 12) / ("deeper" * 4)
    patrol = CommandLine({"data_dir": str(tmp_path)})
    async with up(tmp_path) as first:
        token = re.search(r"sat_\S{43}", first.text)
        assert token
        assert "Push is OFF" in first.text
        send, ask, press = first.commands
        assert (await pasted(send))["duplicate"] is False
        assert "errors" not in await pasted(ask)
        alert = await pasted(press)
        assert alert["joined"] is False
        assert status_of(await picture_link(ask)) == 200
        page = re.search(r"^  (http\S+/help/\S+)$", first.text, re.MULTILINE)
        assert page
        assert status_of(page[1]) == 200
        assert str(alert["alertId"]) in await patrol.ok("alert", "list")

        # A command beside it uses the servers that run.
        assert "MST-002" in await patrol.ok("officer", "list")
        assert (await patrol("check")).code == Exit.DONE
        beside = await patrol("up", "--port", "0")
        assert beside.code == Exit.UNREACHABLE
        assert "is in use by process" in beside.err.splitlines()[-1]
        assert "MST-002" in await patrol.ok("officer", "list")

        for process in first.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        await first.process.wait()

    async with up(tmp_path) as second:
        # The token is kept as a hash only; what was stored and the keys to try are still there.
        assert token[0] not in second.text
        assert "patrol admin token" in second.text
        assert page[1].partition("/help/")[2] in second.text
        again = await pasted(second.commands[2])
        assert (again["alertId"], again["joined"]) == (alert["alertId"], True)
        assert status_of(await picture_link(second.commands[1])) == 200
        everybody = second.tree()
        assert len(everybody) > 4
        assert await second.end(signal.SIGINT) == 0
        _, alive = await asyncio.to_thread(psutil.wait_procs, everybody, 10)
        assert alive == []


async def test_a_child_that_dies_is_started_again_and_a_killed_parent_takes_all_along(
    tmp_path: Path,
) -> None:
    async with up(tmp_path, "--empty") as running:
        assert "patrol station add" in running.text
        [server] = [one for one in running.tree() if "serve" in one.cmdline()]
        server.kill()
        await asyncio.to_thread(psutil.wait_procs, [server], 10)
        await until_ready(running.address)

        everybody = running.tree()
        assert await running.end(signal.SIGKILL) == -signal.SIGKILL
        _, alive = await asyncio.to_thread(psutil.wait_procs, everybody, 30)
        assert [one.name() for one in alive] == []


async def test_a_taken_port_is_told_in_one_line(tmp_path: Path) -> None:
    listening = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = str(listening.sockets[0].getsockname()[1])
    try:
        done = await CommandLine({"data_dir": str(tmp_path)})("up", "--port", port, "--empty")
    finally:
        listening.close()
        await listening.wait_closed()
    assert done.code == Exit.SETTINGS
    [told] = [line for line in done.err.splitlines() if line.startswith("patrol: ")]
    assert f"port {port}" in told
    assert "PATROL_PORT" in told


async def test_an_early_interrupt_ends_it_cleanly(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.cli", "up", "--port", "0", "--empty"),
        env=environment(data_dir=str(tmp_path)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    assert b"Starting the servers" in await process.stderr.readline()
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    await process.stderr.read()
    assert await asyncio.wait_for(process.wait(), 60) == 0
    _, alive = await asyncio.to_thread(psutil.wait_procs, children, 20)
    assert alive == []
