"""A stuck button is muted by who leads the station, for a reason and a time, and by nobody else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncpg

from api.trusted import OPERATIONS
from patrol.keys import KeySet
from schema.admin import admin_door
from storage.database import Database
from tests.personas import as_admin
from tests.phone import Phone, ask, context
from tests.world import World, now

MUTE = (OPERATIONS / "MutePost.graphql").read_text()
UNMUTE = (OPERATIONS / "UnmutePost.graphql").read_text()


async def told(phone: Phone, text: str, name: str, **variables: Any) -> Any:
    answer = await ask(phone.door, phone.context, text, **variables)
    assert "errors" not in answer, answer
    return answer["data"][name]


async def test_a_supervisor_mutes_and_unmutes_a_post_of_the_station(
    prasert: Phone, kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    post = str(world.post)
    mute = {"id": post, "reason": "Stuck", "until": (now() + timedelta(hours=1)).isoformat()}

    refused = await told(kanya, MUTE, "mutePost", **mute)
    muted = await told(prasert, MUTE, "mutePost", **mute)
    too_long = mute | {"until": (now() + timedelta(days=8)).isoformat()}
    wrong = await told(prasert, MUTE, "mutePost", **too_long)

    assert refused["refusal"]["code"] == "NOT_ALLOWED"
    assert muted == {"id": post, "refusal": None}
    assert wrong["refusal"]["code"] == "VARIABLE_INVALID"
    stored = await owner.fetchrow("select * from sos_post_mute")
    assert (stored["reason"], stored["ended_at"]) == ("Stuck", None)
    assert stored["muted_by"] == f"officer:{world.prasert}"

    assert (await told(prasert, UNMUTE, "unmutePost", id=post))["refusal"] is None
    again = await told(prasert, UNMUTE, "unmutePost", id=post)
    assert again["refusal"]["code"] == "NOT_FOUND"
    await world.change("update sos_post set station_id = $1", await world.add_station("Tak"))
    foreign = await told(prasert, MUTE, "mutePost", **mute)
    assert foreign["refusal"]["code"] == "NOT_FOUND"


async def test_an_administrator_serves_tests_and_mutes_posts(
    database: Database, world: World, keys: KeySet, owner: asyncpg.Connection
) -> None:
    admin = Phone(admin_door(), context(database, await as_admin(world), keys))
    post = str(world.post)
    soon = (now() + timedelta(hours=1)).isoformat()
    acts = {
        "setPost(id: $id, getAllowed: true, heartbeatSeconds: 30)": "post { setting { getAllowed } }",
        'issuePostPassword(postId: $id, password: "4711-SOS")': "deviceKey { kind prefix }",
        "issuePostLink(postId: $id, action: ALARM)": "deviceKey { kind action }",
        f'mutePost(id: $id, reason: "Stuck", until: "{soon}")': "post { mutes { reason } }",
        "unmutePost(id: $id)": "post { mutes { endedBy } }",
        "armPostTest(id: $id)": "post { setting { testArmedUntil } }",
        "testPost(id: $id)": "alertId",
        "reissuePostCode(id: $id)": "post { events { kind } setting { qrVersion } }",
    }
    for act, shown in acts.items():
        text = f"mutation($id: UUID!) {{ done: {act} {{ {shown} refusal {{ code message }} }} }}"
        done = await told(admin, text, "done", id=post)
        assert done["refusal"] is None, (act, done)

    assert done["post"]["setting"] == {"qrVersion": 2}
    kinds = {event["kind"] for event in done["post"]["events"]}
    assert kinds == {"SETTING_CHANGED", "MUTED", "UNMUTED", "TEST_ARMED", "TESTED"}
    assert await owner.fetchval("select drill from sos_alert")
    logged = await owner.fetch("select act from audit_entry where subject = $1", post)
    assert {row["act"] for row in logged} >= {"post.muted", "post.test", "post.code.reissue"}
