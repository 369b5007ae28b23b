"""How many statements a push sends does not depend on how many changes it brings, whatever kind they are of.

Calls for help are the exception: each has steps and jobs of its own, and a phone rarely has two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from storage.alerts import INSERT_ALERTS
from storage.zones import READ_STATION_ZONES_VERSION
from tests.phone import Phone
from tests.schema.test_patrols import HERE, THERE, duty, moved, started
from tests.schema.test_tracks import counting
from tests.world import World, now

Change = Callable[[Phone, World, int], dict[str, Any]]


def alert(phone: Phone, _: World, number: int) -> dict[str, Any]:
    place = (HERE, THERE, {})[number % 3]
    return phone.mutation("SOS", {"raiseAlert": {"id": str(uuid7()), "drill": True} | place})


def start(phone: Phone, _: World, number: int) -> dict[str, Any]:
    return started(phone, **(HERE, THERE, {})[number % 3])


def scan(phone: Phone, _: World, number: int) -> dict[str, Any]:
    place = (HERE, THERE, {})[number % 3]
    return phone.mutation(
        "RECORDS", {"checkIn": {"id": str(uuid7()), "content": "no code of ours"} | place}
    )


def on_and_off(phone: Phone, _: World, number: int) -> dict[str, Any]:
    return duty(phone, number % 2 == 0)


def walked(phone: Phone, _: World, number: int) -> dict[str, Any]:
    point = [now().isoformat(), 16.71, 98.57, 5.0, None, None, number % 100]
    return phone.mutation("TRACKS", {"recordTrack": {"id": str(uuid7()), "points": [point]}})


def report(phone: Phone, _: World, number: int) -> dict[str, Any]:
    place: dict[str, Any] = dict((HERE, THERE, {})[number % 3])
    return phone.report(**place)


def unreadable(phone: Phone, _: World, number: int) -> dict[str, Any]:
    return phone.report(category=f"WORD_{number}")


KINDS: dict[str, tuple[str, Change]] = {
    "startPatrol": ("RECORDS", start),
    "checkIn": ("RECORDS", scan),
    "changeDuty": ("RECORDS", on_and_off),
    "recordTrack": ("TRACKS", walked),
    "reportIncident": ("RECORDS", report),
    "what nobody can read": ("RECORDS", unreadable),
}


async def sent(phone: Phone, lane: str, changes: list[dict[str, Any]]) -> list[str]:
    with counting() as statements:
        answers = await phone.push(lane, *changes)
    assert {one["outcome"] for one in answers} <= {"APPLIED", "REJECTED"}
    return list(statements)


@pytest.mark.parametrize("kind", KINDS)
async def test_forty_take_as_many_statements_as_three(
    kind: str, kanya: Phone, world: World
) -> None:
    lane, make = KINDS[kind]
    # The outlines of the zones are read once by each process.
    await kanya.push(lane, *(make(kanya, world, number) for number in range(3)))
    few = await sent(kanya, lane, [make(kanya, world, number) for number in range(3)])
    many = await sent(kanya, lane, [make(kanya, world, number) for number in range(40)])
    assert len(many) <= len(few), sorted(set(many), key=many.count)[-3:]


async def test_the_zones_of_many_calls_for_help_are_looked_up_at_once(
    kanya: Phone, world: World
) -> None:
    await kanya.push("SOS", alert(kanya, world, 0))
    few = await sent(kanya, "SOS", [alert(kanya, world, number) for number in range(3)])
    many = await sent(kanya, "SOS", [alert(kanya, world, number) for number in range(12)])
    for table in (READ_STATION_ZONES_VERSION, INSERT_ALERTS):
        assert many.count(table) == few.count(table) == 1


async def test_changes_of_many_rows_take_as_many_statements_as_of_few(
    kanya: Phone, world: World
) -> None:
    patrols = [started(kanya) for _ in range(43)]
    incidents = [str(await world.add_incident(world.market)) for _ in range(43)]
    await kanya.push("RECORDS", *patrols)
    ids = [one["change"]["startPatrol"]["id"] for one in patrols]
    ways: dict[str, tuple[str, Callable[[int], dict[str, Any]]]] = {
        "changePatrol": ("RECORDS", lambda at: moved(kanya, ids[at], "PAUSED")),
        "addNote": ("RECORDS", lambda at: kanya.note(incidents[at])),
        "changeIncident": ("RECORDS", lambda at: kanya.change(incidents[at], 1, title="seen")),
        "attachMedia": ("RECORDS", lambda at: kanya.attach(incident=incidents[at])),
    }
    for kind, (lane, make) in ways.items():
        few = await sent(kanya, lane, [make(at) for at in range(3)])
        many = await sent(kanya, lane, [make(at) for at in range(3, 43)])
        assert len(many) == len(few), (kind, sorted(set(many), key=many.count)[-3:])
