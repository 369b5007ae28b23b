"""Runs work on hostile bytes in a process of its own that has little memory, little time, no network and nothing to lose.

A decoder that is given a file by a stranger may loop, crash, or ask for all memory there is; it does so here, and the
worker goes on. What the process may do is set by itself before it looks at anything (`patrol.limited_child`).
"""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import anyio
import orjson
import structlog
from anyio.lowlevel import RunVar

from storage.vocabulary import Term

log = structlog.get_logger(__name__)

AT_ONCE: Final = 2
LONGEST_ANSWER: Final = 4 * 1024 * 1024
BURIAL: Final = 5.0
"""Seconds after which a killed process is waited for no more: somebody else may hold its pipe."""

_START: Final = "import sys; sys.path[:] = {path!r}; from patrol.limited_child import main; main()"

_places: RunVar[dict[str, anyio.CapacityLimiter]] = RunVar("limited processes")


class Limit(Term):
    """What a process has run into."""

    MEMORY = "MEMORY", "It asked for more memory than it may have."
    TIME = "TIME", "It took longer than it may."
    CRASHED = "CRASHED", "It ended without an answer."
    FAULT = "FAULT", "It raised an error that its work does not know."


class LimitHit(Exception):
    """The work gave no answer; `limit` says why, `text` what it said last."""

    def __init__(self, limit: Limit, text: str = "") -> None:
        super().__init__(f"{limit.value} {text}".strip())
        self.limit = limit
        self.text = text


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process may have: `memory` is address space in bytes, with the interpreter's own (about 300 MB with the
    media libraries); `cpu` and `wall` are seconds; `file` is the most that it may write to one file, in bytes."""

    memory: int = 1024 * 1024 * 1024
    cpu: int = 20
    wall: float = 60.0
    file: int = 0


async def run_limited(
    work: str, request: Any, *, folder: Path, limits: Limits | None = None
) -> Any:
    """Calls `work` (`module:function`) with a JSON value in a process of its own, and returns its JSON answer.

    At most `AT_ONCE` of one work run at a time, so that long work does not hold up short. The process begins in `folder`, sees none of our environment, may open no
    connection, start no program and reach no file outside of `folder` but Python's own (on Linux; what the system cannot forbid
    is told in the log), and dies with us.

    Raises:
        LimitHit: there is no answer.
    """
    limits = limits or Limits()
    try:
        places = _places.get()
    except LookupError:
        places = {}
        _places.set(places)
    async with places.setdefault(work, anyio.CapacityLimiter(AT_ONCE)):
        return await _run(work, request, folder, limits)


async def _run(work: str, request: Any, folder: Path, limits: Limits) -> Any:
    order = orjson.dumps({"work": work, "request": request, "limits": asdict(limits)})
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-IB",  # no byte code: a limit on files would cut it off and leave it broken
        "-X",
        "utf8",
        "-c",
        _START.format(path=[one for one in sys.path if one] or [str(Path.cwd())]),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=folder,
        # No secret of ours is in its environment. More arenas would cost address space for nothing.
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2"},
    )
    try:
        async with asyncio.timeout(limits.wall):
            answer = await _talk(process, order)
            code = await process.wait()
    except TimeoutError:
        raise LimitHit(Limit.TIME) from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await _bury(process)
    return _read(answer, code)


async def _bury(process: asyncio.subprocess.Process) -> None:
    """Waits for the end of a process that was killed. asyncio tells of it only when the pipe was read to its end, and a pipe
    that is full of what nobody reads has none."""
    assert process.stdout is not None
    with suppress(TimeoutError):
        async with asyncio.timeout(BURIAL):
            while await process.stdout.read(65_536):
                pass
            await process.wait()


async def _talk(process: asyncio.subprocess.Process, order: bytes) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(order)
        await process.stdin.drain()
    process.stdin.close()
    answer = bytearray()
    while piece := await process.stdout.read(65_536):
        answer += piece
        if len(answer) > LONGEST_ANSWER:
            raise LimitHit(Limit.FAULT, "it says too much")
    return bytes(answer)


def _read(answer: bytes, code: int) -> Any:
    try:
        told = orjson.loads(answer)
    except orjson.JSONDecodeError:
        told = {}
    if "answer" in told:
        if missing := told.get("missing"):
            _tell_of_missing(tuple(missing))
        return told["answer"]
    if "limit" in told:
        raise LimitHit(Limit(told["limit"]), str(told.get("text", "")))
    if -code in (signal.SIGXCPU, signal.SIGKILL):
        # The kernel's own killer for want of memory looks the same; either way it was too much.
        raise LimitHit(Limit.TIME)
    raise LimitHit(Limit.CRASHED, f"exit {code}")


@lru_cache
def _tell_of_missing(walls: tuple[str, ...]) -> None:
    """Once for each process: this system can shut `files` (Landlock, Linux 5.13) or `calls` (seccomp) to nobody."""
    log.warning("limited_process_without_walls", missing=list(walls))
