"""Until when acknowledged work is in a backup, so that phones know what they must still keep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from uuid_utils.compat import uuid7

from patrol.audit import audit
from patrol.errors import BadRequest
from storage.database import Connection
from storage.history import NOTE_BACKUP

MARGIN: Final = timedelta(minutes=1)
"""Taken off what is noted. A phone is told the time of an answer by one clock and the backup's beginning is read from
another, and a transaction may commit up to 30 seconds after its clock was read; a minute covers both."""


async def note_backup(connection: Connection, until: datetime, note: str = "") -> datetime:
    """Notes that everything committed before `until`, the beginning of a backup that is safe now, survives a restore.

    The newest note counts, so that a backup that turns out to be bad can be taken back by noting the one before.

    Args:
        connection: inside a transaction.
        until: aware; when the backup began, never when it ended.

    Returns:
        What phones are told: `until` less a minute, because clocks differ.

    Raises:
        BadRequest: the time has no zone, or is yet to come.
    """
    if until.tzinfo is None:
        raise BadRequest("The time needs a zone, such as 2026-11-24T02:00:00+07:00.")
    if until > datetime.now(UTC) + MARGIN:
        raise BadRequest("A backup cannot hold what is yet to come.")
    through: datetime = await connection.fetchval(
        NOTE_BACKUP, uuid7(), until.astimezone(UTC) - MARGIN, note
    )
    await audit(connection, "backup.note", through.isoformat(), until=until.isoformat(), note=note)
    return through
