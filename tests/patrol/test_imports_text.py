"""Office programs in Thailand save in several encodings; each is read right or refused, never garbled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patrol.imports import RowCode
from patrol.imports.rows import Findings
from patrol.imports.text import MAX_FILE_BYTES, read_text

THAI = "รหัส,ชื่อ\nC-1,แยกถนนอินทรคีรี น้ำ"


def read(data: bytes | str) -> tuple[str | None, list[str]]:
    findings = Findings()
    text = read_text(data, findings)
    return text, [finding.code for finding in (*findings.errors, *findings.warnings)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_thai_in_unicode_is_read_without_a_word(encoding: str) -> None:
    assert read(THAI.encode(encoding)) == (THAI, [])


@pytest.mark.parametrize("encoding", ["cp874", "tis-620"])
def test_legacy_thai_is_read_with_a_warning(encoding: str) -> None:
    assert read(THAI.encode(encoding)) == (THAI, [RowCode.ENCODING_LEGACY])


@pytest.mark.parametrize(
    "text", ["Café à Mae Sot", "Straße, Müller", "São João, niño", "naïve élan"]
)
def test_western_text_is_refused_instead_of_becoming_thai_nonsense(text: str) -> None:
    assert read(text.encode("cp1252")) == (None, [RowCode.FILE_ENCODING])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"PK\x03\x04....", RowCode.FILE_NOT_TEXT),
        (b"\xd0\xcf\x11\xe0", RowCode.FILE_NOT_TEXT),
        (b"\x1f\x8b\x08", RowCode.FILE_NOT_TEXT),
        (b"SQLite format 3\x00", RowCode.FILE_NOT_TEXT),
        (b"code\x00name", RowCode.FILE_NOT_TEXT),
        (b"\xff\xfe\x00", RowCode.FILE_ENCODING),
        ("\ud800", RowCode.FILE_ENCODING),
        (b" " * (MAX_FILE_BYTES + 1), RowCode.FILE_TOO_LARGE),
        (b"\xef\xbb\xbf \r\n", RowCode.FILE_EMPTY),
    ],
)
def test_what_is_not_text_is_refused_with_a_reason(data: bytes | str, code: RowCode) -> None:
    assert read(data) == (None, [code])


WORDS = st.text("กขคงจชซญดตถทนบปผพมยรลวสหอฮ", min_size=2)


@given(WORDS, st.sampled_from(["ี", "ู", "ั", "่", ""]), st.sampled_from(["เ", "แ", "ไ", ""]))
def test_any_thai_word_survives_the_legacy_encoding(word: str, mark: str, vowel: str) -> None:
    # The line of a real file: alone, a word such as that for curry is valid UTF-8 of another script.
    written = f"แยกถนนอินทรคีรี, {vowel}{word}{mark}"
    assert read(written.encode("cp874"))[0] == written
