"""Splits CSV text into named cells, whatever separator the office program has chosen."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from patrol.imports.fields import shown
from patrol.imports.rows import Findings, Place, RowCode

MAX_LINES = 50_000

DELIMITERS = ",;\t|"

_SEP_LINE = re.compile(r'\s*"?sep=(.)"?[ \t]*(?:\r\n|\r|\n)', re.IGNORECASE)
"""Excel's own first line that names the separator."""

_MEANT = {
    "latitude": {"lat", "y", "ละติจูด"},
    "longitude": {"lon", "lng", "long", "x", "ลองจิจูด"},
    "code": {"id", "camera_code", "camera_id", "รหัส"},
    "kind": {"type", "ประเภท"},
    "name": {"name_en", "ชื่ออังกฤษ"},
    "name_th": {"thai_name", "ชื่อ", "ชื่อไทย"},
    "zone_code": {"zone", "zone_id", "โซน"},
}
"""Headers that people write instead; used for hints only, so that a guess never fills a column."""


@dataclass(frozen=True, slots=True)
class Line:
    """One record: the number of its first line in the file, and its cells by column."""

    number: int
    cells: dict[str, str]


def read_table(
    text: str, columns: Sequence[str], optional: Collection[str], findings: Findings
) -> list[Line]:
    """The records below the header; blank lines are skipped.

    Returns nothing, with an error in `findings`, when the header cannot be used. A record that cannot be split is an
    error; the records before it are returned so that they are checked too.
    """
    skipped = 0
    delimiter = None
    sep_line = _SEP_LINE.match(text)
    if sep_line:
        skipped, delimiter, text = 1, sep_line[1], text[sep_line.end() :]
    records = _records(text, delimiter or _delimiter(text, columns), skipped, findings)
    if not records:
        if not findings.errors:
            findings.error(None, None, RowCode.FILE_EMPTY, "the file has no header line")
        return []
    (header_line, titles), *rest = records
    header = _header(titles, Place("line", header_line), columns, optional, findings)
    if header is None:
        return []
    if not rest and not findings.errors:
        findings.error(None, None, RowCode.FILE_EMPTY, "the file has a header but no rows")
    return [_line(number, cells, header, findings) for number, cells in rest]


def _delimiter(text: str, columns: Sequence[str]) -> str:
    """The separator under which the first line names most columns; the comma when none does."""
    first = next((line for line in text.splitlines() if line.strip()), "")

    def named(delimiter: str) -> int:
        return len({_title(cell) for cell in first.split(delimiter)}.intersection(columns))

    return max(DELIMITERS, key=named)


def _records(
    text: str, delimiter: str, skipped: int, findings: Findings
) -> list[tuple[int, list[str]]]:
    records: list[tuple[int, list[str]]] = []
    source = io.StringIO(text, newline="")
    number = skipped + 1
    try:
        # strict: a quote that is never closed would otherwise swallow the rest of the file in silence.
        reader = csv.reader(source, delimiter=delimiter, strict=True)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                records.append((number, cells))
            number = skipped + reader.line_num + 1
            if len(records) > MAX_LINES + 1:
                hint = f"more than {MAX_LINES:,} rows; split the file"
                findings.error(None, None, RowCode.TOO_MANY_ROWS, hint)
                return []
    except (csv.Error, ValueError, TypeError) as fault:
        # ValueError and TypeError: a separator that `sep=` names but csv does not take, such as a quote.
        hint = f"cannot be split into cells ({fault}); look for a missing or extra quote"
        findings.error(Place("line", number), None, RowCode.CSV_BROKEN, hint)
    return records


def _header(
    titles: list[str],
    place: Place,
    columns: Sequence[str],
    optional: Collection[str],
    findings: Findings,
) -> list[str] | None:
    names = [_title(title) for title in titles]
    usable = True
    for column in columns:
        if names.count(column) > 1:
            hint = f"the column {column} is there twice"
            findings.error(place, column, RowCode.COLUMN_DUPLICATE, hint)
            usable = False
        elif column not in names and column not in optional:
            meant = next((name for name in names if name in _MEANT.get(column, ())), None)
            hint = f"; rename '{meant}' to '{column}'" if meant else ""
            text = f"the column {column} is missing{hint} (columns: {', '.join(columns)})"
            findings.error(place, column, RowCode.COLUMN_MISSING, text)
            usable = False
    for name in names:
        if name and name not in columns:
            text = f"the column {shown(name)} is not used"
            findings.warn(place, None, RowCode.COLUMN_UNKNOWN, text)
    return names if usable else None


def _line(number: int, cells: list[str], header: list[str], findings: Findings) -> Line:
    if any(cell.strip() for cell in cells[len(header) :]):
        findings.error(
            Place("line", number),
            None,
            RowCode.CELLS_TOO_MANY,
            f"{len(cells)} cells under {len(header)} columns; put a text that holds the separator in"
            ' "quotes", and write decimal points, not commas',
        )
    return Line(number, dict(zip(header, cells, strict=False)))


def _title(cell: str) -> str:
    return cell.strip().strip('"').strip().casefold().replace(" ", "_")
