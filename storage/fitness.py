"""Says in plain words why a database must not be used, before anything rests on a guarantee that it cannot give.

A refusal is something that would lose or leak data, or break search without a word; a warning is something that a
person should put right. Everything is asked of the server itself: version strings and host names prove nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg

from storage.faults import DatabaseUnavailable, DatabaseUnfit
from storage.revisions import revisions

OLDEST = 15
"""The oldest PostgreSQL that is supported (major version)."""

CLOCK_SECONDS = 5.0
"""How far the clocks of the server and of this machine may differ without a warning."""

_THAI = "แม่สอด"
_PATIENCE = 3.0

READ_SERVER = """
select current_setting('server_version_num')::int as version, pg_is_in_recovery() as standby,
       pg_encoding_to_char(encoding) as encoding, datctype as character_type, current_user as login,
       current_database() as database, clock_timestamp() as now,
       current_setting('fsync') = 'on' as safe,
       exists (select from pg_available_extensions where name = 'pg_trgm') as has_trigrams,
       to_regprocedure('show_trgm(text)') is not null as shows_trigrams,
       to_regclass('public.alembic_version') is not null as migrated,
       exists (select from pg_roles where rolname = 'patrol_app') as has_roles
from pg_database where datname = current_database()
"""
"""What the server says of itself and of the database."""

READ_RIGHTS = """
select rolsuper as superuser, rolbypassrls as bypasses,
       pg_has_role(current_user, 'patrol_app', 'member') as member,
       exists (select from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
               and relowner = pg_roles.oid) as owns,
       has_table_privilege('public.alembic_version', 'select') as reads_version
