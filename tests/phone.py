"""A phone in miniature: it keeps a copy by pulling and an outbox by pushing, through the contract's own operations."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
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

Part = tuple[str, str, str]
"""A subject, a scope, and the last digits of ids."""

EXPIRING = [subject.name for subject in SUBJECTS if "expires_at" in subject.table.c]
"""Lists whose rows carry `expiresAt`."""

EMPTY = (0, f"{0:016x}")

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


async def ask(door: Door, context: Context, text: str, /, **variables: Any) -> dict[str, Any]:
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

    async def pull_page(self, first: int = 500, **more: Any) -> dict[str, Any]:
        """Asks for one page and applies it in the order that the contract gives; `more` are further arguments."""
        answer = await ask(
            self.door, self.context, self.text, cursor=self.cursor, first=first, **more
        )
        assert "errors" not in answer, answer
        page = answer["data"]["pull"]
        self.apply(page, more.get("subjects"))
        return page

    def apply(self, page: dict[str, Any], subjects: list[str] | None = None) -> None:
        """Applies one page. That of a filtered pull speaks of its subjects only."""
        mine = [name for name in self.rows if subjects is None or name in subjects]
        for name in mine:
            if page["reset"] or name in page["resetSubjects"]:
                self.rows[name] = {}
            if page["revokedScopes"]:
                for key, row in list(self.rows[name].items()):
                    if row["scopeId"] in page["revokedScopes"]:
                        del self.rows[name][key]
        for gone in page["removals"]:
            self.rows[gone["subject"]].pop(gone["id"], None)
        for name in mine:
            self.rows[name].update({row["id"]: row for row in page.get(name, ())})
        self.purge(datetime.fromisoformat(page["serverTime"]))
        self.cursor = page["cursor"]
        self.pages.append(page)

    def purge(self, at: datetime) -> None:
        """Drops what has expired; a phone without signal does this by its own clock."""
        for name in EXPIRING:
            for key, row in list(self.rows[name].items()):
                expires = row.get("expiresAt")
                if expires is not None and datetime.fromisoformat(expires) <= at:
                    del self.rows[name][key]

    async def pull(self, first: int = 500, **more: Any) -> list[dict[str, Any]]:
        """Pulls until the copy is complete; returns the pages."""
        pages = [await self.pull_page(first, **more)]
        while not pages[-1]["complete"]:
            pages.append(await self.pull_page(first, **more))
        return pages

    def digest(self, subject: str, scope: str, suffix: str = "") -> tuple[int, str]:
        """What the copy adds up to: of a subject in a scope, the rows whose ids end in `suffix`."""
        found = self.held(subject, scope, suffix)
        total = 0
        for row in found:
            number = sha256(f"{row['id']}:{row['rev']}".encode()).digest()[:8]
            total = (total + int.from_bytes(number, "big")) % 2**64
        return len(found), f"{total:016x}"

    def held(self, subject: str, scope: str, suffix: str = "") -> list[dict[str, Any]]:
        """The rows of a part of the copy: their ids and revs."""
        return [
            {"id": row["id"], "rev": row["rev"]}
            for row in self.rows[subject].values()
            if row["scopeId"] == scope and row["id"].endswith(suffix)
        ]

    def differing(self, page: dict[str, Any]) -> list[Part]:
        """The parts, subject and scope, in which the copy is not what the page's digests say; none left out means none."""
        told = {
            (one["subject"], one["scopeId"]): (one["count"], one["sum"])
            for one in page["digests"]
            if not one["suffix"]
        }
        mine = {(name, row["scopeId"]) for name, rows in self.rows.items() for row in rows.values()}
        return [
            (*part, "")
            for part in sorted(mine | told.keys())
            if self.digest(*part) != told.get(part, EMPTY)
        ]

    def differing_below(self, page: dict[str, Any], parts: list[Part]) -> list[Part]:
        """Of some parts, the sixteenths in which the copy differs from the page's digests."""
        told = {
            (one["subject"], one["scopeId"], one["suffix"]): (one["count"], one["sum"])
            for one in page["digests"]
        }
        sixteenths = [
            (subject, scope, digit + suffix)
            for subject, scope, suffix in parts
            for digit in "0123456789abcdef"
        ]
        return [part for part in sixteenths if self.digest(*part) != told.get(part, EMPTY)]

    async def verify(self, **more: Any) -> list[Part]:
        """Pulls to the end and checks the copy; returns where it differs."""
        pages = await self.pull(verify=True, **more)
        return self.differing(pages[-1])

    async def repair(self, *, at_most: int = 100, **more: Any) -> int:
        """Verifies, and repairs what differs: parts of more than `at_most` rows are first looked at in sixteenths.

        Returns how many pulls it took.
        """
        pulls = 1
        left = await self.verify(**more)
        while left:
            small = [part for part in left if len(self.held(*part)) <= at_most][:5]
            large = [part for part in left if part not in small][:5]
            asked = [
                {"subject": name, "scopeId": scope, "suffix": suffix, "held": self.held(name, scope, suffix)}
                for name, scope, suffix in small
            ]  # fmt: skip
            ranges = [
                {"subject": name, "scopeId": scope, "suffix": suffix}
                for name, scope, suffix in large
            ]
            page = (await self.pull(repair=asked, ranges=ranges, **more))[-1]
            pulls += 1
            assert pulls < 200, "a repair ends"
            left = [part for part in left if part not in (*small, *large)]
            left += self.differing_below(page, large) if ranges else []
            left = left or await self.verify(**more)
        return pulls

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

    def note(self, incident: str, text: str = "Seen again", **more: Any) -> dict[str, Any]:
        """A note of an incident as the next mutation of the lane of records."""
        note = {"id": str(uuid7()), "incidentId": incident, "text": text} | more
        return self.mutation("RECORDS", {"addNote": note})

    def attach(
        self, *, incident: str | None = None, alert: str | None = None, **more: Any
    ) -> dict[str, Any]:
        """A photograph of an incident or an alert as the next mutation of its lane."""
        file = {
            "id": str(uuid7()), "kind": "PHOTO", "contentType": "image/jpeg", "sizeBytes": 81_234, "sha256": "ab" * 32,
        } | more  # fmt: skip
        if alert is not None:
            return self.mutation("SOS", {"attachAlertMedia": {"alertId": alert} | file})
        return self.mutation("RECORDS", {"attachMedia": {"incidentId": incident} | file})
