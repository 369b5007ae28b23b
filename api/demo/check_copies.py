"""Whether every phone's copy is what the server has: against a new phone's first fill, against each other, and against
lists that are read in another way than a pull."""

from __future__ import annotations

from collections.abc import Iterator

from api.demo.cast import Cast
from api.demo.finding import Finding
from api.demo.phone import Phone
from mobile_contracts.reference import SUBJECTS, Account, Row

ROUNDS = 5
"""The server works on, and somebody else may use it: copies are compared when nothing has changed between two pulls."""

LISTED = {
    "incidents": "id scopeId stationId category severity status title description latitude longitude accuracyM "
    "occurredAt capturedAtRaw receivedAt timeSuspect rev createdAt updatedAt",
    "alerts": "id scopeId stationId source status drill latitude longitude accuracyM raisedAt timeSuspect presses "
    "acknowledgedAt closedAt rev updatedAt",
    "zones": "id code kind name nameTh boundary areaKm2 parentId updatedAt",
    "cameras": "id code kind name nameTh latitude longitude updatedAt",
    "posts": "id code name nameTh latitude longitude updatedAt",
}
"""What the administrator's lists tell of what phones copy, in the phones' own names."""

BESIDE = {"cameras": "zone { id }", "posts": "zone { id }"}
"""What tells the scope where the list does not name it."""


async def check_copies(cast: Cast, newcomer: Phone) -> list[Finding]:
    """Compares after a last pull; `newcomer` is a phone on which every officer was just enrolled."""
    fresh = Finding("each copy = a new phone's first fill", "rows")
    for phone, profile in _everybody(cast):
        new = newcomer.profiles[profile.badge]
        await _settle(profile, new)
        for subject in SUBJECTS:
            fresh.expect_rows(
                f"{phone.name}, {profile.badge}, {subject}",
                profile.copy.rows(subject),
                new.copy.rows(subject),
            )
        fresh.expect(
            profile.scopes == new.scopes,
            f"{phone.name}, {profile.badge}: other scopes than a new phone",
        )
    # Steps of a chain come to their ends by themselves, also while the first copies are compared.
    await _settle(*(profile for _, profile in _everybody(cast)))
    return [fresh, _among_each_other(cast), await _with_lists(cast)]


def _everybody(cast: Cast) -> Iterator[tuple[Phone, Account]]:
    for phone in cast.phones:
        for profile in phone.profiles.values():
            yield phone, profile


async def _settle(*profiles: Account) -> None:
    for _ in range(ROUNDS):
        if not sum([await profile.sync() for profile in profiles]):
            return


def _among_each_other(cast: Cast) -> Finding:
    """What two officers may both see must be the same in both copies."""
    finding = Finding("copies = each other, scope by scope", "rows")
    first_seen: dict[str, tuple[str, Account]] = {}
    for phone, profile in _everybody(cast):
        who = f"{phone.name}, {profile.badge}"
        for scope in sorted(profile.scopes):
            other, theirs = first_seen.setdefault(scope, (who, profile))
            if other == who:
                continue
            for subject in SUBJECTS:
                finding.expect_rows(
                    f"{who} against {other}, {subject}",
                    _of_scope(profile, subject, scope),
                    _of_scope(theirs, subject, scope),
                )
    return finding


def _of_scope(profile: Account, subject: str, scope: str) -> dict[str, Row]:
    return {key: row for key, row in profile.copy.rows(subject).items() if row["scopeId"] == scope}


async def _with_lists(cast: Cast) -> Finding:
    finding = Finding("copies = the administrator's lists", "rows")
    station = cast.places.station["id"]
    for subject, fields in LISTED.items():
        rows = await cast.office.every(subject, f"{fields} {BESIDE.get(subject, '')}")
        listed = {row["id"]: row for row in rows}
        finding.expect(len(listed) == len(rows), f"the list of {subject} has a row twice")
        for phone, profile in _everybody(cast):
            scopes = profile.scopes
            finding.expect_rows(
                f"{phone.name}, {profile.badge}, {subject}",
                profile.copy.rows(subject),
                {
                    key: row
                    for key, row in listed.items()
                    if _scope(subject, row, station) in scopes
                },
                fields.split(),
            )
    return finding


def _scope(subject: str, row: Row, station: str) -> str:
    if subject == "zones":
        return str(row["id"])
    if subject in BESIDE:
        return str(row["zone"]["id"]) if row["zone"] is not None else station
    return str(row["scopeId"])
