"""A partner at its door."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schema.partner import partner_door
from storage.database import Database
from storage.principal import Principal
from tests.phone import ask, context
from tests.world import World

DOOR = partner_door()

INCIDENTS = """query ($zone: UUID, $first: Int! = 50, $after: String, $since: DateTime) {
    incidents(zoneId: $zone, first: $first, after: $after, since: $since) {
        ... on Refusal { code message whatToDo }
        ... on IncidentConnection {
            totalCount nodes { id title description latitude longitude detail } edges { cursor }
            pageInfo { hasNextPage endCursor } } } }"""


@dataclass(repr=False)
class Asked:
    """The radio's door, with helpers for one list."""

    world: World
    database: Database
    principal: Principal

    async def incidents(self, **variables: Any) -> dict[str, Any]:
        answer = await ask(DOOR, context(self.database, self.principal), INCIDENTS, **variables)
        assert "errors" not in answer, answer
        listed: dict[str, Any] = answer["data"]["incidents"]
        return listed
