"""Looks whether a document is a PDF. It is not read: nothing of it is shown but the file itself, to who asks for it."""

from __future__ import annotations

from pathlib import Path

from patrol.files.flaws import Flaw, UnfitFile
from patrol.images.polyglot import TAIL, is_other_file

_END = b"%%EOF"
_BEHIND = 1024
"""Bytes that readers allow behind the end."""


def check_paper(path: Path, size: int) -> None:
    """Looks at the beginning, which `looks_like` has seen, and at the end.

    Raises:
        UnfitFile: TRUNCATED or POLYGLOT.
    """
    with path.open("rb") as file:
        head = file.read(1024)
        file.seek(max(0, size - TAIL))
        tail = file.read()
    if _END not in tail[-_BEHIND:]:
        raise UnfitFile(Flaw.TRUNCATED)
    if is_other_file(head, tail, paper=True):
        raise UnfitFile(Flaw.POLYGLOT)
