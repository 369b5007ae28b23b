"""A filled station, and what a naive reader says of it."""

from __future__ import annotations

import asyncpg

from schema.context import Context
from schema.phone import phone_door
from schema.planner.limits import Limits
from tests.schema.reference import Reference
from tests.world import World

# What has no limit in the reference has none here; the limit has tests of its own.
UNLIMITED = 10**12
DOOR = phone_door(limits=Limits(values=UNLIMITED))

NOWHERE = "00000000-0000-7000-8000-000000000000"
"""The id of nothing."""


class Station:
    """A filled station that all tests of this module only read, or add to where they say so."""

    def __init__(
        self, world: World, context: Context, owner: asyncpg.Connection, reference: Reference
    ) -> None:
        self.world = world
        self.context = context
        self.owner = owner
        self.reference = reference
