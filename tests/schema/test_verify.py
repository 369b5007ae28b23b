"""A phone can prove that its copy is what the server has, and find and repair the rows in which it is not."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.trusted import OPERATIONS
from patrol.errors import Problem
from patrol.sync.digests import NUMBER, number_of
from tests.phone import PULL, Phone, ask
from tests.schema.test_commit_order import add, writer
from tests.world import World, now

VECTORS = [
    ("01890a5d-ac96-774b-bcce-b302099a8057", 1, "2e6b0128a3477fe6"),
    ("01890a5d-ac96-774b-bcce-b302099a8057", 2, "399af44b64217c65"),
    ("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", 12, "ecb799a310b0d2bf"),
    ("00000000-0000-0000-0000-000000000000", 9007199254740993, "d35bdf2822e0c8bc"),
]
"""The worked numbers of mobile_contracts/protocol.md."""

SUM = "28196e3f3afa97c6"
"""Of all of them."""


async def test_the_worked_numbers_of_the_contract_are_those_of_the_server(
    owner: asyncpg.Connection,
) -> None:
    page = (OPERATIONS.parent / "protocol.md").read_text()
    for row_id, rev, number in VECTORS:
        assert f"{number_of(row_id, rev):016x}" == number
        stored = await owner.fetchval(
            f"select {NUMBER} from (select $1::uuid as id, $2::bigint as rev) t", UUID(row_id), rev
        )
        assert f"{stored % 2**64:016x}" == number
        assert f"`{row_id}:{rev}`" in page
        assert number in page
    assert f"{sum(int(number, 16) for *_, number in VECTORS) % 2**64:016x}" == SUM
    assert SUM in page


async def test_sql_and_python_and_the_phone_agree_on_the_number_of_a_row(
    kanya: Phone, world: World, owner: asyncpg.Connection
) -> None:
    for _ in range(5):
        await world.add_incident(world.market)
    page = (await kanya.pull(verify=True))[-1]
    [told] = [one for one in page["digests"] if one["subject"] == "incidents"]
    total = sum(number_of(key, row["rev"]) for key, row in kanya.rows["incidents"].items())
    assert told == {
        "subject": "incidents", "scopeId": str(world.market), "suffix": "", "count": 5,
        "sum": f"{total % 2**64:016x}",
    }  # fmt: skip


async def test_a_copy_that_is_whole_agrees_in_every_scope(prasert: Phone, world: World) -> None:
    for zone in (world.market, world.temple, None) * 3:
        await world.add_incident(zone)
    assert await prasert.verify() == []
    digests = prasert.pages[-1]["digests"]
    assert sum(one["count"] for one in digests) == sum(len(rows) for rows in prasert.rows.values())


async def test_a_fill_ends_with_digests_and_an_ordinary_pull_does_not(
    kanya: Phone, world: World
) -> None:
    for _ in range(6):
        await world.add_incident(world.market)
    pages = await kanya.pull(first=3)
    assert all(page["digests"] is None for page in pages[:-1])
    assert kanya.differing(pages[-1]) == []
    assert (await kanya.pull_page())["digests"] is None
    assert (await kanya.pull_page(verify=False))["digests"] is None
    assert (await kanya.pull_page(verify=True))["digests"]


async def test_digests_follow_a_fill_whose_closing_difference_is_a_walk_of_its_own(
    kanya: Phone, world: World
) -> None:
    incidents = [await world.add_incident(world.market) for _ in range(6)]
    while not kanya.rows["incidents"]:
        await kanya.pull_page(first=2)
    await world.change("update incident set title = 'Changed' where id = any ($1)", incidents)
    pages = await kanya.pull(first=2)
    assert len(pages) > 2
    assert kanya.differing(pages[-1]) == []


@pytest.mark.parametrize("at_most", [0, 100])
async def test_a_row_that_was_withheld_is_noticed_and_repaired(
    at_most: int, kanya: Phone, world: World
) -> None:
    incidents = [str(await world.add_incident(world.market)) for _ in range(20)]
    await kanya.pull()
    withheld = kanya.rows["incidents"].pop(incidents[7])
    # The negative control: no pull would ever bring it.
    assert not (await kanya.pull_page())["incidents"]
    assert await kanya.verify() == [("incidents", str(world.market), "")]
    if at_most == 0:
        # Sixteenths of sixteenths, down to parts that are empty on the phone.
        await kanya.repair(at_most=1)
    else:
        await kanya.repair(at_most=at_most)
    assert kanya.rows["incidents"][incidents[7]] == withheld
    assert await kanya.verify() == []


async def test_a_row_that_should_be_gone_an_old_version_and_a_stray_one_are_repaired(
    kanya: Phone, world: World
) -> None:
    incidents = [str(await world.add_incident(world.market)) for _ in range(8)]
    await kanya.pull()
    good = dict(kanya.rows["incidents"])
    ghost = good[incidents[0]] | {"id": "01890a5d-ac96-774b-bcce-b302099a8057"}
    elsewhere = good[incidents[1]] | {"id": str(UUID(int=5)), "scopeId": str(UUID(int=7))}
    kanya.rows["incidents"] |= {
        ghost["id"]: ghost,
        elsewhere["id"]: elsewhere,
        incidents[2]: good[incidents[2]] | {"rev": 77, "title": "Never written"},
    }
    assert await kanya.verify() == [
        ("incidents", str(UUID(int=7)), ""), ("incidents", str(world.market), ""),
    ]  # fmt: skip
    await kanya.repair()
    assert kanya.rows["incidents"] == good
    gone = [one for page in kanya.pages for one in page["removals"]]
    assert {(one["id"], one["reason"]) for one in gone} == {
        (ghost["id"], "NOT_HELD"), (elsewhere["id"], "NOT_HELD"),
    }  # fmt: skip


async def test_a_copy_of_which_everything_was_lost_is_repaired_page_by_page(
    kanya: Phone, world: World
) -> None:
    for _ in range(30):
        await world.add_incident(world.market, description="x" * 300)
    await kanya.pull()
    whole = {name: dict(rows) for name, rows in kanya.rows.items()}
    for rows in kanya.rows.values():
        rows.clear()
    kanya.pages.clear()
    await kanya.repair(first=7, maxBytes=4000)
    assert kanya.rows == whole
    assert max(sum(len(page[name]) for name in kanya.rows) for page in kanya.pages) <= 7
    assert False in [page["repaired"] for page in kanya.pages]


async def test_ranges_are_the_sixteenths_of_a_part(kanya: Phone, world: World) -> None:
    for _ in range(40):
        await world.add_incident(world.market)
    asked = {"subject": "incidents", "scopeId": str(world.market)}
    page = (await kanya.pull(ranges=[asked], verify=False))[-1]
    assert sum(one["count"] for one in page["digests"]) == 40
    assert {len(one["suffix"]) for one in page["digests"]} == {1}
    assert not kanya.differing_below(page, [("incidents", str(world.market), "")])
    fullest = max(page["digests"], key=lambda one: one["count"])
    page = (await kanya.pull(ranges=[asked | {"suffix": fullest["suffix"]}]))[-1]
    assert sum(one["count"] for one in page["digests"]) == fullest["count"]
    assert {one["suffix"][1:] for one in page["digests"]} == {fullest["suffix"]}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"ranges": [{"subject": "incidents", "scopeId": str(UUID(int=1)), "suffix": "x"}]}, "VARIABLE_INVALID"),
        ({"ranges": [{"subject": "incidents", "scopeId": str(UUID(int=1)), "suffix": "01234567"}]}, "VARIABLE_INVALID"),
        ({"ranges": [{"subject": "incidents", "scopeId": str(UUID(int=1))}] * 51}, "TOO_LARGE"),
        ({"ranges": [{"subject": "cameras", "scopeId": str(UUID(int=1))}], "subjects": ["incidents"]}, "VARIABLE_INVALID"),
        (
            {"repair": [{"subject": "incidents", "scopeId": str(UUID(int=1)), "held": [{"id": str(UUID(int=1)), "rev": 1}] * 1001}]},
            "TOO_LARGE",
        ),
    ],
)  # fmt: skip
async def test_what_cannot_be_checked_is_refused(
    arguments: dict[str, Any], code: str, kanya: Phone
) -> None:
    try:
        answer = await ask(kanya.door, kanya.context, PULL, **arguments)
        told = answer["errors"][0]["extensions"]["code"]
    except Problem as refused:
        told = refused.code  # before anything was looked at
    assert told == code


async def test_nobody_repairs_or_checks_what_he_may_not_see(kanya: Phone, world: World) -> None:
    await kanya.pull()
    secret = await world.add_incident(world.temple)
    there = {"subject": "incidents", "scopeId": str(world.temple)}
    page = await kanya.pull_page(ranges=[there], repair=[there | {"held": []}])
    assert page["digests"] == []
    assert not page["incidents"]
    # The negative control: who holds the zone is told.
    page = await kanya.pull_page(ranges=[there | {"scopeId": str(world.market)}])
    assert page["digests"] == []
    await world.assign(world.kanya, world.temple)
    page = await kanya.pull_page(ranges=[there])
    assert [one["count"] for one in page["digests"] if one["suffix"]] == [1]
    assert str(secret) in kanya.rows["incidents"]


# While writers run


async def _churn(world: World, url: str, device: UUID, dice: random.Random, until: float) -> None:
    async with writer(url) as one:
        while asyncio.get_running_loop().time() < until:
            async with one.transaction():
                row = await one.fetchval(
                    "select id from incident order by random() limit 1 for update skip locked"
                )
                if row is None or dice.random() < 0.4:
                    await add(one, world, device, "New")
                elif dice.random() < 0.3:
                    await one.execute("update incident set deleted_at = now() where id = $1", row)
                else:
                    zone = dice.choice([world.market, world.temple])
                    await one.execute(
                        "update incident set title = $2, scope_id = $3, zone_id = $3 where id = $1",
                        row, f"Changed {dice.random()}", zone,
                    )  # fmt: skip
                await asyncio.sleep(dice.choice([0, 0, 0.01]))


async def test_digests_agree_at_the_end_of_every_pull_while_others_write(
    kanya: Phone, prasert: Phone, world: World, owner: asyncpg.Connection, fresh_database_url: str
) -> None:
    device = await world.add_device()
    until = asyncio.get_running_loop().time() + 2.0
    agreed = outdated = 0

    async def keep_verifying(phone: Phone, size: int) -> None:
        nonlocal agreed, outdated
        while asyncio.get_running_loop().time() < until:
            assert await phone.verify(first=size) == []
            agreed += 1
            if phone is kanya:
                # The negative control: a digest that is read in another snapshot is not that of the copy.
                later = await owner.fetchrow(
                    f"select count(*) as count, coalesce(sum({NUMBER}), 0) as sum from incident "
                    "where scope_id = $1 and deleted_at is null",
                    world.market,
                )
                told = (later["count"], f"{int(later['sum']) % 2**64:016x}")
                outdated += phone.digest("incidents", str(world.market)) != told

    await asyncio.gather(
        *(_churn(world, fresh_database_url, device, random.Random(n), until) for n in range(3)),
        keep_verifying(kanya, 40),
        keep_verifying(prasert, 500),
    )
    assert agreed > 5
    assert outdated > 0


async def test_a_copy_is_repaired_while_others_write(
    kanya: Phone, world: World, fresh_database_url: str
) -> None:
    device = await world.add_device()
    for _ in range(30):
        await world.add_incident(world.market)
    await kanya.pull()
    for key in list(kanya.rows["incidents"])[::2]:
        del kanya.rows["incidents"][key]
    until = asyncio.get_running_loop().time() + 1.5
    async with asyncio.TaskGroup() as group:
        for number in range(2):
            group.create_task(
                _churn(world, fresh_database_url, device, random.Random(number), until)
            )
        await kanya.repair(at_most=5, first=9)
        assert await kanya.verify() == []


# What expires


async def _notice(world: World, expires_in: timedelta | None, title: str = "Market day") -> UUID:
    return await world.store(
        "notice",
        station_id=world.station,
        zone_id=world.market,
        severity="INFO",
        title=title,
        body="The market opens at five.",
        valid_from=now() - timedelta(days=2),
        expires_at=None if expires_in is None else now() + expires_in,
    )


async def test_what_has_expired_is_neither_filled_nor_counted(kanya: Phone, world: World) -> None:
    lasting = await _notice(world, None)
    standing = await _notice(world, timedelta(hours=1))
    await _notice(world, -timedelta(hours=1))
    assert await kanya.verify() == []
    assert set(kanya.rows["notices"]) == {str(lasting), str(standing)}


async def test_a_row_whose_end_is_set_into_the_past_is_removed_as_expired(
    kanya: Phone, world: World
) -> None:
    notice = await _notice(world, timedelta(hours=1))
    await kanya.pull()
    await world.change(
        "update notice set expires_at = now() - interval '1 second' where id = $1", notice
    )
    page = await kanya.pull_page(verify=True)
    assert page["removals"] == [{"subject": "notices", "id": str(notice), "reason": "EXPIRED"}]
    assert kanya.differing(page) == []
    await world.change(
        "update notice set expires_at = now() + interval '1 hour' where id = $1", notice
    )
    assert await kanya.verify() == []
    assert set(kanya.rows["notices"]) == {str(notice)}


async def test_a_row_that_expires_between_pages_is_dropped_by_the_phone_itself(
    kanya: Phone, world: World
) -> None:
    await _notice(world, timedelta(milliseconds=300))
    await _notice(world, timedelta(hours=1))
    for _ in range(5):
        await world.add_incident(world.market)
    while not kanya.rows["notices"]:
        await kanya.pull_page(first=1)
    await asyncio.sleep(
        0.4
    )  # until it has expired by the server's clock: there is nothing to wait on
    assert await kanya.verify(first=2) == []
    assert len(kanya.rows["notices"]) == 1
    assert not any(page["removals"] for page in kanya.pages)


async def test_a_phone_whose_clock_is_ahead_gets_back_what_it_dropped_too_early(
    kanya: Phone, world: World
) -> None:
    notice = await _notice(world, timedelta(hours=1))
    await kanya.pull()
    kanya.purge(now() + timedelta(days=1))
    assert not kanya.rows["notices"]
    await kanya.repair()
    assert set(kanya.rows["notices"]) == {str(notice)}


@given(
    st.lists(st.tuples(st.uuids(), st.integers(min_value=1, max_value=2**62)), unique_by=lambda one: one[0])
)  # fmt: skip
def test_a_sum_needs_no_order(rows: list[tuple[UUID, int]]) -> None:
    forwards = sum(number_of(*one) for one in rows) % 2**64
    assert sum(number_of(*one) for one in reversed(rows)) % 2**64 == forwards
