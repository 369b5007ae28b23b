"""What an installation has already: asked with one light statement, so that a second start imports nothing to make it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

import asyncpg

from patrol.demo_keys import DemoKeys
from storage.embedded.s3_doors import write_private
from storage.faults import DatabaseUnavailable
from storage.revisions import revisions

DEMO_KEYS = "demo-keys.json"
"""Keys of invented partners and devices, kept so that the commands to try can be shown again at every start. The data
directory is private and holds the database itself; real keys are never kept."""

READ_SCHEMA = """
select to_regclass('public.alembic_version') is not null as versioned,
       exists (select from pg_roles where rolname = 'patrol_app') as has_roles,
       case when $1::text is null then true
            when not exists (select from pg_roles where rolname = $1) then null
            when not exists (select from pg_roles where rolname = 'patrol_app') then false
            else pg_has_role($1, 'patrol_app', 'member') end as may_act
"""
"""Whether there are tables, and whether a login may act for the doors (null: there is no such login)."""

READ_STANDING = """
select (select count(*) from station) > 0 as has_station, (select count(*) from admin_token) > 0 as has_admin,
       (select count(*) from signing_key) > 0 as has_keys,
       (select count(*) from unnest($1::bytea[]) as given (sha256)
        where exists (select from access.credential(given.sha256))) as known
"""
"""As the tables' owner: what the first start makes, and how many of some keys are known."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is there. `demo` are the kept keys of the demonstration, where the database knows all of them."""

    migrated: bool
    login: bool | None
    has_station: bool = False
    has_admin: bool = False
    has_keys: bool = False
    demo: DemoKeys | None = None


async def standing(owner_url: str, login: str | None, directory: Path) -> Standing:
    """What the installation has already.

    Args:
        owner_url: the database as the tables' owner.
        login: the application's login, when it is another one.
        directory: the data directory.

    Raises:
        DatabaseUnavailable: nobody answers at the address, or the login is refused.
    """
    kept = _kept(directory / DEMO_KEYS)
    async with owner(owner_url) as connection:
        schema = await connection.fetchrow(READ_SCHEMA, login)
        current = None
        if schema["versioned"] and schema["has_roles"]:
            current = await connection.fetchval("select version_num from alembic_version")
        # A newer release's revision is none of ours to change.
        migrated = current is not None and current not in revisions()[1:]
        if not migrated:
            return Standing(False, schema["may_act"])
        secrets = [] if kept is None else [*kept.partners.values(), kept.camera_key, kept.post_key]
        hashes = [hashlib.sha256(one.encode()).digest() for one in secrets]
        found = await connection.fetchrow(READ_STANDING, hashes)
    known = kept if kept is not None and found["known"] == len(hashes) else None
    return Standing(
        True,
        schema["may_act"],
        found["has_station"],
        found["has_admin"],
        found["has_keys"],
        known,
    )


@asynccontextmanager
async def owner(owner_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the tables' owner."""
    try:
        connection = await asyncpg.connect(owner_url, timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnavailable(f"PostgreSQL cannot be reached: {error}") from error
    try:
        yield connection
    finally:
        await connection.close()


def keep(directory: Path, keys: DemoKeys) -> None:
    """Keeps the demonstration's keys for the next start."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(directory / DEMO_KEYS, json.dumps(asdict(keys), default=str).encode())


def _kept(path: Path) -> DemoKeys | None:
    try:
        found = json.loads(path.read_text())
        found |= {name: UUID(found[name]) for name in ("camera_id", "post_id")}
        return DemoKeys(**found)
    except (OSError, ValueError, TypeError, KeyError):
        return None
