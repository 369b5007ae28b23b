"""Why a file is not taken for what was declared: stable codes that its quarantine keeps."""

from __future__ import annotations

from typing import Final

from storage.vocabulary import Term


class Flaw(Term):
    """What is wrong with a file."""

    OBJECT_MISSING = "OBJECT_MISSING", "The store has lost the bytes."
    SIZE_DIFFERS = "SIZE_DIFFERS", "There are more or fewer bytes than were declared."
    SHA256_DIFFERS = "SHA256_DIFFERS", "The bytes have another SHA-256 than was declared."
    TYPE_NOT_TAKEN = (
        "TYPE_NOT_TAKEN",
        "Files of this kind and content type are kept, but not shown.",
    )
    WRONG_TYPE = "WRONG_TYPE", "The bytes are not of the content type that was declared."
    TRUNCATED = "TRUNCATED", "The file ends in the middle."
    BROKEN = "BROKEN", "The file's structure is damaged."
    POLYGLOT = "POLYGLOT", "The file is also a file of another kind, which is never an accident."
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS", "The picture is larger than any phone makes."
    TOO_LONG = "TOO_LONG", "The recording is longer than any phone makes."
    UNDECODABLE = "UNDECODABLE", "No picture or sound can be decoded from it."
    TOO_COSTLY = "TOO_COSTLY", "Reading it took more memory or time than there is for it."


ON_THE_WAY: Final = frozenset({Flaw.OBJECT_MISSING, Flaw.SIZE_DIFFERS, Flaw.SHA256_DIFFERS})
"""Flaws that the way to the store may have made: the phone may send the same file again."""


class UnfitFile(Exception):
    """The file is not taken."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.value)
        self.flaw = flaw
