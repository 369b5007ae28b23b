"""A database that would lose, leak or hide something is refused in plain words, and a good one is not."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from alembic.script import ScriptDirectory

from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.faults import DatabaseUnavailable, DatabaseUnfit
from storage.fitness import examine, require_fit, unfit
from storage.principal import Role, system
from storage.revisions import SCRIPTS, revisions
from tests.conftest import address_of, administer
from tests.storage.pooling_proxy import PoolingProxy

PROXY = "transaction-pooling proxy"


async def change(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.oldest
async def test_the_tests_own_database_is_fit(login_url: str) -> None:
    fitness = await examine(login_url)
    assert fitness.refusals == []
    # The servers of the tests run without fsync, which is said and does not refuse them.
    assert [warning for warning in fitness.warnings if "fsync" not in warning] == []
    await require_fit(login_url)


@pytest.mark.oldest
async def test_a_transaction_pooling_proxy_is_refused(login_url: str) -> None:
    async with PoolingProxy(login_url).running() as behind:
        assert [PROXY in refusal for refusal in await unfit(behind)] == [True]
        with pytest.raises(DatabaseUnfit, match="session pooling"):
            await require_fit(behind)


async def test_a_proxy_that_keeps_sessions_whole_is_let_through_with_a_warning(
    login_url: str,
) -> None:
    async with PoolingProxy(login_url, whole_sessions=True).running() as behind:
        fitness = await examine(behind)
    assert fitness.refusals == []
    assert any("A proxy stands before" in warning for warning in fitness.warnings)


async def test_behind_such_a_proxy_one_principal_would_reach_another(login_url: str) -> None:
    """The negative control: this is the leak that the refusal prevents."""
    async with PoolingProxy(login_url).running() as behind:
        first = await asyncpg.connect(behind, statement_cache_size=0)
        second = await asyncpg.connect(behind, statement_cache_size=0)
        try:
            await first.execute("select set_config('patrol.principal', 'officer:one', false)")
            read = "select current_setting('patrol.principal', true)"
            assert await second.fetchval(read) == "officer:one"
        finally:
            await first.close()
            await second.close()


@dataclass(frozen=True)
class Bouncer:
    """A real pgbouncer before a server at a TCP port of this machine."""

    process: subprocess.Popen[bytes]
    config: Path
    url: str

    @classmethod
    def start(cls, program: str, mode: str, server_port: int | None) -> Bouncer:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        config = Path(f"/tmp/patrol-pgbouncer-{port}.ini")  # noqa: S108  # readable by its account
        config.write_text(
            f"[databases]\n* = host=127.0.0.1 port={server_port} user=postgres\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = any\npool_mode = {mode}\n"
        )
        config.chmod(0o644)
        account = ["-u", "nobody"] if os.geteuid() == 0 else []
        process = subprocess.Popen([program, "-q", *account, str(config)])
        return cls(process, config, f"postgresql://postgres@127.0.0.1:{port}/any")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.config.unlink()


@pytest.fixture
async def pgbouncers(fresh_database_url: str) -> AsyncIterator[dict[str, str]]:
    """Addresses of this test's database through real pgbouncers, by pool mode."""
    program = shutil.which("pgbouncer")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    # It refuses to run as root, and no other account may enter the server's socket directory: so by TCP.
    async with PoolingProxy(fresh_database_url, whole_sessions=True).running() as direct:
        port = urlsplit(direct).port
        modes = ("transaction", "session", "statement")
        running = {
            mode: await asyncio.to_thread(Bouncer.start, program, mode, port) for mode in modes
        }
        yield {mode: bouncer.url for mode, bouncer in running.items()}
        for bouncer in running.values():
            await asyncio.to_thread(bouncer.stop)


async def reached(url: str) -> str:
    """The address, once something listens there."""
    parts = urlsplit(url)
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(parts.hostname, parts.port)
            except ConnectionError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return url


async def test_a_real_pgbouncer_is_judged_by_its_pool_mode(pgbouncers: dict[str, str]) -> None:
    refused = {
        mode: any(PROXY in refusal for refusal in await unfit(await reached(url)))
        for mode, url in pgbouncers.items()
    }
    assert refused == {"transaction": True, "statement": True, "session": False}


@pytest.fixture
async def odd_database(
    postgres: EmbeddedPostgres, request: pytest.FixtureRequest
) -> AsyncIterator[str]:
    """A database made with the options of the parameter."""
    name = "patrol_odd"
    await administer(postgres, f"create database {name} template template0 {request.param}")
    yield address_of(postgres, name)
    await administer(postgres, f"drop database {name} with (force)")


