"""Whether every partner sees exactly what its agreements grant: the administrator's view with redaction applied by us."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from api.demo.cast import Cast
from api.demo.finding import Finding
from api.demo.partner import FIELDS, Partner
from mobile_contracts.reference import Refused, Row

SLACK = timedelta(seconds=5)
"""A record whose delay ends just now may be shown or not: our clock is not the server's."""

SUBJECTS = tuple(FIELDS)
ROWS = {
    "zones": "id code kind name nameTh boundary areaKm2 updatedAt",
    "cameras": "id code kind name nameTh latitude longitude updatedAt zone { id }",
    "incidents": "id category severity status title description latitude longitude occurredAt updatedAt receivedAt zone { id }",
}
PICTURES = "id cameraId takenAt readyAt"

LINKS = ("picture320", "picture960")
"""Compared only by whether they are there: a link is signed anew each time."""


@dataclass(frozen=True)
class Grant:
    """What holds for one subject of one zone: how late it is shown at all, and how late in full (None: never)."""

    delay: timedelta
    full_delay: timedelta | None


async def check_partners(cast: Cast) -> list[Finding]:
    """Lets each partner read everything once more and compares it with what it should have seen."""
    seen = Finding("each partner sees exactly what it was granted", "rows")
    refused = Finding("what was not granted is refused by name", "questions")
    for partner in cast.partners:
        before = datetime.now(UTC)
        await partner.poll()
        rows = {subject: await cast.office.every(subject, ROWS[subject]) for subject in SUBJECTS}
        pictures = await cast.office.every("snapshots", PICTURES)
        organisation = next(one for one in cast.places.organisations if one["code"] == partner.code)
        for subject in SUBJECTS:
            grants = _grants(organisation, subject)
            if not grants:
                code = partner.refused.get(subject)
                refused.expect(code == "NOT_GRANTED", f"{partner.code}: {subject} gave {code}")
                continue
            wanted, open_ = _redacted(subject, rows[subject], pictures, grants, before)
            shown = {
                key: row for key, row in partner.seen.get(subject, {}).items() if key not in open_
            }
            seen.expect_rows(f"{partner.code}, {subject}", _bare(shown), _bare(wanted))
        foreign = await _foreign(partner)
        refused.expect(
            foreign == "NOT_GRANTED", f"{partner.code}: cameras of a foreign zone gave {foreign}"
        )
        seen.expect(not partner.failed, f"{partner.code}: {partner.failed[:1]}")
        seen.expect(not partner.twice, f"{partner.code}: {partner.twice[:1]} came twice")
    return [seen, refused]


async def _foreign(partner: Partner) -> str | None:
    try:
        return await partner.asks_for_foreign_zone()
    except Refused as refusal:
        return refusal.code


def _grants(organisation: dict[str, Any], subject: str) -> dict[str, Grant]:
    """By zone. Agreements add up, each as a whole: the least delay shows, the least delay of a full one shows fully."""
    found: dict[str, Grant] = {}
    for agreement in organisation["agreements"]:
        if agreement["revokedAt"] is not None or subject.upper() not in agreement["subjects"]:
            continue
        delay = timedelta(seconds=agreement["delaySeconds"])
        full = delay if agreement["detail"] == "FULL" else None
        for zone in agreement["zones"]:
            had = found.get(zone["id"])
            if had is None:
                found[zone["id"]] = Grant(delay, full)
                continue
            fulls = [one for one in (had.full_delay, full) if one is not None]
            found[zone["id"]] = Grant(min(had.delay, delay), min(fulls, default=None))
    return found


def _redacted(
    subject: str,
    rows: Iterable[Row],
    pictures: list[Row],
    grants: dict[str, Grant],
    at: datetime,
) -> tuple[dict[str, Row], set[str]]:
    """What should be seen, and the ids for which that hangs on a few seconds."""
    wanted: dict[str, Row] = {}
    open_: set[str] = set()
    for row in rows:
        zone = row["id"] if subject == "zones" else (row["zone"] or {}).get("id")
        grant = grants.get(str(zone))
        if grant is None:
            continue
        if subject == "zones":
            wanted[row["id"]] = row
        elif subject == "cameras":
            wanted[row["id"]] = _camera(row, pictures, grant, at)
        else:
            # A delay counts from the latest version: an edit is held back like the record.
            age = at - max(
                datetime.fromisoformat(row[name]) for name in ("receivedAt", "updatedAt")
            )
            delays = [one for one in (grant.delay, grant.full_delay) if one]
            if any(abs(age - delay) < SLACK for delay in delays):
                open_.add(row["id"])
            elif not grant.delay or age >= grant.delay:
                full = grant.full_delay is not None and (
                    not grant.full_delay or age >= grant.full_delay
                )
                wanted[row["id"]] = _incident(row, full=full)
    return wanted, open_


def _camera(row: Row, pictures: list[Row], grant: Grant, at: datetime) -> Row:
    full = grant.full_delay is not None
    last = max(
        (
            one["takenAt"]
            for one in pictures
            if one["cameraId"] == row["id"] and one["readyAt"] is not None
            and datetime.fromisoformat(one["takenAt"]) <= at - (grant.full_delay or timedelta(0))
        ),
        key=datetime.fromisoformat,
        default=None,
    ) if full else None  # fmt: skip
    return {
        **_coarse(row, full=full),
        "zoneId": row["zone"]["id"],
        "detail": "FULL" if full else "COARSE",
        "pictureTakenAt": last,
        **dict.fromkeys(LINKS, None if last is None else "signed"),
    }


def _incident(row: Row, *, full: bool) -> Row:
    return {
        **_coarse(row, full=full),
        "zoneId": row["zone"]["id"],
        "detail": "FULL" if full else "COARSE",
        "title": row["title"] if full else None,
        "description": row["description"] if full else None,
    }


def _coarse(row: Row, *, full: bool) -> Row:
    shown = {name: value for name, value in row.items() if name not in ("zone", "receivedAt")}
    if not full:
        shown |= {name: rounded(shown[name]) for name in ("latitude", "longitude")}
    return shown


def rounded(degrees: float | None) -> float | None:
    """Three decimals, half away from zero, as PostgreSQL rounds a numeric made of 15 digits."""
    if degrees is None:
        return None
    exact = Decimal(f"{degrees:.15g}")
    return float(exact.quantize(Decimal("0.001"), ROUND_HALF_UP))


def _bare(rows: dict[str, Row]) -> dict[str, Row]:
    return {
        key: {
            name: ("signed" if value else None) if name in LINKS else value
            for name, value in row.items()
        }
        for key, row in rows.items()
    }
