"""A server as a process of its own on its own core, so that its time can be told from that of the load."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import uvicorn
from starlette.types import ASGIApp

from api.listening import address_of, bound_socket
from api.serving import BACKLOG, run
from api.settings import Settings, load_settings
from bench.machine import pin
from bench.sampling import sampling, start
from storage.embedded.processes import launcher

CORE, READY, SAMPLES = "BENCH_CORE", "BENCH_READY", "BENCH_SAMPLES"
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A server that answers requests."""

    name: str
    process: subprocess.Popen[bytes]
    port: int

    def cpu_seconds(self) -> float:
        """What it has used of its core so far, in user and system mode, with all of its threads."""
        threads = Path(f"/proc/{self.process.pid}/task")
        if threads.exists():
            # In nanoseconds; the ticks that psutil reads are a hundredth of a second.
            told = [one.read_text().split()[0] for one in threads.glob("*/schedstat")]
            return sum(int(one) for one in told) / 1e9
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)


@contextmanager
def started(
    name: str,
    environment: Mapping[str, str],
    directory: Path,
    core: int | None,
    *,
    sampled: Path | None = None,
) -> Iterator[Server]:
    """Starts `bench.servers.<name>` and ends it again. With `sampled` its stacks are counted into that file."""
    ready = directory / f"{name}.ready"
    told = {**os.environ, **environment, READY: str(ready)}
    if core is not None:
        told[CORE] = str(core)
    if sampled is not None:
        told[SAMPLES] = str(sampled)
    said = directory / f"{name}.log"
    with said.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 # our own module under our own interpreter
            # The launcher lets it end with us, however we end.
            [*launcher(signal.SIGTERM, None), sys.executable, "-m", f"bench.servers.{name}"],
            env=told,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The server {name} did not start.")
            time.sleep(0.02)
        yield Server(name, process, int(ready.read_text().rpartition(":")[2]))
    except Exception as error:
        error.add_note(f"The server {name} says:\n{said.read_text(errors='replace')[-3000:]}")
        raise
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main(serve: Callable[[Settings, Callable[[str], None]], Awaitable[None]]) -> None:
    """What each server's module does as a process: serve on its core until it is told to stop."""
    pin(int(os.environ[CORE]) if CORE in os.environ else None)
    ready = Path(os.environ[READY])

    def tell(address: str) -> None:
        aside = ready.with_suffix(".new")
        aside.write_text(address)
        aside.rename(ready)
        if SAMPLES in os.environ:
            start()

    async def serving() -> None:
        await serve(load_settings(), tell)

    with sampling(os.environ.get(SAMPLES)):
        run(serving)


class _Telling(uvicorn.Server):
    """uvicorn's server, which says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


async def serve_app(app: ASGIApp, ready: Callable[[str], None]) -> None:
    """Serves an application just as the product is served."""
    sock = bound_socket("127.0.0.1", 0)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, backlog=BACKLOG, lifespan="off"
    )
    await _Telling(config, lambda: ready(address_of(sock))).serve([sock])
