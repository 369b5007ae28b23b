"""The administrator's desk of the demo: `/admin/graphql` with a token, as any administrator would use it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

import httpx

from mobile_contracts.reference import Away, Refused, data_of
from mobile_contracts.reference.line import AWAY
from patrol import mae_sot

PAGE = 200

TRIES = 8
PAUSE = 0.2

PLACES = """
query Places($first: Int!) {
  stations(first: $first) { nodes { id code latitude longitude } }
  zones(first: $first) { nodes { id code kind name } }
  cameras(first: $first) { nodes { id code name kind zone { code } } }
  posts(first: $first) { nodes { id code name camera { id code name } } }
  officers(first: $first) { nodes { id badge rank name role station { code } } }
  organisations(first: 50) { nodes { id code name sector agreements(first: 20) { subjects detail delaySeconds revokedAt zones { id } } } }
}
"""

CODE = "mutation Code($officer: UUID!) { issued: issueEnrolmentCode(officerId: $officer) { secret refusal { code message } } }"
API_KEY = """
mutation Key($partner: UUID!) {
  issued: issueApiKey(organisationId: $partner, label: "demo") { secret refusal { code message } }
}
"""
DEVICE_KEY = """
mutation Key($camera: UUID, $post: UUID) {
  issued: issueDeviceKey(cameraId: $camera, postId: $post) { secret refusal { code message } }
}
"""


class NotTheDemo(Exception):
    """The installation holds other stations than the demonstration's, which the demo must not touch."""


@dataclass(frozen=True)
class Places:
    """What the administrator sees of the demonstration station; every list as the contract gives it."""

    station: dict[str, Any]
    zones: list[dict[str, Any]]
    cameras: list[dict[str, Any]]
    posts: list[dict[str, Any]]
    officers: dict[str, dict[str, Any]]
    organisations: list[dict[str, Any]]

    def officer_id(self, badge: str) -> str:
        """The id of an officer."""
        return str(self.officers[badge]["id"])


class Office:
    """An administrator with a token."""

    def __init__(self, address: str, token: str) -> None:
        self._client = httpx.AsyncClient(
            base_url=address,
            headers={"authorization": f"Bearer {token}"},
            timeout=30,
            trust_env=False,
        )

    async def close(self) -> None:
        """Ends the connections."""
        await self._client.aclose()

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Runs an operation. Each of the demo's may be repeated, so it is, while the server does not answer.

        Raises:
            Away: it did not for long.
            Refused: the token is not good, or the operation was refused.
        """
        for attempt in range(TRIES):
            with contextlib.suppress(Away, httpx.TransportError):
                return await self._ask({"query": query, "variables": variables})
            await asyncio.sleep(PAUSE * 2**attempt)
        raise Away("the administrator's door does not answer")

    async def _ask(self, body: dict[str, Any]) -> dict[str, Any]:
        response = await self._client.post("/admin/graphql", json=body)
        if response.status_code in AWAY:
            raise Away(f"the server answered {response.status_code}")
        answer = response.json()
        if "error" in answer:
            told = answer["error"]
            raise Refused(told["code"], told["message"], response.status_code)
        return data_of(answer)

    async def every(self, root: str, fields: str) -> list[dict[str, Any]]:
        """All rows of a list, page by page."""
        query = (
            f"query Every($after: String) {{ rows: {root}(first: {PAGE}, after: $after) "
            f"{{ nodes {{ {fields} }} pageInfo {{ hasNextPage endCursor }} }} }}"
        )
        rows: list[dict[str, Any]] = []
        after = None
        while True:
            page = (await self.ask(query, after=after))["rows"]
            rows += page["nodes"]
            if not page["pageInfo"]["hasNextPage"]:
                return rows
            after = page["pageInfo"]["endCursor"]

    async def places(self) -> Places:
        """The demonstration station with its people and things.

        Raises:
            NotTheDemo: there are other stations as well, or no demonstration station.
        """
        found = {name: part["nodes"] for name, part in (await self.ask(PLACES, first=PAGE)).items()}
        codes = [station["code"] for station in found["stations"]]
        if codes != [mae_sot.STATION.code]:
            raise NotTheDemo(
                "The demo writes invented incidents and alarms, so it only runs where the demonstration station "
                f"{mae_sot.STATION.code} stands alone; here are: {', '.join(codes) or 'none'}."
            )
        return Places(
            found["stations"][0],
            found["zones"],
            found["cameras"],
            found["posts"],
            {officer["badge"]: officer for officer in found["officers"]},
            found["organisations"],
        )

    async def enrolment_code(self, officer_id: str) -> str:
        """A new one-time code."""
        return await self._issued(CODE, officer=officer_id)

    async def partner_key(self, organisation_id: str) -> str:
        """A new API key."""
        return await self._issued(API_KEY, partner=organisation_id)

    async def camera_key(self, camera_id: str) -> str:
        """A new key of a camera."""
        return await self._issued(DEVICE_KEY, camera=camera_id)

    async def post_key(self, post_id: str) -> str:
        """A new key of an SOS pole."""
        return await self._issued(DEVICE_KEY, post=post_id)

    async def _issued(self, mutation: str, **variables: str) -> str:
        issued = (await self.ask(mutation, **variables))["issued"]
        if issued["refusal"] is not None:
            raise Refused(issued["refusal"]["code"], issued["refusal"]["message"], 200)
        return str(issued["secret"])
