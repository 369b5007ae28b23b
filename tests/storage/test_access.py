"""The database must show a connection what its principal may see and nothing else, whatever was on it before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from storage import tables
from storage.database import Database
from storage.faults import PrincipalRevoked
from storage.principal import Principal, PrincipalKind, Role, system
from tests.personas import as_admin, as_camera, as_officer, as_partner, as_post
from tests.storage.rows import BASE, EVERYTHING, QUEUE, ROLES
from tests.world import World, now

READABLE_BY_NOBODY: dict[tuple[str, str], str] = {}
"""What a role may read with no principal, with the reason. Keep it short; it is empty."""


@pytest.fixture
async def one(login_url: str) -> AsyncIterator[Database]:
    """A pool of a single connection, so that whoever comes next has the same one."""
    database = await Database.connect(login_url, size=1)
    yield database
    await database.close()


async def seen(connection: Any, names: tuple[str, ...] = EVERYTHING) -> dict[str, int]:
    """How many rows of each table the connection reads; what is refused or empty is left out."""
    counts = {}
    for name in names:
        try:
            count = await connection.fetchval(f"select count(*) from {name}")
        except asyncpg.InsufficientPrivilegeError:
            continue
        if count:
            counts[name] = count
    return counts


async def become(connection: Any, role: str, principal: str | None = None) -> None:
    await connection.execute("select set_config('role', $1, false)", role)
    if principal is not None:
        await connection.execute("select set_config('patrol.principal', $1, false)", principal)


ALIVE = "select count(*) from pg_stat_activity where pid = any ($1)"


# Nobody


@pytest.mark.oldest
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("unset", [None, ""], ids=["never set", "emptied"])
async def test_with_no_principal_a_role_reads_no_table(
    role: str, unset: str | None, login: asyncpg.Connection
) -> None:
    await become(login, role, unset)
    allowed = {table for reader, table in READABLE_BY_NOBODY if reader == role}
    assert set(await seen(login)) == allowed


async def test_the_worker_who_is_told_reads_every_table(login: asyncpg.Connection) -> None:
    """A negative control of the test above: the same question finds rows once a principal is set."""
    await become(login, Role.SYSTEM.value, "system:test")
    assert set(await seen(login, BASE)) == set(BASE)


async def test_the_login_reads_nothing_but_the_number_of_the_last_migration(
    login: asyncpg.Connection,
) -> None:
    """Right after it connects: membership of the doors gives it their rights, and their policies."""
    assert set(await seen(login)) == {"alembic_version"}


@pytest.mark.parametrize(
    "principal", ["", "x", "officer", "system", "nobody:1", ":", "systems:1", " system:1"]
)
async def test_a_principal_of_no_known_kind_is_not_the_worker_nor_an_administrator(
    principal: str, login: asyncpg.Connection
) -> None:
    for role in (Role.SYSTEM, Role.ADMIN):
        await become(login, role.value, principal)
        shown = set(await seen(login, tuple(sorted(tables.metadata.tables))))
        # The queue asks only for some principal.
        assert shown <= {"job_schedule"}


# The next one on the same connection


async def nothing_more(connection: Any) -> None:
    """The previous one did nothing."""


async def roll_back(connection: Any) -> None:
    transaction = connection.transaction()
    await transaction.start()
    await connection.fetchval("select count(*) from zone")
    await transaction.rollback()


async def leave_a_transaction_open(connection: Any) -> None:
    await connection.execute("begin; insert into sync_set (id, content) values ('left', '[]')")


async def fail(connection: Any) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        await connection.execute("select 1 / 0")


async def fail_in_a_transaction(connection: Any) -> None:
    async with connection.transaction():
        await connection.execute("select 1 / 0")


async def raise_ours(connection: Any) -> None:
    raise RuntimeError("a mistake of ours")


BEFORE: dict[str, Callable[[Any], Awaitable[None]]] = {
    "after nothing": nothing_more,
    "after a rolled back transaction": roll_back,
    "after an open transaction": leave_a_transaction_open,
    "after a failed statement": fail,
    "after a failed transaction": fail_in_a_transaction,
    "after a mistake": raise_ours,
}


async def told(connection: Any) -> Any:
    return await connection.fetchval(
        "select coalesce(current_setting('patrol.principal', true), '')"
    )


@pytest.mark.parametrize("name", BEFORE)
async def test_a_connection_serves_the_one_who_entered_last(
    name: str, one: Database, world: World, owner: asyncpg.Connection
) -> None:
    somkid = await as_officer(world, world.somkid)
    try:
        async with one.enter(Role.SYSTEM, system("before")) as entered:
            backend = await entered.connection.fetchval("select pg_backend_pid()")
            assert await seen(entered.connection, ("zone",)) == {"zone": 2}
            await BEFORE[name](entered.connection)
    except (RuntimeError, asyncpg.DivisionByZeroError):
        pass
    async with one.enter(Role.PHONE, somkid) as entered:
        assert await entered.connection.fetchval("select pg_backend_pid()") == backend
        assert not entered.connection.is_in_transaction()
        assert await told(entered.connection) == str(somkid)
        assert {row["id"] for row in await entered.connection.fetch("select id from zone")} == {
            world.temple
        }
    assert await owner.fetchval("select count(*) from sync_set where id = 'left'") == 0


@pytest.mark.parametrize("name", BEFORE)
async def test_a_connection_that_is_refused_to_one_serves_nobody(
    name: str, one: Database, world: World
) -> None:
    revoked = await as_officer(world, world.somkid)
    await world.change("update session set revoked_at = now() where id = $1", revoked.credential_id)
    try:
        async with one.enter(Role.SYSTEM, system("before")) as entered:
            await BEFORE[name](entered.connection)
    except (RuntimeError, asyncpg.DivisionByZeroError):
        pass
    for role in Role:
        with pytest.raises(PrincipalRevoked):
            async with one.enter(role, revoked):
                raise AssertionError("nobody may come in")
        async with one._pool.acquire() as connection:
            assert await told(connection) == ""
            assert await seen(connection) == {}


async def test_a_cancelled_request_takes_its_connection_with_it(
    one: Database, world: World, owner: asyncpg.Connection
) -> None:
    somkid = await as_officer(world, world.somkid)
    backends: list[int] = []
    began = asyncio.Event()

    async def request() -> None:
        async with one.read(Role.SYSTEM, system("before")) as entered:
            backends.append(await entered.connection.fetchval("select pg_backend_pid()"))
            began.set()
            await entered.connection.fetchval("select pg_advisory_lock(1)")

    await owner.execute("select pg_advisory_lock(1)")
    task = asyncio.create_task(request())
    await asyncio.wait_for(began.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with one.enter(Role.PHONE, somkid) as entered:
        assert await entered.connection.fetchval("select pg_backend_pid()") not in backends
        assert await told(entered.connection) == str(somkid)
        assert set(await seen(entered.connection, ("zone", "session"))) == {"zone"}
    async with asyncio.timeout(10):
        while await owner.fetchval(ALIVE, backends):  # noqa: ASYNC110 # PostgreSQL tells no event of it
            await asyncio.sleep(0)


async def test_a_connection_is_not_served_by_what_an_earlier_one_said_in_a_transaction(
    login: asyncpg.Connection,
) -> None:
    """A negative control: told inside a transaction that rolls back, the previous principal returns."""
    await become(login, Role.SYSTEM.value, "system:first")
    transaction = login.transaction()
    await transaction.start()
    await login.execute("select set_config('patrol.principal', '', false)")
    assert await told(login) == ""
    await transaction.rollback()
    assert await told(login) == "system:first"
    assert await seen(login, ("signing_key",)) == {"signing_key": 1}


async def test_a_principal_whose_id_is_none_is_a_fault_that_harms_no_later_one(
    one: Database, world: World
) -> None:
    somkid = await as_officer(world, world.somkid)
    with pytest.raises(asyncpg.PostgresError):
        async with one.enter(
            Role.PHONE, Principal(PrincipalKind.OFFICER, "no id", somkid.credential_id)
        ):
            raise AssertionError("nobody may come in")
    async with one.enter(Role.PHONE, somkid) as entered:
        assert await told(entered.connection) == str(somkid)


# Revocation


Maker = Callable[[World], Awaitable[Principal]]

WHO: dict[str, Maker] = {
    "officer": lambda world: as_officer(world, world.kanya),
    "partner": lambda world: as_partner(world, world.radio),
    "camera": lambda world: as_camera(world, world.market_camera),
    "post": lambda world: as_post(world, world.post),
    "admin": as_admin,
}

ENDINGS = [
    ("officer", "update session set revoked_at = now() where id = $1"),
    ("officer", "update session set expires_at = now() where id = $1"),
    ("officer", "update device set revoked_at = now() from session where session.id = $1 and device.id = device_id"),
    ("officer", "update officer set active = false from session where session.id = $1 and officer.id = officer_id"),
    ("partner", "update api_key set revoked_at = now() where id = $1"),
    ("partner", "update api_key set expires_at = now() where id = $1"),
    ("partner", "update organisation o set active = false from api_key k where k.id = $1 and o.id = organisation_id"),
    ("camera", "update device_key set revoked_at = now() where id = $1"),
    ("post", "update device_key set revoked_at = now() where id = $1"),
    ("admin", "update admin_token set revoked_at = now() where id = $1"),
    ("admin", "update admin_token set expires_at = now() where id = $1"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "ending"), ENDINGS)
async def test_who_is_ended_is_not_served_again(
    kind: str, ending: str, one: Database, world: World
) -> None:
    principal = await WHO[kind](world)
    async with one.enter(Role.WRITER, principal) as entered:
        assert await told(entered.connection) == str(principal)
    await world.change(ending, principal.credential_id)
    with pytest.raises(PrincipalRevoked):
        async with one.enter(Role.WRITER, principal):
            raise AssertionError("nobody may come in")
    async with one._pool.acquire() as connection:
        assert await told(connection) == ""


@pytest.mark.parametrize("kind", WHO)
async def test_nobody_comes_in_with_the_credential_of_another_or_none(
    kind: str, one: Database, world: World
) -> None:
    principals = {name: await make(world) for name, make in WHO.items()}
    own = principals.pop(kind)
    for credential in (None, UUID(int=7), *(other.credential_id for other in principals.values())):
        with pytest.raises(PrincipalRevoked):
            async with one.enter(Role.PHONE, Principal(own.kind, own.id, credential)):
                raise AssertionError("nobody may come in")


async def test_nobody_comes_in_with_the_session_of_a_colleague(one: Database, world: World) -> None:
    somkid = await as_officer(world, world.somkid)
    with pytest.raises(PrincipalRevoked):
        async with one.enter(
            Role.PHONE, Principal(PrincipalKind.OFFICER, world.prasert, somkid.credential_id)
        ):
            raise AssertionError("nobody may come in")


async def test_an_assignment_that_ends_ends_at_once(one: Database, world: World) -> None:
    kanya = await as_officer(world, world.kanya)
    for wanted in ({world.market}, set()):
        async with one.enter(Role.PHONE, kanya) as entered:
            # Whatever is assigned to her, she belongs to the staff.
            assert set(entered.scopes) == wanted | {world.staff}
            assert {
                row["id"] for row in await entered.connection.fetch("select id from zone")
            } == wanted
        await world.change(
            "update assignment set valid_until = $2 where officer_id = $1", world.kanya, now()
        )


# Each in the place of another


@pytest.mark.parametrize("kind", WHO)
async def test_no_principal_reads_as_another_kind(kind: str, one: Database, world: World) -> None:
    """A door that took the wrong role would still show nothing that is not meant for who asks."""
    own = {
        "officer": {Role.PHONE, Role.WRITER}, "partner": {Role.PARTNER, Role.WRITER}, "camera": {Role.WRITER},
        "post": {Role.WRITER}, "admin": {Role.ADMIN, Role.WRITER},
    }[kind]  # fmt: skip
    principal = await WHO[kind](world)
    for role in set(Role) - own:
        async with one.enter(role, principal) as entered:
            shown = await seen(entered.connection)
            assert set(shown) <= {"sync_epoch", "sync_set", *QUEUE, "job_schedule"}, (kind, role)
