"""Knows which migrations this release has without importing the machinery that runs them, which costs a second."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent / "alembic"

_REVISION = re.compile(r'^revision(?:: str)? = "([^"]+)"', re.MULTILINE)
_DOWN = re.compile(r'^down_revision(?:: str \| None)? = (?:"([^"]+)"|None)', re.MULTILINE)


@cache
def revisions() -> tuple[str, ...]:
    """All revisions of this release, the newest first. The history is one line without branches."""
    children: dict[str | None, str] = {}
    for path in (SCRIPTS / "versions").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        revision, down = _REVISION.search(text), _DOWN.search(text)
        if revision is not None and down is not None:
            children[down[1]] = revision[1]
    line: list[str] = []
    at: str | None = None
    while at in children:
        at = children[at]
        line.append(at)
    return tuple(reversed(line))
