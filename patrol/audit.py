"""The audit entry beside each privileged act, in the same transaction, so that neither exists without the other."""

from __future__ import annotations

from typing import Any

import orjson

from storage.admins import APPEND_AUDIT
from storage.database import Connection


async def audit(connection: Connection, act: str, subject: object, **detail: Any) -> None:
    """Writes down that the connection's principal did `act` (such as `partner.add`) to `subject` (an id or code).

    `detail` holds what a reader needs to judge the act: never a key, a code or a position.
    """
    await connection.execute(
        APPEND_AUDIT, act, str(subject), orjson.dumps(detail, default=str).decode()
    )
