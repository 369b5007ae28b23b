"""A phone that was revoked may still hand in what it holds: it writes into quarantine, and reads and applies nothing.

It is known by its own key, which no revocation takes from it, and by the session that it had. Staff decides about what it
handed in, as about everything in quarantine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import structlog
from uuid_utils.compat import uuid7

from patrol.audit import audit
from patrol.errors import DeviceProofInvalid, NotAllowed, SessionRevoked, TooLarge, TooMany
from patrol.identity.phone_key import PhoneKey, sha256_text
from storage.custody import CONFIRM_WIPE
from storage.database import Connection, Database
from storage.principal import system
from storage.quarantine import MEASURE_SURRENDERED, READ_REVOKED, SURRENDER
from storage.vocabulary import Lane

log = structlog.get_logger(__name__)

BATCH = 500
"""Mutations that are handed in at once, as many as one push takes."""

ROOM_ITEMS, ROOM_BYTES = 10_000, 64 * 1024 * 1024
"""What may wait in quarantine of one officer on one revoked phone: years of honest work, and an end to a stolen key."""

FULL_SECONDS = 3600
"""When a phone whose room is full should try again."""

_DOOR = system("surrender")


@dataclass(frozen=True, slots=True)
class HandedMutation:
    """A mutation as it was handed in; `payload` as a push would have kept it."""

    sequence: int
    mutation_id: UUID
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Revoked:
    """A phone that was revoked and has proven its key. `wipe`: it was reported lost and has to erase its copy."""

    session: UUID
    device: UUID
    officer: UUID
    wipe: bool


async def recognise_surrender(database: Database, session: str, batch: str, proof: str) -> Revoked:
    """The revoked phone that signed a batch.

    Raises:
        DeviceProofInvalid: there is no such session, its phone has another key, or the proof is for another batch.
        NotAllowed: the session is good.
    """
    async with database.write(_DOOR) as connection:
        row = await _read(
            connection,
            session,
            proof,
            "surrender",
            session=session,
            batch_sha256=sha256_text(batch),
        )
    if row["good"]:
        raise NotAllowed("This session is good: push instead.")
    return Revoked(row["id"], row["device_id"], row["officer_id"], row["wipe"] and not row["wiped"])


async def surrender(
    database: Database, phone: Revoked, lane: Lane, mutations: Sequence[HandedMutation]
) -> int:
    """Keeps what a revoked phone still held of a lane; what was stored or kept before is not kept again.

    Returns:
        How many are new.

    Raises:
        TooLarge: more than a batch may have.
        TooMany: as much of this officer's phone waits already as may.
    """
    if len(mutations) > BATCH:
        raise TooLarge(f"At most {BATCH} mutations are handed in at once.", limit=BATCH)
    rows = [
        {
            "id": str(uuid7()),
            "sequence": one.sequence,
            "mutation_id": str(one.mutation_id),
            "payload": one.payload,
        }
        for one in mutations
    ]
    written = orjson.dumps(rows).decode()
    async with database.write(_DOOR) as connection:
        waiting = await connection.fetchrow(MEASURE_SURRENDERED, phone.officer, phone.device)
        if (
            waiting["items"] + len(rows) > ROOM_ITEMS
            or waiting["bytes"] + len(written) > ROOM_BYTES
        ):
            raise TooMany(
                "As much of this phone waits for a person as may; try again later.",
                retryAfter=FULL_SECONDS,
            )
        added = await connection.execute(
            SURRENDER, phone.device, phone.officer, lane.value, written, SessionRevoked.code
        )
        new = int(added.split()[-1])
        if new:
            await audit(
                connection,
                "quarantine.surrender",
                phone.device,
                officer=phone.officer,
                session=phone.session,
                lane=lane.value,
                items=new,
            )
    if new and lane is Lane.SOS:
        log.warning("surrendered_call_for_help", device=str(phone.device), items=new)
    return new


async def confirm_wipe(database: Database, session: str, proof: str) -> None:
    """A lost phone says that it has erased its copy; saying it twice is no mistake.

    Raises:
        DeviceProofInvalid: see `recognise_surrender`.
        NotAllowed: nobody ordered it to.
    """
    async with database.write(_DOOR) as connection:
        row = await _read(connection, session, proof, "wiped", session=session)
        if not row["wipe"]:
            raise NotAllowed("This phone was not ordered to erase anything.")
        if not row["wiped"]:
            await connection.execute(CONFIRM_WIPE, row["device_id"])
            await audit(connection, "device.wiped", row["device_id"], session=row["id"])


async def _read(
    connection: Connection, session_text: str, proof: str, audience: str, **named: str
) -> Any:
    try:
        row = await connection.fetchrow(READ_REVOKED, UUID(session_text))
    except ValueError:
        row = None
    if row is None:
        # As for a wrong key: whether there is such a session is nobody's business.
        raise DeviceProofInvalid
    PhoneKey.of(orjson.loads(row["public_key"])).check(proof, audience, **named)
    return row
