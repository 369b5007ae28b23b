"""What the tests of the rules share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import pytest

from api.fake_firebase import FakeFirebase
from api.push import FirebaseNotifier
from patrol.identity import AccessTokens
from patrol.keys import KeySet
from storage.database import Database
from tests.patrol.identity_support import SignIn
from tests.patrol.sos import an_alert, raise_one
from tests.world import World


@pytest.fixture
def sign_in(world: World, keys: KeySet) -> SignIn:
    """The sign-in of this test's own station."""
    return SignIn(world, AccessTokens(keys))


@pytest.fixture
def firebase() -> Iterator[FakeFirebase]:
    with FakeFirebase() as server:
        yield server


@pytest.fixture
async def notifier(firebase: FakeFirebase) -> AsyncIterator[FirebaseNotifier]:
    """One message at a time, so that the order on the wire is the order of calling."""
    made = FirebaseNotifier(firebase.service_account(), endpoint=firebase.url, window=1)
    yield made
    await made.close()


@pytest.fixture
async def alert(database: Database, world: World) -> UUID:
    """Kanya has raised an alert in the market."""
    return (await raise_one(database, an_alert(world))).alert_id
