"""The import guide is a promise: its examples must parse and its tables must name everything there is."""

import re
from pathlib import Path

import pytest

from patrol.geometry import ShapeCode
from patrol.imports import RowCode, parse_cameras, parse_zones
from patrol.imports.cameras import COLUMNS
from patrol.imports.rows import RowError
from storage.vocabulary import CameraKind, ZoneKind

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "imports.md").read_text(encoding="utf-8")


def test_the_example_files_import_without_errors_or_warnings() -> None:
    zones = parse_zones((DOCS / "examples/zones.geojson").read_bytes())
    assert (zones.errors, zones.warnings) == ((), ())
    assert {zone.kind for zone in zones.zones} >= {ZoneKind.SAFETY_ZONE, ZoneKind.COMMUNITY}
    shapes = {zone.code: zone.shape for zone in zones.zones}
    cameras = parse_cameras((DOCS / "examples/cameras.csv").read_bytes(), shapes)
    assert (cameras.errors, cameras.warnings) == ((), ())
    assert len(cameras.cameras) == 4
    assert cameras.cameras[0].zone_code == "RIVERSIDE-MARKET"


@pytest.mark.parametrize("word", [*ZoneKind, *CameraKind])
def test_every_kind_is_explained_in_the_guide(word: ZoneKind | CameraKind) -> None:
    assert re.search(rf"^\| `{word}` +\| {re.escape(word.description)}", GUIDE, re.MULTILINE)


@pytest.mark.parametrize("code", [*RowCode, *ShapeCode])
def test_every_code_is_explained_in_the_guide(code: RowCode | ShapeCode) -> None:
    warning = code.description.startswith("Warning: ")
    meaning = code.description.removeprefix("Warning: ")
    then = "warning" if warning else "refused"
    pattern = rf"^\| `{code}` +\| {re.escape(meaning)} +\| {then}"
    assert re.search(pattern, GUIDE, re.MULTILINE | re.IGNORECASE)


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_is_explained_in_the_guide(column: str) -> None:
    assert f"| `{column}` " in GUIDE


def test_a_finding_prints_as_its_message() -> None:
    assert str(RowError(3, "kind", RowCode.KIND_MISSING, "feature 3: kind is missing")) == (
        "feature 3: kind is missing"
    )