from pg_roles where rolname = current_user
"""
"""What the login may do beyond what it should."""

SHOW_TRIGRAMS = "select cardinality(show_trgm($1))"
READ_VERSION = "select version_num from public.alembic_version"
SET_MARK = "select set_config('patrol.fitness', $1, false)"
READ_MARK = "select pg_backend_pid() as backend, current_setting('patrol.fitness', true) as mark"


@dataclass(slots=True)
class Fitness:
    """What is wrong with a database. Each entry is a sentence that says what is wrong, and one that says what to do."""

    refusals: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


async def unfit(url: str) -> list[str]:
    """Why this database may not be used; empty when it may.

    Raises:
        DatabaseUnavailable: nobody answers at the address, or the login is refused.
    """
    return (await examine(url)).refusals


async def require_fit(url: str) -> None:
    """Raises DatabaseUnfit with everything that is wrong, or DatabaseUnavailable when nobody answers."""
    if refusals := await unfit(url):
        raise DatabaseUnfit(" ".join(refusals))


async def examine(url: str, *, schema: bool = True) -> Fitness:
    """Everything that is wrong with the database at the address.

    Args:
        url: a `postgresql://` address, as the login that will be used.
        schema: whether the migrations of this release must be there; False before they are made.

    Raises:
        DatabaseUnavailable: nobody answers at the address, or the login is refused.
    """
    fitness = Fitness()
    try:
        await _judge_sessions(url, fitness)
        if fitness.refusals:
            # What a proxy's mixed sessions answer to the other questions would prove nothing.
            return fitness
        async with _session(url) as connection:
            server = await connection.fetchrow(READ_SERVER)
            if server["version"] < OLDEST * 10_000:
                # Older servers lack what the other questions ask for.
                fitness.refusals.append(
                    f"This is PostgreSQL {server['version'] // 10_000}; use version {OLDEST} or newer."
                )
                return fitness
            await _judge_server(connection, server, fitness)
            if schema:
                await _judge_schema(connection, server, fitness)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        why = str(error) or "it does not answer in time"
        raise DatabaseUnavailable(f"PostgreSQL cannot be reached: {why}") from error
    return fitness


async def _judge_server(
    connection: asyncpg.Connection, server: asyncpg.Record, fitness: Fitness
) -> None:
    if server["standby"]:
        fitness.refusals.append(
            "This server is a standby: it takes no writes, and a pull read from it would miss rows. "
            "Give the address of the primary."
        )
    if server["encoding"] != "UTF8":
        fitness.refusals.append(
            f"The database keeps text as {server['encoding']}, which cannot hold Thai and English together. "
            f"Create it with encoding 'UTF8'."
        )
    elif not await _finds_thai(connection, server):
        fitness.refusals.append(
            f"The database's character type is {server['character_type']}, under which Thai text has no trigrams, "
            "so that search finds nothing. Create it with: create database … template template0 "
            "locale 'C.UTF-8' encoding 'UTF8'."
        )
    if not server["has_trigrams"]:
        fitness.refusals.append(
            "The server does not offer the extension pg_trgm. Install PostgreSQL's contrib package."
        )
    if not server["safe"]:
        fitness.warnings.append(
            "The server runs with fsync off, so that a power cut destroys it. Turn fsync on unless this is a test."
        )
    apart = abs((server["now"] - datetime.now(UTC)).total_seconds())
    if apart > CLOCK_SECONDS:
        fitness.warnings.append(
            f"The clocks of the database server and of this machine are {apart:.0f} seconds apart. "
            "Let both take their time from NTP."
        )


async def _finds_thai(connection: asyncpg.Connection, server: asyncpg.Record) -> bool:
    if server["shows_trigrams"]:
        return bool(await connection.fetchval(SHOW_TRIGRAMS, _THAI))
    # pg_trgm asks the C library, whatever provider orders the text: tried under 18 with the builtin provider.
    return server["character_type"] not in ("C", "POSIX")


async def _judge_schema(
    connection: asyncpg.Connection, server: asyncpg.Record, fitness: Fitness
) -> None:
    behind = "The database lacks migrations of this release. Run `patrol migrate`."
    if not server["migrated"] or not server["has_roles"]:
        fitness.refusals.append(behind)
        return
    rights = await connection.fetchrow(READ_RIGHTS)
    login = server["login"]
    if not rights["member"]:
        fitness.refusals.append(
            f"The login {login} may not act for the doors. Run `patrol migrate` as the tables' owner "
            "(PATROL_DATABASE_OWNER_URL)."
        )
    if rights["reads_version"]:
        current = await connection.fetchval(READ_VERSION)
        known = revisions()
        if current in known[1:] or current is None:
            fitness.refusals.append(behind)
        elif current not in known:
            # A newer release has migrated already and this one still serves: that is how an upgrade goes.
            fitness.warnings.append(
                f"The database was migrated by a newer release (revision {current}). Upgrade this process soon."
            )
    elif rights["member"]:
        fitness.refusals.append(
            f"The login {login} may not read which migrations were made. Run `patrol migrate` of this release."
        )
    if rights["superuser"] or rights["bypasses"]:
        fitness.warnings.append(
            f"The login {login} could bypass row policies. Give the application a login of its own that is "
            "neither superuser nor bypassrls."
        )
    elif rights["owns"]:
        fitness.warnings.append(
            f"The login {login} owns tables, so it could change them. Give the application a login of its own, "
            "and this one to PATROL_DATABASE_OWNER_URL."
        )


async def _judge_sessions(url: str, fitness: Fitness) -> None:
    """Proves that what a session was told stays with it, which is how the database knows whom it serves."""
    mark = secrets.token_hex(8)
    async with _session(url) as ours, _session(url) as second, _session(url) as third:
        try:
            # As a request does: told in autocommit, asked in a transaction. In between others begin
            # transactions, to which a transaction-pooling proxy hands the backend that was told.
            await _tell(ours, mark)
            async with second.transaction(), third.transaction():
                await second.fetchrow(READ_MARK)
                await third.fetchrow(READ_MARK)
                kept = await _asked(ours)
            await _tell(ours, "")
        except (TimeoutError, asyncpg.PostgresError):
            kept = None  # one backend for all, or no transactions at all (statement pooling)
        if kept is None or kept["mark"] != mark:
            fitness.refusals.append(
                "A transaction-pooling proxy stands before the database: what one request tells its connection "
                "reaches another's. Connect directly, or set the proxy to session pooling (pool_mode = session)."
            )
        elif kept["backend"] != ours.get_server_pid():
            fitness.warnings.append(
                "A proxy stands before the database. It kept sessions whole when tried; make sure that it stays "
                "at session pooling."
            )


async def _tell(connection: asyncpg.Connection, mark: str) -> None:
    # Inlined, because a statement with arguments takes two messages, between which a proxy may change the backend.
    await connection.execute(SET_MARK.replace("$1", f"'{mark}'"), timeout=_PATIENCE)


async def _asked(connection: asyncpg.Connection) -> asyncpg.Record:
    async with connection.transaction():
        return await connection.fetchrow(READ_MARK, timeout=_PATIENCE)


@asynccontextmanager
async def _session(url: str) -> AsyncIterator[asyncpg.Connection]:
    # No startup parameters: a proxy refuses those that it does not know, and would only seem unreachable.
    connection = await asyncpg.connect(
        url, timeout=10, command_timeout=_PATIENCE, statement_cache_size=0
    )
    try:
        yield connection
    finally:
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await connection.close(timeout=2)
