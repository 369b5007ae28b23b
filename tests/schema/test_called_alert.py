"""Whoever was called to an alert sees and answers it, wherever it is; it is no part of his copy and leaves him again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from api.trusted import OPERATIONS
from patrol.keys import KeySet
from schema.door import Door
from storage.database import Database
from tests.patrol.sos import an_alert, raise_one
from tests.personas import as_officer
from tests.phone import Phone, ask, context
from tests.world import World, now

pytestmark = pytest.mark.oldest

CALLED = (OPERATIONS / "CalledAlert.graphql").read_text()
OPEN = (OPERATIONS / "OpenAlerts.graphql").read_text()


@pytest.fixture
async def guest(door: Door, database: Database, world: World, keys: KeySet) -> Phone:
    """The phone of an officer of a neighbouring station."""
    station = await world.add_station("Phop Phra")
    officer = await world.add_officer("Wichai", station=station, scopes=[station])
    return Phone(door, context(database, await as_officer(world, officer), keys))


async def seen(phone: Phone, alert: UUID) -> dict[str, Any] | None:
    answer = await ask(phone.door, phone.context, CALLED, id=str(alert))
    assert "errors" not in answer, answer
    found: dict[str, Any] | None = answer["data"]["calledAlert"]
    return found


def responded(phone: Phone, alert: UUID, status: str) -> dict[str, Any]:
    return phone.mutation("SOS", {"respondToAlert": {"id": str(alert), "status": status}})


def reported(phone: Phone, alert: UUID, step: UUID) -> dict[str, Any]:
    told = {"id": str(alert), "stepId": str(step), "state": "DISPLAYED"}
    return phone.mutation("SOS", {"reportCall": told})


async def call(world: World, phone: Phone, alert: UUID) -> UUID:
    """Writes down that a step called the phone's officer; gives the step."""
    step = await world.store(
        "sos_step", alert_id=alert, scope_id=world.market, number=9, target="STATION", due_at=now()
    )
    session = phone.context.principal.credential_id
    installation = await world.store(
        "installation", session_id=session, kind="FID", address=str(session)
    )
    await world.store(
        "sos_recipient", alert_id=alert, step_id=step, scope_id=world.market, outcome="ACCEPTED",
        officer_id=phone.context.principal.id, installation_id=installation, attempted_at=now(),
    )  # fmt: skip
    return step


async def test_an_officer_sees_and_answers_what_he_was_called_for_until_it_is_over(
    guest: Phone, kanya: Phone, database: Database, world: World, owner: asyncpg.Connection
) -> None:
    alert = (await raise_one(database, an_alert(world))).alert_id
    assert await seen(guest, alert) is None  # before he is called it is not there for him
    step = await call(world, guest, alert)

    found = await seen(guest, alert)
    assert found is not None
    assert (found["status"], found["raiser"]["name"]) == ("OPEN", "Kanya")
    answers = await guest.push(
        "SOS",
        reported(guest, alert, step),
        responded(guest, alert, "ON_THE_WAY"),
    )
    assert [one["outcome"] for one in answers] == ["APPLIED", "APPLIED"], answers

    found = await seen(guest, alert)
    assert found is not None
    [response] = found["responses"]
    assert (response["status"], response["lead"]) == ("ON_THE_WAY", True)
    # The alert's own people see who comes, by name and also without signal; his copy has nothing of it.
    shown = await seen(kanya, alert)
    assert shown is not None
    assert shown["responses"][0]["officer"]["name"] == "Wichai"
    await kanya.pull()
    assert [row["status"] for row in kanya.rows["responses"].values()] == ["ON_THE_WAY"]
    await guest.pull()
    assert not guest.rows["alerts"]
    assert not guest.rows["responses"]
    answer = await ask(guest.door, guest.context, OPEN)
    assert answer["data"]["alerts"]["nodes"] == []

    await owner.execute("update sos_alert set status = 'CLOSED', closed_at = now()")
    assert await seen(guest, alert) is not None
    await owner.execute("update sos_alert set closed_at = now() - interval '25 hours'")
    assert await seen(guest, alert) is None


async def test_who_was_not_called_sees_nothing_of_it_and_cannot_tell_that_it_is_there(
    guest: Phone, database: Database, world: World
) -> None:
    alert = (await raise_one(database, an_alert(world))).alert_id
    step = await world.row("select id from sos_step limit 1")

    answers = await guest.push(
        "SOS",
        responded(guest, alert, "ACKNOWLEDGED"),
        responded(guest, world.market, "ACKNOWLEDGED"),
        reported(guest, alert, step["id"]),
    )

    assert [(one["outcome"], one["code"]) for one in answers] == [("REJECTED", "NOT_FOUND")] * 3
    assert await seen(guest, alert) is None
