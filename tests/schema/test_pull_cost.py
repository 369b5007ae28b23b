"""What a pull costs follows from what it brings, never from how much there is."""

from __future__ import annotations

import gzip
from dataclasses import replace
from time import perf_counter
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from storage.database import Database
from storage.principal import Role
from tests.phone import Phone
from tests.world import World

BULK = """
insert into incident (id, scope_id, station_id, zone_id, category, severity, status, title, description, occurred_at,
                      captured_at_raw, received_at, reported_by, device_id)
select gen_random_uuid(), $1, $2, $1, 'THEFT', 'LOW', 'OPEN', 'Row ' || n, md5(n::text), now(), '', now(), $3, $4
from generate_series(1, $5::int) n
"""


async def fill(
    owner: asyncpg.Connection, world: World, rows: int, scope: UUID, device: UUID
) -> None:
    await owner.execute(BULK, scope, world.station, world.kanya, device, rows)


async def statements(phone: Phone, login_url: str, **more: Any) -> list[str]:
    """What one pull sends to PostgreSQL, in order, on a connection that has learned its types by the pull before."""
    database = await Database.connect(login_url, size=1)
    sent: list[str] = []
    before, phone.context = phone.context, _with(phone.context, database)
    try:
        await phone.pull_page(**more)
        async with database.enter(Role.PHONE, phone.context.principal) as entered:
            connection = entered.connection._con  # the pool's own, which outlives the checkout
            connection.add_query_logger(lambda record: sent.append(record.query))
        await phone.pull_page(**more)
    finally:
        phone.context = before
        await database.close()
    return [" ".join(one.split()) for one in sent]


def _with(context: Any, database: Database) -> Any:
    return replace(context, database=database)


async def test_an_empty_pull_takes_three_statements_beside_its_transaction(
    kanya: Phone, world: World, login_url: str
) -> None:
    for _ in range(20):
        await world.add_incident(world.market)
    await kanya.pull()
    sent = await statements(kanya, login_url)
    assert kanya.pages[-1]["complete"]
    frame = ("with credential", "BEGIN", "COMMIT", "START")
    asked = [one for one in sent if not one.startswith(frame)]
    # The state (with scopes, epoch, horizon and what the phone held), what has changed at all, the lanes.
    assert [one.split(" from ")[0][:30] for one in asked] == [
        "select pg_current_snapshot()::",
        "select 'alerts' as subject whe",
        "select lane, applied_sequence",
    ], asked
    assert not any(one.lower().startswith(("insert", "update")) for one in sent)
    # A check adds one.
    assert len(await statements(kanya, login_url, verify=True)) == len(sent) + 1


async def _cost(phone: Phone, repeats: int = 5) -> float:
    """Seconds of the fastest of some pulls."""
    best = 9.0
    for _ in range(repeats):
        began = perf_counter()
        await phone.pull_page()
        best = min(best, perf_counter() - began)
    return best


@pytest.mark.prove
async def test_an_empty_pull_and_a_small_difference_do_not_depend_on_the_size_of_the_table(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    device = await world.add_device()
    empty, small = [], []
    for rows in (5_000, 95_000):
        await fill(owner, world, rows, world.market, device)
        await owner.execute("analyze incident")
        await kanya.pull()
        empty.append(await _cost(kanya))
        changed = []
        for _ in range(3):
            await owner.execute(
                "update incident set title = title || '.' where id in (select id from incident limit 100)"
            )
            began = perf_counter()
            page = await kanya.pull_page()
            changed.append(perf_counter() - began)
            assert len(page["incidents"]) == 100
        small.append(min(changed))
    print(f"empty: {[f'{one * 1000:.1f} ms' for one in empty]}, 100 rows: {[f'{one * 1000:.1f} ms' for one in small]}")  # fmt: skip
    assert empty[1] < empty[0] * 2 + 0.003
    assert small[1] < small[0] * 2 + 0.005


@pytest.mark.prove
async def test_a_fill_of_a_hundred_thousand_rows_over_five_scopes_is_linear(
    prasert: Phone, world: World, owner: asyncpg.Connection
) -> None:
    device = await world.add_device()
    zones = [world.market, world.temple, *[await world.add_zone(f"Zone {n}") for n in range(3)]]
    for zone in zones:
        await fill(owner, world, 20_000, zone, device)
    await owner.execute("analyze incident")
    took: list[float] = []
    page: dict[str, Any] = {"complete": False}
    while not page["complete"]:
        began = perf_counter()
        page = await prasert.pull_page(maxBytes=1024 * 1024, verify=False)
        took.append(perf_counter() - began)
        prasert.pages.clear()
    assert len(prasert.rows["incidents"]) == 100_000
    first, last = sorted(took[2:22])[10], sorted(took[-22:-2])[10]
    began = perf_counter()
    assert await prasert.verify() == []
    print(
        f"{len(took)} pages in {sum(took):.1f} s; median of the first {first * 1000:.1f} ms, of the last {last * 1000:.1f} ms; "
        f"a check of it all {(perf_counter() - began) * 1000:.0f} ms with the phone's part"
    )
    assert last < first * 2


async def test_a_page_of_five_hundred_rows_becomes_a_tenth(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    await fill(owner, world, 500, world.market, await world.add_device())
    operation = kanya.door.operations.get(kanya.text)
    answer = await kanya.door.execute(operation, {"maxBytes": 4 * 1024 * 1024}, kanya.context)
    rows = orjson.loads(answer)["data"]["pull"]["incidents"]
    packed = gzip.compress(answer, 6)
    print(f"{len(rows)} rows: {len(answer)} bytes, {len(packed)} compressed")
    assert len(packed) < len(answer) / 5
