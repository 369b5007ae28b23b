"""Whether nothing that was recorded is lost or doubled, and whether what was refused is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from api.demo.cast import Cast
from api.demo.finding import Finding, same
from api.demo.phone import Phone
from mobile_contracts.reference import LANES, Account, Mutation, Row
from mobile_contracts.reference.outbox import BATCH, REFUSED

REPEATS = 3
KEPT = ("APPLIED", "MERGED")
QUARANTINE = "mutationId code lane sequence payload officer { badge }"


async def check_records(cast: Cast) -> list[Finding]:
    """Compares outboxes with what the administrator sees."""
    device_of = "id device { id } reporter { badge }"
    incidents = await cast.office.every("incidents", device_of)
    alerts = await cast.office.every("alerts", "id")
    return [
        _answered(cast),
        _once(cast, incidents, alerts),
        await _repeated(cast),
        await _refused(cast),
    ]


def _all(cast: Cast) -> Iterator[tuple[Phone, Account, Mutation]]:
    for phone in cast.phones:
        for profile in phone.profiles.values():
            for lane in LANES:
                for mutation in profile.outbox.held(lane):
                    yield phone, profile, mutation


def _answered(cast: Cast) -> Finding:
    finding = Finding("every change was answered, and none reused a number", "changes")
    for phone, profile, mutation in _all(cast):
        finding.expect(
            mutation.outcome is not None and mutation.outcome != "SEQUENCE_REUSED",
            f"{phone.name}, {profile.badge}: {mutation.kind} {mutation.sequence} is {mutation.outcome or 'unsent'}",
        )
    return finding


def _once(cast: Cast, incidents: list[Row], alerts: list[Row]) -> Finding:
    """Every acknowledged record is there once, and the server has none of these phones that was not acknowledged."""
    finding = Finding("acknowledged records are there exactly once", "records")
    stored = Counter(row["id"] for row in (*incidents, *alerts))
    acknowledged = set()
    for phone, _, mutation in _all(cast):
        if mutation.kind in ("reportIncident", "raiseAlert") and mutation.outcome in KEPT:
            acknowledged.add(mutation.row_id)
            finding.expect(
                stored[mutation.row_id] == 1,
                f"{phone.name}: {mutation.kind} {mutation.row_id} is there {stored[mutation.row_id]} times",
            )
    devices = {row["device"]["id"] for row in incidents if row["id"] in acknowledged}
    for row in incidents:
        if row["device"]["id"] in devices:
            finding.expect(
                row["id"] in acknowledged, f"incident {row['id']} was never acknowledged"
            )
    return finding


async def _repeated(cast: Cast) -> Finding:
    """Every outbox is offered again, whole: each number must get its first answer, and nothing may change.

    A step of a chain may come to its end meanwhile, by itself and once; what repeating changes it changes each time.
    """
    finding = Finding("repeating everything changes nothing", "changes")
    for phone in cast.phones:
        for profile in phone.profiles.values():
            await profile.sync()
            for _ in range(REPEATS):
                for lane in LANES:
                    queue = profile.outbox.held(lane)
                    for start in range(0, len(queue), BATCH):
                        batch = queue[start : start + BATCH]
                        await _repeat(finding, phone, profile, lane, batch)
                news = await profile.sync()
                if not news:
                    break
            finding.expect(
                not profile.outbox.unseen(),
                f"{phone.name}, {profile.badge}: the pull does not tell that everything was applied",
            )
            finding.expect(
                news == 0, f"{phone.name}, {profile.badge}: repeating brought {news} rows"
            )
    return finding


async def _repeat(
    finding: Finding, phone: Phone, profile: Account, lane: str, batch: list[Mutation]
) -> None:
    mutations = [one.as_input() for one in batch]
    told = (await profile.ask("Push", lane=lane, mutations=mutations))["push"]
    for mutation, answer in zip(batch, told["answers"], strict=True):
        first = (answer["outcome"], answer["first"], answer["rev"], answer["code"])
        finding.expect(
            first == ("DUPLICATE", mutation.outcome, mutation.rev, mutation.code),
            f"{phone.name}, {profile.badge}, {lane} {mutation.sequence}: was {mutation.outcome}, now {first}",
        )


async def _refused(cast: Cast) -> Finding:
    finding = Finding("refused changes are kept whole", "changes", may_be_empty=True)
    kept = {row["mutationId"]: row for row in await cast.office.every("quarantine", QUARANTINE)}
    for phone, profile, mutation in _all(cast):
        if mutation.outcome not in REFUSED:
            continue
        row = kept.get(mutation.id)
        finding.expect(
            row is not None and _is_whole(row, profile, mutation),
            f"{phone.name}, {profile.badge}: {mutation.kind} {mutation.sequence} ({mutation.code}) is not kept",
        )
    return finding


def _is_whole(row: dict[str, Any], profile: Account, mutation: Mutation) -> bool:
    """Whether the quarantine could play the change again: every value that the phone sent is in it."""
    payload = row["payload"]
    sent = {
        name: value
        for name, value in mutation.change[mutation.kind].items()
        if name not in ("id", "baseRev")
    }
    fields = {_camel(name): value for name, value in payload["fields"].items()}
    return (
        row["code"] == mutation.code
        and row["officer"]["badge"] == profile.badge
        and payload["rowId"] == mutation.row_id
        and payload["capturedAt"] == mutation.captured_at
        and {name: same(fields.get(name)) for name in sent}
        == {name: same(value) for name, value in sent.items()}
    )


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)
