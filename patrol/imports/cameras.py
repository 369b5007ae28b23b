"""Reads cameras and SOS poles from CSV, because that is the list that every station already keeps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from patrol.geometry import GeoShape, ZoneIndex, check_position
from patrol.imports.fields import (
    SeenCodes,
    read_code,
    read_kind,
    read_names,
    shown,
    suggestion,
)
from patrol.imports.rows import Findings, Place, RowCode, RowError
from patrol.imports.table import Line, read_table
from patrol.imports.text import read_text
from storage.vocabulary import CameraKind

COLUMNS = ("code", "name", "name_th", "latitude", "longitude", "kind", "zone_code")
OPTIONAL = frozenset({"name", "name_th", "zone_code"})
"""Columns that a header may leave out; each row still needs one of the two names."""

_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙−", "0123456789-")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)", re.ASCII)
_SEXAGESIMAL = re.compile(r"\d\s*[°'\"NESW]", re.ASCII | re.IGNORECASE)
_COMMA_NUMBER = re.compile(r"[+-]?\d+,\d+", re.ASCII)


@dataclass(frozen=True, slots=True)
class CameraRow:
    """One camera, ready to be stored. Kind SOS_POST means that the pole's button comes with it."""

    row: int
    code: str
    name: str
    name_th: str | None
    latitude: float
    longitude: float
    kind: CameraKind
    zone_code: str


@dataclass(frozen=True, slots=True)
class ParsedCameras:
    """`cameras` is empty when there is any error; otherwise in the order of the file."""

    cameras: tuple[CameraRow, ...]
    errors: tuple[RowError, ...]
    warnings: tuple[RowError, ...]
    rows_read: int


def parse_cameras(data: bytes | str, zones: Mapping[str, GeoShape]) -> ParsedCameras:
    """Cameras of a CSV file, or everything that is wrong with it. Never raises because of the file.

    `zones` are the zones of the station (code → outline). A row without `zone_code` goes to the smallest zone that
    covers it.
    """
    findings = Findings()
    text = read_text(data, findings)
    lines = read_table(text, COLUMNS, OPTIONAL, findings) if text is not None else []
    seen, index = SeenCodes(), ZoneIndex(zones.items())
    rows = [_camera(line, seen, zones, index, findings) for line in lines]
    errors = tuple(findings.errors)
    cameras = () if errors else tuple(row for row in rows if row)
    return ParsedCameras(cameras, errors, tuple(findings.warnings), len(lines))


def _camera(
    line: Line,
    seen: SeenCodes,
    zones: Mapping[str, GeoShape],
    index: ZoneIndex[str],
    findings: Findings,
) -> CameraRow | None:
    place, cells = Place("line", line.number), line.cells
    code = place.code = read_code(cells.get("code"), "code", place, findings)
    new = code is not None and seen.add(code, "code", place, findings)
    names = read_names(cells.get("name"), cells.get("name_th"), place, findings)
    kind = read_kind(cells.get("kind"), CameraKind, place, findings)
    position = _position(cells, place, findings)
    zone_code = cells.get("zone_code", "").strip()
    if zone_code:
        zone = _named_zone(zone_code, position, zones, place, findings)
    else:
        zone = _covering_zone(position, index, place, findings) if position else None
    if code is None or not new or names is None or kind is None or position is None or zone is None:
        return None
    return CameraRow(line.number, code, *names, *position, kind, zone)


def _position(
    cells: Mapping[str, str], place: Place, findings: Findings
) -> tuple[float, float] | None:
    latitude = _degrees(cells, "latitude", place, findings)
    longitude = _degrees(cells, "longitude", place, findings)
    if latitude is None or longitude is None:
        return None
    fault = check_position(latitude, longitude)
    if fault:
        field = "latitude" if abs(latitude) > 90 else "longitude"
        findings.error(place, field, fault.code, fault.message)
        return None
    return latitude, longitude


def _degrees(
    cells: Mapping[str, str], field: str, place: Place, findings: Findings
) -> float | None:
    raw = cells.get(field, "").strip()
    number = raw.translate(_DIGITS)
    if _NUMBER.fullmatch(number):
        # Adding 0.0 turns -0.0 into 0.0.
        return float(number) + 0.0
    if not raw:
        findings.error(place, field, RowCode.NUMBER_MISSING, f"{field} is missing")
        return None
    hint = "write decimal degrees such as 16.7131"
    if _COMMA_NUMBER.fullmatch(number):
        hint = f"write a decimal point: {number.replace(',', '.')[:30]}"
    elif _SEXAGESIMAL.search(number):
        hint = "degrees, minutes and seconds are not read; " + hint
    findings.error(
        place, field, RowCode.NUMBER_INVALID, f"{field} {shown(raw)} is not a number; {hint}"
    )
    return None


def _named_zone(
    zone_code: str,
    position: tuple[float, float] | None,
    zones: Mapping[str, GeoShape],
    place: Place,
    findings: Findings,
) -> str | None:
    shape = zones.get(zone_code)
    if shape is None:
        text = f"there is no zone {shown(zone_code)}{suggestion(zone_code, zones)}"
        findings.error(place, "zone_code", RowCode.ZONE_UNKNOWN, text)
        return None
    if position and not shape.covers(*position):
        # The administrator named the zone, so he is believed: a camera may look into a zone from across the street.
        text = f"the position is outside zone '{zone_code}'; check both"
        findings.warn(place, "zone_code", RowCode.OUTSIDE_ITS_ZONE, text)
    return zone_code


def _covering_zone(
    position: tuple[float, float], index: ZoneIndex[str], place: Place, findings: Findings
) -> str | None:
    zone = index.find(*position)
    if zone is None:
        text = "no zone covers the position; correct it, or name the zone in zone_code"
        if not len(index):
            text = "no zones are stored yet; import the zones first"
        findings.error(place, "zone_code", RowCode.OUTSIDE_ZONES, text)
    return zone
