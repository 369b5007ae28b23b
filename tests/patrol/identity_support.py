"""What the tests of identity do again and again: issue a code, enrol a phone, refresh, and see who is still served."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from patrol.identity import AccessTokens, SignedIn, issue_enrolment_code
from storage.database import Database
from storage.faults import PrincipalRevoked
from storage.principal import Principal, Role, system
from tests.signing_phone import SigningPhone
from tests.world import World


@dataclass
class SignIn:
    """The sign-in of one station, without HTTP."""

    world: World
    access: AccessTokens

    @property
    def database(self) -> Database:
        return self.world.database

    async def code(self, officer: UUID, ttl: timedelta = timedelta(hours=1)) -> str:
        async with self.database.write(system("test")) as connection:
            return (await issue_enrolment_code(connection, officer, "test", ttl)).code

    async def enrolled(self, phone: SigningPhone, officer: UUID) -> SignedIn:
        return await phone.enrol(self.database, self.access, await self.code(officer))

    async def refreshed(self, phone: SigningPhone, token: str) -> SignedIn:
        return await phone.refresh(self.database, self.access, token)

    def principal(self, signed_in: SignedIn) -> Principal:
        return self.access.verify(signed_in.access_token).principal

    async def is_served(self, signed_in: SignedIn) -> bool:
        try:
            async with self.database.read(Role.PHONE, self.principal(signed_in)) as entered:
                return bool(await entered.connection.fetchval("select count(*) from station") >= 0)
        except PrincipalRevoked:
            return False


async def blocked_or_done(owner: asyncpg.Connection, task: asyncio.Task[Any]) -> None:
    """Waits until a task's statement waits for a lock in this database, or the task has ended without."""
    waits = (
        "select count(*) from pg_stat_activity "
        "where datname = current_database() and wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(10):
        while not task.done() and not await owner.fetchval(waits):  # noqa: ASYNC110 - the lock is the database's
            await asyncio.sleep(0.01)
