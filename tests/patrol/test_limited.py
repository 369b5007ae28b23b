"""Whatever hostile bytes do to a decoder, they do it in a process that can take nothing with it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from patrol.limited import Limit, LimitHit, Limits, run_limited
from tests.patrol import limited_work
from tests.patrol.limited_work import (
    MEGABYTE,
    call_out,
    die,
    eat,
    fork,
    look_around,
    reach_the_caller,
    read,
    sleep,
    spin,
    start_program,
    stop_the_caller,
    talk_much,
    write,
)

WORK = limited_work.__name__


async def limit_of(work: Any, request: Any, folder: Path, **limits: Any) -> LimitHit:
    with pytest.raises(LimitHit) as hit:
        await run_limited(
            f"{WORK}:{work.__name__}", request, folder=folder, limits=Limits(**limits)
        )
    return hit.value


async def test_work_is_done_and_answered(tmp_path: Path) -> None:
    assert await run_limited(f"{WORK}:double", 21, folder=tmp_path) == 42


async def test_nothing_of_our_environment_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATROL_SECRET", "s" * 40)
    seen = await run_limited(f"{WORK}:environment", None, folder=tmp_path)
    assert [name for name in seen if name.startswith("PATROL")] == []


async def test_memory_ends_at_the_limit(tmp_path: Path) -> None:
    hit = await limit_of(eat, 400, tmp_path, memory=400 * MEGABYTE)
    assert hit.limit is Limit.MEMORY
    # The control: with more room the same work is done.
    roomy = Limits(memory=1200 * MEGABYTE)
    assert await run_limited(f"{WORK}:eat", 400, folder=tmp_path, limits=roomy)


async def test_a_loop_and_a_sleep_end(tmp_path: Path) -> None:
    assert (await limit_of(spin, None, tmp_path, cpu=1, wall=20)).limit is Limit.TIME
    assert (await limit_of(sleep, None, tmp_path, wall=0.5)).limit is Limit.TIME


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
async def test_a_crash_is_told(tmp_path: Path, number: int) -> None:
    assert (await limit_of(die, int(number), tmp_path)).limit is Limit.CRASHED


async def test_no_more_is_written_than_allowed(tmp_path: Path) -> None:
    assert (await limit_of(write, 2048, tmp_path, file=1024)).limit is Limit.FAULT
    assert await run_limited(f"{WORK}:write", 1000, folder=tmp_path, limits=Limits(file=1024))


async def test_no_connection_is_opened_and_no_program_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        hit = await limit_of(call_out, server.getsockname()[:2], tmp_path)
        assert "PermissionError" in hit.text
        # The control: it is there for who may.
        assert call_out(server.getsockname()[:2])
    hit = await limit_of(start_program, None, tmp_path)
    assert "PermissionError" in hit.text


async def test_no_file_is_reached_but_those_of_the_work(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    for folder in (mine, other):
        folder.mkdir()
        (folder / "secret").write_text("s" * 40)
    for work, request in (
        (read, str(other / "secret")),
        (look_around, str(other)),
        (look_around, str(Path.cwd())),
        (read, "/etc/passwd"),
        (reach_the_caller, None),
    ):
        hit = await limit_of(work, request, mine)
        assert "PermissionError" in hit.text
        # The control: it is there for who may.
        if work is not reach_the_caller:
            assert work(request)
    # Its own files it has.
    assert await run_limited(f"{WORK}:read", str(mine / "secret"), folder=mine) == 40


async def test_no_other_process_is_made_or_signalled_but_threads_are(tmp_path: Path) -> None:
    for work in (fork, stop_the_caller):
        assert "PermissionError" in (await limit_of(work, None, tmp_path)).text
    stop_the_caller(None)  # the control
    assert await run_limited(f"{WORK}:begin_thread", None, folder=tmp_path)


async def test_an_endless_answer_is_none(tmp_path: Path) -> None:
    # Again and again: what stands in the pipe at the kill once held up the caller for ever, now and then.
    async with asyncio.timeout(60):
        for _ in range(5):
            assert (await limit_of(talk_much, None, tmp_path)).limit is Limit.FAULT


async def test_a_caller_who_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    work = asyncio.create_task(
        run_limited(
            f"{WORK}:tell_pid_and_sleep", str(told), folder=tmp_path, limits=Limits(file=100)
        )
    )
    async with asyncio.timeout(20):
        while not told.exists() or not told.read_text():  # noqa: ASYNC110 # another process writes it
            await asyncio.sleep(0.02)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)
