"""A partner agency: a program that polls `/partner/graphql` with its API key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from mobile_contracts.reference import Away, Refused, data_of
from mobile_contracts.reference.line import AWAY

PAGE = 100

FIELDS = {
    "zones": "id code kind name nameTh boundary areaKm2 updatedAt",
    "cameras": "id zoneId code kind name nameTh detail latitude longitude pictureTakenAt picture320 picture960 updatedAt",
    "incidents": "id zoneId category severity status detail title description latitude longitude occurredAt updatedAt",
}
"""Everything that the contract lets a partner ask for, by subject."""

OWN = "{ organisation { code sector agreements { subjects detail delaySeconds zoneIds } } }"


def _query(subject: str, arguments: str = "") -> str:
    connection = f"{subject[:-1].capitalize()}Connection"
    return (
        f"query Rows($after: String) {{ rows: {subject}(first: {PAGE}, after: $after{arguments}) {{ __typename "
        f"... on {connection} {{ nodes {{ {FIELDS[subject]} }} pageInfo {{ hasNextPage endCursor }} }} "
        "... on Refusal { code message } } }"
    )


@dataclass
class Partner:
    """One organisation. `seen` holds the rows of its last poll by subject, `refused` the code where there were none."""

    client: httpx.AsyncClient
    code: str
    name: str
    sector: str
    key: str = field(repr=False)
    seen: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    polls: int = 0
    away: int = 0
    failed: list[str] = field(default_factory=list)

    async def poll(self) -> None:
        """Reads everything that is granted, page by page."""
        try:
            for subject in FIELDS:
                await self._read(subject)
            self.polls += 1
        except (httpx.TransportError, Away):
            self.away += 1
        except Refused as refused:
            self.failed.append(str(refused))

    async def asks_for_foreign_zone(self) -> str | None:
        """The code by which cameras of a zone that nobody granted are refused; None if they are not."""
        answer = await self._ask(_query("cameras", f', zoneId: "{uuid4()}"'))
        return str(answer["rows"].get("code")) if "code" in answer["rows"] else None

    async def own(self) -> dict[str, Any]:
        """The organisation as it sees itself, with its agreements."""
        own: dict[str, Any] = (await self._ask(OWN))["organisation"]
        return own

    async def _read(self, subject: str) -> None:
        rows: dict[str, dict[str, Any]] = {}
        after = None
        while True:
            page = (await self._ask(_query(subject), after=after))["rows"]
            if page["__typename"] == "Refusal":
                self.refused[subject] = page["code"]
                self.seen.pop(subject, None)
                return
            self.twice += [row["id"] for row in page["nodes"] if row["id"] in rows]
            rows.update({row["id"]: row for row in page["nodes"]})
            if not page["pageInfo"]["hasNextPage"]:
                break
            after = page["pageInfo"]["endCursor"]
        self.seen[subject] = rows
        self.refused.pop(subject, None)

    async def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        response = await self.client.post(
            "/partner/graphql",
            json={"query": query, "variables": variables},
            headers={"authorization": f"Bearer {self.key}"},
        )
        if response.status_code in AWAY:
            raise Away(f"the server answered {response.status_code}")
        answer = response.json()
        if "error" in answer:
            raise Refused(answer["error"]["code"], answer["error"]["message"], response.status_code)
        return data_of(answer)
