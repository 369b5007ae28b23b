"""What the servers are asked, and when two answers are the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import count
from typing import Any

import orjson
from uuid_utils.compat import uuid7

from api.trusted import OPERATIONS, operation_id
from bench.data import DESCRIPTION, TITLES, Signed, Town

ROWS = 100
"""Rows of a push."""

PAGE = 500
"""Rows of a page of a pull."""

BYTES = 1024 * 1024
"""More than so many rows take: a page that its bytes cut short would be another for each server."""


def text_of(operation: str) -> str:
    """The text of one of the phone's operations."""
    return (OPERATIONS / f"{operation}.graphql").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Case:
    """One question: the phone's operation and its variables, the same for all servers."""

    key: str
    title: str
    operation: str
    variables: dict[str, Any]
    writes: bool = False

    @cached_property
    def text(self) -> str:
        return text_of(self.operation)

    def body(self, server: str, variables: dict[str, Any] | None = None) -> bytes:
        """The body of the request. A stock server knows no operations by their hash and is sent the text."""
        named = {"query": self.text} if server == "stock" else {"documentId": self.id}
        return orjson.dumps({**named, "variables": variables or self.variables})

    @cached_property
    def id(self) -> str:
        return operation_id(self.text)

    def fits(self, body: bytes) -> bool:
        """Whether an answer is plausible at first sight, which is all that the load looks at."""
        if self.writes:
            return body.count(b"APPLIED") == ROWS
        return len(body) > 300 and b'"errors"' not in body[:300]


def cases(town: Town, cursor: str) -> list[Case]:
    """All questions. `cursor` stands where a whole page of incidents follows."""
    return [
        Case("zones", "zones → cameras (20×10)", "ZonesWithCameras", {"zones": 20, "cameras": 10}),
        Case("page", "page of 50 incidents", "IncidentPage", {"first": 50}),
        Case("one", "one incident by id", "Incident", {"id": str(town.incident)}),
        Case(
            "pull",
            f"{PAGE}-row sync page",
            "Pull",
            {"cursor": cursor, "first": PAGE, "maxBytes": BYTES},
        ),
        Case("push", f"push of {ROWS} rows", "Push", {}, writes=True),
    ]


class Outbox:
    """A phone's lane of records: each batch goes on where the one before it ended."""

    def __init__(self, phone: Signed, zone: str) -> None:
        self.phone = phone
        self._zone = zone
        self._numbers = count(1)

    def batch(self) -> dict[str, Any]:
        """The variables of the next push."""
        return {"lane": "RECORDS", "mutations": [self._report(n) for n in self._next(ROWS)]}

    def _next(self, rows: int) -> Iterator[int]:
        return (next(self._numbers) for _ in range(rows))

    def _report(self, number: int) -> dict[str, Any]:
        at = datetime.now(UTC).isoformat()
        return {
            "sequence": number,
            "mutationId": str(uuid7()),
            "capturedAt": at,
            "change": {
                "reportIncident": {
                    "id": str(uuid7()), "category": "TRAFFIC_OBSTRUCTION", "severity": "LOW",
                    "title": TITLES[number % len(TITLES)], "description": DESCRIPTION, "zoneId": self._zone,
                    "latitude": 16.7151, "longitude": 98.5758, "accuracyM": 8.5, "occurredAt": at,
                }
            },
        }  # fmt: skip


def requests_of(
    case: Case,
    server: str,
    write: Callable[[str, bytes], bytes],
    reader: Signed,
    outboxes: list[Outbox],
) -> list[Callable[[], bytes]]:
    """For each connection, what makes its next request."""
    if not case.writes:
        ready = write(reader.token, case.body(server))
        return [lambda: ready for _ in outboxes]
    return [
        lambda outbox=outbox: write(outbox.phone.token, case.body(server, outbox.batch()))  # type: ignore[misc]
        for outbox in outboxes
    ]


_UNEQUAL = re.compile(r"(?<=X-Amz-Date=)\w+|(?<=X-Amz-Signature=)\w+")


def comparable(case: Case, answer: bytes) -> Any:
    """An answer without what differs from request to request: the time, ids that were pushed, a link's signature."""
    value = orjson.loads(_UNEQUAL.sub("*", answer.decode()))
    if case.key == "pull":
        value["data"]["pull"]["serverTime"] = "*"
    if case.writes:
        pushed = value["data"]["push"]
        first = pushed["answers"][0]["sequence"]
        pushed["appliedSequence"] -= first
        pushed["serverTime"] = pushed["receipt"] = "*"
        for one in pushed["answers"]:
            one["sequence"] -= first
            one["mutationId"] = one["rowId"] = "*"
    return value
