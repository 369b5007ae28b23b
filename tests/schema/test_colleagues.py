"""Everybody of a station must know who the others are, and nobody of another one may."""

from __future__ import annotations

import asyncpg
import pytest

from patrol.identity.presence import go_on_duty
from patrol.keys import KeySet
from patrol.stations import set_officer_active
from schema.door import Door
from storage.database import Database
from storage.principal import Role, system
from storage.vocabulary import OfficerRole
from tests.personas import as_officer
from tests.phone import Phone, context
from tests.world import World, now

pytestmark = pytest.mark.oldest


async def phone_of(
    officer: object, door: Door, database: Database, world: World, keys: KeySet
) -> Phone:
    return Phone(door, context(database, await as_officer(world, officer), keys))  # type: ignore[arg-type] # ids are UUIDs


async def test_an_officer_of_one_zone_knows_all_colleagues(kanya: Phone, world: World) -> None:
    stranger = await world.add_officer("Stranger", station=await world.add_station("Tak"))
    await kanya.pull()
    known = kanya.rows["officers"]
    assert set(known) == {str(one) for one in (world.kanya, world.somkid, world.prasert)}
    assert str(stranger) not in known
    row = known[str(world.prasert)]
    assert (row["name"], row["nameTh"], row["role"]) == ("Prasert", "เจ้าหน้าที่", "SUPERVISOR")
    assert (row["scopeId"], row["stationId"]) == (str(world.staff), str(world.station))
    assert row["active"]


async def test_the_staff_opens_nothing_else_of_the_station(kanya: Phone, world: World) -> None:
    """A negative control of sharing the station's own scope: what is recorded there is not for everybody."""
    at_the_station = await world.add_incident(None)
    await kanya.pull()
    assert not kanya.rows["incidents"]
    assert not kanya.rows["stations"]
    await world.assign(world.kanya, world.station)
    await kanya.pull()
    assert set(kanya.rows["incidents"]) == {str(at_the_station)}


async def test_an_officer_without_any_assignment_still_has_colleagues(
    door: Door, database: Database, world: World, keys: KeySet
) -> None:
    new = await world.add_officer("New")
    phone = await phone_of(new, door, database, world, keys)
    await phone.pull()
    assert len(phone.rows["officers"]) == 4
    assert not phone.rows["zones"]


async def test_who_is_sent_to_another_station_knows_its_staff_as_long_as_he_holds_it(
    door: Door, database: Database, world: World, keys: KeySet
) -> None:
    guest = await world.add_officer("Guest", station=await world.add_station("Tak"))
    await world.assign(guest, world.station)
    phone = await phone_of(guest, door, database, world, keys)
    await phone.pull()
    assert set(phone.rows["officers"]) == {
        str(one) for one in (guest, world.kanya, world.somkid, world.prasert)
    }
    await world.change("update assignment set valid_until = $2 where officer_id = $1", guest, now())
    pages = await phone.pull()
    assert str(world.staff) in pages[0]["revokedScopes"]
    assert set(phone.rows["officers"]) == {str(guest)}


async def test_duty_and_positions_send_nobody_anything(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    await kanya.pull()
    async with world.database.write(system("test")) as connection:
        await go_on_duty(connection, world.somkid)
    await world.change(
        "update officer_state set latitude = 16.71, longitude = 98.57, fix_at = now() where officer_id = $1",
        world.somkid,
    )
    page = await kanya.pull_page()
    assert page["complete"]
    assert not page["officers"]
    # A negative control: what is in the profile is sent.
    await world.change("update officer set rank = 'Pol. Lt.' where id = $1", world.somkid)
    [row] = (await kanya.pull_page())["officers"]
    assert (row["rank"], row["rev"]) == ("Pol. Lt.", 2)


async def test_who_is_taken_off_stays_as_inactive(kanya: Phone, world: World) -> None:
    await kanya.pull()
    for active in (False, True):
        async with world.database.write(system("test")) as connection:
            assert await set_officer_active(connection, world.somkid, active)
        page = await kanya.pull_page()
        assert not page["removals"]
        assert kanya.rows["officers"][str(world.somkid)]["active"] is active


async def test_who_leaves_the_station_leaves_the_phones_of_his_colleagues(
    kanya: Phone, door: Door, database: Database, world: World, keys: KeySet
) -> None:
    tak = await world.add_station("Tak")
    other = await world.add_officer("Other", station=tak)
    mover = await world.add_officer("Mover")
    phones = [
        kanya,
        await phone_of(other, door, database, world, keys),
        await phone_of(mover, door, database, world, keys),
    ]
    for phone in phones:
        await phone.pull()
    await world.change("update officer set station_id = $2 where id = $1", mover, tak)
    pages = [(await phone.pull())[0] for phone in phones]
    assert pages[0]["removals"] == [
        {"subject": "officers", "id": str(mover), "reason": "LEFT_SCOPE"}
    ]
    assert str(mover) not in kanya.rows["officers"]
    assert set(phones[1].rows["officers"]) == {str(other), str(mover)}
    assert pages[2]["revokedScopes"] == [str(world.staff)]
    assert set(phones[2].rows["officers"]) == {str(other), str(mover)}


async def test_an_officer_is_found_in_no_list_of_another_station(
    world: World, database: Database
) -> None:
    tak = await world.add_station("Tak")
    stranger = await world.add_officer("Stranger", station=tak, role=OfficerRole.SUPERVISOR)
    await world.assign(stranger, tak)
    principal = await as_officer(world, stranger)
    async with database.read(Role.PHONE, principal) as entered:
        rows = await entered.connection.fetch("select id from officer")
    assert {row["id"] for row in rows} == {stranger}
