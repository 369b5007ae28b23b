"""The walls of a limited process on Linux: system calls that it may not make (seccomp), and files that it may not reach
(Landlock).

Both bind a process for good and need no rights. A kernel that lacks one leaves the other; what is missing is told, so that an
operator hears of it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

_PR_SET_SECCOMP: Final = 22
_SECCOMP_FILTER: Final = 2
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
"""An error and no crash, so that a library that tries may go on without."""

_MACHINES: Final = {
    # Audit name; clone; then socket, connect, bind, socketpair, execve, execveat, ptrace, io_uring_setup, process_vm_readv,
    # process_vm_writev, pidfd_open, pidfd_getfd, pidfd_send_signal, unshare, setns, perf_event_open, bpf, userfaultfd,
    # add_key, request_key, keyctl, and where there are such: fork, vfork.
    "x86_64": (
        0xC000003E,
        56,
        frozenset(
            {41, 42, 49, 53, 59, 322, 101, 425, 310, 311, 434, 438, 424, 272, 308, 298, 321, 323}
        )
        | {248, 249, 250, 57, 58},
    ),
    "aarch64": (
        0xC00000B7,
        220,
        frozenset({198, 203, 200, 199, 221, 281, 117, 425, 270, 271, 434, 438, 424, 97, 268, 241})
        | {280, 282, 217, 218, 219},
    ),
}
_X32: Final = 0x40000000
_CLONE3: Final = 435
_CLONE_THREAD: Final = 0x00010000

_LANDLOCK: Final = (444, 445, 446)
"""create_ruleset, add_rule, restrict_self; the same numbers on every machine."""

_READ: Final = (1 << 2) | (1 << 3)
"""Files, and lists of what a folder holds."""

_FILES: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""What may be done with files, as far as each version of Landlock can forbid it."""

_LIBRARIES: Final = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/dev/null", "/dev/urandom")


def forbid_calls(libc: Any) -> bool:
    """Forbids sockets, other processes and looking into them; threads stay. Whether the kernel has done it."""
    known = _MACHINES.get(platform.machine())
    if known is None:
        return False
    code = _filter(*known)
    kept = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(code) // 8, ctypes.addressof(kept))
    done = libc.prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, program, 0, 0)
    return bool(done == 0)


def _filter(audit: int, clone: int, calls: Iterable[int]) -> bytes:
    """The program that the kernel runs at each call: 8 bytes for each step, jumps count from the next one."""
    # From the end: allow; refuse; "there is no such call", on which the C library takes `clone`; the look at `clone`.
    calls = sorted(calls)
    first = 6 + len(calls)
    allow, refuse, unknown, threads = first, first + 1, first + 2, first + 3
    steps: list[tuple[int, int, int, int]] = [
        (0x20, 0, 0, 4),  # load the architecture
        (0x15, 0, refuse - 2, audit),
        (0x20, 0, 0, 0),  # load the number of the call
        (0x35, refuse - 4, 0, _X32),  # numbers of another table
        (0x15, unknown - 5, 0, _CLONE3),  # its flags lie where a filter cannot look
        (0x15, threads - 6, 0, clone),
        *((0x15, refuse - 7 - place, 0, call) for place, call in enumerate(calls)),
        (0x06, 0, 0, _ALLOW),
        (0x06, 0, 0, _ERRNO | errno.EPERM),
        (0x06, 0, 0, _ERRNO | errno.ENOSYS),
        (0x20, 0, 0, 16),  # load the flags
        (0x45, 1, 0, _CLONE_THREAD),
        (0x06, 0, 0, _ERRNO | errno.EPERM),
        (0x06, 0, 0, _ALLOW),
    ]
    assert steps[allow][3] == _ALLOW
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def forbid_files(libc: Any, folder: Path) -> bool:
    """Leaves only the work's folder, and to read, Python and its libraries; and no signal goes out. Whether it was done.

    The secret of the installation, its data and other processes' memory (`/proc`) are not among them.
    """
    create, add, restrict = _LANDLOCK
    version = libc.syscall(create, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    files = _FILES[max(one for one in _FILES if one <= version)]
    signals = 0b11 if version >= 6 else 0
    # The kernel knows as much of this as its version says, and takes the rest for zeros.
    attributes = struct.pack("=QQQ", files, 0, signals)
    rules = libc.syscall(create, attributes, ctypes.c_size_t(len(attributes)), 0)
    if rules < 0:
        return False
    try:
        _allow(libc, add, rules, folder, files & ~1)
        for path in _readable():
            _allow(libc, add, rules, path, _READ | 1)
        return bool(libc.syscall(restrict, rules, 0) == 0)
    finally:
        os.close(rules)


def _allow(libc: Any, add: int, rules: int, path: Path, what: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not path.is_dir():
            what &= (1 << 0) | (1 << 1) | (1 << 2) | (1 << 14)
        libc.syscall(add, rules, 1, struct.pack("=Qi", what, opened), 0)
    finally:
        os.close(opened)


def _readable() -> list[Path]:
    """Python with what is installed for it, and of any other place on its path the packages only: a checkout may have the
    data of an installation beside its code."""
    roots = [Path(one).resolve() for one in (*_LIBRARIES, sys.prefix, sys.base_prefix)]
    roots = [one for one in roots if one != Path("/")]
    found = [Path(one) for one in _LIBRARIES] + roots
    for entry in {Path(one).resolve() for one in sys.path if one}:
        if not entry.is_dir():
            found.append(entry)
        elif not any(entry.is_relative_to(root) for root in roots):
            found += [one for one in entry.iterdir() if _is_code(one)]
    return found


def _is_code(path: Path) -> bool:
    return path.suffix in (".py", ".so") or (path / "__init__.py").exists()
