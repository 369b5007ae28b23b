"""Ten thousand points must cost a moment, be kept once, and be shown to nobody but those who may follow an officer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import psutil
import pytest
from uuid_utils.compat import uuid7

from api.trusted import OPERATIONS
from patrol.keys import KeySet
from patrol.tracks import make_partitions
from schema.door import Door
from storage.database import Database
from storage.principal import Role
from storage.vocabulary import OfficerRole
from tests.personas import as_officer
from tests.phone import Phone, ask, context
from tests.world import LATITUDE, LONGITUDE, World, now

TRACKS = (OPERATIONS / "Tracks.graphql").read_text()
POINTS = """
query ($officer: UUID!, $since: DateTime!, $until: DateTime!, $first: Int, $after: String) {
  tracks(officerId: $officer, since: $since, until: $until, first: $first, after: $after) {
    totalCount nodes { id at latitude speedMps batteryPercent timeSuspect atRaw patrolId }
    pageInfo { hasNextPage endCursor }
  }
}
"""


def walk(count: int, minutes_ago: float = 60) -> list[list[Any]]:
    """Points of a walk, one a second."""
    began = now().replace(microsecond=0) - timedelta(minutes=minutes_ago)
    return [
        [
            (began + timedelta(seconds=place)).isoformat(),
            LATITUDE + place * 1e-6, LONGITUDE, 6.5, 1.2, 90.0, 71,
        ]
        for place in range(count)
    ]  # fmt: skip


def track(phone: Phone, points: Any, **more: Any) -> dict[str, Any]:
    return phone.mutation("TRACKS", {"recordTrack": {"id": str(uuid7()), "points": points} | more})


async def read(
    door: Door, phone: Phone, world: World, first: int = 500, after: str | None = None
) -> Any:
    answer = await ask(
        door, phone.context, POINTS, officer=str(world.kanya), first=first, after=after,
        since=(now() - timedelta(days=1)).isoformat(), until=(now() + timedelta(hours=1)).isoformat(),
    )  # fmt: skip
    assert "errors" not in answer, answer
    return answer["data"]["tracks"]


@contextmanager
def counting() -> Iterator[list[str]]:
    sent: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fetch", "fetchrow", "fetchval", "execute"):
            real = getattr(asyncpg.Connection, name)

            def call(self: Any, query: str, *given: Any, real: Any = real, **more: Any) -> Any:
                sent.append(query)
                return real(self, query, *given, **more)

            patch.setattr(asyncpg.Connection, name, call)
        yield sent


async def test_points_are_stored_once_and_read_in_order(
    kanya: Phone, door: Door, world: World, owner: asyncpg.Connection
) -> None:
    patrol = str(uuid7())
    sent = track(kanya, walk(10), patrolId=patrol)
    [answer] = await kanya.push("TRACKS", sent)
    assert answer["outcome"] == "APPLIED"
    assert answer["detail"] == {"stored": 10, "known": 0, "dropped": 0, "suspect": 0}
    [again] = await kanya.push("TRACKS", sent)
    assert (again["outcome"], again["detail"]["stored"]) == ("DUPLICATE", 10)
    page = await read(door, kanya, world, first=6)
    rest = await read(door, kanya, world, after=page["pageInfo"]["endCursor"])
    nodes = page["nodes"] + rest["nodes"]
    assert page["totalCount"] == len(nodes) == 10
    assert [node["at"] for node in nodes] == sorted(node["at"] for node in nodes)
    assert {node["patrolId"] for node in nodes} == {patrol}
    assert (nodes[0]["batteryPercent"], round(nodes[0]["speedMps"], 3)) == (71, 1.2)


async def test_a_track_is_read_by_one_statement(kanya: Phone, door: Door, world: World) -> None:
    await kanya.push("TRACKS", track(kanya, walk(10)))
    since, until = ((now() - timedelta(hours=ago)).isoformat() for ago in (2, 0))
    with counting() as sent:
        answer = await ask(
            door, kanya.context, TRACKS, officerId=str(world.kanya), since=since, until=until
        )
    assert len(answer["data"]["tracks"]["nodes"]) == 10
    assert len([one for one in sent if "track_point" in one]) == 1
    assert len(sent) == 2  # the other one is the checkout


async def test_the_same_points_in_another_batch_are_known(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    points = walk(6)
    answers = await kanya.push(
        "TRACKS", track(kanya, points[:4]), track(kanya, points[2:] + points[2:])
    )
    assert [one["detail"]["stored"] for one in answers] == [4, 2]
    assert [one["detail"]["known"] for one in answers] == [0, 6]
    [later] = await kanya.push("TRACKS", track(kanya, points))
    assert (later["detail"]["stored"], later["detail"]["known"]) == (0, 6)
    assert await owner.fetchval("select count(*) from track_point") == 6


async def test_wrong_points_are_dropped_or_flagged_and_take_nothing_with_them(
    kanya: Phone, door: Door, world: World, owner: asyncpg.Connection
) -> None:
    good = walk(2)
    when = good[1][0]
    wrong: list[Any] = [
        [when, 123.0, 98.5], [when, None, 98.5], [when, "16.7", "98.5"], [when], [], "text", None, 5, {"a": 1},
        [when, True, False], [when, 1e300, 1.0],
    ]  # fmt: skip
    future = (now() + timedelta(days=1)).isoformat()
    flagged: list[Any] = [
        [future, 16.71, 98.57],
        ["soon\0", 16.72, 98.57],
        [None, 16.73, 98.57],
        [20261123, 16.74, 98.57],
    ]
    strange = [[(now() - timedelta(minutes=2)).isoformat(), 16.7, 98.5, -1, -2, 720, 400, "x", "y"]]
    [answer] = await kanya.push("TRACKS", track(kanya, good + wrong + flagged + strange))
    assert answer["outcome"] == "APPLIED"
    assert answer["detail"] == {"stored": 7, "known": 0, "dropped": 11, "suspect": 4}
    rows = await owner.fetch("select * from track_point where time_suspect order by at")
    assert [round(row["latitude"], 2) for row in rows] == [16.71, 16.72, 16.73, 16.74]
    assert all(row["at"] <= row["received_at"] for row in rows)
    assert rows[0]["at_raw"] == future
    odd = await owner.fetchrow("select * from track_point where latitude = 16.7")
    assert (odd["accuracy_m"], odd["speed_mps"], odd["heading_deg"], odd["battery_percent"]) == (
        None, None, None, None,
    )  # fmt: skip


async def test_a_batch_over_the_limit_is_kept_whole_and_the_lane_goes_on(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    answers = await kanya.push("TRACKS", track(kanya, walk(501)), track(kanya, walk(1)))
    assert [(one["outcome"], one["code"]) for one in answers] == [
        ("REJECTED", "TOO_LARGE"),
        ("APPLIED", None),
    ]
    assert answers[0]["detail"] == {"limit": 500}
    kept = await owner.fetchval(
        "select jsonb_array_length(payload->'fields'->'points') from quarantine"
    )
    assert kept == 501


async def test_thai_and_buddhist_times_of_points_are_read(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    written = ["2567-02-29T08:00:00+07:00", "๒๕๖๗-๐๒-๒๙T๐๘:๐๐:๐๑+๐๗:๐๐"]
    [answer] = await kanya.push("TRACKS", track(kanya, [[one, 16.7, 98.5] for one in written]))
    assert answer["detail"]["stored"] == 2
    rows = await owner.fetch("select at from track_point order by at")
    assert [row["at"].isoformat() for row in rows] == [
        "2024-02-29T01:00:00+00:00",
        "2024-02-29T01:00:01+00:00",
    ]
    # The partition of that month was made by the push itself, beyond all rights of its role.
    assert await owner.fetchval("select count(*) from partitions.track_point_2024_02") == 2


async def test_ten_thousand_points_take_as_many_statements_as_ten_and_less_than_a_second(
    kanya: Phone, owner: asyncpg.Connection
) -> None:
    with counting() as few:
        await kanya.push("TRACKS", track(kanya, walk(10, 300)))
    points = walk(10_000, 1000)
    batches = [track(kanya, points[start : start + 500]) for start in range(0, len(points), 500)]
    began, used = time.perf_counter(), await server_time(owner)
    with counting() as many:
        answers = await kanya.push("TRACKS", *batches)
    took, used = time.perf_counter() - began, await server_time(owner) - used
    assert sum(one["detail"]["stored"] for one in answers) == 10_000
    assert len(many) == len(few)
    print(f"10,000 track points: {used:.3f} s of server time, {took:.3f} s by the wall clock")
    # The wall clock also counts what else runs on the machine; what the server itself worked is what it costs.
    assert used < 1.0


async def server_time(owner: asyncpg.Connection) -> float:
    """Seconds of work of this process and of PostgreSQL for this test's database so far."""
    backends = await owner.fetch(
        "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    )
    ours = (psutil.Process(row["pid"]).cpu_times() for row in backends)
    return time.process_time() + sum(one.user + one.system for one in ours)


async def test_old_tracks_that_arrive_late_do_not_move_the_officer(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    await kanya.push("TRACKS", track(kanya, walk(5, 10)))
    newest = await owner.fetchrow("select latitude, fix_at from officer_state")
    assert newest["latitude"] == LATITUDE + 4e-6
    await kanya.push(
        "TRACKS", track(kanya, [[now().replace(year=2020, day=1).isoformat(), 10.0, 99.0]])
    )
    assert await owner.fetchrow("select latitude, fix_at from officer_state") == newest
    # A negative control: a newer one does.
    await kanya.push("TRACKS", track(kanya, [[now().isoformat(), 11.0, 99.0]]))
    assert await owner.fetchval("select latitude from officer_state") == 11.0


async def test_a_track_is_shown_to_its_officer_and_the_stations_supervisors_alone(
    kanya: Phone, prasert: Phone, door: Door, database: Database, world: World, keys: KeySet
) -> None:
    await kanya.push("TRACKS", track(kanya, walk(3)))

    async def seen_by(officer: Any) -> int:
        phone = Phone(door, context(database, await as_officer(world, officer), keys))
        return int((await read(door, phone, world))["totalCount"])

    assert await seen_by(world.kanya) == 3
    assert await seen_by(world.prasert) == 3
    # A colleague who holds her zone, and a supervisor of another station who was given it: neither.
    await world.assign(world.somkid, world.market)
    assert await seen_by(world.somkid) == 0
    other = await world.add_station("Tak")
    guest = await world.add_officer(
        "Chai", station=other, scopes=[world.market], role=OfficerRole.SUPERVISOR
    )
    assert await seen_by(guest) == 0
    # She moves to another station: what was recorded here stays this station's.
    await world.change("update officer set station_id = $2 where id = $1", world.kanya, other)
    assert await seen_by(world.prasert) == 3
    assert await seen_by(guest) == 0
    assert await seen_by(world.kanya) == 3


async def test_the_partitions_themselves_are_closed_to_every_door(
    kanya: Phone, database: Database, world: World, owner: asyncpg.Connection
) -> None:
    await kanya.push("TRACKS", track(kanya, walk(3)))
    name = await owner.fetchval(
        "select inhrelid::regclass::text from pg_inherits where inhparent = 'track_point'::regclass"
    )
    assert await owner.fetchval(f"select count(*) from {name}") == 3
    principal = kanya.context.principal
    for role in (Role.PHONE, Role.WRITER, Role.SYSTEM, Role.ADMIN):
        async with database.enter(role, principal) as entered:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await entered.connection.fetch(f"select * from {name}")
    async with database.write(principal) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await connection.execute("update track_point set latitude = 0")


async def test_the_job_makes_the_months_ahead_once(
    database: Database, owner: asyncpg.Connection
) -> None:
    moment = now().replace(year=2031, month=11, day=30)
    assert await make_partitions(database, moment) == 3
    assert await make_partitions(database, moment) == 0
    await owner.execute("set time zone 'UTC'")
    names = await owner.fetch(
        "select inhrelid::regclass::text as name, pg_get_expr(relpartbound, inhrelid) as bound from pg_inherits "
        "join pg_class on pg_class.oid = inhrelid where inhparent = 'track_point'::regclass order by 1"
    )
    assert [row["name"] for row in names] == [
        "partitions.track_point_2031_11",
        "partitions.track_point_2031_12",
        "partitions.track_point_2032_01",
    ]
    assert (
        names[0]["bound"]
        == "FOR VALUES FROM ('2031-11-01 00:00:00+00') TO ('2031-12-01 00:00:00+00')"
    )


async def test_pushes_that_need_the_same_new_month_at_once_all_store(
    kanya: Phone, prasert: Phone, owner: asyncpg.Connection
) -> None:
    for year in range(2016, 2024):
        old = [[f"{year}-05-01T00:00:00Z", 16.7, 98.5]]
        answers = await asyncio.gather(
            *(phone.push("TRACKS", track(phone, old)) for phone in (kanya, prasert))
        )
        assert [one[0]["outcome"] for one in answers] == ["APPLIED"] * 2
    assert await owner.fetchval("select count(*) from track_point") == 16


async def test_a_partition_that_is_made_waits_for_no_open_push(
    kanya: Phone, database: Database, world: World, owner: asyncpg.Connection
) -> None:
    """Making one takes a lock that those who write and read other months do not mind."""
    await kanya.push("TRACKS", track(kanya, walk(3)))
    async with owner.transaction():
        await owner.execute(
            "insert into track_point (officer_id, at, id, device_id, station_id, received_at, latitude, longitude) "
            "select $1, now(), gen_random_uuid(), $1, $1, now(), 1, 1",
            world.kanya,
        )
        async with asyncio.timeout(5):
            assert await make_partitions(database, now().replace(year=2032, day=1)) == 3
