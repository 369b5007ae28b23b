"""Who owns a data directory, who may enter it, and where its sockets fit."""

import fcntl
import hashlib
import os
import pwd
import stat
import sys
import tempfile
import threading
from pathlib import Path

from storage.embedded.processes import Account
from storage.faults import DirectoryInUse, DirectoryUnusable

# sun_path holds 108 bytes on Linux and 104 on macOS, the closing zero included.
_LONGEST_SOCKET_PATH = 103
_OVERRIDE, _READ_SEARCH = 1, 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


class OwnerLock:
    """At most one owner per directory, across processes and within one.

    A POSIX record lock goes with its process and is not inherited by forked workers, so a killed
    owner never blocks the next one. It does not hold against the same process, hence the set.
    """

    _held: set[Path] = set()  # noqa: RUF012  # one set for the whole process is the point
    _guard = threading.Lock()

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / "owner.lock"
        self._file: int | None = None

    def take(self) -> None:
        """Take it or raise DirectoryInUse; taking it twice with one object is fine."""
        if self._file is not None:
            return
        with self._guard:
            # Before opening: closing any descriptor of the file would drop the lock of its owner.
            if self._path in self._held:
                raise DirectoryInUse(f"{self._directory} is already in use by this process.")
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                owner = os.read(file, 20).decode(errors="replace").strip() or "unknown"
                os.close(file)
                raise DirectoryInUse(
                    f"{self._directory} is in use by process {owner}. "
                    "Stop that process, or choose another data directory."
                ) from error
            os.ftruncate(file, 0)
            os.write(file, f"{os.getpid()}\n".encode())
            self._file = file
            self._held.add(self._path)

    @property
    def held(self) -> bool:
        """Whether this object is the owner."""
        return self._file is not None

    def release(self) -> None:
        """Give it back; harmless when it is not held."""
        with self._guard:
            if self._file is not None:
                os.close(self._file)
                self._file = None
                self._held.discard(self._path)


def private_directory(path: Path, account: Account | None = None) -> Path:
    """Make a directory that only its owner may enter; the owner is `account` or ourselves.

    Raises DirectoryUnusable when it exists as something else, or as somebody else's: a stranger may
    have put it there, above all in a shared temporary directory.
    """
    owner = os.geteuid() if account is None else account.uid
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise DirectoryUnusable(f"{path} cannot be used: {error.strerror}.") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
        raise DirectoryUnusable(
            f"{path} belongs to another user or is no directory. Choose another data directory."
        )
    if account is not None and found.st_uid != owner:
        os.chown(path, account.uid, account.gid)
    if found.st_mode & 0o077:
        path.chmod(0o700)
    return path


def socket_directory(home: Path, socket_name: str) -> Path:
    """Where the sockets of `home` live: inside it, or in a short place when the path is too long."""
    inside = home / "run"
    if len(os.fsencode(inside / socket_name)) <= _LONGEST_SOCKET_PATH:
        return inside
    mark = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"patrol-{mark}"
    if len(os.fsencode(short / socket_name)) <= _LONGEST_SOCKET_PATH:
        return short
    return Path("/tmp") / short.name  # noqa: S108  # private_directory refuses a stranger's


def unprivileged_account(home: Path, program: Path) -> Account | None:
    """Whom a server that refuses root runs as when we are root; None when we are not.

    Whoever owns `home` already, else the user `postgres` or `nobody`. When such a user cannot
    reach the program or the data, it keeps one capability to do so: permissions of directories that
    are not ours stay as they are. Raises DirectoryUnusable when that is impossible.
    """
    if os.geteuid() != 0:
        return None
    user = _owner(home) or _named("postgres") or _named("nobody")
    if user is None:
        raise DirectoryUnusable(
            "PostgreSQL refuses to run as root and there is no user 'postgres' or 'nobody' to run "
            "it as. Start the command as an ordinary user."
        )
    if _can_execute(user, program) and _can_enter(user, home.parent):
        return user
    wanted = _READ_SEARCH if _may(user, program, 0o5) else _OVERRIDE
    for capability in (wanted, _OVERRIDE):
        if _have(capability):
            return Account(user.uid, user.gid, capability)
    raise DirectoryUnusable(
        f"PostgreSQL refuses to run as root, and the unprivileged user {user.uid} may not enter "
        f"{home.parent} or {program.parent}. Start the command as an ordinary user, or choose a "
        "data directory that other users may enter."
    )


def _owner(home: Path) -> Account | None:
    if not home.exists():
        return None
    found = home.stat()
    return Account(found.st_uid, found.st_gid) if found.st_uid != 0 else None


def _named(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid)


def _may(user: Account, path: Path, wanted: int) -> bool:
    found = path.stat()
    shift = 6 if found.st_uid == user.uid else 3 if found.st_gid == user.gid else 0
    return (found.st_mode >> shift) & wanted == wanted


def _can_enter(user: Account, directory: Path) -> bool:
    # The path as given and as resolved: a symbolic link may lead through other directories.
    ways = {directory, *directory.parents, directory.resolve(), *directory.resolve().parents}
    return all(_may(user, step, 0o1) for step in ways)


def _can_execute(user: Account, program: Path) -> bool:
    return _can_enter(user, program.parent) and _may(user, program, 0o5)


def _have(capability: int) -> bool:
    if sys.platform != "linux":
        return False
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapPrm:"):
            return bool(int(line.split()[1], 16) >> capability & 1)
    return False
