"""Who is called first: the nearest who is free and can be heard; others only while nobody else is left, and nobody free is left out."""

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg
import orjson
import pytest

from api.fake_firebase import FakeFirebase, answers
from api.push import FirebaseNotifier
from patrol.sos.calling import call_step
from storage.database import Database
from storage.vocabulary import AlertStatus, OfficerRole
from tests.patrol.sos import (
    METRES,
    add_phone,
    an_alert,
    answer,
    on_duty,
    outcomes,
    raise_one,
    rung,
    steps,
    waiting,
)
from tests.world import LATITUDE, LONGITUDE, World


async def first_step(owner: asyncpg.Connection, alert: UUID) -> UUID:
    return (await steps(owner, alert))[0]


async def silence(world: World, installation: UUID) -> None:
    """The phone said that it would make no sound."""
    await world.change(
        "insert into installation_state (installation_id, silent) values ($1, true)", installation
    )


async def passed_over(owner: asyncpg.Connection) -> list[dict[str, object]]:
    rows = await owner.fetch("select detail from sos_event where kind = 'PASSED_OVER' order by id")
    return [orjson.loads(row["detail"]) for row in rows]


async def test_an_old_position_counts_as_further_away_and_an_unknown_one_comes_last(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    for name, metres, minutes, accuracy in (
        ("nowhere known", None, 0, None),
        ("next door an hour ago", 10, 60, 5.0),
        ("across the town now", 900, 0, 5.0),
        ("near, by a mast", 50, 0, 1500.0),
        ("near, ten minutes ago", 20, 10, 5.0),
    ):
        officer = await world.add_officer(name, scopes=[world.market])
        await on_duty(world, officer, metres_away=metres)
        await world.change(
            "update officer_state set fix_at = fix_at - make_interval(mins => $2), accuracy_m = $3 "
            "where officer_id = $1",
            officer,
            minutes,
            accuracy,
        )
        await add_phone(world, officer, name)

    await call_step(database, notifier, await first_step(owner, alert))

    # 20 m + 10 min × 1.4 m/s = 865 m; 900 m + 5 m; 50 m + 1,500 m; 10 m + 1 h × 1.4 m/s = 5 km
    assert rung(firebase) == [
        "near, ten minutes ago",
        "across the town now",
        "near, by a mast",
        "next door an hour ago",
        "nowhere known",
    ]


async def test_who_takes_care_of_another_alert_is_passed_over_while_anybody_free_remains(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    for officer, name in ((world.somkid, "somkid"), (world.prasert, "prasert")):
        await on_duty(world, officer, metres_away=10)
        await add_phone(world, officer, name)
    other = (await raise_one(database, an_alert(world))).alert_id
    await answer(database, world, other, AlertStatus.ACKNOWLEDGED, officer=world.prasert)

    await call_step(database, notifier, await first_step(owner, alert))

    assert rung(firebase) == ["somkid"]
    assert await passed_over(owner) == [{"engaged": [str(world.prasert)]}]
    # With nobody free left the one who is engaged is better than nobody.
    await world.change("update installation set retired_at = now() where address = 'somkid'")
    third = (await raise_one(database, an_alert(world))).alert_id
    await call_step(database, notifier, await first_step(owner, third))
    assert rung(firebase) == ["somkid", "prasert"]
    assert (await outcomes(owner, third))[0] == "CALLED"
    # And as soon as his alert is over he is free again.
    await answer(database, world, other, AlertStatus.CLOSED, officer=world.prasert)
    fourth = (await raise_one(database, an_alert(world))).alert_id
    await call_step(database, notifier, await first_step(owner, fourth))
    assert rung(firebase)[2:] == ["prasert"]


async def test_a_drill_keeps_nobody_from_a_call_for_help(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    for officer, name in ((world.somkid, "somkid"), (world.prasert, "prasert")):
        await on_duty(world, officer)
        await add_phone(world, officer, name)
    drill = (await raise_one(database, an_alert(world, drill=True))).alert_id
    await answer(database, world, drill, AlertStatus.ACKNOWLEDGED, officer=world.prasert)

    await call_step(database, notifier, await first_step(owner, alert))

    assert set(rung(firebase)) == {"somkid", "prasert"}


async def test_when_all_who_are_free_turn_out_dead_the_others_are_called_in_the_same_step(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    for officer, name in ((world.somkid, "gone"), (world.prasert, "engaged")):
        await on_duty(world, officer)
        await add_phone(world, officer, name)
    other = (await raise_one(database, an_alert(world))).alert_id
    await answer(database, world, other, AlertStatus.ACKNOWLEDGED, officer=world.prasert)
    firebase.will_answer(answers.unregistered(), to="gone")

    await call_step(database, notifier, await first_step(owner, alert))

    assert rung(firebase) == ["gone", "engaged"]
    assert (await outcomes(owner, alert))[0] == "CALLED"


async def test_phones_that_would_not_be_heard_are_tried_but_the_next_step_comes_at_once(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    await on_duty(world, world.somkid)
    await silence(world, await add_phone(world, world.somkid, "silent"))
    await add_phone(world, world.prasert, "prasert")
    [first, second, *_] = await steps(owner, alert)

    await call_step(database, notifier, first)

    assert rung(firebase) == ["silent"]
    assert (await outcomes(owner, alert))[0] == "NOBODY"
    assert dict(await waiting(owner))[second] <= 0
    assert await passed_over(owner) == [{"unreachable": {str(world.somkid): "SILENT"}}]
    await call_step(database, notifier, second)
    assert rung(firebase) == ["silent", "prasert"]


async def test_a_silent_phone_is_passed_by_while_somebody_can_be_heard(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
) -> None:
    for officer, name in ((world.somkid, "silent"), (world.prasert, "prasert")):
        await on_duty(world, officer)
        await add_phone(world, officer, name)
    of_somkid = await world.change("select id from installation where address = 'silent'")
    await silence(world, of_somkid)

    await call_step(database, notifier, await first_step(owner, alert))

    assert rung(firebase) == ["prasert"]


async def test_the_zone_is_called_whether_on_duty_or_not_and_without_those_of_other_zones(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
) -> None:
    inner = await world.add_zone("Stalls", parent=world.market)
    for name, scope in (
        ("inner", inner), ("around", world.market), ("temple", world.temple), ("station", world.station),
    ):  # fmt: skip
        officer = await world.add_officer(name, scopes=[scope])
        await add_phone(world, officer, name)
    alert = (await raise_one(database, an_alert(world, scope_id=inner, zone_id=inner))).alert_id
    step = await first_step(owner, alert)
    await world.change("update sos_step set target = 'ZONE' where id = $1", step)

    await call_step(database, notifier, step)

    assert set(rung(firebase)) == {"inner", "around"}


@pytest.mark.parametrize(
    ("options", "called"),
    [
        ({"stations": 3, "withinKm": 30, "who": "BOTH"}, {"near duty", "near boss", "next duty"}),
        ({"stations": 1, "withinKm": 30, "who": "BOTH"}, {"near duty", "near boss"}),
        ({"stations": 3, "withinKm": 30, "who": "ON_DUTY"}, {"near duty", "next duty"}),
        ({"stations": 3, "withinKm": 30, "who": "SUPERVISORS"}, {"near boss"}),
        ({"stations": 3, "withinKm": 5, "who": "BOTH"}, {"near duty", "near boss"}),
    ],
)
async def test_neighbours_are_the_nearest_stations_by_what_they_look_after(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    alert: UUID,
    options: dict[str, object],
    called: set[str],
) -> None:
    # The house of the near one is far away; its zone is next door.
    near = await world.add_station("Near")
    await world.change("update station set latitude = $2 where id = $1", near, LATITUDE + 2)
    await world.add_zone("Its zone", station=near, latitude=LATITUDE + 1_000 * METRES)
    following = await world.add_station("Next")
    await world.change("update station set latitude = $2 where id = $1", following, LATITUDE + 0.1)
    far = await world.add_station("Far")
    await world.change("update station set longitude = $2 where id = $1", far, LONGITUDE + 3)
    for station, name, role, duty in (
        (near, "near duty", OfficerRole.OFFICER, True),
        (near, "near boss", OfficerRole.SUPERVISOR, False),
        (near, "near at home", OfficerRole.OFFICER, False),
        (following, "next duty", OfficerRole.OFFICER, True),
        (far, "far duty", OfficerRole.OFFICER, True),
        (world.station, "own duty", OfficerRole.OFFICER, True),
    ):
        officer = await world.add_officer(name, station=station, role=role)
        await add_phone(world, officer, name)
        if duty:
            await on_duty(world, officer)
    step = await first_step(owner, alert)
    await world.change(
        "update sos_step set target = 'NEIGHBOURS', options = $2::jsonb where id = $1",
        step,
        orjson.dumps(options).decode(),
    )

    await call_step(database, notifier, step)

    assert set(rung(firebase)) == called


async def test_of_three_alerts_and_four_officers_nobody_is_sent_to_two_and_nobody_free_is_left_out(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
) -> None:
    people = {}
    for number in range(4):
        officer = await world.add_officer(f"officer {number}", scopes=[world.market])
        await on_duty(world, officer, metres_away=10 * number)
        await add_phone(world, officer, f"officer {number}")
        people[f"officer {number}"] = officer
    taken: dict[UUID, str] = {}
    for _ in range(3):
        # Two workers run the same step, as after a lease that was lost.
        alert = (await raise_one(database, an_alert(world))).alert_id
        before = len(rung(firebase))
        step = await first_step(owner, alert)
        await asyncio.gather(
            call_step(database, notifier, step), call_step(database, notifier, step)
        )
        called = set(rung(firebase)[before:])
        assert called == people.keys() - set(taken.values())
        nearest = min(called)
        await answer(database, world, alert, AlertStatus.ACKNOWLEDGED, officer=people[nearest])
        taken[alert] = nearest

    assert list(taken.values()) == ["officer 0", "officer 1", "officer 2"]
    # A negative control: the one who is left is called for a fourth, and nobody who is taken.
    fourth = (await raise_one(database, an_alert(world))).alert_id
    before = len(rung(firebase))
    await call_step(database, notifier, await first_step(owner, fourth))
    assert rung(firebase)[before:] == ["officer 3"]
