"""The reference phone by itself: what it keeps through everything, in which order it sends, and how it says goodbye."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from mobile_contracts.reference import (
    SUBJECTS,
    Account,
    Away,
    HttpLine,
    LostAnswer,
    Phone,
    Refused,
    Store,
)
from mobile_contracts.reference.account import CHOICES, REST, URGENT
from mobile_contracts.reference.farewell import hand_in, wipe
from mobile_contracts.reference.outbox import BATCH
from patrol.identity import issue_enrolment_code, revoke_officer_sessions
from patrol.keys import KeySet
from patrol.sync.epoch import begin_epoch
from patrol.sync.lost import lose_device
from storage.buckets import ObjectStore
from storage.database import Database
from storage.principal import Role, system
from tests.api.site import Site, opened
from tests.world import LATITUDE, LONGITUDE, World, now

AT_THE_MARKET = {"latitude": LATITUDE + 0.001, "longitude": LONGITUDE + 0.001}


@dataclass
class Watched(HttpLine):
    """A line that remembers what was asked, and loses the answers that it is told to lose."""

    asked: list[str] = field(default_factory=list)
    lose: Callable[[str], bool] = lambda _: False

    async def post(
        self, path: str, body: dict[str, Any], *, token: str | None = None
    ) -> dict[str, Any]:
        variables = body.get("variables", {})
        what = variables.get("lane") or ("pull" if "cursor" in variables else path)
        self.asked.append(what)
        answer = await super().post(path, body, token=token)
        if self.lose(what):
            raise LostAnswer("lost on purpose")
        return answer


@pytest.fixture
async def site(
    login_url: str, database: Database, store: ObjectStore, keys: KeySet, world: World
) -> AsyncIterator[Site]:
    async with opened(login_url, database, store, keys, world) as opened_site:
        yield opened_site


@pytest.fixture
def line(site: Site) -> Watched:
    return Watched(site.http)


@pytest.fixture
async def phone(line: Watched, world: World, tmp_path: Path) -> AsyncIterator[Phone]:
    """A phone that Kanya and Somkid share; Kanya holds it."""
    phone = Phone(line, Store(tmp_path / "phone.db"))
    for officer in (world.kanya, world.somkid):
        await phone.enrol(await code(world, officer))
    yield phone
    phone.store.close()


async def code(world: World, officer: UUID) -> str:
    async with world.database.write(system("test")) as connection:
        return (await issue_enrolment_code(connection, officer, "test")).code


def report(phone: Phone, **more: Any) -> str:
    incident = {"category": "THEFT", "severity": "LOW", "title": "A stolen bag"} | more
    return phone.record({"reportIncident": incident}).row_id


def files(directory: Path) -> bytes:
    """Everything that can be read on the phone's disk."""
    return b"".join(path.read_bytes() for path in directory.glob("phone.db*"))


async def stored(owner: asyncpg.Connection) -> list[tuple[str, UUID]]:
    rows = await owner.fetch("select id::text, reported_by from incident order by id")
    return [tuple(row) for row in rows]


# What it keeps


async def test_what_an_officer_recorded_is_shown_at_once_and_comes_back_by_pull(
    phone: Phone, world: World
) -> None:
    row = report(phone, zoneId=str(world.market))
    assert phone.in_hand.view("incidents")[row]["pending"]
    await phone.sync()
    shown = phone.in_hand.view("incidents")[row]
    assert (shown["rev"], shown["title"], shown.get("pending")) == (1, "A stolen bag", None)
    assert phone.in_hand.stored_until("RECORDS") is not None


async def test_switching_officers_keeps_the_work_of_the_first_and_sends_it_as_his(
    phone: Phone, world: World, owner: asyncpg.Connection
) -> None:
    first = report(phone, zoneId=str(world.market))
    phone.switch_to(str(world.somkid))
    second = report(phone, zoneId=str(world.temple))
    await phone.sync()
    assert await stored(owner) == [(first, world.kanya), (second, world.somkid)]
    # Neither copy holds what belongs to the other officer.
    assert set(phone.accounts[str(world.somkid)].copy.rows("incidents")) == {second}
    assert not phone.accounts[str(world.kanya)].copy.rows("incidents")


