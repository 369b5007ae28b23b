"""Tells a picture with a harmless trailer from a picture that is also another kind of file.

Bytes behind the end of a JPEG are normal: phones append a second picture (gain map, depth), a short film
(motion photo) or their maker's notes, and cameras pad to whole sectors. Refusing them would quarantine much of
what officers record. They cannot reach a viewer of our derivatives, which are painted anew, and an original is
only ever linked to with the content type of a picture. What is refused is a trailer, comment or padding that
makes *another program* accept the same file: that is never an accident.
"""

from __future__ import annotations

import re

from patrol.images.markers import Reason, Structure, UnfitImage

_ZIP_END = b"PK\x05\x06"
_ZIP_END_SIZE = 22
_LONGEST_ZIP_COMMENT = 65_535
# Only kinds whose readers accept something in front of them; a program must stand at a file's first byte.
_OTHER_FILES = (b"PK\x03\x04", b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"%PDF-")
_MARKUP = re.compile(rb"<(?:!doctype|html|head|body|script|svg|iframe|\?php)", re.IGNORECASE)
_SNIFFED = 1024  # Readers of PDF and browsers that guess look at the first kilobyte.
TAIL = _ZIP_END_SIZE + _LONGEST_ZIP_COMMENT
_PADDING = b"\x00 \t\r\n\xff"


def refuse_polyglot(data: bytes, structure: Structure) -> None:
    """Raise UnfitImage(POLYGLOT) if the file would also pass as an archive, document, page or program."""
    head = data[:_SNIFFED]
    if b"%PDF-" in head:
        _refuse("a PDF document")
    if _MARKUP.search(head):
        _refuse("a web page")
    trailer = memoryview(data)[structure.end :]
    if not trailer:
        return
    # Copies no more than is looked at: a trailer may be most of the file.
    start = bytes(trailer[:_SNIFFED]).lstrip(_PADDING)
    if start.startswith(_OTHER_FILES):
        _refuse("an archive or document")
    if _MARKUP.match(start):
        _refuse("a web page")
    tail = bytes(trailer[-(_ZIP_END_SIZE + _LONGEST_ZIP_COMMENT) :])
    if _ends_as_zip(tail):
        _refuse("an archive")


def is_other_file(head: bytes, tail: bytes, *, paper: bool = False) -> bool:
    """Whether a file of another kind than a JPEG would also pass as an archive, document, page or program.

    Args:
        head: its first kilobyte.
        tail: its last bytes, up to `TAIL`.
        paper: it is a PDF, and may say so.
    """
    return (
        (not paper and b"%PDF-" in head)
        or _MARKUP.search(head) is not None
        or head.startswith(_OTHER_FILES[:3])
        or _ends_as_zip(tail)
    )


def _ends_as_zip(tail: bytes) -> bool:
    """A ZIP is read from its end: a record whose comment reaches exactly to the end of the file. The four
    letters alone would also turn up by chance in a film."""
    at = tail.rfind(_ZIP_END)
    while at >= 0:
        record = tail[at : at + _ZIP_END_SIZE]
        if len(record) == _ZIP_END_SIZE:
            comment = int.from_bytes(record[20:22], "little")
            if at + _ZIP_END_SIZE + comment == len(tail):
                return True
        at = tail.rfind(_ZIP_END, 0, at)
    return False


def _refuse(what: str) -> None:
    raise UnfitImage(Reason.POLYGLOT, f"The file is a picture and {what} at the same time.")
