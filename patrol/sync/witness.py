"""A witness outside the database: what a restore takes back with the database, the object store still remembers."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
import structlog

from storage.buckets import Bucket, ObjectStore
from storage.faults import ObjectMissing, ObjectTooLarge, StorageFault

log = structlog.get_logger(__name__)

BUCKET: Final = Bucket.DERIVED
KEY: Final = "history/witness.json"
_LONGEST: Final = 4096


@dataclass(frozen=True, slots=True)
class Witness:
    """The newest mark of the database that reached the store.

    Attributes:
        serial: the mark's number.
        token: what tells it from a mark with the same number in another history.
        epoch: the epoch's id; `number` is its number.
        xid: the transaction counter then.
        lsn: the end of the server's log then.
        at: when.
    """

    serial: int
    token: UUID
    epoch: UUID
    number: int
    xid: int
    lsn: str
    at: datetime

    def as_json(self) -> dict[str, Any]:
        """As it is stored and shown."""
        return {
            "serial": self.serial,
            "token": str(self.token),
            "epoch": str(self.epoch),
            "number": self.number,
            "xid": self.xid,
            "lsn": self.lsn,
            "at": self.at.isoformat(),
        }


def _read(told: Mapping[str, Any]) -> Witness:
    return Witness(
        int(told["serial"]),
        UUID(told["token"]),
        UUID(told["epoch"]),
        int(told["number"]),
        int(told["xid"]),
        str(told["lsn"]),
        datetime.fromisoformat(told["at"]),
    )


async def ask_witness(store: ObjectStore) -> Witness | None:
    """What the store remembers; None where it remembers nothing, or cannot be asked: that is no fault."""
    text = io.BytesIO()
    try:
        await store.get(BUCKET, KEY, text, max_bytes=_LONGEST)
        return _read(orjson.loads(text.getvalue()))
    except ObjectMissing:
        return None
    except (StorageFault, ObjectTooLarge, ValueError, KeyError, TypeError) as fault:
        log.warning("witness_not_asked", fault=type(fault).__name__)
        return None


async def tell_witness(store: ObjectStore, witness: Witness) -> bool:
    """Lets the store remember a mark that is committed; whether it does. A store that is away is told the next one."""
    try:
        await store.put_bytes(
            BUCKET, KEY, orjson.dumps(witness.as_json()), content_type="application/json"
        )
    except StorageFault as fault:
        log.warning("witness_not_told", fault=type(fault).__name__)
        return False
    return True
