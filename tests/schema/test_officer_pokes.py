"""What administrators change about officers and phones reaches live phones at once, after the commit and only then."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from schema.admin import admin_door
from schema.context import Context
from schema.door import Door
from storage.database import Database
from tests.personas import as_admin, as_officer
from tests.phone import Heard, ask, context
from tests.world import World


@pytest.fixture(scope="module")
def office() -> Door:
    return admin_door()


@pytest.fixture
async def admin(database: Database, world: World) -> Context:
    return context(database, await as_admin(world))


def heard(admin: Context) -> list[UUID]:
    assert isinstance(admin.live, Heard)
    return admin.live.scopes


async def act(office: Door, admin: Context, declared: str, call: str, **given: Any) -> Any:
    answer = await ask(
        office, admin, f"mutation({declared}) {{ it: {call} {{ id refusal {{ code }} }} }}", **given
    )
    assert "errors" not in answer, answer
    return answer["data"]["it"]


@pytest.fixture
async def staff(world: World, owner: asyncpg.Connection) -> UUID:
    found: UUID = await owner.fetchval("select access.staff_scope($1)", world.station)
    return found


async def test_an_assignment_pokes_the_officer_and_his_colleagues(
    office: Door, admin: Context, world: World, staff: UUID, database: Database
) -> None:
    await act(
        office, admin, "$id: UUID!, $to: [UUID!]!", "assignOfficer(id: $id, scopeIds: $to)",
        id=str(world.kanya), to=[str(world.temple)],
    )  # fmt: skip
    assert set(heard(admin)) == {staff}
    # It is a scope that the officer's own subscription listens to.
    principal = await as_officer(world, world.kanya)
    async with database.write(principal) as connection:
        rows = await connection.fetch("select access.officer_scopes($1) as id", world.kanya)
    assert staff in {row["id"] for row in rows}


@pytest.mark.parametrize("call", ["revokeOfficer(id: $id)", "revokeDevice(id: $id)", "revokeSession(id: $id)", "reportDeviceLost(id: $id, reason: \"x\")"])  # fmt: skip
async def test_who_is_taken_off_is_poked_and_so_are_his_colleagues(
    call: str, office: Door, admin: Context, world: World, staff: UUID
) -> None:
    principal = await as_officer(world, world.kanya)
    about = {"revokeO": world.kanya, "revokeD": principal.device_id, "reportD": principal.device_id}
    subject = about.get(call[:7], principal.credential_id)
    done = await act(office, admin, "$id: UUID!", call, id=str(subject))
    assert done["refusal"] is None
    assert set(heard(admin)) == {staff}
    if call.startswith("revokeOfficer"):
        admin.live.scopes.clear()  # type: ignore[attr-defined] # it remembers
        await act(office, admin, "$id: UUID!", "restoreOfficer(id: $id)", id=str(world.kanya))
        assert set(heard(admin)) == {staff}


async def test_a_new_officer_is_told_to_colleagues(
    office: Door, admin: Context, world: World, staff: UUID
) -> None:
    given = {"stationId": str(world.station), "badge": "9001", "role": "OFFICER", "rank": "", "name": "N", "nameTh": "น", "scopeIds": []}  # fmt: skip
    await act(
        office, admin, "$officer: AddOfficerInput!", "addOfficer(officer: $officer)", officer=given
    )
    assert set(heard(admin)) == {staff}


async def test_what_was_refused_pokes_nobody(office: Door, admin: Context, world: World) -> None:
    """The negative control."""
    nobody = "01890000-0000-7000-8000-000000000000"
    done = await act(office, admin, "$id: UUID!", "revokeOfficer(id: $id)", id=nobody)
    assert done["refusal"]["code"] == "NOT_FOUND"
    done = await act(
        office, admin, "$id: UUID!, $to: [UUID!]!", "assignOfficer(id: $id, scopeIds: $to)",
        id=str(world.kanya), to=[nobody],
    )  # fmt: skip
    assert done["refusal"]["code"] == "NOT_FOUND"
    assert heard(admin) == []