async def test_a_phone_that_was_switched_off_goes_on_where_it_was(
    phone: Phone, line: Watched, world: World, tmp_path: Path, owner: asyncpg.Connection
) -> None:
    await phone.sync()
    row = report(phone, zoneId=str(world.market))
    phone.store.close()
    again = Phone(line, Store(tmp_path / "phone.db"))
    assert again.key.public_jwk == phone.key.public_jwk
    assert set(again.in_hand.view("incidents")) == {row}
    await again.sync()  # with a new access token, by the stored refresh token
    assert await stored(owner) == [(row, world.kanya)]
    again.store.close()


async def test_a_lost_answer_costs_a_repeat_and_stores_nothing_twice(
    phone: Phone, line: Watched, world: World, owner: asyncpg.Connection
) -> None:
    row = report(phone, zoneId=str(world.market))
    line.lose = lambda what: what == "RECORDS"
    for _ in range(2):
        with pytest.raises(Away):
            await phone.sync()
    line.lose = lambda _: False
    await phone.sync()
    assert await stored(owner) == [(row, world.kanya)]
    [settled] = phone.in_hand.outbox.settled()
    assert settled.outcome == "APPLIED"


async def test_a_lost_answer_of_a_refresh_signs_nobody_out(phone: Phone, line: Watched) -> None:
    account = phone.in_hand
    account.session.access_ends = 0
    line.lose = lambda what: what == "/auth/refresh"
    with pytest.raises(Away):
        await phone.sync()
    line.lose = lambda _: False
    await phone.sync()
    assert account.session.refreshes == 1
    assert account.session.ended is None


async def test_a_phone_that_was_wiped_and_kept_its_key_counts_on(
    phone: Phone, line: Watched, world: World, owner: asyncpg.Connection
) -> None:
    for _ in range(3):
        report(phone, zoneId=str(world.market))
    await phone.sync()
    wiped = Phone(line)
    wiped.store.db.execute(
        "update device set private_key = ?", (phone.key.private.private_bytes_raw(),)
    )
    wiped.key = wiped.store.key()
    await wiped.enrol(await code(world, world.kanya))
    # Recorded before anything was asked: the numbers move when the lane is known.
    report(wiped, zoneId=str(world.market))
    report(wiped, zoneId=str(world.market))
    await wiped.sync()
    assert [one.sequence for one in wiped.in_hand.outbox.settled("APPLIED")] == [4, 5]
    assert len(await stored(owner)) == 5
    wiped.store.close()


# In which order


async def test_an_sos_that_is_recorded_meanwhile_goes_before_the_next_page_and_batch(
    phone: Phone, line: Watched, world: World
) -> None:
    for number in range(30):
        await world.add_incident(world.market, title=f"Incident {number}")
    account = phone.in_hand
    account.pace.arrived = lambda seconds: None  # type: ignore[method-assign] # pages stay small
    account.pace.bytes = 2_048
    for _ in range(BATCH + 1):
        report(phone, zoneId=str(world.market))
    line.asked.clear()
    called: list[str] = []

    def call(what: str) -> bool:
        if what in ("RECORDS", "pull") and what not in called:
            called.append(what)
            phone.record({"raiseAlert": {}})
        return False

    line.lose = call
    await phone.sync()
    assert line.asked.count("RECORDS") > 2
    assert line.asked.count("pull") > 2
    for what in ("RECORDS", "pull"):
        place = line.asked.index(what)
        assert "SOS" in line.asked[place + 1 : place + 3], line.asked
    assert len(account.outbox.settled("APPLIED")) == BATCH + 3


async def test_batches_and_pages_shrink_on_a_link_that_cuts_and_grow_on_a_good_one(
    phone: Phone, line: Watched, world: World
) -> None:
    account = phone.in_hand
    before = account.pace.bytes
    line.lose = lambda what: what == "pull"
    with pytest.raises(LostAnswer):
        await account.pull()
    assert account.pace.bytes < before
    line.lose = lambda _: False
    await account.pull()
    assert account.pace.bytes >= before
    account.pace.bytes = 4_096
    for _ in range(10):
        report(phone, description="x" * 1_500)
    assert len(account.outbox.next_batch("RECORDS", account.pace.bytes)) == 2
    assert len(account.outbox.next_batch("RECORDS", 10)) == 1, "one always goes"


