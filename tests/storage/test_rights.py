"""What the roles behind the doors may do at all, before any policy is asked about a row."""

from __future__ import annotations

import asyncpg
import pytest

from storage.principal import Role
from tests.conftest import LOGIN
from tests.storage.rows import BASE, QUEUE, ROLES, SHARING, VIEWS
from tests.world import World

NOT_ROW_BY_ROW = {"alembic_version": "the number of the last migration, which no door may read"}
"""Tables without row policies, with the reason."""

PLANNING = {"plan_cache_mode=force_custom_plan", "enable_seqscan=off"}
"""What a function may set beside its search path: how a statement is planned, never which rows it reads or as whom."""


@pytest.mark.oldest
async def test_the_roles_of_the_doors_own_nothing_and_bypass_nothing(
    login: asyncpg.Connection,
) -> None:
    rights = await login.fetch(
        "select rolname, rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication as strong, "
        "rolcanlogin from pg_roles where rolname = any ($1)",
        [*ROLES, "patrol_app"],
    )
    assert {row["rolname"] for row in rights} == {*ROLES, "patrol_app"}
    assert not any(row["strong"] or row["rolcanlogin"] for row in rights)
    owned = await login.fetch(
        """
        select pg_get_userbyid(relowner) as owner, oid::regclass::text as name from pg_class
        union all select pg_get_userbyid(proowner), oid::regprocedure::text from pg_proc
        union all select pg_get_userbyid(nspowner), nspname from pg_namespace
        """
    )
    named = {
        (row["owner"], row["name"])
        for row in owned
        if row["owner"] in (*ROLES, "patrol_app", LOGIN)
    }
    assert named == {(SHARING, view) for view in VIEWS}


@pytest.mark.oldest
async def test_every_table_has_row_policies(login: asyncpg.Connection) -> None:
    rows = await login.fetch(
        "select relname, relrowsecurity from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
    )
    assert {row["relname"] for row in rows} == {*BASE, "alembic_version"}
    assert {row["relname"] for row in rows if not row["relrowsecurity"]} == set(NOT_ROW_BY_ROW)


async def test_the_roles_of_doors_are_no_members_of_each_other(login: asyncpg.Connection) -> None:
    pairs = [
        (one, other)
        for one in ROLES
        for other in (*ROLES, "patrol_app")
        if one != other and await login.fetchval("select pg_has_role($1, $2, 'member')", one, other)
    ]
    assert pairs == []


async def rights_of(
    connection: asyncpg.Connection, role: str, right: str, names: tuple[str, ...]
) -> set[str]:
    """Of some tables, those on which a role has a right, be it only on a column."""
    whole = {
        one
        for one in names
        if await connection.fetchval("select has_table_privilege($1, $2, $3)", role, one, right)
    }
    if right not in ("select", "insert", "update", "references"):
        return whole
    return whole | {
        one
        for one in names
        if await connection.fetchval(
            "select has_any_column_privilege($1, $2, $3)", role, one, right
        )
    }


@pytest.mark.parametrize(
    "right", ["select", "insert", "update", "delete", "truncate", "references", "trigger"]
)
async def test_the_partners_role_has_no_right_on_a_table(
    right: str, login: asyncpg.Connection
) -> None:
    tables_only = (*BASE, "alembic_version")
    assert await rights_of(login, Role.PARTNER, right, tables_only) == set()
    assert await rights_of(login, Role.PARTNER, right, VIEWS) == (
        set(VIEWS) if right == "select" else set()
    )


@pytest.mark.parametrize("role", ROLES)
async def test_no_role_changes_the_log_or_empties_a_table(
    role: str, login: asyncpg.Connection
) -> None:
    log = ("audit_entry", "audit_seal")
    for right in ("update", "delete", "truncate"):
        assert await rights_of(login, role, right, log) == set()
    assert await rights_of(login, role, "truncate", BASE) == set()
    queue = {*QUEUE, "job_schedule"} if role == Role.SYSTEM else set()
    granted = {"agreement_zone"} if role == Role.WRITER else set()
    assert await rights_of(login, role, "delete", BASE) == queue | granted


async def test_reading_roles_write_nothing(login: asyncpg.Connection) -> None:
    for role in (Role.PHONE, Role.PARTNER, Role.ADMIN, SHARING):
        for right in ("insert", "update", "delete"):
            assert await rights_of(login, role, right, (*BASE, "alembic_version")) == set()


@pytest.mark.parametrize("table", ["audit_entry", "audit_seal"])
async def test_even_the_owner_cannot_change_the_log(
    table: str, owner: asyncpg.Connection, world: World
) -> None:
    for statement in (f"update {table} set kid = 'x'", f"delete from {table}", f"truncate {table}"):
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await owner.execute(
                statement.replace("kid", "principal" if table == "audit_entry" else "kid")
            )


async def test_secrets_are_read_by_the_worker_alone(login: asyncpg.Connection) -> None:
    readers = {role for role in ROLES if await rights_of(login, role, "select", ("signing_key",))}
    assert readers == {Role.SYSTEM.value}


@pytest.mark.oldest
async def test_functions_that_run_as_their_owner_are_closed_and_safe(
    login: asyncpg.Connection,
) -> None:
    """Not for everybody, and with a search path in which nobody else can put a table."""
    rows = await login.fetch(
        "select p.oid::regprocedure::text as name, proconfig, has_function_privilege('public', p.oid, 'execute') as open "
        "from pg_proc p where prosecdef and pronamespace = any (array['access', 'public', 'partner']::regnamespace[])"
    )
    assert rows
    for row in rows:
        assert not row["open"], row["name"]
        path, *others = row["proconfig"]
        assert path == "search_path=public, pg_temp", row["name"]
        assert set(others) <= PLANNING, row["name"]
