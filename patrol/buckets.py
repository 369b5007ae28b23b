"""Preparing the buckets on an administrator's word: an act outside the database, so it is written down before it is done."""

from __future__ import annotations

from patrol.audit import audit
from storage.buckets import ObjectStore
from storage.database import Database
from storage.principal import Principal


async def ensure_buckets(database: Database, principal: Principal, store: ObjectStore) -> list[str]:
    """Creates the buckets that are missing; the names of those created now.

    No transaction spans two servers: should the second entry be lost, the first one still says who asked for it.

    Raises:
        StoreUnavailable, StoreRefused: the store; `PrincipalRevoked`, `DatabaseUnavailable`: the database.
    """
    async with database.write(principal) as connection:
        await audit(connection, "buckets.ensure", "store")
    created = await store.ensure_buckets()
    if created:
        async with database.write(principal) as connection:
            await audit(connection, "buckets.create", "store", created=created)
    return created
