"""The text of the code that hangs on a pole, for those who print it: it is signed, so the installation's secret is needed."""

from __future__ import annotations

from uuid import UUID

from api.settings import Settings
from storage.database import Connection


async def help_code(connection: Connection, settings: Settings, post_id: UUID) -> str:
    """What stands behind `/help/` in the address; the same until the code is issued anew. Asks as the system.

    Raises:
        SecretWrong: the signing keys were wrapped with another secret.
    """
    # Imported late: a start that has nothing to make needs none of it.
    from api.secret import installation_secret
    from patrol.keys import load
    from patrol.sos.citizen_codes import sign_post_code
    from storage.post_health import READ_QR_POST

    known = await load(connection, installation_secret(settings))
    row = await connection.fetchrow(READ_QR_POST, post_id)
    assert row is not None  # who asks has just read the post
    return sign_post_code(known.current, post_id, row["qr_version"])
