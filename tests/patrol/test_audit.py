"""The audit log: nothing is passed by, nothing can be changed, and a change by force is found."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from typing import Any

import asyncpg
import pytest

from patrol.audit import (
    SCHEDULES,
    Verified,
    audit,
    closing,
    seal,
    seal_log,
    verify,
    well_formed,
    written,
)
from patrol.keys import Key, KeySet, load, retire, rotate
from storage.database import Connection, Database
from storage.principal import Role, system
from tests.conftest import SECRET
from tests.world import now


async def act(database: Database, subject: str, **detail: Any) -> None:
    """One act in a transaction of its own."""
    async with database.write(system("test")) as connection:
        await audit(connection, "test.act", subject, **detail)


async def verified(database: Database, keys: KeySet) -> Verified:
    async with database.read(Role.SYSTEM, system("test")) as entered:
        return await verify(entered.connection, keys)


@asynccontextmanager
async def by_force(owner: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """A superuser who has switched the triggers off."""
    await owner.execute("set session_replication_role = replica")
    yield owner
    await owner.execute("set session_replication_role = origin")


async def chained(database: Database, keys: KeySet) -> None:
    """Three seals over two acts each."""
    for number in range(3):
        await act(database, f"first {number}", at=number)
        await act(database, f"second {number}", at=number)
        assert await seal_log(database, keys) is not None


@pytest.mark.oldest
async def test_what_was_done_is_sealed_once(database: Database, keys: KeySet) -> None:
    assert await seal_log(database, keys) is None
    assert await verified(database, keys) == Verified(0, 0, 0, 0, None, None)
    await act(database, "one")
    await act(database, "two")
    assert (await verified(database, keys)).unsealed == 2
    sealed = await seal_log(database, keys)
    assert sealed is not None
    assert (sealed.number, sealed.entries) == (1, 2)
    assert await seal_log(database, keys) is None
    await act(database, "three")
    proof = await verified(database, keys)
    assert (proof.entries, proof.seals, proof.unsealed, proof.broken_at) == (2, 1, 1, None)
    assert proof.head is not None
    assert len(proof.head) == 64


@pytest.mark.oldest
async def test_an_act_that_commits_late_is_sealed_and_a_cursor_over_ids_would_miss_it(
    database: Database, keys: KeySet, owner: asyncpg.Connection
) -> None:
    reached = 0

    async def by_id() -> list[str]:
        """The naive way: everything after the highest id that was seen."""
        nonlocal reached
        rows = await owner.fetch(
            "select id, subject from audit_entry where id > $1 order by id", reached
        )
        reached = max([reached, *(row["id"] for row in rows)])
        return [row["subject"] for row in rows]

    async with database.write(system("test")) as late:
        await audit(late, "test.act", "late")
        await act(database, "early")
        assert await by_id() == ["early"]
        first = await seal_log(database, keys)
    assert await by_id() == []  # the late act has the lower id
    second = await seal_log(database, keys)
    assert first is not None
    assert second is not None
    assert (first.entries, second.entries) == (1, 1)
    proof = await verified(database, keys)
    assert (proof.entries, proof.seals, proof.unsealed, proof.broken_at) == (2, 2, 0, None)


async def test_many_writers_and_sealers_at_once_leave_nothing_out(
    database: Database, keys: KeySet
) -> None:
    dice = random.Random(2)  # a fixed schedule, nothing secret

    async def write(number: int) -> None:
        for turn in range(6):
            try:
                async with database.write(system("test")) as connection:
                    for part in range(dice.randrange(1, 4)):
                        await audit(connection, "test.act", f"{number}.{turn}.{part}")
                        # An id of a subtransaction must not mislead.
                        async with connection.transaction():
                            await audit(connection, "test.act", f"{number}.{turn}.{part} inside")
                    if dice.random() < 0.3:
                        raise LookupError
            except LookupError:
                pass

    async def keep_sealing(done: asyncio.Event) -> int:
        found = 0
        while not done.is_set():
            sealed = await seal_log(database, keys)
            found += sealed.entries if sealed else 0
        return found

    done = asyncio.Event()
    sealers = [asyncio.create_task(keep_sealing(done)) for _ in range(2)]
    await asyncio.gather(*(write(number) for number in range(6)))
    done.set()
    found = sum(await asyncio.gather(*sealers))
    rest = await seal_log(database, keys)
    found += rest.entries if rest else 0
    async with database.read(Role.SYSTEM, system("test")) as entered:
        stored = await entered.connection.fetchval("select count(*) from audit_entry")
        proof = await verify(entered.connection, keys)
    assert found == stored == proof.entries
    assert (proof.unsealed, proof.broken_at) == (0, None)


async def test_two_workers_never_seal_at_once(database: Database, keys: KeySet) -> None:
    await act(database, "one")
    async with database.write(system("audit"), Role.SYSTEM) as first:
        assert await seal(first, keys) is not None
        assert await seal_log(database, keys) is None
    assert await seal_log(database, keys) is None
    assert (await verified(database, keys)).seals == 1


async def test_a_seal_shares_its_transaction_with_nothing(database: Database, keys: KeySet) -> None:
    async with database.write(system("audit"), Role.SYSTEM) as connection:
        await audit(connection, "test.act", "before")
        with pytest.raises(RuntimeError):
            await seal(connection, keys)


async def test_the_worker_seals_each_second() -> None:
    assert [(one.name, one.every) for one in SCHEDULES] == [("audit.seal", timedelta(seconds=1))]


@pytest.mark.parametrize("role", [Role.WRITER, Role.SYSTEM, Role.ADMIN, None])
@pytest.mark.parametrize(
    "statement",
    [
        "update {} set {} = {}",
        "delete from {}",
        "truncate {}",
    ],
)
@pytest.mark.parametrize(("table", "column"), [("audit_entry", "act"), ("audit_seal", "kid")])
async def test_nobody_changes_the_log_not_even_its_owner(
    database: Database,
    keys: KeySet,
    owner: asyncpg.Connection,
    role: Role | None,
    statement: str,
    table: str,
    column: str,
) -> None:
    await chained(database, keys)
    if role is None:
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await owner.execute(statement.format(table, column, column))
        return
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.write(system("test"), role) as connection:
            await connection.execute(statement.format(table, column, column))


@pytest.mark.parametrize(
    ("forgery", "broken_at"),
    [
        ("update audit_entry set act = 'nothing' where subject = 'first 1'", 2),
        ("update audit_entry set detail = '{\"at\": 1.0}' where subject = 'first 1'", 2),
        ("update audit_entry set principal = 'admin:other' where subject = 'second 0'", 1),
        ("update audit_entry set at = at - interval '1 day' where subject = 'second 2'", 3),
        ("update audit_entry set id = 1000 where subject = 'first 0'", 1),
        ("delete from audit_entry where subject = 'first 2'", 3),
        ("delete from audit_seal where number = 2", 2),
        ("delete from audit_seal where number = 1", 1),
        ("update audit_seal set entries = entries + 1 where number = 2", 2),
        ("update audit_seal set sealed_at = sealed_at - interval '1 day' where number = 2", 2),
        ("update audit_seal set sha256 = sha256('') where number = 3", 3),
        ("update audit_seal set mac = '' where number = 2", 2),
        ("update audit_seal set kid = 'nobody' where number = 3", 3),
        ("update audit_seal set snapshot = 'no snapshot' where number = 2", 2),
        ("update audit_seal set snapshot = '1:1:' where number = 3", 3),
        ("update audit_seal set ids = ids - '{[1,2)}' where number = 1", 1),
        ("update audit_seal set ids = ids + '{[3,4)}' where number = 1", 1),
        ("update audit_seal set ids = '{}' where number = 3", 3),
    ],
)
async def test_a_change_by_force_is_found(
    database: Database, keys: KeySet, owner: asyncpg.Connection, forgery: str, broken_at: int
) -> None:
    await chained(database, keys)
    assert (await verified(database, keys)).broken_at is None
    async with by_force(owner):
        await owner.execute("alter table audit_entry alter column id set generated by default")
        await owner.execute(forgery)
    assert (await verified(database, keys)).broken_at == broken_at


async def test_an_entry_that_was_slipped_in_is_found(
    database: Database, keys: KeySet, owner: asyncpg.Connection
) -> None:
    await chained(database, keys)
    await owner.execute(
        "insert into audit_entry (xid, principal, act, subject) "
        "select min(xid::text)::xid8, 'system:test', 'test.act', 'slipped in' from audit_entry"
    )
    proof = await verified(database, keys)
    assert (proof.strays, proof.unsealed, proof.broken_at) == (1, 0, None)
    await act(database, "honest")
    assert await seal_log(database, keys) is not None
    assert (await verified(database, keys)).strays == 1


async def forge(owner: Connection, key: Key) -> None:
    """Chains the whole stored log anew, as one who can write to the database would."""
    seals = await owner.fetch(
        "select number, sealed_at, snapshot, ids from audit_seal order by number"
    )
    previous = b""
    for one in seals:
        rows = await owner.fetch(
            "select id, at, xid::text, principal, act, subject, detail::text from audit_entry "
            "where id <@ (select ids from audit_seal where number = $1) order by id",
            one["number"],
        )
        link = sha256(previous)
        for row in rows:
            link.update(written(row))
        link.update(closing(one["number"], one["sealed_at"], one["snapshot"], len(rows)))
        previous = link.digest()
        await owner.execute(
            "update audit_seal set entries = $2, sha256 = $3, kid = $4, mac = $5 where number = $1",
            one["number"],
            len(rows),
            previous,
            key.kid,
            key.mac("audit", previous),
        )


async def test_a_rewriter_without_the_secret_cannot_chain_the_log_anew(
    database: Database, keys: KeySet, owner: asyncpg.Connection
) -> None:
    await chained(database, keys)
    kid = keys.current.kid
    async with by_force(owner):
        await owner.execute("delete from audit_entry where subject = 'first 1'")
        await forge(owner, keys.current)
        # The control: with the secret, the forgery is perfect.
        assert (await verified(database, keys)).broken_at is None
        for stolen in (kid, "unknown"):
            await forge(owner, Key(stolen, b"a guess", now(), None))
            proof = await verified(database, keys)
            assert (proof.broken_at, proof.entries, proof.head) == (1, 0, None)


async def test_a_new_key_vouches_for_what_a_retired_one_sealed(
    database: Database, keys: KeySet
) -> None:
    await chained(database, keys)
    old = keys.current.kid
    async with database.write(system("keys"), role=Role.SYSTEM) as connection:
        await rotate(connection, SECRET, overlap=timedelta(0))
        await retire(connection, old)
        keys.replace(await load(connection, SECRET))
    assert (await verified(database, keys)).broken_at == 1
    sealed = await seal_log(database, keys)
    assert sealed is not None
    assert (sealed.number, sealed.entries) == (4, 0)
    proof = await verified(database, keys)
    assert (proof.entries, proof.seals, proof.broken_at) == (6, 4, None)
    assert await seal_log(database, keys) is None


async def test_the_end_that_was_cut_off_is_told_by_a_head_that_was_kept_elsewhere(
    database: Database, keys: KeySet, owner: asyncpg.Connection
) -> None:
    await chained(database, keys)
    kept = (await verified(database, keys)).head
    async with by_force(owner):
        await owner.execute("delete from audit_seal where number = 3")
        await owner.execute("delete from audit_entry where subject like '% 2'")
    cut = await verified(database, keys)
    assert (cut.seals, cut.broken_at) == (2, None)
    assert cut.head != kept


async def begin_epoch(database: Database) -> None:
    async with database.write(system("test"), Role.SYSTEM) as connection:
        await connection.execute(
            "insert into sync_epoch (id, number, reason) "
            "select gen_random_uuid(), max(number) + 1, 'test' from sync_epoch"
        )


async def test_a_new_epoch_costs_one_seal_and_covers_nothing_twice(
    database: Database, keys: KeySet
) -> None:
    await chained(database, keys)
    await begin_epoch(database)
    sealed = await seal_log(database, keys)
    assert sealed is not None
    assert (sealed.number, sealed.entries) == (4, 0)
    assert await seal_log(database, keys) is None
    await act(database, "after")
    sealed = await seal_log(database, keys)
    assert sealed is not None
    assert sealed.entries == 1
    proof = await verified(database, keys)
    assert (proof.entries, proof.unsealed, proof.strays, proof.broken_at) == (7, 0, 0, None)


async def test_an_act_that_is_under_way_while_an_epoch_begins_is_sealed(
    database: Database, keys: KeySet
) -> None:
    await chained(database, keys)
    async with database.write(system("test")) as late:
        await audit(late, "test.act", "late")
        await begin_epoch(database)
        await act(database, "early")
        first = await seal_log(database, keys)
    second = await seal_log(database, keys)
    assert first is not None
    assert second is not None
    assert (first.entries, second.entries) == (1, 1)
    assert (await verified(database, keys)).strays == 0


@pytest.mark.parametrize(
    ("snapshot", "fits"),
    [
        ("1:1:", True),
        ("10:20:10,14,15", True),
        ("", False),
        ("10:20", False),
        ("10:9:", False),
        ("10:20:15,14", False),
        ("10:20:20", False),
        ("0:1:", False),
        ("10:20:1;2", False),
    ],
)
async def test_a_forged_snapshot_is_known_before_postgresql_reads_it(
    owner: asyncpg.Connection, snapshot: str, fits: bool
) -> None:
    assert well_formed(snapshot) is fits
    try:
        await owner.fetchval("select $1::text::pg_snapshot::text", snapshot)
    except asyncpg.DataError:
        assert not fits
    else:
        assert fits
