"""Tombstones go when no phone needs them: who was away shorter than the cap misses nothing, who was away longer is reset."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from patrol.sync.compaction import compact
from patrol.sync.subjects import SUBJECTS
from schema.door import Door
from storage.database import Database
from storage.principal import Role, system
from tests.phone import Phone, context
from tests.world import World

pytestmark = pytest.mark.oldest

CAP = timedelta(days=90)
NOTHING_YOUNG = timedelta(0)


async def run(database: Database, times: int = 2, **more: Any) -> int:
    """Compacts with nothing held back for its youth; the horizon is where the run before was. Returns what was purged."""
    options: dict[str, Any] = {"silent": CAP, "young": NOTHING_YOUNG} | more
    return sum([(await compact(database, **options)).tombstones for _ in range(times)])


async def delete(world: World, incident: UUID) -> None:
    await world.change("update incident set deleted_at = now() where id = $1", incident)


async def silent_for(owner: asyncpg.Connection, phone: Phone, days: int) -> None:
    await owner.execute(
        "update held_snapshot set seen_at = now() - make_interval(days => $2) where officer_id = $1",
        phone.context.principal.id, days,
    )  # fmt: skip


async def stored(owner: asyncpg.Connection, incident: UUID) -> bool:
    return await owner.fetchval("select exists (select from incident where id = $1)", incident)


async def test_every_subject_remembers_what_is_gone_and_may_be_purged(
    owner: asyncpg.Connection, database: Database
) -> None:
    for subject in SUBJECTS:
        triggers = await owner.fetch(
            "select tgname from pg_trigger where tgrelid = $1::regclass", subject.table.description
        )
        assert {"a_stay_gone", "refuse_delete"} <= {row["tgname"] for row in triggers}, subject.name
    await run(database)


async def test_a_phone_that_was_away_shorter_than_the_cap_loses_nothing(
    kanya: Phone, prasert: Phone, world: World, owner: asyncpg.Connection, database: Database
) -> None:
    gone, left, stays = [await world.add_incident(world.market) for _ in range(3)]
    await kanya.pull()
    await prasert.pull()
    await delete(world, gone)
    await world.change(
        "update incident set scope_id = $2, zone_id = $2 where id = $1", left, world.temple
    )
    await silent_for(owner, kanya, 89)
    await run(database, times=3)
    assert await stored(owner, gone)
    pages = await kanya.pull()
    assert [page["reset"] for page in pages] == [None]
    assert {(one["id"], one["reason"]) for one in pages[0]["removals"]} == {
        (str(gone), "DELETED"), (str(left), "LEFT_SCOPE"),
    }  # fmt: skip
    assert set(kanya.rows["incidents"]) == {str(stays)}
    assert await kanya.verify() == []


async def test_a_phone_that_was_away_longer_is_reset_and_keeps_its_outbox(
    kanya: Phone, world: World, owner: asyncpg.Connection, database: Database
) -> None:
    gone, stays = [await world.add_incident(world.market) for _ in range(2)]
    await kanya.pull()
    waiting = kanya.report(zoneId=str(world.market))
    await delete(world, gone)
    await silent_for(owner, kanya, 91)
    assert await run(database) == 1
    assert not await stored(owner, gone)
    pages = await kanya.pull()
    assert [page["reset"] for page in pages] == ["CURSOR_TOO_OLD"]
    assert set(kanya.rows["incidents"]) == {str(stays)}
    assert kanya.differing(pages[-1]) == []
    [answer] = await kanya.push("RECORDS", waiting)
    assert answer["outcome"] == "APPLIED"
    # From here on it is a phone like any other.
    assert [page["reset"] for page in await kanya.pull()] == [None]


async def test_a_silent_phone_may_not_hold_back_more_than_so_many_tombstones(
    kanya: Phone, prasert: Phone, world: World, owner: asyncpg.Connection, database: Database
) -> None:
    first, *others = [await world.add_incident(world.market) for _ in range(4)]
    await kanya.pull()
    await prasert.pull()
    await silent_for(owner, kanya, 3)
    for incident in (first, *others[:2]):
        await delete(world, incident)
    # The negative control: days alone would keep them, and so does a bound that is not reached.
    assert await run(database, times=3) == 0
    day = timedelta(days=1)
    assert await run(database, most=3) == 0
    # Prasert was seen within the day: he is waited for, however many there are.
    held = "select must_reset from held_snapshot where officer_id = $1"
    await compact(database, silent=CAP, young=day, most=1)
    assert await owner.fetchval(held, world.kanya)
    assert not await owner.fetchval(held, world.prasert)
    assert [page["reset"] for page in await prasert.pull()] == [None]
    await owner.execute(
        "update held_snapshot set seen_at = now() - interval '2 hours' where not must_reset"
    )
    await prasert.pull()
    assert await run(database) == 3
    assert [page["reset"] for page in await kanya.pull()] == ["CURSOR_TOO_OLD"]
    assert set(kanya.rows["incidents"]) == set(prasert.rows["incidents"]) == {str(others[2])}


async def test_scope_exits_are_bounded_by_number_too(
    kanya: Phone, world: World, owner: asyncpg.Connection, database: Database
) -> None:
    moved = [await world.add_incident(world.market) for _ in range(3)]
    await kanya.pull()
    await silent_for(owner, kanya, 3)
    for incident in moved:
        await world.change(
            "update incident set scope_id = $2, zone_id = $2 where id = $1", incident, world.temple
        )
    await run(database, most=3)
    assert await owner.fetchval("select count(*) from scope_exit where subject = 'incident'") == 3
    await run(database, most=2)
    assert await owner.fetchval("select count(*) from scope_exit where subject = 'incident'") == 0
    assert [page["reset"] for page in await kanya.pull()] == ["CURSOR_TOO_OLD"]
    assert kanya.rows["incidents"] == {}


async def test_a_compaction_that_ignores_what_phones_hold_leaves_ghosts(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    """The negative control of all the others."""
    gone = await world.add_incident(world.market)
    await kanya.pull()
    await delete(world, gone)
    async with owner.transaction():
        await owner.execute("select set_config('patrol.purging', 'on', true)")
        await owner.execute("delete from incident where id = $1", gone)
    await kanya.pull()
    assert set(kanya.rows["incidents"]) == {str(gone)}
    # And the check would notice it.
    assert await kanya.verify() == [("incidents", str(world.market), "")]
    await kanya.repair()
    assert not kanya.rows["incidents"]


async def test_a_tombstone_goes_once_every_phone_has_seen_it(
    kanya: Phone, prasert: Phone, world: World, owner: asyncpg.Connection, database: Database
) -> None:
    gone = await world.add_incident(world.market)
    await kanya.pull()
    await prasert.pull()
    await delete(world, gone)
    for phone in (kanya, prasert):
        assert await run(database) == 0
        await phone.pull()
        # The phone has it now, and shows so at its next pull, of which a note is due after an hour.
        await owner.execute("update held_snapshot set seen_at = now() - interval '2 hours'")
        await phone.pull()
    assert await run(database) == 1
    assert not await stored(owner, gone)
    assert not await owner.fetchval("select exists (select from scope_exit)")
    for phone in (kanya, prasert):
        assert await phone.verify() == []


async def test_an_answer_that_was_lost_costs_no_reset(
    kanya: Phone, world: World, owner: asyncpg.Connection, database: Database
) -> None:
    gone = await world.add_incident(world.market)
    await kanya.pull()
    before = kanya.cursor
    await delete(world, gone)
    await owner.execute("update held_snapshot set seen_at = now() - interval '2 hours'")
    await kanya.pull()
    await run(database)
    # The answer never came: the phone is where it was.
    kanya.cursor = before
    kanya.rows["incidents"] = {str(gone): {"id": str(gone), "rev": 1, "scopeId": str(world.market)}}
    pages = await kanya.pull()
    assert [page["reset"] for page in pages] == [None]
    assert not kanya.rows["incidents"]


async def test_a_long_first_fill_is_held_too(
    kanya: Phone, world: World, database: Database
) -> None:
    incidents = [await world.add_incident(world.market) for _ in range(6)]
    while not kanya.rows["incidents"]:
        await kanya.pull_page(first=1)
    [first] = kanya.rows["incidents"]
    await delete(world, UUID(first))
    assert await run(database) == 0
    pages = await kanya.pull(first=2)
    assert all(page["reset"] is None for page in pages)
    assert len(kanya.rows["incidents"]) == len(incidents) - 1
    assert kanya.differing(pages[-1]) == []


async def test_an_empty_pull_writes_nothing_within_the_hour(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    await world.add_incident(world.market)
    await kanya.pull()
    await kanya.pull()

    async def written() -> Any:
        return await owner.fetchval(
            "select array[(select xmin::text from held_snapshot), (select count(*)::text from sync_set), "
            "pg_snapshot_xmax(pg_current_snapshot())::text]"
        )

    before = await written()
    for _ in range(5):
        await kanya.pull()
    assert await written() == before
    # The negative control: after the hour one note is due, and only one.
    await owner.execute("update held_snapshot set seen_at = now() - interval '2 hours'")
    await kanya.pull()
    noted = await written()
    assert noted[0] != before[0]
    await kanya.pull()
    assert await written() == noted


async def test_a_late_push_cannot_bring_back_what_is_gone(
    kanya: Phone, world: World, owner: asyncpg.Connection, database: Database
) -> None:
    report = kanya.report(zoneId=str(world.market))
    change = report["change"]["reportIncident"]
    [answer] = await kanya.push("RECORDS", report)
    incident = UUID(answer["rowId"])
    await delete(world, incident)
    # As a deleted row is answered:
    again = kanya.mutation("RECORDS", {"reportIncident": change})
    late = kanya.change(str(incident), 1, title="Late")
    before = [(one["outcome"], one["code"]) for one in await kanya.push("RECORDS", again, late)]
    assert await run(database) == 1
    again = kanya.mutation("RECORDS", {"reportIncident": change})
    late = kanya.change(str(incident), 1, title="Late")
    after = [(one["outcome"], one["code"]) for one in await kanya.push("RECORDS", again, late)]
    assert after == before == [("REJECTED", "ALREADY_EXISTS"), ("REJECTED", "NOT_FOUND")]
    assert not await stored(owner, incident)
    # The negative control: were the id forgotten, the row would stand again.
    await owner.execute("delete from purged_row")
    [risen] = await kanya.push("RECORDS", kanya.mutation("RECORDS", {"reportIncident": change}))
    assert risen["outcome"] == "APPLIED"


async def test_an_alert_with_an_id_that_is_gone_is_refused_as_one_that_exists(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    alert = "01890a5d-ac96-774b-bcce-b302099a8057"
    await owner.execute("insert into purged_row values ('sos_alert', $1)", UUID(alert))
    raised = kanya.mutation("SOS", {"raiseAlert": {"id": alert}})
    [answer] = await kanya.push("SOS", raised)
    assert (answer["outcome"], answer["code"]) == ("REJECTED", "ALREADY_EXISTS")


async def test_a_tombstone_that_others_name_stays_until_they_are_gone(
    world: World, owner: asyncpg.Connection, database: Database
) -> None:
    incident = await world.add_incident(world.market)
    await world.store(
        "incident_note", scope_id=world.market, incident_id=incident, text="Seen", written_by=world.kanya,
        device_id=await world.add_device(), occurred_at=await owner.fetchval("select now()"),
        captured_at_raw="", received_at=await owner.fetchval("select now()"),
    )  # fmt: skip
    await owner.execute("update zone set deleted_at = now() where id = $1", world.market)
    await delete(world, incident)
    # The note was deleted with its incident, and goes before it; cameras and a grant still name the zone.
    assert await run(database) == 2
    assert await owner.fetchval("select array_agg(distinct subject) from purged_row") == [
        "incident", "incident_note",
    ]  # fmt: skip
    assert await owner.fetchval("select exists (select from zone where id = $1)", world.market)


async def test_small_transactions_purge_as_much(
    world: World, owner: asyncpg.Connection, database: Database
) -> None:
    for _ in range(7):
        await delete(world, await world.add_incident(world.market))
    assert await run(database, room=3) == 7


async def test_what_is_young_stays(world: World, database: Database) -> None:
    await delete(world, await world.add_incident(world.market))
    assert await run(database, young=timedelta(days=1)) == 0


async def test_only_tombstones_of_synced_tables_can_be_purged_and_only_by_the_worker(
    world: World, owner: asyncpg.Connection, database: Database
) -> None:
    stays = await world.add_incident(world.market)
    await run(database)
    assert await stored(owner, stays)
    async with database.write(system("test"), Role.SYSTEM) as connection:
        with pytest.raises(asyncpg.InvalidParameterValueError):
            async with connection.transaction():
                await connection.fetchval("select access.purge_tombstones('officer_state', 10)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await connection.execute("delete from incident")
    async with database.write(system("test")) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetchval("select access.purge_tombstones('incident', 10)")
    await owner.execute("select set_config('patrol.purging', 'on', false)")
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner.execute("delete from incident where deleted_at is null")


async def test_a_set_that_a_cursor_names_outlives_the_sweep(
    kanya: Phone, world: World, owner: asyncpg.Connection, database: Database, login_url: str
) -> None:
    await kanya.pull()
    await owner.execute("insert into sync_set (id, content) values ('nobody''s', '[]')")
    await owner.execute("update sync_set set created_at = now() - interval '2 days'")
    done = await compact(database, silent=CAP)
    assert done.sets == 1
    # Another process knows only what is stored; under other scopes the cursor needs its own.
    await world.assign(world.kanya, world.temple)
    other = await Database.connect(login_url, size=2)
    try:
        kanya.context = context(other, kanya.context.principal, kanya.context.keys)
        assert (await kanya.pull_page())["reset"] is None
    finally:
        await other.close()


async def test_a_set_that_was_swept_is_stored_again_when_it_is_named_again(
    door: Door, kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    await kanya.pull()
    # As after a sweep: this process still has them on its shelf.
    await owner.execute("delete from sync_set")
    await owner.execute("delete from held_snapshot")
    await kanya.pull()
    assert await owner.fetchval("select count(*) from sync_set") == 2
    assert await owner.fetchval(
        "select bool_and(exists (select from sync_set s where s.id = named)) from held_snapshot, unnest(sets) named"
    )


async def test_a_horizon_of_an_epoch_that_ended_says_nothing(
    kanya: Phone, world: World, owner: asyncpg.Connection, database: Database
) -> None:
    await delete(world, await world.add_incident(world.market))
    await run(database)
    assert await owner.fetchval("select access.horizon() is not null")
    await world.change(
        "insert into sync_epoch (id, number, reason) values (gen_random_uuid(), 2, 'restored')"
    )
    assert await owner.fetchval("select access.horizon() is null")
    pages = await kanya.pull()
    assert [page["reset"] for page in pages] == [None]
