"""Reads zones from GeoJSON, so that a station can draw its areas in any map program."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from patrol.geojson import read_shape
from patrol.geometry import GeoShape, ShapeFault, area_square_kilometres, in_thailand
from patrol.imports.fields import (
    SeenCodes,
    read_code,
    read_kind,
    read_names,
    shown,
    suggestion,
)
from patrol.imports.rows import Findings, Place, RowCode, RowError
from patrol.imports.text import read_text
from storage.vocabulary import ZoneKind

MAX_FEATURES = 5_000

OUTSIDE_TOLERATED = 0.01
"""Share of a zone that may lie outside its parent without a warning: two people never draw the same border."""

_WGS_84 = re.compile(r"(?:CRS84|(?:^|[:/])4326)$")


@dataclass(frozen=True, slots=True)
class ZoneRow:
    """One zone, ready to be stored."""

    row: int
    code: str
    name: str
    name_th: str | None
    kind: ZoneKind
    parent_code: str | None
    shape: GeoShape


@dataclass(frozen=True, slots=True)
class ParsedZones:
    """`zones` is empty when there is any error; otherwise parents come before their children."""

    zones: tuple[ZoneRow, ...]
    errors: tuple[RowError, ...]
    warnings: tuple[RowError, ...]
    rows_read: int


@dataclass(slots=True)
class _Draft:
    """A feature whose code is known; the rest may still be missing."""

    place: Place
    code: str
    parent: str | None
    zone: ZoneRow | None = None


def parse_zones(
    data: bytes | str, stored_parents: Mapping[str, str | None] | None = None
) -> ParsedZones:
    """Zones of a FeatureCollection, or everything that is wrong with it. Never raises because of the file.

    `stored_parents` are the zones that the station has already (code → code of the parent), so that a file may hang
    its zones below them; a zone of the file replaces the stored one of the same code.
    """
    findings = Findings()
    features = _features(data, findings)
    seen, drafts = SeenCodes(), []
    for number, feature in enumerate(features, start=1):
        draft = _draft(feature, Place("feature", number), seen, findings)
        if draft:
            drafts.append(draft)
    _check_parents(drafts, stored_parents or {}, findings)
    errors = tuple(sorted(findings.errors, key=lambda finding: finding.row or 0))
    zones = () if errors else _parents_first([draft.zone for draft in drafts if draft.zone])
    _check_covering(zones, findings)
    return ParsedZones(zones, errors, tuple(findings.warnings), len(features))


def _features(data: bytes | str, findings: Findings) -> list[Any]:
    text = read_text(data, findings)
    if text is None:
        return []
    try:
        collection = orjson.loads(text)
    except orjson.JSONDecodeError as fault:
        known = "XML such as KML or GPX" if text.lstrip().startswith("<") else f"no JSON ({fault})"
        hint = f"the file is {known}; export the zones as GeoJSON"
        findings.error(None, None, RowCode.NOT_GEOJSON, hint)
        return []
    kind = collection.get("type") if isinstance(collection, dict) else None
    features = collection.get("features") if isinstance(collection, dict) else None
    if kind != "FeatureCollection" or not isinstance(features, list):
        hint = "the file is not a GeoJSON FeatureCollection with a list of features"
        findings.error(None, None, RowCode.NOT_GEOJSON, hint)
        return []
    crs = _crs_name(collection.get("crs"))
    if crs is not None and not _WGS_84.search(crs):
        hint = f"the coordinates are in {shown(crs)}; export the file as WGS 84 (EPSG:4326)"
        findings.error(None, "crs", RowCode.WRONG_CRS, hint)
        return []
    if not features:
        findings.error(None, None, RowCode.FILE_EMPTY, "the file holds no features")
    if len(features) > MAX_FEATURES:
        hint = f"{len(features):,} features; one import takes {MAX_FEATURES:,}"
        findings.error(None, None, RowCode.TOO_MANY_ROWS, hint)
        return []
    return features


def _crs_name(crs: object) -> str | None:
    """The name in the `crs` member of the older GeoJSON of 2008, which map programs still write."""
    if crs is None:
        return None
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    return name if isinstance(name, str) else repr(crs)


def _draft(feature: object, place: Place, seen: SeenCodes, findings: Findings) -> _Draft | None:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        findings.error(place, None, RowCode.NOT_A_FEATURE, "this is not a GeoJSON Feature")
        return None
    raw = feature.get("properties")
    properties = raw if isinstance(raw, dict) else {}
    # The property wins: map programs put a number of their own into `id`.
    in_properties = properties.get("code") not in (None, "")
    field = "code" if in_properties else "id"
    code = read_code(
        properties["code"] if in_properties else feature.get("id"), field, place, findings
    )
    place.code = code
    new = code is not None and seen.add(code, field, place, findings)

    names = read_names(properties.get("name"), properties.get("name_th"), place, findings)
    kind = read_kind(properties.get("kind"), ZoneKind, place, findings)
    parent_given = properties.get("parent") not in (None, "")
    parent = read_code(properties["parent"], "parent", place, findings) if parent_given else None
    shape = _shape(feature.get("geometry"), place, findings)
    if code is None or not new:
        return None
    draft = _Draft(place, code, parent)
    if names and kind and shape:
        draft.zone = ZoneRow(place.row, code, *names, kind, parent, shape)
    return draft


def _shape(geometry: object, place: Place, findings: Findings) -> GeoShape | None:
    try:
        shape = read_shape(geometry if isinstance(geometry, dict) else None)
    except ShapeFault as fault:
        findings.error(place, "geometry", fault.code, fault.message)
        return None
    box = shape.box
    if not in_thailand(box.min_latitude, box.min_longitude):
        hint = f"latitude {box.min_latitude:g}, longitude {box.min_longitude:g} is not in Thailand"
        findings.warn(place, "geometry", RowCode.OUTSIDE_THAILAND, hint)
    return shape


def _check_parents(
    drafts: list[_Draft], stored: Mapping[str, str | None], findings: Findings
) -> None:
    parents = {**stored, **{draft.code: draft.parent for draft in drafts}}
    circle_of = {code: circle for circle in _circles(parents) for code in circle}
    reported: set[str] = set()
    for draft in drafts:
        if draft.parent is not None and draft.parent not in parents:
            hint = f"parent '{draft.parent}' is neither in this file nor stored"
            hint += suggestion(draft.parent, parents)
            findings.error(draft.place, "parent", RowCode.PARENT_UNKNOWN, hint)
        elif draft.code in circle_of and draft.code not in reported:
            # One error per circle: the administrator has one link to cut.
            circle = circle_of[draft.code]
            reported.update(circle)
            start = circle.index(draft.code)
            path = " → ".join([*circle[start:], *circle[:start], draft.code])
            hint = f"the parents go round in a circle: {path}"
            findings.error(draft.place, "parent", RowCode.PARENT_CYCLE, hint)


def _circles(parents: Mapping[str, str | None]) -> Iterator[list[str]]:
    """Every circle of parents, as codes from child to parent; each zone is walked over once."""
    done: set[str] = set()
    for start in parents:
        path: dict[str, None] = {}
        at: str | None = start
        while at is not None and at in parents and at not in done and at not in path:
            path[at] = None
            at = parents[at]
        if at in path:
            codes = list(path)
            yield codes[codes.index(at) :]
        done.update(path)


def _parents_first(zones: list[ZoneRow]) -> tuple[ZoneRow, ...]:
    """The rows in an order in which a foreign key to the parent holds at every step."""
    children: dict[str | None, list[ZoneRow]] = {}
    here = {zone.code for zone in zones}
    for zone in zones:
        parent = zone.parent_code if zone.parent_code in here else None
        children.setdefault(parent, []).append(zone)
    ordered: list[ZoneRow] = []
    waiting = children.get(None, [])
    while waiting:
        ordered.extend(waiting)
        waiting = [child for zone in waiting for child in children.get(zone.code, [])]
    return tuple(ordered)


def _check_covering(zones: tuple[ZoneRow, ...], findings: Findings) -> None:
    by_code = {zone.code: zone for zone in zones}
    for zone in zones:
        parent = by_code.get(zone.parent_code or "")
        if parent is None or parent.shape.polygon.covers(zone.shape.polygon):
            continue
        outside = (
            area_square_kilometres(zone.shape.polygon.difference(parent.shape.polygon))
            / zone.shape.square_kilometres
        )
        if outside > OUTSIDE_TOLERATED:
            findings.warn(
                Place("feature", zone.row, zone.code),
                "geometry",
                RowCode.OUTSIDE_PARENT,
                f"{outside:.0%} of the zone lies outside its parent '{parent.code}'",
            )
