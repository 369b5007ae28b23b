"""One-time enrolment codes, by which a supervisor turns a phone into an officer's phone."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from urllib.parse import urlencode
from uuid import UUID

from uuid_utils.compat import uuid7

from patrol.audit import audit
from patrol.errors import EnrolmentCodeInvalid, NotAllowed, NotFound
from storage.database import Connection, Database
from storage.devices import INSERT_CODE
from storage.officers import READ_RANK, READ_STATION_OF
from storage.principal import Principal, PrincipalKind
from storage.vocabulary import OfficerRole

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that is taken for a digit, none that makes a word."""

LENGTH = 10
"""Fifty bits: enough for a code that is good once, for a short time, behind a limit of attempts."""

TIME_TO_LIVE = timedelta(hours=1)

_MISREAD = str.maketrans("OIL", "011", " -\t\r\n")


@dataclass(frozen=True, slots=True)
class IssuedCode:
    """A new code. Only its SHA-256 is kept, so this is the one time that it can be shown."""

    id: UUID
    officer_id: UUID
    code: str = field(repr=False)
    expires_at: datetime

    def qr_payload(self, server: str) -> str:
        """What a QR code for the app holds: where to enrol, and with which code."""
        return "patrol://enrol?" + urlencode({"v": "1", "server": server, "code": self.code})


def normalised(written: str) -> str:
    """A code as people write it, in its one spelling: `abcde fghjk` is `ABCDEFGHJK`, O is 0, I and L are 1.

    Raises:
        EnrolmentCodeInvalid: no code looks like this.
    """
    code = written[:100].upper().translate(_MISREAD)
    if len(code) != LENGTH or not set(code) <= set(ALPHABET):
        raise EnrolmentCodeInvalid
    return code


def hash_of(normal: str) -> bytes:
    """How a code is kept."""
    return sha256(f"enrolment code {normal}".encode()).digest()


async def issue_enrolment_code(
    connection: Connection, officer_id: UUID, issued_by: str, ttl: timedelta = TIME_TO_LIVE
) -> IssuedCode:
    """Makes a code for an officer, in the caller's transaction.

    Args:
        connection: whose principal is written into the audit log.
        officer_id: an active officer.
        issued_by: who hands it over, as kept beside the code.
        ttl: how long the code is good.

    Raises:
        NotFound: there is no such active officer.
    """
    code, code_id = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH)), uuid7()
    expires_at = await connection.fetchval(
        INSERT_CODE, code_id, hash_of(code), officer_id, issued_by, ttl
    )
    if expires_at is None:
        raise NotFound("There is no such active officer.")
    await audit(connection, "enrolment_code.issue", officer_id, code=code_id, until=expires_at)
    return IssuedCode(code_id, officer_id, f"{code[:5]}-{code[5:]}", expires_at)


async def issue_code_as_supervisor(
    database: Database, supervisor: Principal, officer_id: UUID, ttl: timedelta = TIME_TO_LIVE
) -> IssuedCode:
    """Makes a code for an officer of the supervisor's own station.

    Raises:
        NotAllowed: who asks is no supervisor.
        NotFound: no such active officer at this station.
    """
    async with database.write(supervisor) as connection:
        rank = (
            await connection.fetchrow(READ_RANK, supervisor.id)
            if supervisor.kind is PrincipalKind.OFFICER
            else None
        )
        if rank is None or rank["role"] != OfficerRole.SUPERVISOR:
            raise NotAllowed("Only a supervisor issues enrolment codes.")
        if await connection.fetchval(READ_STATION_OF, officer_id) != rank["station_id"]:
            raise NotFound("There is no such active officer at your station.")
        return await issue_enrolment_code(connection, officer_id, str(supervisor), ttl)
