"""A phone in miniature: it keeps a copy by pulling and an outbox by pushing, through the contract's own operations."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from api.trusted import OPERATIONS
from patrol.faults import problem_behind
from patrol.keys import KeySet
from patrol.sync.subjects import SUBJECTS
from schema.context import Change, Context
from schema.door import Door
from schema.planner import RequestErrors
from storage.database import Database
from storage.faults import StorageFault
from storage.principal import Principal
from tests.world import now

PULL = (OPERATIONS / "Pull.graphql").read_text()
PUSH = (OPERATIONS / "Push.graphql").read_text()


@dataclass
class Heard:
    """Remembers pokes instead of sending them."""

    scopes: list[UUID] = field(default_factory=list)
    alerts: list[UUID] = field(default_factory=list)

    def poke(
        self, scopes: Iterable[UUID], subjects: Iterable[str], alerts: Iterable[UUID] = ()
    ) -> None:
        self.scopes += scopes
        self.alerts += alerts

    async def changes(self, scopes: frozenset[UUID] | None) -> AsyncGenerator[Change, None]:
        raise AssertionError("nobody listens in these tests")
        yield


def context(
    database: Database, principal: Principal, keys: KeySet | None = None, **more: Any
) -> Context:
    """The context of one operation, with links that show what they would sign."""
    given: dict[str, Any] = {
        "link": lambda bucket, key: f"signed:{bucket}/{key}", "keys": keys, "live": Heard(), "store": None,
    } | more  # fmt: skip
    return Context(principal=principal, database=database, **given)


async def ask(door: Door, context: Context, text: str, **variables: Any) -> dict[str, Any]:
    """The whole answer to one operation."""
    try:
        operation = door.operations.get(text)
        return orjson.loads(await door.execute(operation, variables, context))
    except RequestErrors as refused:
        return {"errors": refused.errors}
    except StorageFault as fault:
        # As the transports tell it.
        problem = problem_behind(fault)
        assert problem is not None
        return {"errors": [{"message": problem.message, "extensions": problem.as_extensions()}]}


@dataclass
class Phone:
    """One officer's copy and outbox on one device."""

    door: Door
    context: Context
    text: str = PULL
    cursor: str | None = None
    rows: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {subject.name: {} for subject in SUBJECTS}
    )
    pages: list[dict[str, Any]] = field(default_factory=list)
    sequences: dict[str, int] = field(default_factory=dict)

    async def pull_page(self, first: int = 500) -> dict[str, Any]:
        """Asks for one page and applies it in the order that the contract gives."""
        answer = await ask(self.door, self.context, self.text, cursor=self.cursor, first=first)
        assert "errors" not in answer, answer
        page = answer["data"]["pull"]
        if page["reset"]:
            self.rows = {name: {} for name in self.rows}
        for rows in self.rows.values():
            for key in [
                key for key, row in rows.items() if row["scopeId"] in page["revokedScopes"]
            ]:
                del rows[key]
        for gone in page["removals"]:
            self.rows[gone["subject"]].pop(gone["id"], None)
        for name, rows in self.rows.items():
            rows.update({row["id"]: row for row in page.get(name, ())})
        self.cursor = page["cursor"]
        self.pages.append(page)
        return page

    async def pull(self, first: int = 500) -> list[dict[str, Any]]:
        """Pulls until the copy is complete; returns the pages."""
        pages = [await self.pull_page(first)]
        while not pages[-1]["complete"]:
            pages.append(await self.pull_page(first))
        return pages

    def mutation(self, lane: str, change: dict[str, Any], **more: Any) -> dict[str, Any]:
        """The next mutation of a lane."""
        self.sequences[lane] = self.sequences.get(lane, 0) + 1
        return {
            "sequence": self.sequences[lane],
            "mutationId": str(uuid7()),
            "capturedAt": now().isoformat(),
            "change": change,
        } | more

    async def push(self, lane: str, *mutations: dict[str, Any]) -> list[dict[str, Any]]:
        """Pushes mutations and returns their answers."""
        answer = await ask(self.door, self.context, PUSH, lane=lane, mutations=list(mutations))
        assert "errors" not in answer, answer
        return answer["data"]["push"]["answers"]

    def report(self, title: str = "A lorry blocks a lane", **more: Any) -> dict[str, Any]:
        """A new incident as the next mutation of the lane of records."""
        incident = {
            "id": str(uuid7()), "category": "TRAFFIC_OBSTRUCTION", "severity": "LOW", "title": title,
        } | more  # fmt: skip
        return self.mutation("RECORDS", {"reportIncident": incident})

    def change(self, incident: str, base_rev: int, **fields: Any) -> dict[str, Any]:
        """A change of an incident as the next mutation of the lane of records."""
        return self.mutation(
            "RECORDS", {"changeIncident": {"id": incident, "baseRev": base_rev} | fields}
        )
