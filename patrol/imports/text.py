"""Turns an uploaded file into text, because office programs in Thailand save more than UTF-8."""

from __future__ import annotations

import codecs
import re

from patrol.imports.rows import Findings, RowCode

MAX_FILE_BYTES = 20 * 1024 * 1024
"""Far above any real list of zones or cameras of a station."""

_BINARY = {
    b"PK\x03\x04": "a zip file (an Excel workbook, a KMZ or a zipped shapefile)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "a gzip file",
    b"\x00\x00\x27\x0a": "a shapefile",
    b"SQLite format 3": "a GeoPackage",
    b"%PDF": "a PDF",
}

# Words as Thai is written: a mark never stands on a Latin letter, a leading vowel never before one. French or German
# text in Windows-1252 breaks one of these at its first accent, so it is not taken for Thai.
_STRAY_MARK = re.compile(r"(?:^|[^\u0e01-\u0e4e])[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]")
_STRAY_VOWEL = re.compile(r"[\u0e40-\u0e44](?![\u0e01-\u0e2e])")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_THAI_SYLLABLE = re.compile(r"[\u0e01-\u0e2e][\u0e01-\u0e4e]")


def read_text(data: bytes | str, findings: Findings) -> str | None:
    """The text of a file without byte order mark, or None when `findings` got an error.

    UTF-8 is expected, UTF-16 with a byte order mark (Excel's "Unicode Text") is read too. Windows-874 (TIS-620) is
    what Excel on a Thai Windows writes as plain CSV; it is decoded with a warning when the result is well-formed Thai.
    """
    try:
        if len(data) > MAX_FILE_BYTES:
            limit = MAX_FILE_BYTES // (1024 * 1024)
            raise _Refused(RowCode.FILE_TOO_LARGE, f"the file is larger than {limit} MB")
        text = data if isinstance(data, str) else _decode(data, findings)
        text = text.removeprefix("\ufeff")
        if _SURROGATE.search(text):
            raise _not_utf_8()
        if "\0" in text:
            raise _Refused(RowCode.FILE_NOT_TEXT, "this is a binary file, not text")
        if not text.strip():
            raise _Refused(RowCode.FILE_EMPTY, "the file is empty")
    except _Refused as refused:
        findings.error(None, None, refused.code, str(refused))
        return None
    return text


class _Refused(Exception):
    def __init__(self, code: RowCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def _not_utf_8() -> _Refused:
    return _Refused(
        RowCode.FILE_ENCODING,
        "the text is not UTF-8; save it again as UTF-8 (in Excel: 'CSV UTF-8')",
    )


def _decode(data: bytes, findings: Findings) -> str:
    for magic, name in _BINARY.items():
        if data.startswith(magic):
            hint = f"this is {name}; save it as text (CSV UTF-8 for cameras, GeoJSON for zones)"
            raise _Refused(RowCode.FILE_NOT_TEXT, hint)
    try:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return data.decode("utf-16")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        text = data.decode("cp874")
    except UnicodeDecodeError:
        raise _not_utf_8() from None
    if _STRAY_MARK.search(text) or _STRAY_VOWEL.search(text) or not _THAI_SYLLABLE.search(text):
        raise _not_utf_8()
    findings.warn(
        None,
        None,
        RowCode.ENCODING_LEGACY,
        "read as Thai Windows-874 (TIS-620); check the Thai names, and save as UTF-8 next time",
    )
    return text
