"""A check-in is kept whatever its code is worth, and what weakens it stands beside it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from api.trusted import OPERATIONS
from patrol.checkpoints import (
    add_checkpoint,
    content_of,
    public_key_of,
    read_code,
    reissue_code,
    set_checkpoint_active,
    sign_code,
)
from patrol.keys import Key, KeySet
from schema.door import Door
from storage.database import Database
from storage.principal import system
from tests.patrol.test_checkpoints import bare
from tests.personas import as_officer
from tests.phone import Phone, ask, context
from tests.schema.test_tracks import counting
from tests.world import LATITUDE, LONGITUDE, SIDE, World, now

KEYS = (OPERATIONS / "CheckpointKeys.graphql").read_text()
GATE = {"latitude": LATITUDE + SIDE / 2, "longitude": LONGITUDE + SIDE / 2}
NEAR = GATE | {"latitude": LATITUDE + SIDE / 2 + 0.0005, "accuracyM": 10.0}
FAR = GATE | {"latitude": LATITUDE + SIDE / 2 + 0.01, "accuracyM": 10.0}


@pytest.fixture
async def gate(world: World, keys: KeySet) -> UUID:
    """A checkpoint in the market."""
    return await add(world, keys, "K1")


async def add(world: World, keys: KeySet, code: str, station: UUID | None = None) -> UUID:
    async with world.database.write(system("test")) as connection:
        return await add_checkpoint(
            connection, keys, station or world.station, code=code, name="Gate", name_th="ประตู", **GATE
        )  # fmt: skip


async def content(world: World, keys: KeySet, point: UUID) -> str:
    row = await world.row("select code_number, code_kid from checkpoint where id = $1", point)
    return content_of(keys, point, row["code_number"], row["code_kid"])


def scan(phone: Phone, content: str, **more: Any) -> dict[str, Any]:
    return phone.mutation("RECORDS", {"checkIn": {"id": str(uuid7()), "content": content} | more})


async def checked_in(phone: Phone, content: str, **more: Any) -> list[str]:
    """The flags of a check-in that must be kept."""
    [answer] = await phone.push("RECORDS", scan(phone, content, **more))
    assert (answer["outcome"], answer["code"]) == ("APPLIED", None)
    return list(answer["detail"]["flags"])


async def test_a_check_in_at_its_point_reaches_colleagues_and_supervisors(
    kanya: Phone, prasert: Phone, gate: UUID, world: World, keys: KeySet, owner: asyncpg.Connection
) -> None:
    patrol = str(uuid7())
    one = scan(kanya, await content(world, keys, gate), patrolId=patrol, note="เรียบร้อย", **NEAR)
    [answer] = await kanya.push("RECORDS", one)
    assert answer["detail"] == {"flags": []}
    for phone in (kanya, prasert):
        await phone.pull()
        row = phone.rows["checkins"][one["change"]["checkIn"]["id"]]
        assert (row["checkpointId"], row["patrolId"]) == (str(gate), patrol)
        assert (row["codeValid"], row["codeNumber"], row["flags"]) == (True, 1, [])
        assert row["scopeId"] == str(world.market)
        assert 50 < row["distanceM"] < 60
        assert "codeContent" not in row
        assert phone.rows["checkpoints"][str(gate)]["codeNumber"] == 1
    assert await owner.fetchval("select latitude from officer_state") == NEAR["latitude"]
    [again] = await kanya.push("RECORDS", one)
    assert again["outcome"] == "DUPLICATE"
    assert await owner.fetchval("select count(*) from checkin") == 1


async def test_a_photographed_code_is_known_by_its_place_and_by_its_number(
    kanya: Phone, gate: UUID, world: World, keys: KeySet
) -> None:
    printed = await content(world, keys, gate)
    assert await checked_in(kanya, printed, **FAR) == ["FAR_AWAY"]
    assert await checked_in(kanya, printed) == ["NO_FIX"]
    async with world.database.write(system("test")) as connection:
        assert await reissue_code(connection, keys, gate) == 2
    assert await checked_in(kanya, printed, **NEAR) == ["SUPERSEDED"]
    assert await checked_in(kanya, await content(world, keys, gate), **NEAR) == []
    async with world.database.write(system("test")) as connection:
        await set_checkpoint_active(connection, gate, False)
    assert await checked_in(kanya, printed, **FAR) == ["SUPERSEDED", "RETIRED", "FAR_AWAY"]


async def test_whatever_was_scanned_is_kept(
    kanya: Phone, gate: UUID, world: World, keys: KeySet, owner: asyncpg.Connection
) -> None:
    there = await content(world, keys, gate)
    stranger = Key(keys.current.kid, bytes(32), now(), None)
    unknown = sign_code(keys.current, uuid7(), 1)
    elsewhere = await add(world, keys, "K9", await world.add_station("Tak"))
    for scanned, flag in (
        ("https://example.test/", "UNREADABLE"),
        ("", "UNREADABLE"),
        ("\0" * 5000, "UNREADABLE"),
        (there[:-8], "UNREADABLE"),
        (there[:-8] + "A" * 8, "FORGED"),
        (there.replace(keys.current.kid, "00000000"), "FORGED"),
        (sign_code(stranger, gate, 1), "FORGED"),
        (unknown, "UNKNOWN_POINT"),
        (await content(world, keys, elsewhere), "OTHER_STATION"),
    ):
        assert await checked_in(kanya, scanned, **NEAR) == [flag]
    rows = await owner.fetch("select * from checkin order by id")
    assert len(rows) == 9
    assert not any(row["code_valid"] or row["checkpoint_id"] for row in rows)
    # Without a point it belongs to where the phone was.
    assert {row["scope_id"] for row in rows} == {world.market}
    assert max(len(row["code_content"]) for row in rows) <= 300


async def test_a_code_of_a_retired_key_is_flagged_until_it_is_issued_anew(
    kanya: Phone, gate: UUID, world: World, keys: KeySet, owner: asyncpg.Connection
) -> None:
    printed = await content(world, keys, gate)
    await owner.execute("update signing_key set believed_until = now()")
    assert await checked_in(kanya, printed, **NEAR) == ["KEY_RETIRED"]


async def test_a_code_that_was_issued_after_the_backup_we_came_from_is_good(
    kanya: Phone, gate: UUID, keys: KeySet
) -> None:
    assert await checked_in(kanya, sign_code(keys.current, gate, 5), **NEAR) == []


async def test_a_guest_who_was_given_the_zone_checks_in_there(
    door: Door,
    database: Database,
    gate: UUID,
    world: World,
    keys: KeySet,
    owner: asyncpg.Connection,
) -> None:
    chai = await world.add_officer(
        "Chai", station=await world.add_station("Tak"), scopes=[world.market]
    )
    phone = Phone(door, context(database, await as_officer(world, chai), keys))
    assert await checked_in(phone, await content(world, keys, gate), **NEAR) == []
    assert await owner.fetchval("select scope_id from checkin") == world.market


async def test_a_start_and_its_check_ins_in_one_batch_keep_to_each_other(
    kanya: Phone, gate: UUID, world: World, keys: KeySet, owner: asyncpg.Connection
) -> None:
    code, one, two = await content(world, keys, gate), str(uuid7()), str(uuid7())
    answers = await kanya.push(
        "RECORDS",
        scan(kanya, code, patrolId=one),
        kanya.mutation("RECORDS", {"startPatrol": {"id": two}}),
        scan(kanya, code, patrolId=two),
        kanya.mutation("RECORDS", {"changePatrol": {"id": two, "status": "ENDED"}}),
    )
    assert [answer["outcome"] for answer in answers] == ["APPLIED"] * 4
    # The first patrol was never started here: what was seen at the gate is kept all the same.
    assert await owner.fetchval("select count(*) from checkin") == 2


async def test_forty_check_ins_take_as_many_statements_as_one(
    kanya: Phone, gate: UUID, world: World, keys: KeySet
) -> None:
    code = await content(world, keys, gate)
    with counting() as one:
        await kanya.push("RECORDS", scan(kanya, code, **NEAR))
    with counting() as many:
        await kanya.push("RECORDS", *(scan(kanya, code, **NEAR) for _ in range(40)))
    assert len(many) == len(one)


async def test_a_phone_gets_the_public_keys_and_never_a_code(
    kanya: Phone, gate: UUID, door: Door, world: World, keys: KeySet
) -> None:
    with counting() as sent:
        answer = await ask(door, kanya.context, KEYS)
    assert len([one for one in sent if "checkpoint_keys" in one]) == 1
    [told] = answer["data"]["checkpointKeys"]["keys"]
    assert told["kid"] == keys.current.kid
    assert told["believedUntil"] is None
    assert bare(told["publicKey"]) == public_key_of(keys.current)
    code = read_code(await content(world, keys, gate))
    assert code is not None
    assert code.is_signed_by(bare(told["publicKey"]))
    kind = door.schema._schema.type_map["Checkpoint"]
    assert not {"codeContent", "codeKid"} & kind.fields.keys()  # type: ignore[union-attr] # an object
