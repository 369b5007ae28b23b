"""After a restore every lane goes on; within one epoch a hole stays a hole."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from patrol.keys import KeySet
from patrol.sync.epoch import begin_epoch
from patrol.sync.receipts import read
from storage.database import Database
from storage.principal import Role, system
from tests.patrol.restore_support import PAUSE, Keeper, copy_of, truth
from tests.personas import as_officer
from tests.phone import PUSH, Phone, ask, context
from tests.world import World

FORGET = """
delete from sync_outcome where sequence > $1;
delete from incident where title = any (array['lost 1', 'lost 2', 'lost 3']);
update sync_lane set applied_sequence = $1;
"""


async def go_back(owner: asyncpg.Connection, database: Database, to: int) -> None:
    """The rows as a restore would leave them, and the epoch that follows; real restores are in test_restore."""
    await lose(owner, to)
    async with database.write(system("test"), Role.SYSTEM) as connection:
        await begin_epoch(connection, "restored")


async def lose(owner: asyncpg.Connection, to: int) -> None:
    await owner.execute("alter table incident disable trigger refuse_delete")
    await owner.execute(FORGET.replace("$1", str(to)))


def outcomes(answers: list[dict[str, Any]]) -> list[str]:
    return [one["outcome"] for one in answers]


@pytest.fixture
def keeper(kanya: Phone, world: World) -> Keeper:
    return Keeper(kanya, world.market)


async def filled(keeper: Keeper) -> None:
    """Five stored reports, of which a restore to 2 loses three."""
    for title in ("kept 1", "kept 2", "lost 1", "lost 2", "lost 3"):
        keeper.record(title)
    await keeper.push()


async def test_a_phone_brings_back_what_a_restore_lost(
    keeper: Keeper, owner: asyncpg.Connection, database: Database, world: World
) -> None:
    await filled(keeper)
    await go_back(owner, database, 2)
    keeper.record("new")
    await keeper.push()
    assert await owner.fetchval("select count(*) from incident") == 6
    assert await owner.fetchval("select applied_sequence from sync_lane") == 6
    assert await owner.fetchval("select count(*) from sync_gap") == 0
    await keeper.phone.pull()
    assert len(copy_of(keeper.phone)) == 6
    assert copy_of(keeper.phone) == await truth(owner, world.market)


async def test_what_nobody_holds_is_written_down_and_skipped(
    keeper: Keeper, owner: asyncpg.Connection, database: Database
) -> None:
    await filled(keeper)
    keeper.drop(4)
    await go_back(owner, database, 2)
    keeper.record("new")
    await keeper.push()
    gap = await owner.fetchrow("select * from sync_gap")
    assert (gap["from_sequence"], gap["to_sequence"]) == (3, 4)
    titles = await owner.fetch("select title from incident order by created_at, id")
    assert [row["title"] for row in titles] == ["kept 1", "kept 2", "lost 3", "new"]


async def test_what_was_skipped_is_still_taken_once_if_it_comes(
    keeper: Keeper, owner: asyncpg.Connection, database: Database
) -> None:
    await filled(keeper)
    held = dict(keeper.held)
    keeper.drop(4)
    await go_back(owner, database, 2)
    keeper.record("new")
    await keeper.push()
    keeper.held |= held
    keeper.waiting = {3, 4}
    assert outcomes(await keeper.push_once()) == ["APPLIED", "APPLIED"]
    keeper.waiting = {3, 4, 5, 6}
    assert outcomes(await keeper.push_once()) == ["DUPLICATE"] * 4
    assert await owner.fetchval("select applied_sequence from sync_lane") == 6
    assert await owner.fetchval("select count(*) from incident") == 6


async def test_without_a_new_epoch_a_hole_is_a_gap_for_ever(
    keeper: Keeper, owner: asyncpg.Connection, database: Database
) -> None:
    """The negative control: an adoption here would lose what the phone has yet to send."""
    await filled(keeper)
    keeper.receipt = None  # it would prove the loss
    keeper.drop(4)
    await lose(owner, 2)
    keeper.record("new")
    for _ in range(3):
        answers = await keeper.push_once()
        assert outcomes(answers) == ["GAP"]
        assert answers[0]["expected"] == 3
        await owner.execute(PAUSE)
    assert await owner.fetchval("select count(*) from sync_gap") == 0


@pytest.mark.parametrize("silent", [False, True])
async def test_a_lane_that_went_on_in_an_epoch_jumps_no_more(
    silent: bool, kanya: Phone, owner: asyncpg.Connection, database: Database, world: World
) -> None:
    keeper = Keeper(kanya, world.market)
    await filled(keeper)
    old = keeper.epoch
    await go_back(owner, database, 2)
    await keeper.push_once()
    keeper.waiting = set(keeper.held)
    await keeper.push()
    keeper.record("not sent")
    keeper.waiting.clear()
    keeper.drop(6)
    keeper.record("sent too early")
    keeper.silent, keeper.epoch, keeper.receipt = silent, old, None
    for _ in range(3):
        assert outcomes(await keeper.push_once()) == ["GAP"]
        keeper.epoch = old
        await owner.execute(PAUSE)


async def test_a_phone_that_was_answered_in_this_epoch_adopts_nothing(
    keeper: Keeper, owner: asyncpg.Connection, database: Database
) -> None:
    await filled(keeper)
    await go_back(owner, database, 2)
    keeper.drop(4)
    keeper.epoch = str(
        await owner.fetchval("select id from sync_epoch order by number desc limit 1")
    )
    keeper.waiting = {5}
    assert outcomes(await keeper.push_once()) == ["GAP"]


async def test_an_older_app_is_asked_and_gets_through_when_it_comes_again(
    kanya: Phone, owner: asyncpg.Connection, database: Database, world: World
) -> None:
    old = Keeper(kanya, world.market, silent=True)
    await filled(old)
    await go_back(owner, database, 2)
    old.record("new")
    for _ in range(2):
        answers = await old.push_once()
        assert outcomes(answers) == ["GAP"]
        assert answers[0]["expected"] == 3
    await owner.execute(PAUSE)
    assert outcomes(await old.push_once()) == ["APPLIED"]
    gap = await owner.fetchrow("select * from sync_gap")
    assert (gap["from_sequence"], gap["to_sequence"]) == (3, 5)


async def test_a_call_for_help_of_an_older_app_does_not_wait(
    kanya: Phone, owner: asyncpg.Connection, database: Database
) -> None:
    def call() -> dict[str, Any]:
        return kanya.mutation("SOS", {"raiseAlert": {"id": str(uuid7())}})

    for _ in range(3):
        assert outcomes(await kanya.push("SOS", call())) == ["APPLIED"]
    await owner.execute("delete from sync_outcome")
    await owner.execute("update sync_lane set applied_sequence = 0")
    call()
    assert outcomes(await kanya.push("SOS", call())) == ["GAP"], "the negative control: one epoch"
    async with database.write(system("test"), Role.SYSTEM) as connection:
        await begin_epoch(connection, "restored")
    assert outcomes(await kanya.push("SOS", call())) == ["APPLIED"]


async def test_a_lane_that_the_backup_does_not_know_goes_on_too(
    keeper: Keeper, owner: asyncpg.Connection, database: Database
) -> None:
    await filled(keeper)
    keeper.drop(4)
    await go_back(owner, database, 0)
    await owner.execute("delete from sync_lane")
    keeper.record("new")
    await keeper.push()
    assert await owner.fetchval("select applied_sequence from sync_lane") == 6


async def test_what_is_stored_is_known_by_its_id_under_another_number(
    keeper: Keeper, owner: asyncpg.Connection, database: Database
) -> None:
    await filled(keeper)
    await owner.execute("update sync_outcome set sequence = sequence + 100")
    await owner.execute("update sync_lane set applied_sequence = 0")
    async with database.write(system("test"), Role.SYSTEM) as connection:
        await begin_epoch(connection, "restored")
    keeper.waiting = set(keeper.held)
    assert outcomes(await keeper.push_once()) == ["DUPLICATE"] * 5
    assert await owner.fetchval("select count(*) from incident") == 5
    assert await owner.fetchval("select applied_sequence from sync_lane") == 5


async def test_a_receipt_for_what_is_not_stored_begins_an_epoch_by_itself(
    keeper: Keeper, owner: asyncpg.Connection, database: Database
) -> None:
    await filled(keeper)
    await lose(owner, 2)
    keeper.record("new")
    await keeper.push()
    epoch = await owner.fetchrow(
        "select number, cause from sync_epoch order by number desc limit 1"
    )
    assert tuple(epoch) == (2, "RECEIPT")
    assert await owner.fetchval("select count(*) from incident") == 6
    again = await owner.fetchval("select count(*) from sync_epoch")
    keeper.record("newer")
    await keeper.push()
    assert await owner.fetchval("select count(*) from sync_epoch") == again


async def test_a_receipt_of_another_phone_or_a_forged_one_proves_nothing(
    keeper: Keeper, owner: asyncpg.Connection, database: Database, world: World, keys: KeySet
) -> None:
    other = Keeper(
        Phone(keeper.phone.door, context(database, await as_officer(world, world.kanya), keys)),
        world.market,
    )
    await filled(other)
    keeper.record("new")
    for receipt in (other.receipt, "R1.a.b.c", "nonsense", other.receipt[:-2] + "AA"):  # type: ignore[index] # filled
        keeper.receipt = receipt
        keeper.waiting = {1}
        await keeper.push_once()
    assert await owner.fetchval("select count(*) from sync_epoch") == 1


async def test_answers_tell_the_epoch_the_horizon_and_a_receipt(
    keeper: Keeper, owner: asyncpg.Connection, keys: KeySet, world: World
) -> None:
    keeper.record("one")
    await owner.execute(
        "insert into sync_backup (id, epoch_id, durable_through, note) "
        "select gen_random_uuid(), id, '2026-01-02T03:04:05Z', '' from sync_epoch"
    )
    batch = [keeper.held[1]]
    answer = await ask(
        keeper.phone.door, keeper.phone.context, PUSH, lane="RECORDS", mutations=batch
    )
    pushed = answer["data"]["push"]
    [page] = await keeper.phone.pull()
    epoch = str(await owner.fetchval("select id from sync_epoch"))
    for told in (pushed, page):
        assert (told["epoch"], told["durableThrough"][:19]) == (epoch, "2026-01-02T03:04:05")
    for text in (pushed["receipt"], page["lanes"][0]["receipt"]):
        receipt = read(text, keys)
        assert (receipt.officer, receipt.sequence, str(receipt.epoch)) == (world.kanya, 1, epoch)
        assert len(text) < 140


async def test_a_push_of_nothing_tells_how_far_the_lane_is(keeper: Keeper) -> None:
    keeper.record("one")
    await keeper.push()
    answer = await ask(keeper.phone.door, keeper.phone.context, PUSH, lane="RECORDS", mutations=[])
    assert answer["data"]["push"]["appliedSequence"] == 1
