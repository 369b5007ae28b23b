"""Who listens to a scope hears what changed there, and no alarm of another scope that came in the same request."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from patrol.keys import KeySet
from schema.admin import admin_door
from schema.context import Change, Context
from storage.database import Database
from tests.personas import as_admin
from tests.phone import Phone, ask, context
from tests.world import World

NOBODY = "01890000-0000-7000-8000-000000000000"


class Pokes:
    """Remembers each poke as it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[set[UUID], list[str], list[UUID]]] = []

    def poke(
        self, scopes: Iterable[UUID], subjects: Iterable[str], alerts: Iterable[UUID] = ()
    ) -> None:
        self.told.append((set(scopes), list(subjects), list(alerts)))

    async def changes(self, scopes: frozenset[UUID]) -> AsyncGenerator[Change, None]:
        raise AssertionError("nobody listens in these tests")
        yield


async def test_an_alarm_is_told_to_its_own_scope_also_where_one_push_brings_two(
    kanya: Phone, prasert: Phone, world: World
) -> None:
    """As one whose signal comes back: he answers a call for help in one place and calls for help in another."""
    hers = kanya.mutation(
        "SOS", {"raiseAlert": {"id": str(uuid7()), "latitude": 16.7131, "longitude": 98.5708}}
    )
    await kanya.push("SOS", hers)
    pokes = Pokes()
    prasert.context = replace(prasert.context, live=pokes)
    ids = [str(uuid7()), hers["change"]["raiseAlert"]["id"]]
    raised = prasert.mutation("SOS", {"raiseAlert": {"id": ids[0]}})
    answered = prasert.mutation("SOS", {"answerAlert": {"id": ids[1], "status": "ACKNOWLEDGED"}})
    answers = await prasert.push("SOS", raised, answered)
    assert [one["outcome"] for one in answers] == ["APPLIED"] * 2
    assert pokes.told == [
        ({world.station}, ["alerts"], [UUID(ids[0])]),
        ({world.market}, ["alerts"], [UUID(ids[1])]),
    ]


ADD = """mutation ($it: AddCheckpointInput!) {
  it: addCheckpoint(checkpoint: $it) { id refusal { code } } }"""
ACT = "mutation ($id: UUID!) {{ it: {}(id: $id) {{ id refusal {{ code }} }} }}"


async def test_what_becomes_of_a_checkpoint_is_told_where_it_hangs(
    database: Database, world: World, keys: KeySet, owner: asyncpg.Connection
) -> None:
    pokes, door = Pokes(), admin_door()
    admin: Context = context(database, await as_admin(world), keys, live=pokes)

    async def act(text: str, **given: Any) -> Any:
        pokes.told.clear()
        answer = await ask(door, admin, text, **given)
        assert "errors" not in answer, answer
        return answer["data"]["it"]

    point = {"stationId": str(world.station), "code": "K1", "name": "Gate", "nameTh": "ประตู"}
    place = {"latitude": 16.7131, "longitude": 98.5708}
    added = await act(ADD, it=point | place)
    scope = await owner.fetchval("select scope_id from checkpoint")
    assert pokes.told == [({scope}, ["checkpoints"], [])]
    for name in ("reissueCheckpointCode", "retireCheckpoint", "restoreCheckpoint"):
        assert (await act(ACT.format(name), id=added["id"]))["refusal"] is None
        assert pokes.told == [({scope}, ["checkpoints"], [])], name
    # The negative control: what was refused changes nothing.
    assert (await act(ADD, it=point | place))["refusal"]["code"] == "ALREADY_EXISTS"
    assert pokes.told == []
    assert (await act(ACT.format("retireCheckpoint"), id=NOBODY))["refusal"]["code"] == "NOT_FOUND"
    assert pokes.told == []
