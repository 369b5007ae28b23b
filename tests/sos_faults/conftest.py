"""The scene of the fault matrix."""

from __future__ import annotations

from collections.abc import Iterator

import asyncpg
import pytest

from api.fake_firebase import FakeFirebase
from storage.database import Database
from tests.listeners import Listener, webhook
from tests.sos_faults.scene import Scene
from tests.world import World


@pytest.fixture
def firebase() -> Iterator[FakeFirebase]:
    with FakeFirebase() as server:
        yield server


@pytest.fixture
def hook() -> Iterator[Listener]:
    with webhook() as listener:
        yield listener


@pytest.fixture
async def scene(
    login_url: str,
    database: Database,
    world: World,
    owner: asyncpg.Connection,
    firebase: FakeFirebase,
    hook: Listener,
) -> Scene:
    """A station ready to be called."""
    made = Scene(login_url, database, world, owner, firebase, hook)
    await made.prepare()
    return made
