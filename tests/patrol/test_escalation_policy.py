"""A station's policy decides whom its alerts reach, is refused when it could leave somebody without help, and never changes for an alert that is raised already."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from patrol.errors import AlreadyExists, NotFound, PolicyInvalid
from patrol.sos.policies import policy_in_force, set_policy, versions
from patrol.sos.policy import BUILT_IN, read_policy, stored_policy
from storage.database import Database
from storage.principal import system
from storage.vocabulary import AlertStatus, OfficerRole
from tests.patrol.sos import an_alert, answer, raise_one
from tests.world import World

SHORT: dict[str, Any] = {
    "steps": [{"target": "ZONE", "after": 0}, {"target": "STATION", "after": 20}],
    "onTheWayWithin": 45,
}


async def put(database: Database, world: World, document: Any, **more: Any) -> int:
    async with database.write(system("test")) as connection:
        stored = await set_policy(connection, world.station, document, by="test", **more)
    return stored.version


async def targets(owner: asyncpg.Connection, alert: Any) -> list[tuple[str, float]]:
    rows = await owner.fetch(
        "select target, extract(epoch from due_at - received_at)::float8 as after "
        "from sos_step step join sos_alert alert on alert.id = alert_id where alert_id = $1 order by number",
        alert,
    )
    return [(row["target"], row["after"]) for row in rows]


def test_a_policy_survives_being_written_and_read() -> None:
    assert read_policy(BUILT_IN.document()) == BUILT_IN
    assert stored_policy(BUILT_IN.document()) == BUILT_IN
    assert read_policy(SHORT).document()["onTheWayWithin"] == 45
    # What an earlier release has stored without a word of today still means what it meant.
    assert stored_policy({"steps": BUILT_IN.document()["steps"]}) == BUILT_IN


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "JSON object"),
        ({"steps": []}, "calls nobody"),
        ({"steps": "STATION"}, "calls nobody"),
        ({"steps": [{"target": "STATION", "after": 5}]}, "at 0 seconds"),
        (
            {"steps": [{"target": "STATION", "after": 0}, {"target": "ZONE", "after": 60},
                       {"target": "SUPERVISORS", "after": 30}]},
            "Step 3 is due before the step in front of it",
        ),
        ({"steps": [{"target": "ON_DUTY", "after": 0}]}, "reaches nobody"),
        ({"steps": [{"target": "CHANNELS", "after": 0}, {"target": "STATION", "after": 0}]}, "calls phones"),
        ({"steps": [{"target": "MAYOR", "after": 0}]}, "`target` is one of"),
        ({"steps": [{"target": ["STATION"], "after": 0}]}, "`target` is one of"),
        ({"steps": [{"target": "STATION", "after": -1}]}, "`after`"),
        ({"steps": [{"target": "STATION", "after": True}]}, "`after`"),
        ({"steps": [{"target": "STATION", "after": 0, "who": "BOTH"}]}, "not known for STATION"),
        ({"steps": [{"target": "NEIGHBOURS", "after": 0, "stations": 99}]}, "`stations`"),
        (SHORT | {"answerWithin": 1}, "`answerWithin` is a whole number from 15"),
        (SHORT | {"ringTone": "loud"}, "`ringTone` is not known"),
        ({"steps": [{"target": "STATION", "after": 0}] * 21}, "at most 20 steps"),
    ],
)  # fmt: skip
def test_a_policy_that_could_leave_somebody_without_help_is_refused_with_the_reason(
    document: Any, says: str
) -> None:
    with pytest.raises(PolicyInvalid) as refused:
        read_policy(document)
    assert any(says in mistake for mistake in refused.value.extra["mistakes"])


async def test_an_alert_keeps_the_policy_that_it_was_raised_under(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    before = (await raise_one(database, an_alert(world))).alert_id
    assert await put(database, world, SHORT, reason="small station") == 1
    under = (await raise_one(database, an_alert(world))).alert_id
    assert await put(database, world, {"steps": [{"target": "STATION", "after": 0}]}) == 2

    for alert in (before, under):
        await answer(database, world, alert, AlertStatus.ACKNOWLEDGED, officer=world.prasert)
        await answer(database, world, alert, AlertStatus.OPEN, officer=world.prasert)

    built_in = [(step.target.value, step.after.total_seconds()) for step in BUILT_IN.steps]
    assert (await targets(owner, before))[:5] == built_in
    assert [target for target, _ in (await targets(owner, before))[5:]] == [
        target for target, _ in built_in
    ]
    assert [target for target, _ in await targets(owner, under)] == ["ZONE", "STATION"] * 2
    numbers = await owner.fetch("select policy_version from sos_alert order by received_at")
    assert [row["policy_version"] for row in numbers] == [None, 1]


async def test_every_version_stays_and_the_same_policy_makes_no_new_one(
    database: Database, world: World, owner: asyncpg.Connection
) -> None:
    assert await put(database, world, SHORT, reason="first") == 1
    assert await put(database, world, SHORT, reason="again") == 1
    assert await put(database, world, BUILT_IN.document(), base_version=1) == 2
    with pytest.raises(AlreadyExists, match="Version 2"):
        await put(database, world, SHORT, base_version=1)

    async with database.write(system("test")) as connection:
        found = await versions(connection, world.station)
        assert [(one.version, one.reason) for one in found] == [(2, ""), (1, "first")]
        assert (await policy_in_force(connection, world.station, 1)).policy == read_policy(SHORT)
        assert (await policy_in_force(connection, world.station, 0)).policy == BUILT_IN
        with pytest.raises(NotFound):
            await policy_in_force(connection, world.station, 7)
    for change in ("update escalation_policy set reason = 'x'", "delete from escalation_policy"):
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await owner.execute(change)
    acts = await owner.fetch("select act from audit_entry where act like 'escalation%'")
    assert len(acts) == 2


async def test_two_who_set_it_at_once_make_two_versions(database: Database, world: World) -> None:
    made = await asyncio.gather(
        put(database, world, SHORT), put(database, world, SHORT | {"againAfter": 60})
    )
    assert sorted(made) == [1, 2]


async def test_a_policy_that_reaches_nobody_of_this_station_is_refused(
    database: Database, world: World
) -> None:
    only_supervisors = {"steps": [{"target": "SUPERVISORS", "after": 0}]}
    await world.change("update officer set active = false where id = $1", world.prasert)
    with pytest.raises(PolicyInvalid, match="no active supervisor"):
        await put(database, world, only_supervisors)
    assert await put(database, world, SHORT) == 1
    await world.add_officer("Anong", role=OfficerRole.SUPERVISOR)
    assert await put(database, world, only_supervisors) == 2
    empty = await world.add_station("Tak")
    async with database.write(system("test")) as connection:
        with pytest.raises(PolicyInvalid, match="no active officer"):
            await set_policy(connection, empty, SHORT, by="test")
