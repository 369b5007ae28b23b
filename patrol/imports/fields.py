"""Reads the values that zones and cameras have in common: codes, names, kinds."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection
from typing import TypeVar

from patrol.imports.rows import Findings, Place, RowCode
from storage.vocabulary import Term

MAX_CODE = 64
MAX_NAME = 200

_SUGGEST_AMONG = 500
"""Above this many candidates a near match is not looked for: it costs time for every wrong row."""

_THAI_LETTER = re.compile(r"[\u0e01-\u0e2e]")

Kind = TypeVar("Kind", bound=Term)


def shown(value: object) -> str:
    """A value as it may appear inside a message: quoted, on one line, not too long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def read_code(value: object, field: str, place: Place, findings: Findings) -> str | None:
    """A stable external code, or None after adding an error."""
    if type(value) is int:
        value = str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        findings.error(
            place, field, RowCode.CODE_MISSING, "no code; every row needs one that never changes"
        )
        return None
    code = value.strip() if isinstance(value, str) else ""
    if not code or len(code) > MAX_CODE or any(c.isspace() or not c.isprintable() for c in code):
        findings.error(
            place,
            field,
            RowCode.CODE_INVALID,
            f"{shown(value)} is no code; use up to {MAX_CODE} letters, digits and signs without blanks",
        )
        return None
    return unicodedata.normalize("NFC", code)


def read_names(
    english: object, thai: object, place: Place, findings: Findings
) -> tuple[str, str | None] | None:
    """`(name, name_th)`, or None after adding an error.

    One language is enough, with a warning: `name` is always there (the Thai name stands in), `name_th` only if given.
    """
    found: list[str | None] = []
    valid = True
    for field, value in (("name", english), ("name_th", thai)):
        name = _one_line(value)
        if name is None:
            findings.error(
                place,
                field,
                RowCode.NAME_INVALID,
                f"{shown(value)} is no name; use text of up to {MAX_NAME} characters on one line",
            )
            valid = False
        found.append(name or None)
    name, name_th = found
    if not valid:
        return None
    if name is None and name_th is None:
        findings.error(place, "name", RowCode.NAME_MISSING, "neither name nor name_th is given")
        return None
    if name is None or name_th is None:
        missing = "name (English)" if name is None else "name_th (Thai)"
        field = "name" if name is None else "name_th"
        findings.warn(place, field, RowCode.NAME_ONE_LANGUAGE, f"{missing} is missing")
    if name_th is not None and not _THAI_LETTER.search(name_th):
        # Swapped columns, or legacy bytes that happen to be valid UTF-8: both show here first.
        text = f"name_th {shown(name_th)} has no Thai letter"
        findings.warn(place, "name_th", RowCode.NAME_NOT_THAI, text)
    return name or name_th or "", name_th


def read_kind(value: object, kinds: type[Kind], place: Place, findings: Findings) -> Kind | None:
    """A member of `kinds`, or None after adding an error. Capitals, blanks and hyphens are forgiven."""
    listed = ", ".join(kinds)
    if value is None or (isinstance(value, str) and not value.strip()):
        findings.error(place, "kind", RowCode.KIND_MISSING, f"kind is missing; one of {listed}")
        return None
    word = (
        value.strip().upper().replace(" ", "_").replace("-", "_") if isinstance(value, str) else ""
    )
    for kind in kinds:
        if kind == word:
            return kind
    findings.error(
        place, "kind", RowCode.KIND_UNKNOWN, f"kind {shown(value)} is not known; one of {listed}"
    )
    return None


def suggestion(wanted: str, known: Collection[str]) -> str:
    """`; did you mean 'X'?` when one known code is close, otherwise nothing."""
    if not known or len(known) > _SUGGEST_AMONG:
        return ""
    by_fold = {code.casefold(): code for code in known}
    near = difflib.get_close_matches(wanted.casefold(), by_fold, n=1, cutoff=0.7)
    return f"; did you mean '{by_fold[near[0]]}'?" if near else ""


class SeenCodes:
    """Notices a code that comes twice, also when only capitals differ: people would take them for one."""

    def __init__(self) -> None:
        self._first: dict[str, Place] = {}

    def add(self, code: str, field: str, place: Place, findings: Findings) -> bool:
        """Whether the code is new; otherwise adds an error."""
        first = self._first.setdefault(code.casefold(), place)
        if first is place:
            return True
        differs = (
            "" if first.code == code else f" (as '{first.code}', which differs only in capitals)"
        )
        findings.error(
            place,
            field,
            RowCode.CODE_DUPLICATE,
            f"the code is already used by {first.unit} {first.row}{differs}",
        )
        return False


def _one_line(value: object) -> str | None:
    """The text in NFC with blanks and line breaks collapsed, "" when absent, None when it is no usable name."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return None
    # Zero-width spaces mark word breaks in Thai and are kept inside a name, but never around it.
    text = " ".join(unicodedata.normalize("NFC", value).split()).strip("\u200b\ufeff ")
    if len(text) > MAX_NAME or any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        return None
    return text
