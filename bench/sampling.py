"""Counts where a process spends its CPU time, by looking at its stack every few milliseconds of it."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

INTERVAL = 0.001
"""Seconds of CPU time between two looks; the kernel's own tick may make it longer."""

Stack = tuple[str, ...]


def start() -> None:
    """Begins to look; what came before, as the start of a server, is not of interest."""
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)


@contextmanager
def sampling(path: str | None) -> Iterator[None]:
    """From `start` on counts how often each stack is seen, outermost function first; at the end writes it to a file."""
    if path is None:
        yield
        return
    seen: Counter[Stack] = Counter()

    def look(_: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            code = frame.f_code
            stack.append(f"{_short(code.co_filename)}:{code.co_qualname}")
            frame = frame.f_back
        seen[tuple(reversed(stack))] += 1

    signal.signal(signal.SIGPROF, look)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        Path(path).write_text(json.dumps([[list(stack), times] for stack, times in seen.items()]))


def shares(stacks: list[tuple[Stack, int]], *, own: bool) -> list[tuple[str, float]]:
    """The share of the samples in which a function was at work (`own`), or it and what it called; largest first."""
    counted: Counter[str] = Counter()
    for stack, times in stacks:
        for name in {stack[-1]} if own else set(stack):
            counted[name] += times
    total = sum(times for _, times in stacks) or 1
    return [(name, times / total) for name, times in counted.most_common()]


def read(path: Path) -> list[tuple[Stack, int]]:
    """The stacks of a file that `sampling` wrote."""
    return [(tuple(stack), times) for stack, times in json.loads(path.read_text())]


def _short(path: str) -> str:
    """A file's name as people say it: from the package on, without the place where it is installed."""
    parts = Path(path).parts
    if "site-packages" in parts:
        return "/".join(parts[parts.index("site-packages") + 1 :])
    return "/".join(parts[-2:])
