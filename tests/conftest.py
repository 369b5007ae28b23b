"""The real servers, started once for the whole session, and what every test gets of them for itself alone."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import hypothesis
import pytest

from patrol.keys import KeySet, load
from storage.buckets import ObjectStore
from storage.database import Database
from storage.embedded import EmbeddedPostgres, EmbeddedS3
from storage.migrations import migrate
from storage.principal import Role, system
from tests.world import World

SECRET = "a secret of the tests, longer than thirty-two characters"
LOGIN = "patrol_login"
TEMPLATE = "patrol_template"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-sql", action="store_true", help="Write docs/sql anew.")


hypothesis.settings.register_profile("test", derandomize=True, deadline=None)
hypothesis.settings.register_profile("prove", deadline=None, max_examples=2_000)
hypothesis.settings.load_profile("test")


# Nothing leaves this machine


class OutsideWorld(AssertionError):
    """A test tried to reach another machine."""


class LoopbackOnly:
    """Refuses every connection and name that is not this machine's. An audit hook can never be removed, only rest."""

    def __init__(self) -> None:
        self.watching = False
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.watching or not event.startswith("socket."):
            return
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            sock, address = arguments[0], arguments[1]
            if sock.family in (socket.AF_INET, socket.AF_INET6) and address is not None:
                self._check(address[0])
        elif event == "socket.getaddrinfo":
            self._check(arguments[0])

    @staticmethod
    def _check(host: str | bytes | None) -> None:
        name = host.decode() if isinstance(host, bytes) else host
        # RFC 6761 and RFC 2606 reserve these: they never are another machine.
        if not name or name == "localhost" or name.endswith((".localhost", ".invalid", ".test")):
            return
        try:
            inside = ipaddress.ip_address(name.partition("%")[0]).is_loopback
        except ValueError:
            inside = False
        if not inside and name != "0.0.0.0":  # noqa: S104  # an address to bind to, not to reach
            raise OutsideWorld(f"a test may not reach {name}")


_GUARD = LoopbackOnly()


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """No test reaches another machine."""
    _GUARD.watching = True
    yield
    _GUARD.watching = False


# PostgreSQL


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL for the session; PATROL_TEST_POSTGRES_BIN names the programs of another version."""
    programs = os.environ.get("PATROL_TEST_POSTGRES_BIN")
    directory = tmp_path_factory.mktemp("postgres")
    with EmbeddedPostgres(
        directory, bin_dir=Path(programs) if programs else None, fast_for_tests=True
    ) as server:
        yield server


def address_of(server: EmbeddedPostgres, database: str, user: str | None = None) -> str:
    """The address of one database of the server, as its superuser or as `user`."""
    parts = urlsplit(server.url)
    netloc = f"{user}@" if user else parts.netloc
    return urlunsplit((parts.scheme, netloc, f"/{database}", parts.query, ""))


async def administer(server: EmbeddedPostgres, *statements: str) -> None:
    """Runs statements that no transaction may hold, such as `create database`."""
    connection = await asyncpg.connect(address_of(server, "postgres"))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
async def template(postgres: EmbeddedPostgres) -> str:
    """The name of a migrated database that nobody is connected to, so that it can be copied."""
    await administer(
        postgres,
        f"create role {LOGIN} login nosuperuser nobypassrls",
        f"create database {TEMPLATE}",
    )
    await migrate(address_of(postgres, TEMPLATE), login=LOGIN)
    return TEMPLATE


@pytest.fixture(scope="session")
async def database_url(postgres: EmbeddedPostgres, template: str) -> str:
    """The superuser's address of a migrated database that the whole session shares; its users clean up themselves."""
    await administer(postgres, f"create database patrol_shared template {template}")
    return address_of(postgres, "patrol_shared")


@pytest.fixture
async def fresh_database_url(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """The superuser's address of a migrated, empty database of this test alone."""
    name = f"patrol_{secrets.token_hex(6)}"
    await administer(postgres, f"create database {name} template {template}")
    yield address_of(postgres, name)
    await administer(postgres, f"drop database {name} with (force)")


@pytest.fixture
def login_url(postgres: EmbeddedPostgres, fresh_database_url: str) -> str:
    """The address of `fresh_database_url` as the application's login: no superuser, so that policies are real."""
    return address_of(postgres, urlsplit(fresh_database_url).path.strip("/"), LOGIN)


@pytest.fixture
async def database(login_url: str) -> AsyncIterator[Database]:
    """The pool on this test's own database, as the application has it."""
    opened = await Database.connect(login_url, size=10)
    yield opened
    await opened.close()


@pytest.fixture
async def owner(fresh_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The superuser's connection to this test's own database, to look at it past all policies."""
    connection = await asyncpg.connect(fresh_database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def keys(database: Database) -> KeySet:
    """The key set of this test's own database."""
    async with database.write(system("keys"), role=Role.SYSTEM) as connection:
        return await load(connection, SECRET)


@pytest.fixture
async def world(database: Database) -> World:
    """A small station with its people and things, in this test's own database."""
    return await World.make(database)


# S3


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedS3]:
    """An S3 for the session."""
    with EmbeddedS3(tmp_path_factory.mktemp("s3")) as server:
        yield server


def store_on(server: EmbeddedS3, prefix: str) -> ObjectStore:
    """The object store of one installation, told apart by the prefix of its buckets."""
    return ObjectStore(
        server.endpoint,
        server.access_key,
        server.secret_key,
        region=server.region,
        secure=False,
        prefix=prefix,
    )


@pytest.fixture(scope="session")
async def store(s3: EmbeddedS3) -> AsyncIterator[ObjectStore]:
    """Buckets that the whole session shares; tests keep apart by their keys."""
    opened = store_on(s3, f"t{secrets.token_hex(4)}-")
    await opened.ensure_buckets()
    yield opened
    opened.close()


@pytest.fixture
async def own_store(s3: EmbeddedS3) -> AsyncIterator[ObjectStore]:
    """Empty buckets of this test alone, for tests that count what is there."""
    opened = store_on(s3, f"o{secrets.token_hex(4)}-")
    await opened.ensure_buckets()
    yield opened
    opened.close()
