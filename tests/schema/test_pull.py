"""A phone's copy must become what the station has, whatever happened between its pulls."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from patrol.keys import KeySet
from schema.door import Door
from storage.database import Database
from tests.personas import as_officer
from tests.phone import PULL, Phone, ask, context
from tests.world import World

pytestmark = pytest.mark.oldest


async def test_a_first_pull_brings_what_the_officer_may_see_and_nothing_else(
    kanya: Phone, world: World
) -> None:
    seen = await world.add_incident(world.market)
    await world.add_incident(world.temple)
    pages = await kanya.pull()
    assert len(pages) == 1
    assert set(kanya.rows["incidents"]) == {str(seen)}
    assert set(kanya.rows["zones"]) == {str(world.market)}
    assert set(kanya.rows["cameras"]) == {str(world.market_camera)}
    assert set(kanya.rows["posts"]) == {str(world.post)}
    assert set(pages[0]["scopes"]) == {str(world.market), str(world.staff)}


async def test_a_station_includes_its_zones(prasert: Phone, world: World) -> None:
    await prasert.pull()
    assert set(prasert.rows["zones"]) == {str(world.market), str(world.temple)}
    assert set(prasert.rows["stations"]) == {str(world.station)}


async def test_an_empty_pull_is_complete_and_brings_nothing(kanya: Phone, world: World) -> None:
    await world.add_incident(world.market)
    await kanya.pull()
    page = await kanya.pull_page()
    assert page["complete"]
    assert not any(page[name] for name in kanya.rows)
    assert not page["removals"]


async def test_what_changed_comes_once(kanya: Phone, world: World) -> None:
    incident = await world.add_incident(world.market)
    await world.add_incident(world.market)
    await kanya.pull()
    await world.change("update incident set title = 'Two lorries' where id = $1", incident)
    page = await kanya.pull_page()
    assert [(row["id"], row["title"], row["rev"]) for row in page["incidents"]] == [
        (str(incident), "Two lorries", 2)
    ]
    assert not (await kanya.pull_page())["incidents"]


async def test_a_deleted_row_is_removed(kanya: Phone, world: World) -> None:
    incident = await world.add_incident(world.market)
    await kanya.pull()
    await world.change("update incident set deleted_at = now() where id = $1", incident)
    page = await kanya.pull_page()
    assert page["removals"] == [{"subject": "incidents", "id": str(incident), "reason": "DELETED"}]
    assert not kanya.rows["incidents"]


async def test_a_row_that_leaves_the_scope_is_removed(kanya: Phone, world: World) -> None:
    incident = await world.add_incident(world.market)
    await kanya.pull()
    await world.change(
        "update incident set scope_id = $2, zone_id = $2 where id = $1", incident, world.temple
    )
    page = await kanya.pull_page()
    assert page["removals"] == [
        {"subject": "incidents", "id": str(incident), "reason": "LEFT_SCOPE"}
    ]
    assert not kanya.rows["incidents"]


async def test_a_row_that_leaves_and_comes_back_stays(kanya: Phone, world: World) -> None:
    incident = await world.add_incident(world.market)
    await kanya.pull()
    for zone in (world.temple, world.market):
        await world.change(
            "update incident set scope_id = $2, zone_id = $2 where id = $1", incident, zone
        )
    await kanya.pull()
    assert set(kanya.rows["incidents"]) == {str(incident)}


async def test_a_row_that_moves_between_own_scopes_is_no_removal(
    prasert: Phone, world: World
) -> None:
    incident = await world.add_incident(world.market)
    await prasert.pull()
    await world.change(
        "update incident set scope_id = $2, zone_id = $2 where id = $1", incident, world.temple
    )
    page = await prasert.pull_page()
    assert not page["removals"]
    assert prasert.rows["incidents"][str(incident)]["scopeId"] == str(world.temple)


async def test_a_row_that_went_into_a_new_scope_and_was_deleted_there_does_not_stay(
    kanya: Phone, world: World
) -> None:
    incident = await world.add_incident(world.market)
    await kanya.pull()
    await world.change(
        "update incident set scope_id = $2, zone_id = $2 where id = $1", incident, world.temple
    )
    await world.change("update incident set deleted_at = now() where id = $1", incident)
    # Her new scope is filled, which removes nothing: the one that it left has to say it.
    await world.assign(world.kanya, world.temple)
    await kanya.pull()
    assert not kanya.rows["incidents"]
    assert await kanya.verify() == []


async def test_a_new_scope_is_filled_and_a_lost_one_revoked(kanya: Phone, world: World) -> None:
    old = await world.add_incident(world.market)
    new = await world.add_incident(world.temple)
    await kanya.pull()
    await world.change(
        "update assignment set scope_id = $2 where officer_id = $1", world.kanya, world.temple
    )
    pages = await kanya.pull()
    assert pages[0]["revokedScopes"] == [str(world.market)]
    assert set(kanya.rows["incidents"]) == {str(new)}
    assert set(kanya.rows["zones"]) == {str(world.temple)}
    assert str(old) not in kanya.rows["incidents"]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_pages_of_any_size_bring_the_same(size: int, prasert: Phone, world: World) -> None:
    for zone in (world.market, world.temple) * 4:
        await world.add_incident(zone)
    pages = await prasert.pull(first=size)
    assert all(sum(len(page[name]) for name in prasert.rows) <= size for page in pages)
    assert len(prasert.rows["incidents"]) == 8
    assert len(prasert.rows["cameras"]) == 2


async def test_a_row_that_changes_between_pages_comes_in_the_closing_difference(
    kanya: Phone, world: World
) -> None:
    incidents = [await world.add_incident(world.market) for _ in range(6)]
    await kanya.pull_page(first=2)
    while not kanya.rows["incidents"]:
        await kanya.pull_page(first=2)
    await world.change("update incident set title = 'Changed' where id = any ($1)", incidents)
    await kanya.pull(first=2)
    assert {row["title"] for row in kanya.rows["incidents"].values()} == {"Changed"}
    assert len(kanya.rows["incidents"]) == 6


async def test_an_app_that_asks_for_more_is_given_that_subject_anew_and_nothing_else(
    kanya: Phone, world: World
) -> None:
    incident = await world.add_incident(world.market)
    gone = await world.add_incident(world.market)
    await kanya.pull()
    await world.change("update incident set deleted_at = now() where id = $1", gone)
    kanya.text = PULL.replace("occurredAt capturedAtRaw", "occurredAt deviceId capturedAtRaw")
    page = await kanya.pull_page()
    assert [row["id"] for row in page["incidents"]] == [str(incident)]
    assert "deviceId" in page["incidents"][0]
    assert not page["cameras"]
    assert page["reset"] is None
    assert set(kanya.rows["incidents"]) == {str(incident)}


async def test_a_cursor_of_another_officer_is_a_reset(
    kanya: Phone, prasert: Phone, world: World
) -> None:
    await prasert.pull()
    kanya.cursor = prasert.cursor
    page = await kanya.pull_page()
    assert page["reset"] == "CURSOR_INVALID"
    assert set(kanya.rows["zones"]) == {str(world.market)}


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é", "....", "a" * 5000])
async def test_a_made_up_cursor_is_a_reset(text: str, kanya: Phone) -> None:
    kanya.cursor = text
    assert (await kanya.pull_page())["reset"] == "CURSOR_INVALID"


async def test_a_new_epoch_is_a_reset(kanya: Phone, world: World) -> None:
    await kanya.pull()
    await world.change(
        "insert into sync_epoch (id, number, reason) values (gen_random_uuid(), 2, 'restored')"
    )
    assert (await kanya.pull_page())["reset"] == "EPOCH_ENDED"
    assert (await kanya.pull_page())["reset"] is None


async def test_relations_are_refused_in_a_pull(kanya: Phone) -> None:
    text = "{ pull { incidents { id zone { name } } } }"
    answer = await ask(kanya.door, kanya.context, text)
    assert answer["data"] is None
    assert answer["errors"][0]["extensions"]["code"] == "OPERATION_INVALID"


@pytest.mark.parametrize("first", [0, -1, 501])
async def test_a_page_size_out_of_bounds_is_refused(first: int, kanya: Phone) -> None:
    answer = await ask(kanya.door, kanya.context, PULL, first=first)
    assert answer["errors"][0]["extensions"]["code"] == "PAGE_SIZE_INVALID"
    assert answer["errors"][0]["path"] == ["pull"]


async def test_a_scope_that_is_taken_and_given_back_during_a_walk_is_filled_whole(
    prasert: Phone, world: World
) -> None:
    for zone in (world.market, world.temple) * 5:
        await world.add_incident(zone)
    while not prasert.rows["incidents"]:
        await prasert.pull_page(first=2)
    await world.change(
        "update assignment set scope_id = $2 where officer_id = $1", world.prasert, world.market
    )
    await prasert.pull_page(first=2)
    await world.change(
        "update assignment set scope_id = $2 where officer_id = $1", world.prasert, world.station
    )
    await prasert.pull(first=3)
    assert len(prasert.rows["incidents"]) == 10
    assert len(prasert.rows["cameras"]) == 2


async def test_a_row_that_is_deleted_while_an_app_is_updated_within_its_first_fill_does_not_stay(
    kanya: Phone, world: World
) -> None:
    gone = await world.add_incident(world.market)
    for _ in range(4):
        await world.add_incident(world.market)
    while not kanya.rows["incidents"]:
        await kanya.pull_page(first=1)
    assert str(gone) in kanya.rows["incidents"]
    await world.change("update incident set deleted_at = now() where id = $1", gone)
    kanya.text = PULL.replace("occurredAt capturedAtRaw", "occurredAt deviceId capturedAtRaw")
    pages = await kanya.pull(first=3)
    assert all(page["reset"] is None for page in pages)
    assert len(kanya.rows["incidents"]) == 4
    assert str(gone) not in kanya.rows["incidents"]


async def test_an_app_that_goes_back_a_release_within_a_walk_and_forth_again_has_all_fields(
    kanya: Phone, world: World
) -> None:
    for _ in range(3):
        await world.add_incident(world.market)
    await kanya.pull()
    kanya.text = PULL.replace("title description latitude", "title latitude")
    while all("description" in row for row in kanya.rows["incidents"].values()):
        assert not (await kanya.pull_page(first=1))["complete"]
    kanya.text = PULL
    pages = await kanya.pull()
    assert all("description" in row for row in kanya.rows["incidents"].values())
    # What the walk between had in the same fields is not given anew.
    assert (pages[0]["resetSubjects"], len(pages[0]["zones"])) == (["incidents"], 0)


async def test_lanes_are_told_only_when_their_effects_are_in_the_copy(
    kanya: Phone, world: World
) -> None:
    for _ in range(4):
        await world.add_incident(world.market)
    await kanya.pull_page(first=2)
    [answer] = await kanya.push("RECORDS", kanya.report(zoneId=str(world.market)))
    page = await kanya.pull_page(first=2)
    while not page["complete"]:
        assert page["lanes"] == []
        page = await kanya.pull_page(first=2)
    assert [(lane["lane"], lane["appliedSequence"]) for lane in page["lanes"]] == [("RECORDS", 1)]
    assert answer["rowId"] in kanya.rows["incidents"]


async def test_as_many_first_pulls_as_connections_do_not_wait_for_each_other(
    door: Door, login_url: str, world: World, keys: KeySet
) -> None:
    narrow = await Database.connect(login_url, size=2)
    try:
        principals = [await as_officer(world, world.kanya) for _ in range(8)]
        phones = [Phone(door, context(narrow, principal, keys)) for principal in principals]
        async with asyncio.timeout(5):
            await asyncio.gather(*(phone.pull() for phone in phones))
    finally:
        await narrow.close()
    assert all(phone.rows["zones"] for phone in phones)


async def test_a_cursor_whose_sets_are_gone_is_a_reset(
    kanya: Phone, owner: asyncpg.Connection, login_url: str, world: World
) -> None:
    await kanya.pull()
    await owner.execute("delete from sync_set")
    # The same set would be named anew, and so be known; another process has not seen the old one.
    await world.assign(world.kanya, world.temple)
    forgetful = await Database.connect(login_url, size=2)
    try:
        kanya.context = context(forgetful, kanya.context.principal, kanya.context.keys)
        assert (await kanya.pull_page())["reset"] == "CURSOR_FORGOTTEN"
        assert kanya.rows["zones"]
    finally:
        await forgetful.close()
