"""What must hold when everybody has come home: nothing lost, nothing doubled, what was refused kept, every copy the truth."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from mobile_contracts.reference import LANES, SUBJECTS, Account
from tests.personas import as_officer
from tests.simulation.handset import Handset
from tests.simulation.ledger import ANYTHING, FIELDS, Broken
from tests.simulation.schedule import Schedule
from tests.simulation.server import SINCE
from tests.simulation.weather import Weather

ROUNDS = 20
AT_HOME = 262_144
"""Bytes of a page when the link is good again: small ones have had their turn."""

TABLES = {
    "addNote": "incident_note", "checkIn": "checkin", "startPatrol": "patrol", "changeDuty": "duty_change",
    "attachMedia": "media", "raiseAlert": "sos_alert",
}  # fmt: skip


def expect(holds: bool, what: str) -> None:
    """Ends the schedule where something does not hold."""
    if not holds:
        raise Broken(what)


async def judge(schedule: Schedule) -> None:
    """Brings everybody home, and compares.

    Raises:
        Broken: says what does not hold.
    """
    schedule.resting = True
    await schedule.office.end_all()
    for handset in schedule.handsets:
        await _come_home(handset)
    for handset in schedule.handsets:
        for account in handset.app.accounts.values():
            await _copy(schedule, handset, account)
    await _records(schedule)
    await _rows(schedule)
    await _first_fill(schedule)


async def _come_home(handset: Handset) -> None:
    weather = handset.weather
    handset.store.dies_in = 0
    await weather.deliver_late()
    weather.online, weather.bad = True, 0.0
    for officer, account in handset.app.accounts.items():
        handset.app.switch_to(officer)
        account.pace.bytes = AT_HOME
        for _ in range(ROUNDS):
            await account.sync()
            if not account.outbox.waiting():
                break
        expect(not account.outbox.waiting(), f"{handset.name}: work that is never taken")


async def _copy(schedule: Schedule, handset: Handset, account: Account) -> None:
    """Everybody has pushed by now; the last pull brings what the others wrote."""
    who = f"{handset.name}, {account.id}"
    if "notices" in handset.weather.may_repair:
        await account.pull(verify=True)
    differing = await account.verify()
    expect(not differing, f"{who}: the copy differs in {differing}")
    for subject in SUBJECTS:
        shown = [row for row in account.view(subject).values() if row.get("pending")]
        expect(not shown, f"{who}: {subject} still show what is in the copy: {shown}")
    lanes = account.store.db.execute(
        "select lane, last, applied from lane where officer = ?", (account.id,)
    ).fetchall()
    for lane in lanes:
        expect(lane["last"] == lane["applied"], f"{who}: {lane['lane']} is {tuple(lane)}")


async def _records(schedule: Schedule) -> None:
    """Every change that was recorded has one stored answer, and every refused one is in quarantine, whole."""
    ledger, devices = schedule.server.ledger, [one.device for one in schedule.handsets]
    stored = await schedule.site.owner.fetch(
        "select mutation_id::text as id, outcome from sync_outcome where device_id = any ($1)",
        devices,
    )
    expect(
        sorted(row["id"] for row in stored) == sorted(schedule.recorded),
        f"{len(schedule.recorded)} changes were recorded, and {len(stored)} are stored",
    )
    outcomes = {row["id"]: row["outcome"] for row in stored}
    for key, outcome in ledger.acknowledged.items():
        expect(
            key in outcomes and outcome in (outcomes[key], ANYTHING),
            f"{key}: told {outcome}, stored {outcomes.get(key)}",
        )
    kept = await schedule.site.owner.fetch(
        "select mutation_id::text as id, code from quarantine where device_id = any ($1)", devices
    )
    expect(
        sorted((row["id"], row["code"]) for row in kept) == sorted(ledger.refused.items()),
        f"{len(ledger.refused)} changes were refused, and {len(kept)} are kept",
    )


async def _rows(schedule: Schedule) -> None:
    """Every row is what the acknowledged changes make of it, in the order in which they were answered."""
    ledger, owner = schedule.server.ledger, schedule.site.owner
    rows = await owner.fetch(
        f"select id::text, rev, {', '.join(FIELDS.values())} from incident where station_id = $1",
        schedule.world.station,
    )
    expect(
        {row["id"] for row in rows} == ledger.incidents.keys(),
        f"{len(rows)} incidents are stored, and {len(ledger.incidents)} were said to be",
    )
    for row in rows:
        wanted = ledger.incidents[row["id"]]
        found = {name: _plain(row[column]) for name, column in FIELDS.items()}
        if wanted.fields["zoneId"] is None:
            found["zoneId"] = None  # the zone around the position
        expect(found == wanted.fields, f"incident {row['id']} is {found}, not {wanted.fields}")
        expect(row["rev"] == wanted.rev, f"incident {row['id']} is {row['rev']}, not {wanted.rev}")
    for kind, table in TABLES.items():
        said = ledger.rows.get(kind, {})
        found_ids = await owner.fetch(
            f"select id::text from {table} where station_id = $1 order by id"
            if table != "incident_note" and table != "media"
            else f"select t.id::text from {table} t join incident i on i.id = t.incident_id where i.station_id = $1 "
            "order by 1",
            schedule.world.station,
        )
        expect(
            [row["id"] for row in found_ids] == sorted(said),
            f"{len(found_ids)} rows of {table} are stored, and {len(said)} were said to be",
        )
    for kind in ("startPatrol", "raiseAlert"):
        states = await owner.fetch(
            f"select id::text, status from {TABLES[kind]} where station_id = $1",
            schedule.world.station,
        )
        for row in states:
            status = ledger.rows[kind][row["id"]]["status"]
            expect(
                status in (row["status"], ANYTHING),
                f"{kind} {row['id']} is {row['status']}, not {status}",
            )
    await _log(schedule)
    points = await owner.fetch(
        "select officer_id::text as id, count(*) as points from track_point where station_id = $1 group by 1",
        schedule.world.station,
    )
    counted = {row["id"]: row["points"] for row in points}
    expect(counted == schedule.points == ledger.points, f"{counted} points, not {schedule.points}")


async def _log(schedule: Schedule) -> None:
    """Whatever an answer changed, it is told in the alert's log, once."""
    ledger = schedule.server.ledger
    told = await schedule.site.owner.fetch(
        "select alert_id::text, officer_id::text, kind, count(*) from sos_event where kind = any ($2) "
        "and alert_id in (select id from sos_alert where station_id = $1) group by 1, 2, 3",
        schedule.world.station, ["RAISED", "ACKNOWLEDGED", "CLOSED"],
    )  # fmt: skip
    raised = {
        (key, row["officer"], "RAISED"): 1 for key, row in ledger.rows.get("raiseAlert", {}).items()
    }
    answered = {key: n for key, n in ledger.answers.items() if key[2] in ("ACKNOWLEDGED", "CLOSED")}
    found = {(row["alert_id"], row["officer_id"], row["kind"]): row["count"] for row in told}
    expect(found == raised | answered, f"the log of alerts is {found}, not {raised | answered}")


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


