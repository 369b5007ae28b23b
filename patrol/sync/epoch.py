"""A new epoch tells every phone that the database's history went back, as it does when a backup is restored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
import structlog
from uuid_utils.compat import uuid7

from patrol.audit import audit
from patrol.errors import BadRequest
from storage.database import Connection, Database
from storage.history import EPOCH_LOCK, LOCK_HISTORY, RESTAMP, EpochCause
from storage.principal import Role, system
from storage.sync import ADD_EPOCH, READ_EPOCH

log = structlog.get_logger(__name__)

RESTAMP_SECONDS = 3600.0
"""Stamping anew takes about 15 µs a row; it must not be cut off by the patience of ordinary statements."""

REASONS: Mapping[EpochCause, str] = {
    EpochCause.SYSTEM: "the database runs in another cluster than before",
    EpochCause.TIMELINE: "the server was promoted, or recovered to a point in time",
    EpochCause.DATABASE: "the database is another one than before",
    EpochCause.TABLE: "the tables were made anew by a restore",
    EpochCause.COUNTER: "the transaction counter went back",
    EpochCause.LOG: "the server's log went back",
    EpochCause.STAMPS: "rows carry stamps that this server has yet to reach",
    EpochCause.WITNESS: "the witness in the object store has seen later history",
    EpochCause.CURSOR: "a phone's cursor has seen later history",
    EpochCause.RECEIPT: "a phone holds a receipt for what is not stored",
}


async def begin_epoch(
    connection: Connection,
    reason: str,
    *,
    cause: EpochCause = EpochCause.BY_HAND,
    evidence: Mapping[str, Any] | None = None,
    above: int = 0,
) -> int:
    """Ends the current epoch: every cursor is reset with `EPOCH_ENDED` at its next pull.

    Rows whose stamp the server's transaction counter has yet to reach, as after a restore into a younger cluster, would
    be hidden from every phone until it does: they are stamped anew, without a new version.

    Args:
        connection: inside a transaction, as `Role.SYSTEM`.
        reason: why, for the audit log.
        cause: what showed it.
        evidence: what was compared, for the audit log.
        above: the highest number of an epoch that is known from outside.

    Returns:
        The number of the new epoch.

    Raises:
        BadRequest: no reason was given.
    """
    if not reason.strip():
        raise BadRequest("A new epoch needs a reason.")
    await connection.execute(LOCK_HISTORY, EPOCH_LOCK)
    shown = dict(evidence or {})
    number: int = await connection.fetchval(
        ADD_EPOCH,
        uuid7(),
        reason.strip(),
        cause.value,
        orjson.dumps(shown, default=str).decode(),
        above,
    )
    restamped = await connection.fetchval(RESTAMP, timeout=RESTAMP_SECONDS)
    told: dict[str, Any] = {"reason": reason.strip()}
    if cause is not EpochCause.BY_HAND:
        told |= {"cause": cause.value, "evidence": shown}
    if restamped:
        told["restamped"] = restamped
    await audit(connection, "epoch.new", number, **told)
    log.warning("epoch_begins", number=number, cause=cause.value, restamped=restamped)
    return number


async def begin_epoch_after(
    database: Database, epoch: UUID, cause: EpochCause, *, evidence: Mapping[str, Any]
) -> int | None:
    """Begins a new epoch unless somebody has ended `epoch` already; its number, or None."""
    async with database.write(system("history"), Role.SYSTEM) as connection:
        await connection.execute(LOCK_HISTORY, EPOCH_LOCK)
        if await connection.fetchval(READ_EPOCH) != epoch:
            return None
        return await begin_epoch(connection, REASONS[cause], cause=cause, evidence=evidence)
