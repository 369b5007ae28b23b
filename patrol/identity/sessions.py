"""An officer's session on a phone: begun with a code, carried on by refresh tokens, ended by sign-out or revocation.

Any answer may be lost on the way to the phone, so every step can be asked again with the same words and gives the same
answer. What it takes, beside the words, is the phone's own key: a code or token that was copied is worth nothing alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from patrol.audit import audit
from patrol.errors import (
    DeviceWipe,
    EnrolmentCodeInvalid,
    RefreshTokenInvalid,
    RefreshTokenReused,
    SessionRevoked,
)
from patrol.identity.access_tokens import AccessTokens
from patrol.identity.codes import hash_of, normalised
from patrol.identity.phone_key import PhoneKey, sha256_text
from patrol.identity.refresh_tokens import RefreshToken, read_refresh_token
from patrol.identity.revocation import EndReason, end_sessions
from storage.custody import HEAR_PHONE
from storage.database import Connection, Database
from storage.devices import (
    ADVANCE_SESSION,
    INSERT_SESSION,
    KEEP_DEVICE,
    LOCK_CODE,
    LOCK_SESSION,
    READ_SESSION,
    TOUCH_DEVICE,
    USE_CODE,
)
from storage.principal import system

SESSION_LIFETIME = timedelta(days=90)
"""A session that was not refreshed for so long has ended."""

SIGN_IN = system("sign-in")
"""Who acts before it is known who asks."""


@dataclass(frozen=True, slots=True)
class Phone:
    """What a phone says of itself. Only the key is believed."""

    key: PhoneKey
    platform: str
    model: str
    app_version: str | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a phone needs to work for its officer. `access_seconds` is a duration, because phone clocks are wrong."""

    session_id: UUID
    device_id: UUID
    officer: dict[str, Any]
    access_token: str = field(repr=False)
    access_seconds: int
    refresh_token: str = field(repr=False)
    session_expires_at: datetime
    server_time: datetime


async def enrol(
    database: Database,
    access: AccessTokens,
    *,
    code: str,
    proof: str,
    phone: Phone,
    session_lifetime: timedelta = SESSION_LIFETIME,
) -> SignedIn:
    """Trades a code for a session on the phone that holds the key.

    The same phone may ask again until it has used the session's first refresh token. An officer who enrols again on
    the same phone gets a new session in place of the old one; other officers' sessions there are left alone.

    Raises:
        DeviceProofInvalid: the proof was not signed with this key, or not for this code.
        EnrolmentCodeInvalid: the code is unknown, expired, or was used by another phone.
        SessionRevoked: this phone was revoked.
    """
    phone.key.check(proof, "enrol", code_sha256=sha256_text(code))
    async with database.write(SIGN_IN) as connection:
        row = await connection.fetchrow(LOCK_CODE, hash_of(normalised(code)))
        if row is None:
            raise EnrolmentCodeInvalid
        if row["used"]:
            return await _answer_again(connection, access, row["session_id"], phone)
        if not row["fresh"]:
            raise EnrolmentCodeInvalid
        jwk = orjson.dumps(dict(phone.key.jwk)).decode()
        device = await connection.fetchrow(
            KEEP_DEVICE, uuid7(), phone.key.thumbprint, jwk, phone.platform, phone.model
        )
        if device["wipe"]:
            raise DeviceWipe
        if device["revoked"]:
            raise SessionRevoked("This phone was revoked.")
        session_id, device_id, officer_id = uuid7(), device["id"], row["officer_id"]
        expires_at = await connection.fetchval(
            INSERT_SESSION, session_id, device_id, officer_id, session_lifetime
        )
        await end_sessions(
            connection,
            EndReason.REPLACED,
            device_id=device_id,
            officer_id=officer_id,
            but=session_id,
        )
        await connection.execute(USE_CODE, row["id"], session_id)
        await connection.execute(TOUCH_DEVICE, device_id, phone.app_version)
        await audit(
            connection,
            "session.begin",
            session_id,
            officer=officer_id,
            device=device_id,
            code=row["id"],
        )
        first = RefreshToken(session_id, 1)
        return _signed_in(access, {**row, "device_id": device_id}, first, expires_at)


