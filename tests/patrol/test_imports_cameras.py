"""A cameras file gives rows that are all placed in a zone, or every error in it, and never half of it."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patrol.geojson import read_shape
from patrol.geometry import GeoShape, ShapeCode
from patrol.imports import ParsedCameras, RowCode, parse_cameras
from patrol.imports.cameras import COLUMNS
from patrol.imports.table import MAX_LINES
from storage.vocabulary import CameraKind


def rectangle(south: float, west: float, north: float, east: float) -> GeoShape:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return read_shape({"type": "Polygon", "coordinates": [ring]})


ZONES = {
    "TOWN": rectangle(16.70, 98.56, 16.72, 98.58),
    "MARKET": rectangle(16.70, 98.56, 16.71, 98.57),
}
HEADER = ",".join(COLUMNS)
ROW = "C-1,Gate,ประตู,16.715,98.575,FIXED,"


def parsed(*lines: str, header: str = HEADER, end: str = "\n") -> ParsedCameras:
    return parse_cameras(end.join([header, *lines, ""]), ZONES)


def codes(result: ParsedCameras) -> list[tuple[int | None, str | None, str]]:
    return [(error.row, error.field, error.code) for error in result.errors]


def test_a_line_becomes_a_row() -> None:
    result = parsed(ROW)
    (camera,) = result.cameras
    assert (camera.row, camera.code, camera.name, camera.name_th) == (2, "C-1", "Gate", "ประตู")
    assert (camera.latitude, camera.longitude) == (16.715, 98.575)
    assert (camera.kind, camera.zone_code) == (CameraKind.FIXED, "TOWN")
    assert (result.errors, result.warnings, result.rows_read) == ((), (), 1)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_whatever_separator_and_line_end_the_program_wrote_is_read(
    delimiter: str, end: str
) -> None:
    table = [*csv.reader([HEADER, ROW])]
    table[1][1] = "Gate, north; left"
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=end).writerows(table)
    (camera,) = parse_cameras(out.getvalue(), ZONES).cameras
    assert camera.name == "Gate, north; left"


def test_excels_own_line_about_the_separator_is_understood_and_counted() -> None:
    result = parse_cameras("sep=;\r\n" + f"{HEADER}\r\n{ROW}".replace(",", ";"), ZONES)
    assert result.cameras[0].row == 3


def test_columns_may_come_in_any_order_and_any_capitals() -> None:
    result = parsed("FIXED,98.575,16.715,ประตู,C-1", header="Kind, Longitude ,LATITUDE,Name TH,code")
    assert result.cameras[0].name == "ประตู"
    assert [note.code for note in result.warnings] == [RowCode.NAME_ONE_LANGUAGE]


def test_blank_lines_are_skipped_and_line_numbers_stay_those_of_the_file() -> None:
    result = parsed(
        "", ROW, ",,,,,,", '"C-2","Two\nlines",x,16.715,98.575,FIXED,', "C-3,x,x,1,1,x,"
    )
    assert {error.row for error in result.errors} == {7}


def test_an_empty_zone_goes_to_the_smallest_zone_that_covers_the_position() -> None:
    result = parsed("C-1,x,x,16.705,98.565,FIXED,", "C-2,x,x,16.710,98.570,FIXED,")
    assert [camera.zone_code for camera in result.cameras] == ["MARKET", "MARKET"]


def test_a_named_zone_is_believed_with_a_warning_when_the_position_is_elsewhere() -> None:
    result = parsed("C-1,x,ก,16.715,98.575,FIXED,MARKET")
    assert result.cameras[0].zone_code == "MARKET"
    assert [note.code for note in result.warnings] == [RowCode.OUTSIDE_ITS_ZONE]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (",x,x,16.715,98.575,FIXED,", (3, "code", RowCode.CODE_MISSING)),
        ("C 2,x,x,16.715,98.575,FIXED,", (3, "code", RowCode.CODE_INVALID)),
        ("C-1,x,x,16.715,98.575,FIXED,", (3, "code", RowCode.CODE_DUPLICATE)),
        ("c-1,x,x,16.715,98.575,FIXED,", (3, "code", RowCode.CODE_DUPLICATE)),
        ("C-2,,,16.715,98.575,FIXED,", (3, "name", RowCode.NAME_MISSING)),
        ("C-2,a\x07b,x,16.715,98.575,FIXED,", (3, "name", RowCode.NAME_INVALID)),
        ("C-2,x,x,16.715,98.575,,", (3, "kind", RowCode.KIND_MISSING)),
        ("C-2,x,x,16.715,98.575,DRONE,", (3, "kind", RowCode.KIND_UNKNOWN)),
        ("C-2,x,x,,98.575,FIXED,TOWN", (3, "latitude", RowCode.NUMBER_MISSING)),
        ("C-2,x,x,nan,98.575,FIXED,TOWN", (3, "latitude", RowCode.NUMBER_INVALID)),
        ("C-2,x,x,16.7,1e2,FIXED,TOWN", (3, "longitude", RowCode.NUMBER_INVALID)),
        ("C-2,x,x,98.575,16.715,FIXED,", (3, "latitude", ShapeCode.SWAPPED)),
        ("C-2,x,x,1848000,454000,FIXED,", (3, "latitude", ShapeCode.NOT_DEGREES)),
        ("C-2,x,x,16.7,181,FIXED,", (3, "longitude", ShapeCode.OUT_OF_RANGE)),
        ("C-2,x,x,16.8,98.575,FIXED,", (3, "zone_code", RowCode.OUTSIDE_ZONES)),
        ("C-2,x,x,16.8,98.575,FIXED,GONE", (3, "zone_code", RowCode.ZONE_UNKNOWN)),
        ("C-2,x,x,16.715,98.575,FIXED,,more", (3, None, RowCode.CELLS_TOO_MANY)),
        ('C-2,"x"x,x,16.715,98.575,FIXED,', (3, None, RowCode.CSV_BROKEN)),
        ('C-2,"x,x,16.715,98.575,FIXED,', (3, None, RowCode.CSV_BROKEN)),
    ],
)
def test_a_bad_line_is_refused_with_its_column(
    line: str, expected: tuple[int | None, str | None, str]
) -> None:
    result = parsed(ROW, line)
    assert codes(result) == [expected]
    assert result.cameras == ()


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ('"16,7131"', "write a decimal point: 16.7131"),
        ("16°42'47N", "degrees, minutes and seconds are not read"),
        ("16.7131 N", "degrees, minutes and seconds are not read"),
        ("north", "write decimal degrees such as 16.7131"),
    ],
)
def test_a_number_in_another_spelling_is_refused_with_the_right_one(cell: str, says: str) -> None:
    (error,) = parsed(f"C-1,x,x,{cell},98.575,FIXED,TOWN").errors
    assert error.code is RowCode.NUMBER_INVALID
    assert says in error.message


def test_thai_digits_are_digits() -> None:
    assert parsed("C-1,x,x,๑๖.๗๑๕,๙๘.๕๗๕,FIXED,").cameras[0].latitude == 16.715


def test_errors_read_as_sentences_with_line_and_code() -> None:
    (error,) = parsed("C-7,x,x,16.715,98.575,FIXED,Town").errors
    assert str(error) == "line 2 (code 'C-7'): there is no zone 'Town'; did you mean 'TOWN'?"


def test_missing_columns_are_named_together_with_what_was_probably_meant() -> None:
    result = parsed("C-1,x,1,2", header="code,name,lat,lng")
    assert codes(result) == [
        (1, "latitude", RowCode.COLUMN_MISSING),
        (1, "longitude", RowCode.COLUMN_MISSING),
        (1, "kind", RowCode.COLUMN_MISSING),
    ]
    assert "rename 'lat' to 'latitude'" in str(result.errors[0])


def test_a_column_that_comes_twice_is_refused() -> None:
    assert codes(parsed(ROW + ",x", header=HEADER + ",code")) == [
        (1, "code", RowCode.COLUMN_DUPLICATE)
    ]


def test_a_column_that_is_not_used_is_a_warning() -> None:
    result = parsed(ROW + ",Sony", header=HEADER + ",maker")
    assert [note.code for note in result.warnings] == [RowCode.COLUMN_UNKNOWN]
    assert result.cameras


def test_a_thai_name_without_a_thai_letter_is_a_warning() -> None:
    result = parsed("C-1,ประตู,Gate,16.715,98.575,FIXED,")
    assert [(note.field, note.code) for note in result.warnings] == [
        ("name_th", RowCode.NAME_NOT_THAI)
    ]


def test_without_zones_the_message_says_to_import_them_first() -> None:
    (error,) = parse_cameras(f"{HEADER}\n{ROW}", {}).errors
    assert "import the zones first" in error.message


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (b"", RowCode.FILE_EMPTY),
        (HEADER, RowCode.FILE_EMPTY),
        (",,\n,,\n", RowCode.FILE_EMPTY),
        (HEADER + f"\n{ROW}" * (MAX_LINES + 1), RowCode.TOO_MANY_ROWS),
        (b"PK\x03\x04xlsx", RowCode.FILE_NOT_TEXT),
    ],
)
def test_a_file_without_usable_lines_is_one_error(file: bytes | str, code: RowCode) -> None:
    assert codes(parse_cameras(file, ZONES)) == [(None, None, code)]


def assert_rows_or_errors(result: ParsedCameras) -> None:
    assert bool(result.cameras) != bool(result.errors)
    assert all(camera.zone_code in ZONES for camera in result.cameras)
    assert len({camera.code for camera in result.cameras}) == len(result.cameras)


@given(st.binary() | st.text() | st.text(alphabet='c,;"\n\rsep=\t\ufeff ก1'))
def test_any_file_is_rows_or_errors(file: bytes | str) -> None:
    assert_rows_or_errors(parse_cameras(file, ZONES))


CELLS = st.sampled_from(
    ["", "C-1", "16.715", "98.575", "FIXED", "TOWN", '"', "16,7", "๑", "-0", "9" * 400, "x\ny"]
) | st.text(max_size=6)


@given(st.lists(st.lists(CELLS, max_size=9), max_size=4), st.sampled_from(",;\t|"))
def test_any_cells_under_a_good_header_are_rows_or_errors(
    rows: list[list[str]], delimiter: str
) -> None:
    lines = [delimiter.join(cells) for cells in [list(COLUMNS), *rows]]
    assert_rows_or_errors(parse_cameras("\n".join(lines), ZONES))


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=20)


@given(
    st.lists(
        st.tuples(NAMES, NAMES, st.floats(16.70, 16.72), st.floats(98.56, 98.58)),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(",;\t|"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_a_program_writes_is_what_is_read(
    rows: list[tuple[str, str, float, float]], delimiter: str, encoding: str
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(COLUMNS)
    for number, (name, name_th, latitude, longitude) in enumerate(rows):
        place = [f"{latitude:.7f}", f"{longitude:.7f}"]
        writer.writerow([f"C{number}", "n" + name, "ก" + name_th, *place, "PTZ", ""])
    result = parse_cameras(out.getvalue().encode(encoding), ZONES)
    assert not result.errors
    assert [(camera.latitude, camera.longitude) for camera in result.cameras] == [
        (round(latitude, 7), round(longitude, 7)) for _, _, latitude, longitude in rows
    ]
