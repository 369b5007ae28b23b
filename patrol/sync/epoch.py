"""A new epoch tells every phone that the database's history went back, as it does when a backup is restored."""

from __future__ import annotations

from uuid_utils.compat import uuid7

from patrol.audit import audit
from patrol.errors import BadRequest
from storage.database import Connection
from storage.sync import ADD_EPOCH


async def begin_epoch(connection: Connection, reason: str) -> int:
    """Ends the current epoch: every cursor is reset with `EPOCH_ENDED` at its next pull.

    Args:
        connection: inside a transaction, as `Role.SYSTEM`.
        reason: why, for the audit log.

    Returns:
        The number of the new epoch.

    Raises:
        BadRequest: no reason was given.
    """
    if not reason.strip():
        raise BadRequest("A new epoch needs a reason.")
    number: int = await connection.fetchval(ADD_EPOCH, uuid7(), reason.strip())
    await audit(connection, "epoch.new", number, reason=reason.strip())
    return number
