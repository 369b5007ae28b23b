"""The push of the floor: the statements of the product in its order and its transactions, around plain dictionaries.

It knows only fresh reports of incidents that name their zone. A test compares its statements with the product's.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from patrol.keys import KeySet
from patrol.sync import receipts
from patrol.sync.push import CHUNK
from storage.database import Connection
from storage.incidents import INSERT_INCIDENTS
from storage.principal import Principal
from storage.sync import ADVANCE_LANE, LOCK_LANE, READ_AUTHOR, READ_OUTCOMES, STORE_OUTCOMES
from storage.vocabulary import Lane
from storage.zones import OWN_ZONES

Enter = Callable[[Principal, str], AbstractAsyncContextManager[tuple[Connection, list[UUID]]]]


async def push(
    enter: Enter, keys: KeySet, principal: Principal, lane: str, mutations: list[dict[str, Any]]
) -> dict[str, Any]:
    """What the contract's `push` answers."""
    answers: list[dict[str, Any]] = []
    holder = (principal.device_id, principal.id, lane)
    for start in range(0, len(mutations), CHUNK):
        chunk = mutations[start : start + CHUNK]
        last = chunk[-1]["sequence"]
        async with enter(principal, "patrol_writer") as (connection, _), connection.transaction():
            state = await connection.fetchrow(LOCK_LANE, *holder)
            known = await connection.fetch(
                READ_OUTCOMES, *holder,
                [one["sequence"] for one in chunk], [UUID(one["mutationId"]) for one in chunk],
            )  # fmt: skip
            assert not known
            assert chunk[0]["sequence"] == state["applied_sequence"] + 1
            author = await connection.fetchrow(READ_AUTHOR, principal.id)
            reports = [one["change"]["reportIncident"] for one in chunk]
            async with connection.transaction():
                named = list({UUID(one["zoneId"]) for one in reports})
                own = await connection.fetch(OWN_ZONES, author["station_id"], named)
                assert len(own) == len(named)
                rows = _rows(principal, str(author["station_id"]), chunk)
                added = await connection.fetch(INSERT_INCIDENTS, orjson.dumps(rows).decode())
                assert len(added) == len(chunk)
            outcomes = [
                {"sequence": one["sequence"], "mutation_id": one["mutationId"], "content_sha256": _digest(one),
                 "outcome": "APPLIED", "code": None, "row_id": row["id"], "rev": 1, "detail": {}}
                for one, row in zip(chunk, rows, strict=True)
            ]  # fmt: skip
            await connection.execute(STORE_OUTCOMES, *holder, orjson.dumps(outcomes).decode())
            await connection.execute(ADVANCE_LANE, *holder, last, state["current_epoch"])
        answers += [
            {"sequence": one["sequence"], "mutationId": one["mutation_id"], "outcome": "APPLIED",
             "rowId": one["row_id"], "rev": 1, "code": None, "first": None, "expected": None, "detail": {},
             "reason": None, "reasonTh": None}
            for one in outcomes
        ]  # fmt: skip
    now, epoch = datetime.now(UTC), state["current_epoch"]
    device, officer = principal.device_id, principal.id
    assert device is not None
    assert isinstance(officer, UUID)
    receipt = receipts.sign(receipts.Receipt(device, officer, Lane(lane), last, now, epoch), keys)
    return {
        "appliedSequence": last,
        "epoch": str(epoch),
        "durableThrough": state["durable_through"],
        "serverTime": now,
        "receipt": receipt,
        "answers": answers,
    }


def _rows(principal: Principal, station: str, chunk: list[dict[str, Any]]) -> list[dict[str, Any]]:
    now, officer, device = datetime.now(UTC), str(principal.id), str(principal.device_id)
    return [
        {"id": one["id"], "scope_id": one["zoneId"], "station_id": station, "zone_id": one["zoneId"],
         "category": one["category"], "severity": one["severity"], "status": "OPEN", "title": one["title"],
         "description": one["description"], "latitude": one["latitude"], "longitude": one["longitude"],
         "accuracy_m": one["accuracyM"], "occurred_at": one["occurredAt"], "captured_at_raw": at,
         "received_at": now, "time_suspect": False, "reported_by": officer, "device_id": device}
        for mutation in chunk
        for one, at in [(mutation["change"]["reportIncident"], mutation["capturedAt"])]
    ]  # fmt: skip


def _digest(mutation: dict[str, Any]) -> str:
    """What tells a repeat from a reused number: a hash of the content without its number."""
    content = {"capturedAt": mutation["capturedAt"], "change": mutation["change"]}
    return sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
