"""What the tests of the doors share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from patrol.keys import KeySet
from storage.buckets import ObjectStore
from storage.database import Database
from tests.api.signin_support import Desk, client_of
from tests.world import World


@pytest.fixture
async def desk(
    database: Database, keys: KeySet, store: ObjectStore, world: World
) -> AsyncIterator[Desk]:
    """The sign-in of this test's own database."""
    async with client_of(database, keys, store) as client:
        yield Desk(client, world, keys)
