"""Becomes a server process: gives up root, asks to end with its parent, then executes the server.

Run as a script in a fresh interpreter (`python -I -S launch.py OPTIONS PROGRAM ARGUMENT…`) because
the same steps between fork and exec of a threaded parent could deadlock. It imports nothing of ours.
OPTIONS is a JSON object: `parent` (process id), `death_signal` (number), and, when root must be
given up, `uid`, `gid` and `capability` (a Linux capability number to keep, or null).
"""

import ctypes
import json
import os
import sys
from typing import Any

_SET_DEATH_SIGNAL = 1
_SET_SECURE_BITS = 28
_AMBIENT = 47
_AMBIENT_RAISE = 2
_NO_SETUID_FIXUP_LOCKED = 0b1100
_CAPABILITY_VERSION = 0x20080522


def _call(name: str, *arguments: Any) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}{arguments[:2]}: {os.strerror(code)}")


def _prctl(*arguments: int) -> None:
    padded = [*arguments, 0, 0, 0, 0][:5]
    _call("prctl", ctypes.c_int(padded[0]), *(ctypes.c_ulong(value) for value in padded[1:]))


def _keep_only(capability: int) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()
    low_or_high, bit = divmod(capability, 32)
    for kind in range(3):  # effective, permitted, inheritable
        sets[low_or_high * 3 + kind] = 1 << bit
    _call("capset", header, sets)
    _prctl(_AMBIENT, _AMBIENT_RAISE, capability)


def _give_up_root(uid: int, gid: int, capability: int | None) -> None:
    # Without this bit access(2), which initdb uses to look for its sister programs, would ignore the
    # kept capability and find nothing below a directory that only root may enter.
    if capability is not None:
        _prctl(_SET_SECURE_BITS, _NO_SETUID_FIXUP_LOCKED)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if capability is not None:
        _keep_only(capability)


def main(arguments: list[str]) -> None:
    """Execute the program; on failure leave with status 126 and one line on stderr."""
    options: dict[str, Any] = json.loads(arguments[0])
    os.umask(0o077)
    if options.get("uid") is not None:
        if sys.platform == "linux":
            _give_up_root(options["uid"], options["gid"], options["capability"])
        else:
            os.setgroups([])
            os.setgid(options["gid"])
            os.setuid(options["uid"])
    if sys.platform == "linux":
        # After the change of user, which clears it. A parent that died before this line is noticed
        # by the changed parent id.
        _prctl(_SET_DEATH_SIGNAL, options["death_signal"])
        if os.getppid() != options["parent"]:
            sys.exit(0)
    os.execv(arguments[1], arguments[1:])  # noqa: S606  # the caller names the program by full path


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.stderr.write(f"cannot start {sys.argv[2]}: {error}\n")
        sys.exit(126)
