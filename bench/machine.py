"""A scratch PostgreSQL with the product's schema, and which core does what, so that a run needs nothing from outside."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from storage.embedded import EmbeddedPostgres
from storage.migrations import migrate

LOGIN = "bench_login"
SECRET = "the secret of a bench, longer than thirty-two characters"  # noqa: S105 # of scratch data

# Nothing may begin by itself in the middle of a round; `settle` does what autovacuum would have done.
_QUIET = ("alter system set autovacuum = off", "alter system set checkpoint_timeout = '1h'")


@dataclass(frozen=True)
class Cores:
    """One core for the server that is measured; the other for the database and the load."""

    server: int | None
    rest: int | None

    @classmethod
    def choose(cls) -> Cores:
        """The first two cores of this process; none where the system pins nothing or has only one."""
        if not hasattr(os, "sched_getaffinity"):
            return cls(None, None)
        cores = sorted(os.sched_getaffinity(0))
        return cls(cores[0], cores[1]) if len(cores) > 1 else cls(None, None)


def pin(core: int | None) -> None:
    """Keeps this process, and what it starts from now on, on one core."""
    if core is not None:
        os.sched_setaffinity(0, {core})


@dataclass(frozen=True)
class Machine:
    """The scratch server."""

    postgres: EmbeddedPostgres
    directory: Path

    def url(self, database: str, user: str | None = None) -> str:
        """The address of a database as the tables' owner, or as `user`."""
        parts = urlsplit(self.postgres.url)
        netloc = parts.netloc if user is None else f"{user}@"
        return urlunsplit((parts.scheme, netloc, f"/{database}", parts.query, ""))

    async def administer(self, *statements: str) -> None:
        """Runs statements that no transaction may hold."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def migrated(self, database: str) -> None:
        """Makes a database with the product's schema, open to the application's login."""
        await self.administer(f"create database {database}")
        await migrate(self.url(database), login=LOGIN)


@contextmanager
def machine() -> Iterator[Machine]:
    """A PostgreSQL in a directory that goes away with it. Commits are synchronous, but no disk is waited for."""
    with tempfile.TemporaryDirectory(prefix="patrol-bench-") as directory:
        root = Path(directory)
        with EmbeddedPostgres(root, fast_for_tests=True) as postgres:
            yield Machine(postgres, root)


async def prepare(made: Machine) -> None:
    """What the whole scratch server needs once."""
    await made.administer(
        *_QUIET, "select pg_reload_conf()", f"create role {LOGIN} login nosuperuser nobypassrls"
    )


async def settle(connection: asyncpg.Connection) -> None:
    """Gives the planner its statistics and the index scans their visibility, as a database in use has them."""
    await connection.execute("vacuum analyze")
