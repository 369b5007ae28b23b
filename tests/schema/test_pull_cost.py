"""What a pull costs follows from what it brings, never from how much there is."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from patrol.imports import parse_cameras, parse_zones
from patrol.imports.store import import_cameras, import_zones, stored_zones
from patrol.sync.subjects import SUBJECTS
from storage.database import Database
from storage.officers import NOTE_FIX
from storage.principal import Role, system
from storage.snapshots import BEAT_CAMERA
from tests.phone import Phone
from tests.world import World, now, square

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


SEEN = """
insert into incident (id, scope_id, station_id, zone_id, category, severity, status, title, description, occurred_at,
                      captured_at_raw, received_at, reported_by, device_id, sync_xid, rev)
select gen_random_uuid(), $1, $2, $1, 'THEFT', 'LOW', 'OPEN', 'Row ' || n, '', now(), '', now(), $3, $4, '3'::xid8, 1
from generate_series(1, $5::int) n
"""
"""Rows that every cursor has seen: a phone that holds a million would have pulled them for minutes."""


@dataclass
class Touched:
    """What PostgreSQL touched to answer one pull."""

    statements: int
    buffers: int
    rows: int


async def touched(phone: Phone, login_url: str) -> Touched:
    """Pulls once, and has PostgreSQL explain each of the statements again with the same values."""
    database = await Database.connect(login_url, size=1)
    sent: list[Any] = []
    before, phone.context = phone.context, replace(phone.context, database=database)
    cursor = phone.cursor
    try:
        await phone.pull_page()
        phone.cursor = cursor
        async with database.enter(Role.PHONE, phone.context.principal) as entered:
            connection = entered.connection._con  # the pool's own, which outlives the checkout
            connection.add_query_logger(sent.append)
        await phone.pull_page()
        asked = [one for one in sent if one.query.lstrip().lower().startswith(("select", "with"))]
        found = Touched(len(sent), 0, 0)
        async with database.read(Role.PHONE, phone.context.principal) as entered:
            for one in asked:
                if "credential" in one.query:
                    continue
                told = await entered.connection.fetchval(
                    f"explain (analyze, buffers, timing off, format json) {one.query}", *one.args
                )
                plan = orjson.loads(told)[0]["Plan"]
                found.buffers += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
                found.rows += _scanned(plan)
        return found
    finally:
        phone.context = before
        await database.close()


def _scanned(plan: dict[str, Any]) -> int:
    """Rows that the scans of a plan have looked at, also in vain."""
    below = sum(_scanned(one) for one in plan.get("Plans", ()))
    if "Scan" not in plan["Node Type"] or plan["Node Type"] == "CTE Scan":
        return below
    each: float = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return below + round(each * plan["Actual Loops"])


@pytest.mark.prove
async def test_an_empty_pull_and_a_small_difference_do_not_depend_on_the_size_of_the_table(
    kanya: Phone, world: World, owner: asyncpg.Connection, login_url: str
) -> None:
    device = await world.add_device()
    changed = [await world.add_incident(world.market) for _ in range(100)]
    change = "update incident set title = title || '.' where id = any ($1::uuid[])"
    found: dict[str, list[Touched]] = {"nothing": [], "100 rows": []}
    took: dict[str, list[float]] = {"nothing": [], "100 rows": []}
    for rows in (10_000, 990_000):
        async with owner.transaction():
            await owner.execute("set local session_replication_role = replica")
            await owner.execute(
                SEEN, world.market, world.station, world.kanya, device, rows, timeout=900
            )
        await owner.execute("vacuum analyze incident", timeout=900)
        await kanya.pull()
        for _ in range(2):
            await kanya.pull_page()
        found["nothing"].append(await touched(kanya, login_url))
        took["nothing"].append(await _cost(kanya, repeats=15))
        await owner.execute(change, changed)
        at = kanya.cursor
        found["100 rows"].append(await touched(kanya, login_url))
        best = 9.0
        for _ in range(15):
            kanya.cursor = at
            began = perf_counter()
            page = await kanya.pull_page()
            best = min(best, perf_counter() - began)
            assert len(page["incidents"]) == 100
        took["100 rows"].append(best)
    for name, (small, large) in found.items():
        ratio = took[name][1] / took[name][0]
        print(
            f"{name}: at 10,000 rows {small}, at 1,000,000 {large}; best time {ratio:.2f} of before"
        )
        assert large.statements == small.statements
        # An index of a million is a level or two deeper, and a page that was not yet hinted is looked at twice.
        assert large.buffers <= small.buffers * 1.5 + 60
        assert large.rows <= small.rows + 200
    naive = await owner.fetchval(
        "explain (analyze, buffers, timing off, format json) select id from incident "
        "where scope_id = $1 and not pg_visible_in_snapshot(sync_xid, pg_current_snapshot())",
        world.market,
        timeout=300,
    )
    # The negative control: without the lower bound of the stamp everything there is would be looked at.
    assert _scanned(orjson.loads(naive)[0]["Plan"]) >= 900_000


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


FEATURES = orjson.dumps(
    {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "id": f"Z{number}",
                "properties": {"name": f"Z{number}", "name_th": "เขต", "kind": "COMMUNITY"},
                "geometry": square(16.8, 98.6 + number / 100),
            }
            for number in range(20)
        ],
    }
)
LINES = "code,name,name_th,latitude,longitude,kind,zone_code\n" + "".join(
    f"C-{number},Camera,กล้อง,16.8001,{98.6001 + number / 100:.4f},FIXED,Z{number}\n"
    for number in range(20)
)


async def _import(database: Database, station: UUID) -> None:
    async with database.write(system("test")) as connection:
        known = await stored_zones(connection, station)
        await import_zones(connection, station, parse_zones(FEATURES, known.parents))
        known = await stored_zones(connection, station)
        await import_cameras(connection, station, parse_cameras(LINES, known.shapes))


@pytest.mark.prove
async def test_an_unchanged_import_and_twenty_thousand_heartbeats_send_nothing_to_any_phone(
    kanya: Phone, prasert: Phone, world: World, database: Database, owner: asyncpg.Connection
) -> None:
    await _import(database, world.station)
    for phone in (kanya, prasert):
        await phone.pull()
        phone.pages.clear()
    before = await owner.fetchval("select pg_current_snapshot()::text")
    cameras = [row["id"] for row in await owner.fetch("select id from camera")]
    assert len(cameras) >= 20
    began = perf_counter()
    async with database.write(system("test")) as connection:
        for number in range(20_000):
            await connection.execute(BEAT_CAMERA, cameras[number % len(cameras)], now())
            if number % 100 == 0:
                fix = (world.kanya, 16.7131 + number / 1e7, 98.5708, 5.0, now(), False)
                await connection.execute(NOTE_FIX, *fix)
    print(f"20,000 heartbeats: {perf_counter() - began:.1f} s")
    await _import(database, world.station)
    for phone in (kanya, prasert):
        [page] = await phone.pull()
        rows = {one.name: len(page[one.name]) for one in SUBJECTS}
        assert not any(rows.values()), rows
        assert page["removals"] == []
    for subject in SUBJECTS:
        table = subject.table.description
        stamped = await owner.fetchval(
            f"select count(*) from {table} where not pg_visible_in_snapshot(sync_xid, $1::text::pg_snapshot)",
            before,
        )
        assert stamped == 0, table
    # The negative control: one change that is one does reach her.
    await owner.execute("update camera set name = 'Other' where code = 'C-0'")
    [page] = await prasert.pull()
    assert len(page["cameras"]) == 1
