"""Who looks at the map of an alert must see where its raiser and responders are, and nobody else may, nor any longer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from api.trusted import OPERATIONS
from patrol.keys import KeySet
from schema.door import Door
from storage.database import Database
from tests.personas import as_officer
from tests.phone import Phone, ask, context
from tests.world import LATITUDE, LONGITUDE, World, now

TRAIL = (OPERATIONS / "AlertTrail.graphql").read_text()
DEGREE_M = 111_000


@pytest.fixture
async def somkid(door: Door, database: Database, world: World, keys: KeySet) -> Phone:
    """The phone of the officer who patrols the temple, and does not see the market."""
    return Phone(door, context(database, await as_officer(world, world.somkid), keys))


def walk(seconds_ago: list[int], north_m: float = 0) -> list[list[Any]]:
    return [
        [
            (now() - timedelta(seconds=ago)).isoformat(),
            LATITUDE + 0.001 + north_m / DEGREE_M,
            LONGITUDE + 0.001,
            5.0,
        ]
        for ago in seconds_ago
    ]


def positions(phone: Phone, alert: str, points: list[list[Any]]) -> dict[str, Any]:
    return phone.mutation(
        "SOS",
        {"reportPositions": {"id": str(uuid7()), "alertId": alert, "points": points}},
    )


async def raised(phone: Phone) -> str:
    """An alert of a phone in the market, five minutes old."""
    alert = str(uuid7())
    when = (now() - timedelta(minutes=5)).isoformat()
    call = {"id": alert, "latitude": LATITUDE + 0.001, "longitude": LONGITUDE + 0.001}
    [answer] = await phone.push(
        "SOS", phone.mutation("SOS", {"raiseAlert": call}) | {"capturedAt": when}
    )
    assert answer["outcome"] == "APPLIED"
    return alert


async def respond(phone: Phone, alert: str, status: str) -> None:
    change = {"respondToAlert": {"id": alert, "status": status}}
    [answer] = await phone.push("SOS", phone.mutation("SOS", change))
    assert answer["outcome"] == "APPLIED", answer


async def trail(door: Door, phone: Phone, alert: str, **more: Any) -> dict[str, Any]:
    answer = await ask(door, phone.context, TRAIL, id=alert, **more)
    assert "errors" not in answer, answer
    found: dict[str, Any] = answer["data"]["alertTrail"]
    return found


async def test_the_ways_of_raiser_and_responder_are_seen_with_their_distance(
    kanya: Phone, prasert: Phone, door: Door, world: World
) -> None:
    alert = await raised(kanya)
    await kanya.push("SOS", positions(kanya, alert, walk([240, 120, 10])))
    await respond(prasert, alert, "ON_THE_WAY")
    await prasert.push("SOS", positions(prasert, alert, walk([0], north_m=300)))
    found = await trail(door, prasert, alert)
    raiser, responder = found["people"]
    assert (raiser["part"], raiser["officerId"]) == ("RAISER", str(world.kanya))
    assert raiser["distanceM"] == 0
    assert 5 < raiser["fixAgeSeconds"] < 60
    assert (responder["part"], responder["status"]) == ("RESPONDER", "ON_THE_WAY")
    assert responder["lead"] is True
    assert responder["distanceM"] == pytest.approx(300, rel=0.02)
    assert [one["officerId"] for one in found["points"]] == [str(world.kanya)] * 3 + [
        str(world.prasert)
    ]
    assert found["more"] is False
    newest = await trail(door, prasert, alert, first=2)
    assert newest["points"] == found["points"][-2:]
    assert newest["more"] is True
    later = await trail(door, prasert, alert, after=found["points"][1]["at"])
    assert later["points"] == found["points"][2:]


async def test_who_declined_and_comes_all_the_same_is_seen_on_his_way(
    kanya: Phone, prasert: Phone, door: Door
) -> None:
    alert = await raised(kanya)
    await respond(prasert, alert, "DECLINED")
    await respond(prasert, alert, "ON_THE_WAY")
    await prasert.push("SOS", positions(prasert, alert, walk([0], north_m=300)))

    found = await trail(door, prasert, alert)

    assert found["people"][1]["distanceM"] == pytest.approx(300, rel=0.02)
    assert len(found["points"]) == 1
    await respond(prasert, alert, "DECLINED")
    gone = await trail(door, prasert, alert)
    assert gone["people"][1]["distanceM"] is None


async def test_an_alert_and_its_positions_in_one_push_are_both_stored(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    alert = str(uuid7())
    answers = await kanya.push(
        "SOS",
        kanya.mutation("SOS", {"raiseAlert": {"id": alert}}),
        positions(kanya, alert, walk([5, 4])),
        positions(kanya, alert, walk([3])),
    )
    assert [one["outcome"] for one in answers] == ["APPLIED"] * 3
    assert [one["detail"].get("stored") for one in answers] == [None, 2, 1]
    assert await owner.fetchval("select count(*) from track_point") == 3


async def test_what_also_comes_as_a_track_is_stored_once(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    alert = await raised(kanya)
    points = walk([30, 20])
    await kanya.push("SOS", positions(kanya, alert, points))
    track = {"recordTrack": {"id": str(uuid7()), "points": points}}
    [answer] = await kanya.push("TRACKS", kanya.mutation("TRACKS", track))
    assert answer["detail"]["known"] == 2
    assert await owner.fetchval("select count(*) from track_point") == 2


async def test_only_what_lies_within_the_alert_belongs_to_it(
    kanya: Phone, prasert: Phone, door: Door, owner: asyncpg.Connection
) -> None:
    before = {"recordTrack": {"id": str(uuid7()), "points": walk([3600])}}
    await kanya.push("TRACKS", kanya.mutation("TRACKS", before))
    alert = await raised(kanya)
    await kanya.push("SOS", positions(kanya, alert, walk([60])))
    # The way of a responder begins when he answered.
    earlier = {"recordTrack": {"id": str(uuid7()), "points": walk([200])}}
    await prasert.push("TRACKS", prasert.mutation("TRACKS", earlier))
    await respond(prasert, alert, "ACKNOWLEDGED")
    found = await trail(door, prasert, alert)
    assert await owner.fetchval("select count(*) from track_point") == 3
    assert [UUID(one["officerId"]) for one in found["points"]] == [
        UUID(found["people"][0]["officerId"])
    ]


async def test_who_does_not_see_the_alert_sees_no_way_and_adds_none(
    kanya: Phone, somkid: Phone, door: Door, owner: asyncpg.Connection
) -> None:
    alert = await raised(kanya)
    await kanya.push("SOS", positions(kanya, alert, walk([60])))
    answer = await ask(door, somkid.context, TRAIL, id=alert)
    assert answer == {"data": {"alertTrail": None}}
    [refused] = await somkid.push("SOS", positions(somkid, alert, walk([1])))
    assert (refused["outcome"], refused["code"]) == ("REJECTED", "NOT_FOUND")
    assert await owner.fetchval("select count(*) from track_point") == 1


async def test_after_the_end_only_who_leads_the_station_sees_the_ways(
    kanya: Phone, prasert: Phone, door: Door, owner: asyncpg.Connection
) -> None:
    alert = await raised(kanya)
    await kanya.push("SOS", positions(kanya, alert, walk([60])))
    assert len((await trail(door, kanya, alert))["points"]) == 1
    await owner.execute(
        "update sos_alert set status = 'CANCELLED', closed_at = now() where id = $1", UUID(alert)
    )
    assert (await trail(door, kanya, alert))["people"] == []
    assert (await trail(door, kanya, alert))["points"] == []
    found = await trail(door, prasert, alert)
    assert len(found["points"]) == 1
    # Where somebody is now is nobody's business any more.
    assert found["people"][0]["latitude"] is None
    # What comes late is added, as it was within the alert.
    [late] = await kanya.push("SOS", positions(kanya, alert, walk([30])))
    assert late["detail"]["stored"] == 1
    assert len((await trail(door, prasert, alert))["points"]) == 2
    assert datetime.fromisoformat(found["serverTime"]) > now() - timedelta(minutes=1)


async def test_a_page_without_points_is_refused(kanya: Phone, door: Door) -> None:
    alert = await raised(kanya)
    for first in (0, 1001):
        answer = await ask(door, kanya.context, TRAIL, id=alert, first=first)
        assert answer["errors"][0]["extensions"]["code"] == "PAGE_SIZE_INVALID"
