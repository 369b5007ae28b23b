"""A paper must be readable: Thai shaped and broken between words, nothing off the page, the same words in it as were given."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import numpy
import pypdfium2
import pytest
from fpdf import FPDF

from patrol.papers import FONT, Paper, _Sheets
from patrol.thai import MAY_BREAK, breakable, iso_date, short_thai_date, thai_date

MADE_AT = datetime(2026, 11, 24, 2, 5, 31, tzinfo=UTC)
SENTENCE = "เจ้าหน้าที่ตำรวจได้รับแจ้งเหตุขอความช่วยเหลือจากประชาชนบริเวณชุมชนวัดหลวงเมื่อเวลาสิบห้านาฬิกา"


def test_dates_are_of_the_buddhist_era_in_thai_time_beside_iso() -> None:
    late = datetime(2026, 12, 31, 17, 30, tzinfo=UTC)
    assert thai_date(late) == "1 มกราคม พ.ศ. 2570 เวลา 00:30:00 น."
    assert short_thai_date(late) == "1 ม.ค. 2570 00:30:00"
    assert iso_date(late.astimezone(timezone(timedelta(hours=9)))) == "2026-12-31T17:30:00Z"


def test_thai_may_break_between_words_and_stays_the_same() -> None:
    broken = breakable(f"SOS: {SENTENCE}, MST-001")
    assert broken.replace(MAY_BREAK, "") == f"SOS: {SENTENCE}, MST-001"
    assert "ตำรวจ" in broken.split(MAY_BREAK)
    # No line may begin with a vowel or a tone mark that belongs to the letter before it.
    assert not re.search(f"{MAY_BREAK}[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]", broken)


def paper(rows: int = 60) -> Paper:
    made = Paper("Report", "รายงาน", "SOS 1", MADE_AT)
    made.facts([("สถานี / Station", "แม่สอด / Mae Sot")])
    made.heading("ลำดับเหตุการณ์", "Timeline")
    made.paragraph(SENTENCE)
    made.table(("เวลา / Time", "Detail"), [("09:05", SENTENCE)] * rows, (30, 70))
    return made


def test_a_long_table_goes_on_over_pages_and_repeats_its_head() -> None:
    document = pypdfium2.PdfDocument(paper().pdf())
    try:
        assert len(document) > 2
        for number in range(len(document)):
            text = document[number].get_textpage().get_text_range()
            assert "Detail" in text
            assert f"{number + 1} / {len(document)}" in text
            assert "2026-11-24T02:05:31Z" in text
    finally:
        document.close()


def test_nothing_is_printed_in_the_margins() -> None:
    document = pypdfium2.PdfDocument(paper(rows=3).pdf())
    try:
        picture = document[0].render(scale=1).to_pil().convert("L")
    finally:
        document.close()
    dark = numpy.argwhere(numpy.asarray(picture) < 200)
    top, left = dark.min(axis=0)
    bottom, right = dark.max(axis=0)
    points = 72 / 25.4
    assert left > 15 * points
    assert right < picture.width - 15 * points
    assert top > 15 * points
    assert bottom < picture.height - 8 * points


@pytest.mark.parametrize("word", ["ปี่", "น้ำ", "กี๋", "ป้ำ", "ญู"])
def test_marks_stand_where_thai_puts_them(word: str) -> None:
    """Shaped, a mark above a tall letter or another mark is moved; without shaping they are printed onto each other."""
    shaped = _Sheets("SOS 1", MADE_AT)
    flat = _Sheets("SOS 1", MADE_AT)
    flat.set_text_shaping(False)
    assert _ink(shaped, word) != _ink(flat, word)


def _ink(sheets: FPDF, word: str) -> bytes:
    sheets.add_page()
    sheets.set_font(FONT, "", 40)
    sheets.cell(0, 20, word)
    document = pypdfium2.PdfDocument(bytes(sheets.output()))
    try:
        return bytes(document[0].render(scale=1).to_pil().crop((40, 40, 200, 130)).tobytes())
    finally:
        document.close()
