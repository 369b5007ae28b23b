"""The one pool, whose every checkout tells PostgreSQL whom it serves before anything else is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeAlias
from uuid import UUID

import asyncpg

from storage.faults import DatabaseUnavailable, PrincipalRevoked, StorageFault
from storage.principal import Principal, Role

_GONE = (
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)

Connection: TypeAlias = asyncpg.Connection
"""A connection that serves one principal for as long as it is checked out."""

ENTER = """
with credential as materialized (select access.live($2, $3) as live)
select set_config('role', $1, false),
       set_config('patrol.principal', case when live then $2 else '' end, false),
       live,
       case when live then array(select access.scopes($2)) end as scopes
from credential
"""
"""Tells a connection whom it serves and asks whether that one may still be served.

It runs in autocommit: set inside a transaction that rolls back, the previous principal would return. One that may not
be served is replaced by nobody, so that even a caller who ignored the answer would read nothing.
"""


@dataclass(frozen=True, slots=True)
class Entered:
    """A checked-out connection and the scopes that its principal may read."""

    connection: Connection
    scopes: tuple[UUID, ...]


async def _keep_session(connection: Connection) -> None:
    """The pool's reset query costs a fifth of a small read; `ENTER` replaces all that a session keeps."""


class Database:
    """PostgreSQL behind one asyncpg pool."""

    def __init__(self, pool: asyncpg.Pool, url: str) -> None:
        self._pool = pool
        self.url = url

    @classmethod
    async def connect(cls, url: str, *, size: int = 20, command_timeout: float = 30.0) -> Self:
        """Opens the pool.

        Args:
            url: a `postgresql://` address; the login must be a member of `patrol_app`.
            size: the largest number of connections.
            command_timeout: seconds after which a statement is given up.

        Raises:
            DatabaseUnavailable: nobody answers at the address, or the login is refused.
        """
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=size,
                command_timeout=command_timeout,
                reset=_keep_session,
                statement_cache_size=500,
                server_settings={"application_name": "patrol", "jit": "off"},
            )
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            raise DatabaseUnavailable(f"PostgreSQL cannot be reached: {error}") from error
        return cls(pool, url)

    async def close(self) -> None:
        """Waits briefly for what is running, then ends all connections."""
        try:
            await asyncio.wait_for(self._pool.close(), 5)
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def enter(self, role: Role, principal: Principal) -> AsyncIterator[Entered]:
        """Checks a connection out for one principal, reading or writing as `role`.

        Raises:
            PrincipalRevoked: the session, key or token is no longer good.
            DatabaseUnavailable: PostgreSQL does not answer.
        """
        connection = await self._acquire()
        healthy = False
        try:
            row = await connection.fetchrow(
                ENTER, role.value, str(principal), principal.credential_id
            )
            if not row["live"]:
                healthy = True
                raise PrincipalRevoked
            yield Entered(connection, tuple(row["scopes"]))
            healthy = True
        except Exception as error:
            # A statement that failed left the session usable; the open transaction is rolled back at release.
            healthy = not connection.is_closed() and not isinstance(error, _GONE)
            if not healthy and not isinstance(error, StorageFault):
                raise DatabaseUnavailable("PostgreSQL cannot be reached.") from error
            raise
        finally:
            if not healthy:
                connection.terminate()
            await self._pool.release(connection)

    @asynccontextmanager
    async def read(self, role: Role, principal: Principal) -> AsyncIterator[Entered]:
        """As `enter`, with all statements in one snapshot that cannot write."""
        async with (
            self.enter(role, principal) as entered,
            entered.connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield entered

    @asynccontextmanager
    async def write(
        self, principal: Principal, role: Role = Role.WRITER
    ) -> AsyncIterator[Connection]:
        """As `enter`, in one transaction that commits when the block ends: the only commit point of an operation."""
        async with self.enter(role, principal) as entered, entered.connection.transaction():
            yield entered.connection

    async def _acquire(self) -> Any:
        try:
            return await self._pool.acquire(timeout=10)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            raise DatabaseUnavailable("PostgreSQL cannot be reached.") from error