async def test_calls_for_help_are_there_although_the_first_fill_is_cut_for_ever(
    phone: Phone, line: Watched, world: World
) -> None:
    for number in range(30):
        await world.add_incident(world.market, title=f"Incident {number}")
    alert = phone.record({"raiseAlert": dict(AT_THE_MARKET)}).row_id
    await phone.in_hand.push("SOS")
    pulls = line.asked.count("pull")
    line.lose = lambda what: what == "pull" and line.asked.count("pull") > pulls + 1
    with pytest.raises(LostAnswer):
        await phone.sync()
    account = phone.in_hand
    assert set(account.copy.rows("alerts")) == {alert}
    assert not account.complete()
    assert not account.copy.rows("zones")


# Whether the copy is right


async def test_each_list_is_pulled_by_one_cursor() -> None:
    assert sorted(one for choice in CHOICES for one in choice or ()) == sorted(SUBJECTS)


async def alert_of_a_short_assignment(account: Account, world: World) -> str:
    """An officer gets a zone, pulls the calls for help of it, and loses the zone; gives a call's id."""
    await account.pull()
    await world.assign(world.kanya, world.temple)
    alert = await world.store(
        "sos_alert", scope_id=world.temple, station_id=world.station, zone_id=world.temple, source="OFFICER",
        status="OPEN", officer_id=world.prasert, raised_at=now(), captured_at_raw="now", received_at=now(),
    )  # fmt: skip
    account.apply(await account.pull_page(URGENT), URGENT)
    assert str(alert) in account.copy.rows("alerts")
    await world.change(
        "update assignment set valid_until = now() where scope_id = $1", world.temple
    )
    return str(alert)


async def test_what_was_pulled_by_one_cursor_is_dropped_by_it(phone: Phone, world: World) -> None:
    alert = await alert_of_a_short_assignment(phone.in_hand, world)
    await phone.in_hand.pull()
    assert alert not in phone.in_hand.copy.rows("alerts")


async def test_two_cursors_that_share_a_list_leave_what_neither_removes(
    line: Watched, world: World
) -> None:
    """The negative control: the cursor of everything never heard of the zone, so it is not told that it is gone."""
    phone = Phone(line, choices=(None,))
    account = await phone.enrol(await code(world, world.kanya))
    alert = await alert_of_a_short_assignment(account, world)
    await account.pull()
    assert alert in account.copy.rows("alerts")
    phone.store.close()


async def test_a_row_that_was_deleted_before_a_copy_is_begun_anew_does_not_stay(
    phone: Phone, world: World
) -> None:
    incident = await world.add_incident(world.market)
    account = phone.in_hand
    await account.pull()
    await world.change("update incident set deleted_at = now() where id = $1", incident)
    # Nobody removes it: a pull without a cursor brings what is, and not what was.
    account.store.db.execute("delete from cursor")
    await account.pull()
    assert not account.copy.rows("incidents")


async def test_what_is_held_is_shown_again_while_a_copy_is_filled_anew(
    phone: Phone, world: World
) -> None:
    row = report(phone, zoneId=str(world.market))
    await phone.sync()
    async with world.database.write(system("test"), Role.SYSTEM) as connection:
        await begin_epoch(connection, "a test")
    account = phone.in_hand
    account.pace.bytes = 1_024
    page = await account.pull_page(REST)
    account.apply(page, REST)
    assert (page["reset"], page["complete"]) == ("EPOCH_ENDED", False)
    assert not account.copy.rows("incidents")
    assert account.view("incidents")[row]["pending"]
    await phone.sync()
    assert "pending" not in account.view("incidents")[row]


async def test_a_row_that_the_phone_lost_is_found_and_repaired(phone: Phone, world: World) -> None:
    incidents = [str(await world.add_incident(world.market)) for _ in range(3)]
    account = phone.in_hand
    await account.pull()
    account.copy.lose("incidents", incidents[1])
    assert [part.subject for part in await account.verify()] == ["incidents"]
    await account.pull(verify=True)
    assert set(account.copy.rows("incidents")) == set(incidents)
    assert await account.verify() == []


