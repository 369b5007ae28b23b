"""Runs migrations on the connection that it is handed, or on PATROL_DATABASE_OWNER_URL for developers."""

from __future__ import annotations

import asyncio
import os

from alembic import context
from sqlalchemy import Connection

import storage.tables
from storage.migrations import engine_for, limit_waiting


def run(connection: Connection) -> None:
    """One transaction per migration, each under time limits and one at a time across processes."""
    limit_waiting(connection)
    context.configure(
        connection=connection,
        target_metadata=storage.tables.metadata,
        compare_type=True,
        compare_server_default=False,
        transaction_per_migration=True,
        include_object=lambda _object, name, kind, _reflected, _compare: (
            not (kind == "table" and name.startswith("pgqueuer"))
        ),
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_from_environment() -> None:
    engine = engine_for(os.environ["PATROL_DATABASE_OWNER_URL"])
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


handed = context.config.attributes.get("connection")
if handed is not None:
    run(handed)
else:
    asyncio.run(run_from_environment())
