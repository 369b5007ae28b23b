"""What belongs to an incident or an alert must be known before its bytes arrive, and stay beside what it belongs to."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from tests.phone import Phone, ask
from tests.schema.test_push import outcomes
from tests.world import World

pytestmark = pytest.mark.oldest


def a_call(kanya: Phone) -> dict[str, Any]:
    """A call for help from the market."""
    alert = {"id": str(uuid7()), "latitude": 16.7151, "longitude": 98.5728}
    return kanya.mutation("SOS", {"raiseAlert": alert})


async def test_a_file_is_declared_and_comes_back_without_any_link(
    kanya: Phone, world: World
) -> None:
    incident = str(await world.add_incident(world.market))
    [answer] = await kanya.push(
        "RECORDS",
        kanya.attach(
            incident=incident,
            sha256="AB" * 32,
            contentType="Image/JPEG",
            takenAt="2567-02-29T08:00:00+07:00",
        ),
    )
    assert (answer["outcome"], answer["rev"]) == ("APPLIED", 1)
    await kanya.pull()
    row = kanya.rows["media"][answer["rowId"]]
    assert (row["state"], row["kind"], row["contentType"]) == ("DECLARED", "PHOTO", "image/jpeg")
    assert (row["sha256"], row["sizeBytes"]) == ("ab" * 32, 81_234)
    assert row["takenAt"] == "2024-02-29T01:00:00Z"
    assert row["attachedBy"] == str(world.kanya)
    assert (row["incidentId"], row["alertId"]) == (incident, None)
    answered = await ask(kanya.door, kanya.context, "{ pull { media { id url320 url960 } } }")
    assert answered["data"]["pull"]["media"] == [
        {"id": answer["rowId"], "url320": None, "url960": None}
    ]


async def test_a_file_that_becomes_ready_is_sent_again(kanya: Phone, world: World) -> None:
    incident = str(await world.add_incident(world.market))
    [answer] = await kanya.push("RECORDS", kanya.attach(incident=incident))
    await kanya.pull()
    await world.change(
        "update media set state = 'READY', thumb_320_key = 'k/320' where id = $1", answer["rowId"]
    )
    [row] = (await kanya.pull_page())["media"]
    assert (row["state"], row["rev"]) == ("READY", 2)
    answered = await ask(kanya.door, kanya.context, "{ pull { media { url320 url960 } } }")
    assert answered["data"]["pull"]["media"] == [{"url320": "signed:derived/k/320", "url960": None}]


async def test_a_call_and_its_recording_stand_in_one_batch_of_the_first_lane(
    kanya: Phone, world: World
) -> None:
    call = a_call(kanya)
    alert = call["change"]["raiseAlert"]["id"]
    file = kanya.attach(alert=alert, kind="AUDIO", contentType="audio/mp4")
    assert outcomes(await kanya.push("SOS", call, file)) == ["APPLIED"] * 2
    await kanya.pull()
    [row] = kanya.rows["media"].values()
    assert (row["alertId"], row["incidentId"], row["scopeId"]) == (alert, None, str(world.market))


async def test_a_file_in_the_lane_of_its_parents_kind_only(kanya: Phone, world: World) -> None:
    incident = str(await world.add_incident(world.market))
    [answer] = await kanya.push("SOS", kanya.attach(incident=incident))
    assert (answer["outcome"], answer["code"]) == ("REJECTED", "VARIABLE_INVALID")
    assert answer["detail"]["lane"] == "RECORDS"


@pytest.mark.parametrize(
    ("odd", "field"),
    [
        ({"sha256": "ab"}, "sha256"),
        ({"sha256": "zz" * 32}, "sha256"),
        ({"sizeBytes": 0}, "sizeBytes"),
        ({"contentType": "jpeg"}, "contentType"),
        ({"contentType": "image/jpeg; charset=x"}, "contentType"),
    ],
)
async def test_a_file_that_is_not_described_is_answered_and_kept(
    odd: dict[str, Any], field: str, kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    incident = str(await world.add_incident(world.market))
    answers = await kanya.push(
        "RECORDS", kanya.attach(incident=incident, **odd), kanya.attach(incident=incident)
    )
    assert outcomes(answers) == ["REJECTED", "APPLIED"]
    assert (answers[0]["code"], answers[0]["detail"]) == ("RECORD_INVALID", {"field": field})
    assert await owner.fetchval("select count(*) from quarantine") == 1


@pytest.mark.parametrize(("zone", "code"), [("temple", "NOT_IN_SCOPE"), (None, "NOT_FOUND")])
async def test_a_file_of_what_one_may_not_write_to_is_answered_and_kept(
    zone: str | None, code: str, kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    hidden = await world.add_incident(world.temple, world.somkid) if zone else uuid7()
    [answer] = await kanya.push("RECORDS", kanya.attach(incident=str(hidden)))
    assert (answer["outcome"], answer["code"]) == ("REJECTED", code)
    [answer] = await kanya.push("SOS", kanya.attach(alert=str(uuid7())))
    assert answer["code"] == "NOT_FOUND"
    assert await owner.fetchval("select count(*) from quarantine") == 2


async def test_a_file_that_is_declared_twice_is_one(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    incident = str(await world.add_incident(world.market))
    key = str(uuid7())
    answers = await kanya.push(
        "RECORDS",
        kanya.attach(incident=incident, id=key),
        kanya.attach(incident=incident, id=key),
        kanya.attach(incident=incident, id=key, sizeBytes=5),
    )
    assert outcomes(answers) == ["APPLIED", "APPLIED", "REJECTED"]
    assert answers[2]["code"] == "ALREADY_EXISTS"
    assert await owner.fetchval("select count(*) from media") == 1


async def test_steps_come_with_their_alert_and_again_when_they_are_done(
    kanya: Phone, world: World
) -> None:
    call = a_call(kanya)
    alert = call["change"]["raiseAlert"]["id"]
    await kanya.push("SOS", call)
    await kanya.pull()
    steps = sorted(kanya.rows["steps"].values(), key=lambda row: row["number"])
    assert [(row["number"], row["target"], row["outcome"]) for row in steps] == [
        (1, "ON_DUTY", None), (2, "STATION", None), (3, "SUPERVISORS", None), (4, "NEIGHBOURS", None),
        (5, "CHANNELS", None),
    ]  # fmt: skip
    assert {row["alertId"] for row in steps} == {alert}
    await world.change(
        "update sos_step set done_at = now(), outcome = 'NOBODY' where id = $1", steps[0]["id"]
    )
    page = await kanya.pull_page()
    assert [(row["id"], row["outcome"], row["rev"]) for row in page["steps"]] == [
        (steps[0]["id"], "NOBODY", 2)
    ]


async def test_steps_media_and_the_ledger_go_with_their_alert(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    call = a_call(kanya)
    alert = call["change"]["raiseAlert"]["id"]
    file = kanya.attach(alert=alert)
    await kanya.push("SOS", call, file)
    await kanya.pull()
    await world.change(
        "update sos_alert set scope_id = $2, zone_id = $2 where id = $1", alert, world.temple
    )
    page = await kanya.pull_page()
    gone = [(one["subject"], one["reason"]) for one in page["removals"]]
    assert sorted(gone) == [
        ("alerts", "LEFT_SCOPE"), ("media", "LEFT_SCOPE"), *[("steps", "LEFT_SCOPE")] * 5,
    ]  # fmt: skip
    assert not kanya.rows["steps"]
    # She raised it, so she may still show what there was.
    [answer] = await kanya.push("SOS", kanya.attach(alert=alert))
    assert answer["outcome"] == "APPLIED"
    scopes = await owner.fetch("select scope_id from media union select scope_id from sos_step")
    assert [row["scope_id"] for row in scopes] == [world.temple]
