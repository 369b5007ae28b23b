"""A silent alarm calls everybody but betrays nobody: not by the raiser's phone, whoever else is signed in on it."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import pytest

from api.fake_firebase import FakeFirebase
from api.push import FirebaseNotifier
from patrol.sos.calling import call_step
from storage.database import Database
from tests import personas
from tests.patrol.sos import an_alert, on_duty, raise_one, rung, steps
from tests.world import World


async def phone_on(world: World, officer: UUID, device: UUID, address: str) -> None:
    signed_in = await personas.as_officer(world, officer, device=device)
    await world.store(
        "installation", session_id=signed_in.credential_id, kind="FID", address=address
    )


@pytest.mark.parametrize("silent", [True, False])
async def test_a_silent_alarm_shows_on_no_phone_that_raised_it_and_makes_no_sound(
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    notifier: FirebaseNotifier,
    silent: bool,
) -> None:
    shared, other = await world.add_device(), await world.add_device()
    near = await world.add_officer("Near", scopes=[world.market])
    for officer, device, address in (
        (world.kanya, shared, "kanya's"),
        (near, shared, "shared"),
        (world.somkid, other, "somkid's"),
    ):
        await phone_on(world, officer, device, address)
        await on_duty(world, officer, metres_away=100)
    alert = an_alert(world, silent=silent, device_id=shared)
    await raise_one(database, alert)
    first, *_ = await steps(owner, alert.id)

    await call_step(database, notifier, first)

    assert set(rung(firebase)) == ({"somkid's"} if silent else {"somkid's", "shared"})
    [message] = [one for one in firebase.messages if one.address == "somkid's"]
    assert message.data.get("silent") == ("true" if silent else None)