async def test_a_phone_that_lost_many_rows_asks_for_sixteenths(phone: Phone, world: World) -> None:
    incidents = {str(await world.add_incident(world.market)) for _ in range(130)}
    account = phone.in_hand
    await account.pull()
    account.copy.lose("incidents", max(incidents))
    await account.pull(verify=True)
    assert set(account.copy.rows("incidents")) == incidents


async def test_a_phone_that_dies_before_the_cursor_is_stored_has_nothing_of_the_page(
    phone: Phone, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.add_incident(world.market)
    account = phone.in_hand
    page = await account.pull_page()

    def die(*_: Any) -> None:
        raise RuntimeError("switched off")

    monkeypatch.setattr(account.outbox, "heed_page", die)
    with pytest.raises(RuntimeError):
        account.apply(page)
    assert len(account.copy) == 0
    assert account.cursor() is None
    monkeypatch.undo()
    await account.pull()
    assert len(account.copy) > 0


async def test_what_expires_is_dropped_without_signal(phone: Phone, world: World) -> None:
    await world.store(
        "notice", scope_id=world.station, station_id=world.station, severity="INFO", title="t", body="b",
        valid_from=now(), expires_at=now() + timedelta(hours=1),
    )  # fmt: skip
    account = phone.in_hand
    await account.pull()
    account.purge(now())
    assert account.copy.rows("notices")
    account.purge(now() + timedelta(hours=2))
    assert not account.copy.rows("notices")


# When it is over


async def revoked(world: World, account: Account) -> None:
    async with world.database.write(system("test")) as connection:
        await revoke_officer_sessions(connection, UUID(account.id))


async def test_what_a_revoked_phone_holds_is_handed_in_once_and_pushed_after_a_new_enrolment(
    phone: Phone, line: Watched, world: World, owner: asyncpg.Connection
) -> None:
    row = report(phone, zoneId=str(world.market))
    await revoked(world, phone.in_hand)
    with pytest.raises(Refused, match="SESSION_REVOKED"):
        await phone.sync()
    assert phone.in_hand.session.ended == "SESSION_REVOKED"
    assert [await hand_in(phone.in_hand) for _ in range(2)] == [1, 0]
    assert await owner.fetchval("select count(*) from quarantine where surrendered") == 1
    assert await stored(owner) == []
    await phone.enrol(await code(world, world.kanya))
    await phone.sync()
    assert await stored(owner) == [(row, world.kanya)]


async def test_the_other_officer_s_work_is_sent_although_the_first_was_signed_out(
    phone: Phone, world: World, owner: asyncpg.Connection
) -> None:
    report(phone, zoneId=str(world.market))
    await revoked(world, phone.in_hand)
    phone.switch_to(str(world.somkid))
    row = report(phone, zoneId=str(world.temple))
    with pytest.raises(Refused, match="SESSION_REVOKED"):
        await phone.sync()
    assert await stored(owner) == [(row, world.somkid)]


async def test_a_lost_phone_hands_in_erases_itself_and_says_so(
    phone: Phone, world: World, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    await phone.sync()
    report(phone, title="Only on this phone")
    device = await owner.fetchval("select id from device where key_thumbprint not like 'no key%'")
    async with world.database.write(system("test")) as connection:
        await lose_device(connection, device, reason="left in a taxi")
    with pytest.raises(Refused, match="DEVICE_WIPE"):
        await phone.sync()
    assert b"Only on this phone" in files(tmp_path)
    await wipe(phone)
    assert await owner.fetchval("select count(*) from quarantine where surrendered") == 1
    assert phone.store.officers() == []
    phone.store.db.execute("pragma wal_checkpoint(truncate)")
    left = files(tmp_path)
    assert b"Only on this phone" not in left
    assert b"Market" not in left


async def test_supervisors_see_what_still_waits(
    phone: Phone, world: World, owner: asyncpg.Connection
) -> None:
    for _ in range(2):
        report(phone, zoneId=str(world.market))
    await phone.in_hand.report_backlog(battery_percent=9)
    told = await owner.fetchrow(
        "select sos_held, records_held, battery_percent from officer_phone where officer_id = $1",
        world.kanya,
    )
    assert told is not None
    assert tuple(told) == (0, 2, 9)
