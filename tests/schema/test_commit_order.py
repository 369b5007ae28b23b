"""Rows become visible in the order of commits: a pull must miss none of them, where clocks and counters do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from schema.door import Door
from tests.phone import Phone
from tests.world import World, now

INSERT = """
insert into incident (id, scope_id, station_id, zone_id, category, severity, status, title, occurred_at,
                      captured_at_raw, received_at, reported_by, device_id, updated_at)
values (gen_random_uuid(), $1, $2, $1, 'THEFT', 'LOW', 'OPEN', $3, now(), '', now(), $4, $5, clock_timestamp())
returning id
"""


@asynccontextmanager
async def writer(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of its own, so that transactions really overlap."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def add(connection: asyncpg.Connection, world: World, device: UUID, title: str) -> UUID:
    return await connection.fetchval(
        INSERT, world.market, world.station, title, world.kanya, device
    )


async def test_a_row_that_commits_late_is_not_missed(
    kanya: Phone, world: World, fresh_database_url: str
) -> None:
    device = await world.add_device()
    await kanya.pull()
    async with writer(fresh_database_url) as slow, writer(fresh_database_url) as quick:
        began = slow.transaction()
        await began.start()
        late = await add(slow, world, device, "Committed late")
        early = await add(quick, world, device, "Committed early")
        await kanya.pull()
        assert set(kanya.rows["incidents"]) == {str(early)}
        # What clock and counter cursors would have kept after this pull:
        clock = await quick.fetchval("select max(updated_at) from incident")
        counter = await quick.fetchval("select max(sync_xid::text::bigint) from incident")
        await began.commit()
        await kanya.pull()
        assert set(kanya.rows["incidents"]) == {str(early), str(late)}
        # The negative control: neither would have found the late row.
        assert not await quick.fetch("select id from incident where updated_at > $1", clock)
        assert not await quick.fetch(
            "select id from incident where sync_xid > $1::text::xid8", str(counter)
        )


async def test_a_row_written_inside_a_savepoint_is_not_missed(
    kanya: Phone, world: World, fresh_database_url: str
) -> None:
    device = await world.add_device()
    async with writer(fresh_database_url) as one:
        outer = one.transaction()
        await outer.start()
        async with one.transaction():
            inner = await add(one, world, device, "Inside a savepoint")
        await kanya.pull()
        assert not kanya.rows["incidents"]
        await outer.commit()
        await kanya.pull()
        assert set(kanya.rows["incidents"]) == {str(inner)}
        # The negative control: the row's own xmin is the savepoint's transaction, not the one that committed.
        row = await one.fetchrow("select xmin::text, sync_xid::text as stamp from incident")
        assert int(row["xmin"]) > int(row["stamp"])


async def test_what_was_rolled_back_never_comes(
    kanya: Phone, world: World, fresh_database_url: str
) -> None:
    device = await world.add_device()
    async with writer(fresh_database_url) as one:
        began = one.transaction()
        await began.start()
        await add(one, world, device, "Never")
        await kanya.pull()
        await began.rollback()
    await kanya.pull()
    assert not kanya.rows["incidents"]


async def test_an_idle_writer_does_not_hold_up_the_others(
    kanya: Phone, world: World, fresh_database_url: str
) -> None:
    device = await world.add_device()
    async with writer(fresh_database_url) as idle, writer(fresh_database_url) as busy:
        began = idle.transaction()
        await began.start()
        await add(idle, world, device, "Not yet")
        for number in range(5):
            added = await add(busy, world, device, f"Row {number}")
            page = await kanya.pull_page()
            assert [row["id"] for row in page["incidents"]] == [str(added)]
        await began.rollback()


async def test_without_the_closing_difference_a_row_that_changes_between_pages_is_lost(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    """The negative control of the closing difference: the pinned pages alone do not have the row."""
    incidents = [await world.add_incident(world.market) for _ in range(4)]
    page = await kanya.pull_page(first=2)
    while not page["incidents"]:
        page = await kanya.pull_page(first=2)
    until = await owner.fetchval("select pg_current_snapshot()::text")
    await world.change("update incident set title = 'Changed' where id = $1", incidents[-1])
    pinned = await owner.fetch(
        "select id from incident where pg_visible_in_snapshot(sync_xid, $1::text::pg_snapshot)",
        until,
    )
    assert incidents[-1] not in {row["id"] for row in pinned}
    await kanya.pull(first=2)
    assert kanya.rows["incidents"][str(incidents[-1])]["title"] == "Changed"


async def _write(world: World, url: str, device: UUID, dice: random.Random, until: float) -> int:
    """Writes for a while as a careless program would: savepoints, rollbacks, pauses with open transactions."""
    written = 0
    async with writer(url) as one:
        while asyncio.get_running_loop().time() < until:
            whole = one.transaction()
            await whole.start()
            for _ in range(dice.randint(1, 4)):
                part = one.transaction()
                await part.start()
                row = await one.fetchval(
                    "select id from incident where random() < 0.5 limit 1 for update skip locked"
                )
                if row is None or dice.random() < 0.5:
                    await add(one, world, device, f"At {now()}")
                elif dice.random() < 0.1:
                    await one.execute("update incident set deleted_at = now() where id = $1", row)
                else:
                    zone = dice.choice([world.market, world.market, world.temple])
                    await one.execute(
                        "update incident set title = $2, scope_id = $3, zone_id = $3 where id = $1",
                        row, f"Changed {dice.random()}", zone,
                    )  # fmt: skip
                await (part.rollback() if dice.random() < 0.2 else part.commit())
            await asyncio.sleep(dice.choice([0, 0, 0, 0.01, 0.05]))
            await (whole.rollback() if dice.random() < 0.2 else whole.commit())
            written += 1
    return written


async def _soak(
    seed: int, seconds: float, phones: list[Phone], world: World, url: str
) -> dict[str, Any]:
    """Phones pull all the time while writers write; returns the rows that each phone has at the end."""
    device = await world.add_device()
    until = asyncio.get_running_loop().time() + seconds
    pulls = 0

    async def keep_pulling(phone: Phone, size: int) -> None:
        nonlocal pulls
        while asyncio.get_running_loop().time() < until:
            await phone.pull_page(first=size)
            pulls += 1

    await asyncio.gather(
        *(_write(world, url, device, random.Random(seed * 100 + n), until) for n in range(4)),
        *(keep_pulling(phone, 3 + 40 * n) for n, phone in enumerate(phones)),
    )
    for phone in phones:
        await phone.pull()
    return {"pulls": pulls}


async def _agree(phone: Phone, owner: asyncpg.Connection, scopes: list[UUID]) -> None:
    rows = await owner.fetch(
        "select id::text, rev, title from incident where scope_id = any ($1) and deleted_at is null",
        scopes,
    )
    have = {key: (row["rev"], row["title"]) for key, row in phone.rows["incidents"].items()}
    assert have == {row["id"]: (row["rev"], row["title"]) for row in rows}


async def test_phones_that_pull_while_others_write_end_with_what_the_station_has(
    kanya: Phone, prasert: Phone, world: World, owner: asyncpg.Connection, fresh_database_url: str
) -> None:
    await _soak(1, 2.0, [kanya, prasert], world, fresh_database_url)
    await _agree(kanya, owner, [world.market])
    await _agree(prasert, owner, [world.market, world.temple, world.station])
    assert len(prasert.rows["incidents"]) > 10


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(20))
async def test_no_seed_loses_a_row(
    seed: int, door: Door, kanya: Phone, prasert: Phone, world: World, owner: asyncpg.Connection,
    fresh_database_url: str,
) -> None:  # fmt: skip
    done = await _soak(seed, 5.0, [kanya, prasert], world, fresh_database_url)
    await _agree(kanya, owner, [world.market])
    await _agree(prasert, owner, [world.market, world.temple, world.station])
    print(f"seed {seed}: {done['pulls']} pulls, {len(prasert.rows['incidents'])} rows agree")
