"""Papers that leave the house as PDF: Thai and English in one embedded font, set so that a court can read and cite them.

A paper is A4. Each page says at its foot which paper it is, when it was made and which page of how many. The font is
Sarabun (SIL Open Font License), the face of Thai official letters; HarfBuzz shapes it, because a Thai vowel or tone mark
that is not shaped stands on its neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any, Final

from fpdf import FPDF, FontFace, XPos, YPos
from fpdf.enums import TableBordersLayout, VAlign

from patrol.thai import breakable, iso_date, thai_date

FONT: Final = "Sarabun"
MARGIN_MM: Final = 18.0
BODY_POINTS: Final = 10.5
SMALL_POINTS: Final = 8.5
LINE_MM: Final = 5.6

_INK = (26, 32, 44)
_FAINT = (100, 108, 122)
_RULE = (205, 210, 218)
_HEAD = (238, 241, 245)


class Paper:
    """One paper, written from top to bottom; `pdf()` ends it.

    Texts are plain, Thai or English or both. A character that the font lacks is printed as the font's box.
    """

    def __init__(self, title: str, title_th: str, reference: str, made_at: datetime) -> None:
        """`reference` names the paper at the foot of each page; `made_at` is aware."""
        self._pdf = _Sheets(reference, made_at)
        self._pdf.set_title(title)
        self._pdf.add_page()
        self._line(breakable(title_th), 18, "B", 8.5)
        self._line(title, 13, "", 7, _FAINT)
        self._pdf.ln(3)

    def heading(self, text_th: str, text: str) -> None:
        """Begins a part, never as the last line of a page."""
        if self._pdf.will_page_break(4 * LINE_MM):
            self._pdf.add_page()
        self._pdf.ln(3)
        self._line(f"{breakable(text_th)}  ·  {text}", 13, "B", 7.5)

    def paragraph(self, text: str) -> None:
        """Some sentences."""
        self._line(breakable(text), BODY_POINTS, "", LINE_MM)
        self._pdf.ln(1)

    def facts(self, rows: Sequence[tuple[str, str]]) -> None:
        """Names with what stands behind them."""
        self._table(rows, (30, 70), head=False)

    def table(
        self, head: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]
    ) -> None:
        """A table whose head is repeated on each page. `widths` are shares of the line."""
        self._table([head, *rows], tuple(widths), head=True)

    def pdf(self) -> bytes:
        """The finished paper."""
        return bytes(self._pdf.output())

    def _line(
        self,
        text: str,
        points: float,
        style: str,
        height: float,
        ink: tuple[int, int, int] = _INK,
    ) -> None:
        self._pdf.set_font(FONT, style, points)
        self._pdf.set_text_color(*ink)
        self._pdf.multi_cell(0, height, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _table(self, rows: Sequence[Sequence[str]], widths: tuple[int, ...], *, head: bool) -> None:
        self._pdf.set_font(FONT, "", BODY_POINTS if not head else 9.5)
        self._pdf.set_text_color(*_INK)
        self._pdf.set_draw_color(*_RULE)
        with self._pdf.table(
            col_widths=widths,
            first_row_as_headings=head,
            headings_style=FontFace(emphasis="BOLD", fill_color=_HEAD),
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            line_height=LINE_MM if not head else 5,
            padding=(0.9, 1.2),
            text_align="LEFT",
            v_align=VAlign.T,
        ) as table:
            for row in rows:
                line = table.row()
                for cell in row:
                    line.cell(breakable(cell))
        self._pdf.ln(1.5)


class _Sheets(FPDF):
    """The pages of a paper, with their feet."""

    def __init__(self, reference: str, made_at: datetime) -> None:
        super().__init__(format="A4")
        self._foot = f"{reference}  ·  {thai_date(made_at)}  ·  {iso_date(made_at)}"
        self.set_creation_date(made_at)
        self.set_margins(MARGIN_MM, MARGIN_MM)
        self.set_auto_page_break(True, MARGIN_MM + 6)
        fonts: Any = files("patrol").joinpath("data/fonts")
        for style, name in (("", "Regular"), ("B", "Bold")):
            self.add_font(FONT, style, fname=fonts.joinpath(f"Sarabun-{name}.ttf"))
        self.set_text_shaping(True)

    def footer(self) -> None:
        """What each page ends with."""
        self.set_y(-MARGIN_MM)
        self.set_font(FONT, "", SMALL_POINTS)
        self.set_text_color(*_FAINT)
        self.cell(0, 5, self._foot, align="L")
        self.set_x(MARGIN_MM)
        self.cell(0, 5, f"{self.page_no()} / {{nb}}", align="R")
