"""What an importer has to say about a file: one catalogue of codes, one sentence per finding."""

from __future__ import annotations

from dataclasses import dataclass, field

from patrol.geometry import ShapeCode
from storage.vocabulary import Term


class RowCode(Term):
    """Why a file or a row was refused, or what is odd about it. Outlines and positions use `ShapeCode`."""

    FILE_EMPTY = "FILE_EMPTY", "The file holds nothing to import."
    FILE_TOO_LARGE = "FILE_TOO_LARGE", "The file is larger than an import takes."
    FILE_NOT_TEXT = "FILE_NOT_TEXT", "The file is a zip, a workbook or another binary file."
    FILE_ENCODING = "FILE_ENCODING", "The text is neither UTF-8 nor Thai Windows-874."
    TOO_MANY_ROWS = "TOO_MANY_ROWS", "The file has more rows than one import takes."
    NOT_GEOJSON = "NOT_GEOJSON", "The file is not a GeoJSON FeatureCollection."
    NOT_A_FEATURE = "NOT_A_FEATURE", "An entry of the collection is not a GeoJSON Feature."
    WRONG_CRS = "WRONG_CRS", "The coordinates are not WGS 84 degrees."
    CSV_BROKEN = "CSV_BROKEN", "The line cannot be split into cells."
    COLUMN_MISSING = "COLUMN_MISSING", "The header does not name a column that is needed."
    COLUMN_DUPLICATE = "COLUMN_DUPLICATE", "The header names a column twice."
    CELLS_TOO_MANY = "CELLS_TOO_MANY", "The line has more cells than the header."
    CODE_MISSING = "CODE_MISSING", "The row has no code, so a re-import could not find it again."
    CODE_INVALID = "CODE_INVALID", "The code is too long or has blanks or control characters."
    CODE_DUPLICATE = "CODE_DUPLICATE", "Another row has the same code."
    NAME_MISSING = "NAME_MISSING", "The row has neither `name` nor `name_th`."
    NAME_INVALID = "NAME_INVALID", "A name is no text, too long, or has control characters."
    KIND_MISSING = "KIND_MISSING", "The row has no kind."
    KIND_UNKNOWN = "KIND_UNKNOWN", "The kind is not one of the known words."
    PARENT_UNKNOWN = "PARENT_UNKNOWN", "The parent is neither in the file nor already stored."
    PARENT_CYCLE = "PARENT_CYCLE", "A zone would be its own parent or ancestor."
    NUMBER_MISSING = "NUMBER_MISSING", "A latitude or longitude is missing."
    NUMBER_INVALID = (
        "NUMBER_INVALID",
        "A latitude or longitude is not a number with a decimal point.",
    )
    ZONE_UNKNOWN = "ZONE_UNKNOWN", "No zone has this code."
    OUTSIDE_ZONES = "OUTSIDE_ZONES", "No zone code is given and no zone covers the position."

    ENCODING_LEGACY = "ENCODING_LEGACY", "Warning: the file was read as Thai Windows-874."
    COLUMN_UNKNOWN = "COLUMN_UNKNOWN", "Warning: a column that is not used was ignored."
    NAME_ONE_LANGUAGE = "NAME_ONE_LANGUAGE", "Warning: the name is given in one language only."
    NAME_NOT_THAI = "NAME_NOT_THAI", "Warning: the Thai name has no Thai letter."
    OUTSIDE_THAILAND = "OUTSIDE_THAILAND", "Warning: the zone is not in Thailand."
    OUTSIDE_PARENT = "OUTSIDE_PARENT", "Warning: a part of the zone lies outside its parent."
    OUTSIDE_ITS_ZONE = (
        "OUTSIDE_ITS_ZONE",
        "Warning: the camera lies outside the zone that it names.",
    )
    POST_KEPT = "POST_KEPT", "Warning: the camera is no SOS_POST any more, but its post stays."


@dataclass(frozen=True, slots=True)
class RowError:
    """One finding. `str()` gives the message, which names the place by itself."""

    row: int | None
    """Number of the feature (from 1) or of the line in the file; None for the file as a whole."""

    field: str | None
    """The property or column, where one can be named."""

    code: RowCode | ShapeCode
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(slots=True)
class Place:
    """Where in the file we are; the code joins in as soon as it is known."""

    unit: str
    row: int
    code: str | None = None

    def __str__(self) -> str:
        known = f" (code '{self.code}')" if self.code else ""
        return f"{self.unit} {self.row}{known}"


@dataclass(slots=True)
class Findings:
    """Collects errors and warnings in the order of the file."""

    errors: list[RowError] = field(default_factory=list)
    warnings: list[RowError] = field(default_factory=list)

    def error(
        self, place: Place | None, field: str | None, code: RowCode | ShapeCode, text: str
    ) -> None:
        """A finding that refuses the file."""
        self.errors.append(_finding(place, field, code, text))

    def warn(self, place: Place | None, field: str | None, code: RowCode, text: str) -> None:
        """A finding that the administrator should see, but that stops nothing."""
        self.warnings.append(_finding(place, field, code, text))


def _finding(
    place: Place | None, field: str | None, code: RowCode | ShapeCode, text: str
) -> RowError:
    return RowError(place.row if place else None, field, code, f"{place or 'file'}: {text}")