@pytest.mark.oldest
@pytest.mark.parametrize(
    "odd_database", ["locale 'C' encoding 'UTF8'", "lc_ctype 'C' encoding 'UTF8'"], indirect=True
)
async def test_a_character_type_without_thai_letters_is_refused(odd_database: str) -> None:
    assert any("no trigrams" in refusal for refusal in await unfit(odd_database))
    # The control: such a database really finds nothing, and the refusal also holds once that can be asked.
    await change(odd_database, "create extension pg_trgm")
    assert any("no trigrams" in refusal for refusal in await unfit(odd_database))


@pytest.mark.oldest
async def test_the_character_type_of_the_embedded_server_finds_thai(
    fresh_database_url: str,
) -> None:
    await change(fresh_database_url, "create extension if not exists pg_trgm")
    assert await unfit(fresh_database_url) == []


@pytest.mark.parametrize("odd_database", ["locale 'C' encoding 'SQL_ASCII'"], indirect=True)
async def test_an_encoding_other_than_utf_8_is_refused(odd_database: str) -> None:
    assert any("SQL_ASCII" in refusal for refusal in await unfit(odd_database))


@pytest.mark.parametrize("odd_database", ["locale 'C.UTF-8' encoding 'UTF8'"], indirect=True)
async def test_missing_migrations_are_refused_unless_they_are_still_to_be_made(
    odd_database: str,
) -> None:
    assert any("patrol migrate" in refusal for refusal in await unfit(odd_database))
    assert (await examine(odd_database, schema=False)).refusals == []


async def test_an_older_revision_is_refused_and_a_newer_one_is_let_through(
    fresh_database_url: str, login_url: str
) -> None:
    await change(fresh_database_url, "update alembic_version set version_num = '0001'")
    assert any("lacks migrations" in refusal for refusal in await unfit(login_url))
    # During an upgrade the old release serves on the new schema.
    await change(fresh_database_url, "update alembic_version set version_num = 'of a later year'")
    fitness = await examine(login_url)
    assert fitness.refusals == []
    assert any("newer release" in warning for warning in fitness.warnings)


async def test_a_login_that_may_not_act_for_the_doors_is_refused(
    postgres: EmbeddedPostgres, fresh_database_url: str
) -> None:
    await administer(postgres, "create role stranger login")
    try:
        name = urlsplit(fresh_database_url).path.strip("/")
        refusals = await unfit(address_of(postgres, name, "stranger"))
        assert any("stranger may not act" in refusal for refusal in refusals)
    finally:
        await administer(postgres, "drop role stranger")


async def test_a_superuser_is_warned_about_and_not_refused(fresh_database_url: str) -> None:
    fitness = await examine(fresh_database_url)
    assert fitness.refusals == []
    assert any("bypass row policies" in warning for warning in fitness.warnings)


async def test_the_owner_of_the_tables_is_warned_about(
    postgres: EmbeddedPostgres, fresh_database_url: str
) -> None:
    await administer(postgres, "create role table_owner login in role patrol_app")
    name = urlsplit(fresh_database_url).path.strip("/")
    try:
        await change(fresh_database_url, "alter table camera_state owner to table_owner")
        fitness = await examine(address_of(postgres, name, "table_owner"))
        assert fitness.refusals == []
        assert any("owns tables" in warning for warning in fitness.warnings)
    finally:
        await change(fresh_database_url, "reassign owned by table_owner to postgres")
        await administer(postgres, "drop role table_owner")


@pytest.fixture
def standby(tmp_path: Path) -> Iterator[str]:
    """The address of a server that only recovers."""
    programs = os.environ.get("PATROL_TEST_POSTGRES_BIN")
    with EmbeddedPostgres(
        tmp_path, bin_dir=Path(programs) if programs else None, fast_for_tests=True
    ) as server:
        server.stop()
        cluster = tmp_path / "postgres" / "cluster"
        (cluster / "standby.signal").touch()
        shutil.chown(cluster / "standby.signal", cluster.owner(), cluster.group())
        server.start()
        yield server.url


@pytest.mark.oldest
async def test_a_standby_is_refused(standby: str) -> None:
    assert any("standby" in refusal for refusal in await unfit(standby))


async def test_an_address_where_nobody_answers_is_unavailable() -> None:
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        await unfit("postgresql://nobody@127.0.0.1:1/patrol")


async def test_a_look_leaves_nothing_in_the_sessions_of_the_pool(login_url: str) -> None:
    await unfit(login_url)
    database = await Database.connect(login_url, size=2)
    try:
        async with database.enter(Role.SYSTEM, system("test")) as entered:
            mark = await entered.connection.fetchval(
                "select current_setting('patrol.fitness', true)"
            )
        assert not mark
    finally:
        await database.close()


def test_the_light_list_of_revisions_is_the_one_that_migrations_have() -> None:
    known = [one.revision for one in ScriptDirectory(str(SCRIPTS)).walk_revisions()]
    assert list(revisions()) == known
