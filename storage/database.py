"""The one pool, whose every checkout tells PostgreSQL whom it serves before anything else is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias
from uuid import UUID

import asyncpg

from storage.faults import (
    DatabaseIsStandby,
    DatabaseUnavailable,
    DeviceToWipe,
    PrincipalRevoked,
    StorageFault,
)
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


WIPE_ORDERED = "select access.wipe_ordered($1)"
"""Whether a phone was reported lost and has not erased its copy yet."""

PATIENCE_SECONDS = 10.0
"""How long a request waits for a connection of the pool."""

IN_RECOVERY = "select pg_is_in_recovery()"
"""Whether the server only follows another one."""


@dataclass(frozen=True, slots=True)
class Entered:
    """A checked-out connection and the scopes that its principal may read."""

    connection: Connection
    scopes: tuple[UUID, ...]


async def _keep_session(connection: Connection) -> None:
    """The pool's reset query costs a fifth of a small read; `ENTER` replaces all that a session keeps."""


async def _refuse_standby(connection: Connection) -> None:
    """Asks each new connection, because an address may lead to another server after a failover. A primary does not become
    a standby while its connections live."""
    if await connection.fetchval(IN_RECOVERY):
        raise DatabaseIsStandby


async def _refusal(connection: Connection, principal: Principal) -> PrincipalRevoked:
    """Why somebody is not served: a phone that was lost is told so wherever it asks."""
    if principal.device_id is not None and await connection.fetchval(
        WIPE_ORDERED, principal.device_id
    ):
        return DeviceToWipe()
    return PrincipalRevoked()


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
            DatabaseIsStandby: a standby answers.
        """
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=size,
                command_timeout=command_timeout,
                init=_refuse_standby,
                reset=_keep_session,
                # Prepared, a planned page takes some 300 kB of its backend, and clients choose which pages there are.
                statement_cache_size=150,
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

    def enter(self, role: Role, principal: Principal) -> AbstractAsyncContextManager[Entered]:
        """Checks a connection out for one principal, reading or writing as `role`.

        Raises:
            PrincipalRevoked: the session, key or token is no longer good.
            DatabaseUnavailable: PostgreSQL does not answer.
        """
        return _Checkout(self._pool, role, principal)

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


def _has_left(connection: Connection) -> bool:
    """Whether the line has ended. A connection whose server died leaves the pool by itself, and takes no call any more."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True


class _Checkout:
    """One checkout of a connection. A class and no generator, because it is on the way of every request."""

    __slots__ = ("_connection", "_pool", "_principal", "_role")

    def __init__(self, pool: asyncpg.Pool, role: Role, principal: Principal) -> None:
        self._pool = pool
        self._role = role
        self._principal = principal

    async def __aenter__(self) -> Entered:
        self._connection = connection = await self._acquire()
        principal = self._principal
        try:
            row = await connection.fetchrow(
                ENTER, self._role.value, str(principal), principal.credential_id
            )
            refusal = None if row["live"] else await _refusal(connection, principal)
        except BaseException as error:
            await self._give_back(error)
            raise
        if refusal is not None:
            await self._give_back(None)
            raise refusal
        return Entered(connection, tuple(row["scopes"]))

    async def __aexit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        await self._give_back(error)

    async def _give_back(self, error: BaseException | None) -> None:
        """Releases the connection, or ends it where what happened may have left a statement or a transaction open.

        Raises:
            DatabaseUnavailable: that is what the error means.
        """
        connection = self._connection
        # A statement that failed left the session usable; the open transaction is rolled back at release.
        healthy = error is None or (
            isinstance(error, Exception)
            and not isinstance(error, _GONE)
            and not _has_left(connection)
        )
        try:
            if not healthy and isinstance(error, Exception) and not isinstance(error, StorageFault):
                raise DatabaseUnavailable("PostgreSQL cannot be reached.") from error
        finally:
            if not healthy and not _has_left(connection):
                connection.terminate()
            await self._pool.release(connection, timeout=PATIENCE_SECONDS)

    async def _acquire(self) -> Any:
        try:
            # The pool's own time limit would run in a task of its own.
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._pool.acquire()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            raise DatabaseUnavailable("PostgreSQL cannot be reached.") from error
