"""Signing in and staying signed in, by `sign-in.md`: a lost answer never signs anybody out."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from mobile_contracts.reference.key import DeviceKey
from mobile_contracts.reference.line import Line, Refused
from mobile_contracts.reference.store import Store

EARLY_SECONDS = 30.0
"""An access token is renewed this long before its end, so that no request meets the end."""

ENDINGS = frozenset(
    {"SESSION_REVOKED", "REFRESH_TOKEN_INVALID", "REFRESH_TOKEN_REUSED", "DEVICE_WIPE"}
)
"""What ends a session. Only the last one ends an outbox, see `farewell`."""

APP_VERSION = "reference"

INSERT = """
insert into account (officer, profile, session_id, refresh_token) values (:officer, :profile, :session, :token)
on conflict (officer) do update
set profile = excluded.profile, session_id = excluded.session_id, refresh_token = excluded.refresh_token, ended = null
"""


async def enrol(store: Store, key: DeviceKey, line: Line, code: str, model: str) -> Session:
    """Trades a one-time code for a session on this phone; an officer who has one here gets another.

    Raises:
        Away: nothing was heard; the same code with the same key may be sent again.
        Refused: the code is not good.
    """
    told = await line.post(
        "/auth/enrol",
        {
            "code": code,
            "publicKey": key.public_jwk,
            "proof": key.enrolment_proof(code),
            "platform": "android",
            "model": model,
            "appVersion": APP_VERSION,
        },
    )
    officer = told["officer"]["id"]
    with store.transaction() as db:
        db.execute(
            INSERT,
            {
                "officer": officer,
                "profile": json.dumps(told["officer"]),
                "session": told["sessionId"],
                "token": told["refreshToken"],
            },
        )
    session = Session(store, key, line, officer)
    session.access(told)
    return session


class Session:
    """One officer's session. Access tokens live in memory only: after a start the refresh token makes another."""

    def __init__(self, store: Store, key: DeviceKey, line: Line, officer: str) -> None:
        self.store, self.key, self.line, self.officer = store, key, line, officer
        self.access_token = ""
        self.access_ends = 0.0
        self.refreshes = 0
        self._refreshing = asyncio.Lock()

    @property
    def id(self) -> str:
        """The session's id, as it was told at the enrolment."""
        found = self.store.db.execute(
            "select session_id from account where officer = ?", (self.officer,)
        ).fetchone()
        return str(found["session_id"])

    @property
    def ended(self) -> str | None:
        """The code by which the server ended the session; None while it is good."""
        found = self.store.db.execute(
            "select ended from account where officer = ?", (self.officer,)
        ).fetchone()
        ended: str | None = found["ended"]
        return ended

    def access(self, told: dict[str, Any]) -> None:
        """Keeps an access token. Its seconds count from now: the server's clock is not ours."""
        self.access_token = told["accessToken"]
        self.access_ends = time.monotonic() + told["accessTokenSeconds"]

    async def token(self, *, fresh: bool = False) -> str:
        """An access token that is good for a while, or a new one.

        Raises:
            Away, Refused: it had to be renewed, and could not.
        """
        used = self.access_token
        if fresh or time.monotonic() > self.access_ends - EARLY_SECONDS:
            async with self._refreshing:
                if self.access_token == used:
                    await self._refresh()
        return self.access_token

    async def _refresh(self) -> None:
        """Trades the refresh token for its successor. The old one stays until the new one is stored: it may be lost."""
        found = self.store.db.execute(
            "select refresh_token, ended from account where officer = ?", (self.officer,)
        ).fetchone()
        if found["ended"] is not None:
            raise Refused(found["ended"], "The session has ended; enrol again.", 401)
        token = found["refresh_token"]
        told = await self.heeding(
            self.line.post(
                "/auth/refresh",
                {
                    "refreshToken": token,
                    "proof": self.key.refresh_proof(token),
                    "appVersion": APP_VERSION,
                },
            )
        )
        self.store.db.execute(
            "update account set refresh_token = ?, profile = ? where officer = ?",
            (told["refreshToken"], json.dumps(told["officer"]), self.officer),
        )
        self.access(told)
        self.refreshes += 1

    async def heeding(self, asking: Any) -> dict[str, Any]:
        """Waits for an answer, and writes down when it says that the session has ended."""
        try:
            answer: dict[str, Any] = await asking
        except Refused as refused:
            if refused.code in ENDINGS:
                self.store.db.execute(
                    "update account set ended = ? where officer = ?", (refused.code, self.officer)
                )
            raise
        return answer

    async def sign_out(self) -> None:
        """Ends the session. What was not sent stays: it belongs to the officer.

        Raises:
            Away: try again.
        """
        await self.line.post("/auth/sign-out", {}, token=await self.token())
        self.store.db.execute(
            "update account set ended = 'SIGNED_OUT' where officer = ?", (self.officer,)
        )
        self.access_ends = 0.0
