"""Brings a database to the schema of this release, safely while an older release still serves."""

from __future__ import annotations

from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from storage.faults import DatabaseUnavailable

SCRIPTS = Path(__file__).resolve().parent.parent / "alembic"
_ONE_AT_A_TIME = 0x5A7E  # the advisory lock of migrations; any constant that nobody else takes


def engine_for(url: str) -> AsyncEngine:
    """An engine for migrations only; requests go through `storage.database`."""

    # Reads as a plain string on purpose: `URL` drops the `host` of a Unix socket address when rendered.
    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(url, statement_cache_size=0)

    return create_async_engine(
        make_url("postgresql+asyncpg://"), async_creator=connect, poolclass=NullPool
    )


def limit_waiting(connection: Connection) -> None:
    """A migration that would wait behind a long transaction fails instead of stopping every request behind it."""
    connection.execute(text("set lock_timeout = '10s'"))
    connection.execute(text("set statement_timeout = '15min'"))
    connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": _ONE_AT_A_TIME})
    connection.commit()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    return config


async def migrate(owner_url: str, revision: str = "head", *, login: str | None = None) -> str:
    """Moves the schema to `revision` and lets `login` act for the doors.

    Args:
        owner_url: the database as the owner of the tables, who may create roles.
        revision: an Alembic revision; `base` removes everything.
        login: the application's login, when it is another one than the owner.

    Returns:
        The revision that the database has now; empty at `base`.

    Raises:
        DatabaseUnavailable: nobody answers at the address, or the login is refused.
    """
    engine = engine_for(owner_url)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_move, revision)
            if revision == "head":
                # Every process asks at its start whether migrations are missing.
                await connection.execute(text("grant select on alembic_version to patrol_app"))
                if login is not None:
                    quoted = login.replace('"', '""')
                    await connection.execute(text(f'grant patrol_app to "{quoted}"'))
                await connection.commit()
            return await connection.run_sync(_current) or ""
    except (
        OSError,
        asyncpg.PostgresConnectionError,
        asyncpg.InvalidAuthorizationSpecificationError,
    ) as error:
        raise DatabaseUnavailable(f"PostgreSQL cannot be reached: {error}") from error
    finally:
        await engine.dispose()


def _move(connection: Connection, revision: str) -> None:
    config = _config(connection)
    if revision == "base":
        command.downgrade(config, "base")
    else:
        command.upgrade(config, revision)


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


async def pending(url: str) -> bool:
    """Whether the database lacks migrations of this release."""
    engine = engine_for(url)
    try:
        async with engine.connect() as connection:
            current = await connection.run_sync(_current)
    finally:
        await engine.dispose()
    return current != ScriptDirectory(str(SCRIPTS)).get_current_head()


def run_script(connection: Connection, script: str) -> None:
    """Runs several statements at once, which a prepared statement cannot, in the migration's own transaction."""
    connection.execute(
        text("select 1")
    )  # the driver begins its transaction with the first statement
    driver = connection.connection.dbapi_connection
    driver.run_async(lambda raw: raw.execute(script))  # type: ignore[union-attr] # asyncpg's adapter has it
