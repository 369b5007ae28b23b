"""Ends sessions, by their officer or from above; the database refuses an ended one at its very next statement."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from patrol.audit import audit
from patrol.errors import NotFound
from storage.database import Connection, Database
from storage.devices import REVOKE_DEVICE, REVOKE_SESSIONS
from storage.faults import PrincipalRevoked
from storage.officers import OFF_DUTY_UNLESS_SIGNED_IN
from storage.principal import Principal, PrincipalKind


class EndReason(StrEnum):
    """Why a session ended; kept with it."""

    SIGNED_OUT = "SIGNED_OUT"
    REPLACED = "REPLACED"
    REVOKED = "REVOKED"
    DEVICE_REVOKED = "DEVICE_REVOKED"
    OFFICER_REVOKED = "OFFICER_REVOKED"
    REUSED = "REFRESH_TOKEN_REUSED"


async def end_sessions(
    connection: Connection,
    reason: EndReason,
    *,
    session_id: UUID | None = None,
    device_id: UUID | None = None,
    officer_id: UUID | None = None,
    but: UUID | None = None,
) -> list[UUID]:
    """Ends the sessions that all given ids describe, silences their pushes, and takes officers without a phone off duty.

    Returns:
        The sessions that ended now.
    """
    by, which = next(
        (name, value)
        for name, value in (
            ("session", session_id),
            ("device", device_id),
            ("officer", officer_id),
        )
        if value is not None
    )
    ended = await connection.fetch(REVOKE_SESSIONS, reason.value, by, which, officer_id, but)
    officers = [row["officer_id"] for row in ended]
    await connection.execute(OFF_DUTY_UNLESS_SIGNED_IN, officers)
    return [row["id"] for row in ended]


async def sign_out(database: Database, officer: Principal) -> None:
    """Ends the session that the officer asks with. One that has ended already stays ended; unsent work stays on the
    phone, and the officers beside him on it stay signed in.
    """
    if officer.kind is not PrincipalKind.OFFICER:
        raise ValueError("only an officer's session can be signed out")
    try:
        async with database.write(officer) as connection:
            await end_sessions(connection, EndReason.SIGNED_OUT, session_id=officer.credential_id)
            await audit(connection, "session.sign_out", officer.credential_id)
    except PrincipalRevoked:
        return  # the answer to the first sign-out was lost


async def revoke_session(connection: Connection, session_id: UUID) -> None:
    """Ends one session at once.

    Raises:
        NotFound: there is no such session, or it has ended.
    """
    if not await end_sessions(connection, EndReason.REVOKED, session_id=session_id):
        raise NotFound("There is no such session, or it has ended.")
    await audit(connection, "session.revoke", session_id)


async def revoke_device(connection: Connection, device_id: UUID) -> None:
    """Ends all sessions on a phone and never lets it enrol again, as after a theft.

    Raises:
        NotFound: there is no such phone, or it was revoked.
    """
    if await connection.fetchval(REVOKE_DEVICE, device_id) is None:
        raise NotFound("There is no such phone, or it was revoked already.")
    ended = await end_sessions(connection, EndReason.DEVICE_REVOKED, device_id=device_id)
    await audit(connection, "device.revoke", device_id, sessions=ended)


async def revoke_officer_sessions(connection: Connection, officer_id: UUID) -> list[UUID]:
    """Signs an officer out everywhere. Taking the officer off (`active`) is another act; it refuses them as well."""
    ended = await end_sessions(connection, EndReason.OFFICER_REVOKED, officer_id=officer_id)
    await audit(connection, "officer.sign_out_everywhere", officer_id, sessions=ended)
    return ended