async def _answer_again(
    connection: Connection, access: AccessTokens, session_id: UUID, phone: Phone
) -> SignedIn:
    """The answer to an enrolment that was lost: the same session, for the same key, while it is untouched."""
    row = await connection.fetchrow(READ_SESSION, session_id)
    if (
        row is None
        or row["key_thumbprint"] != phone.key.thumbprint
        or row["generation"] != 1
        or row["revoked"]
        or row["expired"]
    ):
        raise EnrolmentCodeInvalid
    return _signed_in(access, row, RefreshToken(session_id, 1), row["expires_at"])


async def refresh(
    database: Database,
    access: AccessTokens,
    *,
    refresh_token: str,
    proof: str,
    app_version: str | None = None,
    session_lifetime: timedelta = SESSION_LIFETIME,
) -> SignedIn:
    """Trades a refresh token for its successor and a new access token.

    The token before the newest is answered with the newest again: its answer was lost, for else the newest would have
    been used. Anything older was used after its successor, as a copy would be, and ends the session.

    Raises:
        RefreshTokenInvalid: the token is not ours, or its session is unknown.
        DeviceProofInvalid: the proof was not signed with the phone's key, or not for this token. Nothing changes.
        SessionRevoked: the session, phone or officer is no longer good, or the session was left unused for too long.
        DeviceWipe: the phone was reported lost and must erase its copy.
        RefreshTokenReused: the session was ended now.
    """
    shown = read_refresh_token(access.keys, refresh_token)
    async with database.write(SIGN_IN) as connection:
        row = await connection.fetchrow(READ_SESSION, shown.session_id)
        if row is None:
            raise RefreshTokenInvalid
        # Before the lock and before any judgement: who has not got the key can neither wait nor end a session here.
        key = PhoneKey.of(orjson.loads(row["public_key"]))
        key.check(proof, "refresh", token_sha256=sha256_text(refresh_token))
        await connection.execute(LOCK_SESSION, shown.session_id)
        row = await connection.fetchrow(READ_SESSION, shown.session_id)
        if row["wipe"]:
            raise DeviceWipe
        if row["revoked"]:
            raise SessionRevoked
        if row["expired"]:
            raise SessionRevoked("The session was not used for too long and has ended.")
        newest: int = row["generation"]
        reused = shown.generation < newest - 1
        if reused:
            await end_sessions(connection, EndReason.REUSED, session_id=shown.session_id)
            await audit(connection, "session.reuse", shown.session_id, shown=shown.generation)
        else:
            expires_at = row["expires_at"]
            if shown.generation >= newest:
                # A token ahead of our count is one that we made and then forgot, by a restore from a backup.
                newest = shown.generation + 1
                expires_at = await connection.fetchval(
                    ADVANCE_SESSION, shown.session_id, newest, session_lifetime
                )
            await connection.execute(TOUCH_DEVICE, row["device_id"], app_version)
            await connection.execute(HEAR_PHONE, row["device_id"], row["officer_id"], app_version)
    if reused:  # raised only here, because an error inside the block would take back the revocation
        raise RefreshTokenReused
    return _signed_in(access, row, RefreshToken(shown.session_id, newest), expires_at)


def _signed_in(
    access: AccessTokens, row: Any, refresh_token: RefreshToken, expires_at: datetime
) -> SignedIn:
    """The answer for a row that has the officer's columns and `device_id`."""
    return SignedIn(
        session_id=refresh_token.session_id,
        device_id=row["device_id"],
        officer={
            "id": row["officer_id"],
            "stationId": row["station_id"],
            "role": row["role"],
            "badge": row["badge"],
            "rank": row["rank"],
            "name": row["name"],
            "nameTh": row["name_th"],
        },
        access_token=access.issue(
            officer_id=row["officer_id"],
            session_id=refresh_token.session_id,
            device_id=row["device_id"],
            station_id=row["station_id"],
            role=row["role"],
        ),
        access_seconds=int(access.lifetime.total_seconds()),
        refresh_token=refresh_token.written(access.keys),
        session_expires_at=expires_at,
        server_time=datetime.now(UTC),
    )
