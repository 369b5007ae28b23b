"""What a mutation answers besides its own words: the rows as they stand after the commit, read by the planner alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg
import pytest
import strawberry
from uuid_utils.compat import uuid7

from patrol.errors import OperationTooCostly
from patrol.keys import KeySet
from schema.admin import admin_door
from schema.context import Context
from schema.door import Door
from schema.mutations import planned, running, short_way
from schema.planner import PlanError
from schema.scalars import config
from schema.stations import Station
from storage.database import Database
from storage.faults import DatabaseUnavailable
from storage.principal import Role
from tests.personas import as_admin
from tests.phone import Phone, ask, context
from tests.world import World

ADMIN = admin_door()

PUSH = """mutation ($mutations: [MutationInput!]!, $lane: Lane! = RECORDS) {
  push(lane: $lane, mutations: $mutations) {
    answers {
      sequence outcome
      incident { id title rev reporter { badge } }
      briefly: incident { severity }
      alert { status }
    }
  }
}"""

ADD = """mutation ($officer: AddOfficerInput!) {
  addOfficer(officer: $officer) {
    id
    officer { id name role station { id name } assignments { zone { id } } }
    refusal { code }
  }
}"""


@pytest.fixture
async def office(database: Database, world: World, keys: KeySet) -> Context:
    return context(database, await as_admin(world), keys)


@contextmanager
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements that the planner sends while this is open."""
    sent: list[str] = []
    real = asyncpg.Connection.fetch

    def fetch(self: Any, query: str, *given: Any, **more: Any) -> Any:
        if "_key" in query or "_parent" in query:
            sent.append(query)
        return real(self, query, *given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(asyncpg.Connection, "fetch", fetch)
        yield sent


async def contested(kanya: Phone, prasert: Phone, world: World, many: int) -> list[dict[str, Any]]:
    """Changes of Kanya's that meet changes of Prasert's, one of a field in conflict and one of others."""
    changes = []
    for number in range(many):
        incident = str(await world.add_incident(world.market))
        await prasert.push("RECORDS", prasert.change(incident, 1, title=f"His {number}"))
        changed = {"title": "Hers"} if number % 2 else {"severity": "HIGH"}
        changes.append(kanya.change(incident, 1, **changed))
    return changes


@pytest.mark.parametrize("way", ["short", "stock"])
async def test_a_phone_sees_what_won_without_a_pull(
    way: str, kanya: Phone, prasert: Phone, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "stock":
        monkeypatch.setattr(running, "short", lambda *_: None)
    text = PUSH + f"# {way}"  # an operation of its own, compiled anew
    merged, conflict = await contested(kanya, prasert, world, 2)
    mutations = [merged, conflict, kanya.report("New")]
    answer = await ask(kanya.door, kanya.context, text, mutations=mutations)
    assert "errors" not in answer
    first, second, third = answer["data"]["push"]["answers"]
    assert (first["outcome"], second["outcome"], third["outcome"]) == (
        "MERGED",
        "CONFLICT",
        "APPLIED",
    )
    assert first["incident"]["title"] == "His 0"
    assert first["briefly"] == {"severity": "HIGH"}
    assert first["incident"]["rev"] == 3
    assert second["incident"]["title"] == "His 1"
    assert second["incident"]["reporter"]["badge"]
    # What was stored as it was sent need not be told.
    assert (third["incident"], third["alert"], first["alert"]) == (None, None, None)
    again = await ask(kanya.door, kanya.context, text, mutations=mutations)
    assert [one["incident"] for one in again["data"]["push"]["answers"]] == [
        one["incident"] for one in (first, second, third)
    ]


async def test_the_statements_of_a_push_depend_on_its_text_and_not_on_its_answers(
    kanya: Phone, prasert: Phone, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    for many in (2, 12):
        changes = await contested(kanya, prasert, world, many)
        with statements(monkeypatch) as sent:
            answer = await ask(kanya.door, kanya.context, PUSH, mutations=changes)
        assert all(one["incident"] for one in answer["data"]["push"]["answers"])
        counts.append(len(sent))
    assert counts == [3, 3]
    with statements(monkeypatch) as sent:
        await ask(kanya.door, kanya.context, PUSH, mutations=[kanya.report()])
    assert sent == []


async def test_a_row_that_the_officer_may_not_see_is_not_shown(kanya: Phone, world: World) -> None:
    hidden = str(await world.add_incident(world.temple, title="Hidden"))
    seen = str(await world.add_incident(world.market, title="Seen"))
    gone = str(await world.add_incident(world.market, title="Gone"))
    await world.change("update incident set deleted_at = now() where id = $1", gone)
    mutations = [kanya.report(id=one) for one in (hidden, seen, gone)]
    answer = await ask(kanya.door, kanya.context, PUSH, mutations=mutations)
    answers = answer["data"]["push"]["answers"]
    assert [one["outcome"] for one in answers] == ["REJECTED"] * 3
    assert [one["incident"] and one["incident"]["title"] for one in answers] == [
        None,
        "Seen",
        None,
    ]


async def test_an_alert_that_somebody_else_closed_is_shown(kanya: Phone, world: World) -> None:
    alert = str(uuid7())
    raised = {"raiseAlert": {"id": alert, "latitude": 16.7151, "longitude": 98.5728}}
    await kanya.push("SOS", kanya.mutation("SOS", raised))
    await world.change(
        "update sos_alert set status = 'CLOSED', closed_at = now(), scope_id = $2, zone_id = $2 where id = $1",
        alert, world.market,
    )  # fmt: skip
    late = kanya.mutation("SOS", {"answerAlert": {"id": alert, "status": "ACKNOWLEDGED"}})
    answer = await ask(kanya.door, kanya.context, PUSH, mutations=[late], lane="SOS")
    [one] = answer["data"]["push"]["answers"]
    assert (one["outcome"], one["alert"]) == ("REJECTED", {"status": "CLOSED"})


async def test_an_administrator_sees_what_was_added(
    office: Context, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    officer = {
        "stationId": str(world.station), "badge": "NEW", "role": "OFFICER", "rank": "Pol. Sgt.", "name": "Mali",
        "nameTh": "มะลิ", "scopeIds": [str(world.market), str(world.temple)],
    }  # fmt: skip
    with statements(monkeypatch) as sent:
        answer = await ask(ADMIN, office, ADD, officer=officer)
    added = answer["data"]["addOfficer"]
    assert added["refusal"] is None
    assert added["officer"]["id"] == added["id"]
    assert added["officer"]["name"] == "Mali"
    assert added["officer"]["station"]["id"] == str(world.station)
    assert {one["zone"]["id"] for one in added["officer"]["assignments"]} == {
        str(world.market),
        str(world.temple),
    }
    assert len(sent) == 2  # the row, and the list below it
    with statements(monkeypatch) as sent:
        refused = await ask(ADMIN, office, ADD, officer=officer)
    assert refused["data"]["addOfficer"] == {
        "id": None,
        "officer": None,
        "refusal": {"code": "ALREADY_EXISTS"},
    }
    assert sent == []


async def test_acts_of_one_operation_each_show_the_row_as_it_stood_after_them(
    office: Context, world: World
) -> None:
    text = """mutation ($id: UUID!, $with: Boolean!) {
      off: revokeOfficer(id: $id) { officer { active } }
      on: restoreOfficer(id: $id) { officer @include(if: $with) { active } id }
    }"""
    answer = await ask(ADMIN, office, text, id=str(world.kanya), **{"with": True})
    assert answer["data"]["off"] == {"officer": {"active": False}}
    assert answer["data"]["on"] == {"officer": {"active": True}, "id": str(world.kanya)}
    answer = await ask(ADMIN, office, text, id=str(world.kanya), **{"with": False})
    assert answer["data"]["on"] == {"id": str(world.kanya)}


async def test_a_secret_is_told_also_when_the_row_cannot_be_read(
    office: Context, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def away(*_: Any) -> AsyncIterator[Any]:
        raise DatabaseUnavailable
        yield

    real = Database.enter

    def enter(self: Database, role: Role, principal: Any) -> Any:
        return away() if role is Role.ADMIN else real(self, role, principal)

    monkeypatch.setattr(Database, "enter", enter)
    answer = await ask(
        ADMIN,
        office,
        "mutation ($id: UUID!) { issueEnrolmentCode(officerId: $id) { secret officer { id } } }",
        id=str(world.kanya),
    )
    issued = answer["data"]["issueEnrolmentCode"]
    assert issued["secret"]
    assert issued["officer"] is None
    [error] = answer["errors"]
    assert error["path"] == ["issueEnrolmentCode", "officer"]
    assert error["extensions"]["code"] == "DATABASE_UNAVAILABLE"


async def test_an_answer_that_would_cost_too_much_is_refused_before_anything_is_done(
    office: Context, world: World
) -> None:
    text = """mutation ($id: UUID!, $first: Int!) { revokeOfficer(id: $id) { officer {
      sessions(first: $first) { device { sessions(first: $first) { officer { sessions(first: $first) { id } } } } }
    } } }"""
    with pytest.raises(OperationTooCostly):
        await ask(ADMIN, office, text, id=str(world.kanya), first=200)
    assert (await world.row("select active from officer where id = $1", world.kanya))["active"]
    answer = await ask(ADMIN, office, text, id=str(world.kanya), first=2)
    assert "errors" not in answer


@strawberry.type
class Query:
    nothing: int = 0


@strawberry.type
class Resolved:
    @strawberry.field
    def late(self) -> int:
        return 1


@strawberry.type
class Plain:
    nothing: int = 0


@strawberry.type
class NoRow:
    row: Plain | None = planned("nothing")


@strawberry.type
class NeverNull:
    row: Station = planned("nothing")


@pytest.mark.parametrize("answered", [Resolved, NoRow, NeverNull])
def test_an_answer_that_the_planner_would_not_give_is_found_at_start_up(answered: type) -> None:
    async def act(context: Context) -> Any:
        raise AssertionError("never called")

    act.__annotations__["return"] = answered
    mutation = strawberry.type(type("Mutation", (), {"act": short_way()(act)}))
    schema = strawberry.Schema(query=Query, mutation=mutation, config=config())
    with pytest.raises(PlanError, match=answered.__name__):
        Door.of("test", Role.PHONE, schema)