async def _first_fill(schedule: Schedule) -> None:
    """One of the copies, value by value, against that of a phone just out of its box."""
    old = schedule.rng.choice(schedule.handsets)
    account = old.app.accounts[schedule.rng.choice(sorted(old.app.accounts))]
    weather = Weather(schedule.server, schedule.rng, _nobody, schedule.tell)
    device = await schedule.world.add_device()
    new = Handset("a new phone", device, weather, schedule.rng, old=old.old)
    try:
        new.sign_in(await as_officer(schedule.world, UUID(account.id), device=device))
        fresh = new.app.in_hand
        fresh.pace.bytes = AT_HOME
        await fresh.pull()
        await account.pull()
        for one in (account, fresh):
            one.purge(old.now() - old.off)
        for subject in SUBJECTS:
            if not (old.old and subject in SINCE):
                mine, theirs = account.copy.rows(subject), fresh.copy.rows(subject)
                expect(
                    mine == theirs,
                    f"{subject} are not those of a new phone: {_differing(mine, theirs)}",
                )
        for lane in LANES:
            expect(not fresh.outbox.held(lane), "a new phone holds nothing")
    finally:
        new.close()


def _differing(one: dict[str, Any], other: dict[str, Any]) -> list[Any]:
    keys = [key for key in sorted(one.keys() | other.keys()) if one.get(key) != other.get(key)]
    return [(one.get(key), other.get(key)) for key in keys[:3]]


async def _nobody() -> None:
    """Nobody acts in between."""
