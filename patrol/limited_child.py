"""The inside of a limited process: it binds its own hands, then does one piece of work and answers.

Imported in that process only, and nothing of the product before the limits hold.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, Final

from patrol.limited_walls import forbid_calls, forbid_files

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38


def main() -> None:
    """Reads an order from standard input and writes the answer where standard output was."""
    order = json.load(sys.stdin)
    answering = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for noisy in (0, 1, 2):
        os.dup2(nowhere, noisy)
    try:
        missing = _bind(order["limits"])
        told: dict[str, Any] = {"answer": _work(order["work"])(order["request"])}
        if missing:
            told["missing"] = missing
        text = json.dumps(told)
    except MemoryError:
        text = json.dumps({"limit": "MEMORY"})
    except BaseException as error:  # every end of the work is told
        fault = "MEMORY" if getattr(error, "errno", None) == 12 else "FAULT"
        text = json.dumps({"limit": fault, "text": f"{type(error).__name__}: {error}"[:500]})
    with os.fdopen(answering, "wb") as out:
        out.write(text.encode())
    # Without tidying up: a library that has seen hostile bytes may hang in its own end.
    os._exit(0)


def _work(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _bind(limits: dict[str, Any]) -> list[str]:
    """Sets the limits; the names of the walls that this system cannot build."""
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, limits["memory"]),
        (resource.RLIMIT_CPU, limits["cpu"]),
        (resource.RLIMIT_FSIZE, limits["file"]),
        (resource.RLIMIT_NOFILE, 256),
    ):
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):
            # macOS knows no limit of address space; where we serve, a limit that does not hold is a fault.
            if sys.platform == "linux":
                raise
    if sys.platform != "linux":
        return ["files", "calls"]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    walls = {
        "files": forbid_files(libc, Path.cwd()),
        # Last, because it is the kernel's own calls that it filters.
        "calls": forbid_calls(libc),
    }
    return [name for name, stands in walls.items() if not stands]
