"""What limited processes are told to do in the tests: they import this module by its name."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

MEGABYTE = 1024 * 1024


def double(number: int) -> int:
    return number * 2


def environment(_: Any) -> list[str]:
    return sorted(os.environ)


def eat(megabytes: int) -> int:
    return len(bytearray(megabytes * MEGABYTE))


def spin(_: Any) -> None:
    while True:
        pass


def sleep(_: Any) -> None:
    time.sleep(3600)


def die(number: int) -> None:
    os.kill(os.getpid(), number)


def write(size: int) -> int:
    return Path("out").write_bytes(b"x" * size)


def call_out(address: list[Any]) -> str:
    with socket.create_connection((address[0], address[1]), timeout=5) as found:
        return str(found.getpeername())


def start_program(_: Any) -> int:
    return subprocess.run(["/bin/true"], check=False).returncode


def talk_much(_: Any) -> str:
    return "x" * 5 * MEGABYTE


def tell_pid_and_sleep(name: str) -> None:
    with open(name, "a") as out:
        out.write(str(os.getpid()))
    time.sleep(3600)


def read(name: str) -> int:
    return len(Path(name).read_bytes())


def look_around(folder: str) -> list[str]:
    return os.listdir(folder)


def reach_the_caller(_: Any) -> int:
    return len(Path(f"/proc/{os.getppid()}/environ").read_bytes())


def stop_the_caller(_: Any) -> None:
    os.kill(os.getppid(), 0)


def fork(_: Any) -> int:
    child = os.fork()
    if not child:
        os._exit(0)
    return os.waitpid(child, 0)[1]


def begin_thread(_: Any) -> bool:
    done = threading.Event()
    thread = threading.Thread(target=done.set)
    thread.start()
    thread.join()
    return done.is_set()
