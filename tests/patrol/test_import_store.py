"""An import adds what is new, updates what differs, and stamps nothing that is as it was."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from patrol import mae_sot
from patrol.errors import ImportRefused, NotFound
from patrol.imports import ParsedCameras, ParsedZones, RowCode, parse_cameras, parse_zones
from patrol.imports.store import Imported, import_cameras, import_zones, stored_zones
from storage.database import Database
from storage.principal import system
from tests.world import NOWHERE, World, square

CAMERAS = "code,name,name_th,latitude,longitude,kind,zone_code\n"
GATE = "C-1,Gate,ประตู,16.7131,98.5710,FIXED,A\n"
POLE = "P-1,Pole,เสา,16.7132,98.5711,SOS_POST,A\n"
STAMPED = ("zone", "community", "camera", "sos_post")


def zone(code: str, *, longitude: float = 98.57, **properties: Any) -> dict[str, Any]:
    given = {"name": code.title(), "name_th": "เขต", "kind": "SAFETY_ZONE", **properties}
    return {
        "type": "Feature",
        "id": code,
        "properties": given,
        "geometry": square(16.713, longitude),
    }


async def zones(database: Database, station: UUID, *features: dict[str, Any]) -> Imported:
    data = orjson.dumps({"type": "FeatureCollection", "features": list(features)})
    async with database.write(system("test")) as connection:
        known = await stored_zones(connection, station)
        return await import_zones(connection, station, parse_zones(data, known.parents))


async def cameras(database: Database, station: UUID, lines: str) -> Imported:
    async with database.write(system("test")) as connection:
        known = await stored_zones(connection, station)
        return await import_cameras(
            connection, station, parse_cameras(CAMERAS + lines, known.shapes)
        )


def counts(done: Imported) -> tuple[int, int, int]:
    return done.added, done.changed, done.unchanged


async def stamps(owner: asyncpg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """rev, transaction and time of every row that phones hold."""
    return {
        table: [
            tuple(row)
            for row in await owner.fetch(
                f"select id, rev, sync_xid, updated_at from {table} order by id"
            )
        ]
        for table in STAMPED
    }


@pytest.fixture
async def station(database: Database) -> UUID:
    world = World(database)
    return await world.add_station("Mae Sot")


async def test_a_second_import_of_the_same_files_stamps_nothing(
    database: Database, station: UUID, owner: asyncpg.Connection
) -> None:
    features = [zone("A"), zone("B", kind="COMMUNITY", parent="A", longitude=98.58)]
    assert counts(await zones(database, station, *features)) == (2, 0, 0)
    assert counts(await cameras(database, station, GATE + POLE)) == (2, 0, 0)
    before = await stamps(owner)
    assert {table: len(rows) for table, rows in before.items()} == {
        "zone": 2,
        "community": 1,
        "camera": 2,
        "sos_post": 1,
    }

    assert counts(await zones(database, station, *features)) == (0, 0, 2)
    assert counts(await cameras(database, station, GATE + POLE)) == (0, 0, 2)
    assert await stamps(owner) == before


async def test_only_the_row_that_differs_is_stamped_again(
    database: Database, station: UUID, owner: asyncpg.Connection
) -> None:
    await zones(database, station, zone("A"), zone("B"))
    before = {row[0]: row for row in (await stamps(owner))["zone"]}
    assert counts(await zones(database, station, zone("A"), zone("B", name="Bazaar"))) == (0, 1, 1)
    after = (await stamps(owner))["zone"]
    assert [row[1] for row in after if row != before[row[0]]] == [2]
    assert await owner.fetchval("select name from zone where code = 'B'") == "Bazaar"


async def test_a_change_of_the_outline_alone_is_a_change(
    database: Database, station: UUID, owner: asyncpg.Connection
) -> None:
    await zones(database, station, zone("A"))
    assert counts(await zones(database, station, zone("A", longitude=98.60))) == (0, 1, 0)
    assert await owner.fetchval("select min_longitude from zone") == 98.60


async def test_another_last_digit_of_the_area_is_not_sent_to_phones(
    database: Database, station: UUID, owner: asyncpg.Connection
) -> None:
    await zones(database, station, zone("A"))
    await owner.execute("update zone set area_km2 = area_km2 + 1e-15")
    before = await stamps(owner)
    assert counts(await zones(database, station, zone("A"))) == (0, 0, 1)
    assert await stamps(owner) == before


async def test_parents_are_found_by_code_in_the_file_and_among_what_is_stored(
    database: Database, station: UUID, owner: asyncpg.Connection
) -> None:
    await zones(database, station, zone("A"))
    await zones(database, station, zone("C", parent="B"), zone("B", parent="A"))
    rows = await owner.fetch(
        "select zone.code, above.code as parent from zone left join zone above on above.id = zone.parent_id"
    )
    assert {row["code"]: row["parent"] for row in rows} == {"A": None, "B": "A", "C": "B"}
    assert counts(await zones(database, station, zone("C"))) == (0, 1, 0)
    assert await owner.fetchval("select parent_id from zone where code = 'C'") is None


async def test_a_missing_thai_name_is_the_english_one(
    database: Database, station: UUID, owner: asyncpg.Connection
) -> None:
    await zones(database, station, zone("A", name_th=None))
    await cameras(database, station, "C-1,Gate,,16.7131,98.5710,FIXED,A\n")
    assert await owner.fetchval("select name_th from zone") == "A"
    assert await owner.fetchval("select name_th from camera") == "Gate"


async def test_a_community_zone_has_a_community_and_keeps_what_people_wrote_there(
    database: Database, station: UUID, owner: asyncpg.Connection
) -> None:
    await zones(database, station, zone("A", kind="COMMUNITY"))
    await owner.execute("update community set leader = 'Khun Malee', phone = '0'")
    await zones(database, station, zone("A", kind="COMMUNITY", name="New name"))
    row = await owner.fetchrow("select name, leader, scope_id = zone_id as own from community")
    assert tuple(row) == ("New name", "Khun Malee", True)


async def test_a_zone_that_stops_and_starts_being_a_community_ends_and_revives_it(
    database: Database, station: UUID, owner: asyncpg.Connection
) -> None:
    gone = "select deleted_at is not null from community"
    await zones(database, station, zone("A", kind="COMMUNITY"))
    await zones(database, station, zone("A", kind="EVENT"))
    assert await owner.fetchval(gone) is True
    await zones(database, station, zone("A", kind="COMMUNITY"))
    assert await owner.fetchval(gone) is False
    assert await owner.fetchval("select count(*) from community") == 1


async def test_a_deleted_zone_returns_under_its_own_id(
    database: Database, station: UUID, owner: asyncpg.Connection
) -> None:
    await zones(database, station, zone("A"))
    first = await owner.fetchval("update zone set deleted_at = now() returning id")
    assert counts(await zones(database, station, zone("A"))) == (0, 1, 0)
    assert tuple(await owner.fetchrow("select id, deleted_at from zone")) == (first, None)


async def test_an_sos_post_camera_brings_its_post_and_moves_it_along(
    database: Database, station: UUID, owner: asyncpg.Connection
) -> None:
    await zones(database, station, zone("A"), zone("B", longitude=98.58))
    await cameras(database, station, POLE)
    camera = await owner.fetchrow("select id, scope_id, zone_id from camera")
    post = await owner.fetchrow("select code, camera_id, scope_id, zone_id from sos_post")
    assert tuple(post) == ("P-1", camera["id"], camera["scope_id"], camera["zone_id"])
    await owner.execute("insert into camera_state select id, scope_id from camera")
    await owner.execute("insert into sos_post_state select id, scope_id from sos_post")

    moved = "P-1,Pole,เสา,16.7132,98.5811,SOS_POST,B\n"
    assert counts(await cameras(database, station, moved)) == (0, 1, 0)
    scopes = {
        await owner.fetchval(f"select scope_id from {table}")
        for table in ("camera", "sos_post", "camera_state", "sos_post_state")
    }
    assert scopes == {await owner.fetchval("select id from zone where code = 'B'")}
    left = await owner.fetch("select subject from scope_exit order by subject")
    assert [row["subject"] for row in left] == ["camera", "sos_post"]


async def test_a_post_outlives_its_camera_of_another_kind_with_a_warning(
    database: Database, station: UUID, owner: asyncpg.Connection
) -> None:
    await zones(database, station, zone("A"))
    await cameras(database, station, POLE)
    done = await cameras(database, station, POLE.replace("SOS_POST", "DOME"))
    assert [(note.row, note.code) for note in done.warnings] == [(2, RowCode.POST_KEPT)]
    assert await owner.fetchval("select count(*) from sos_post where deleted_at is null") == 1


async def test_one_error_refuses_the_file_and_leaves_nothing(
    database: Database, station: UUID, owner: asyncpg.Connection
) -> None:
    await zones(database, station, zone("A"))
    with pytest.raises(ImportRefused) as refused:
        await cameras(
            database, station, GATE + "C-2,,,16.7,98.57,FIXED,A\n" + "C-3,x,x,1,1,BAD,A\n"
        )
    assert {row["row"] for row in refused.value.extra["rows"]} == {3, 4}
    assert await owner.fetchval("select count(*) from camera") == 0


async def test_a_zone_that_vanished_after_the_file_was_checked_refuses_it(
    database: Database, station: UUID, owner: asyncpg.Connection
) -> None:
    await zones(database, station, zone("A"))
    async with database.write(system("test")) as connection:
        known = await stored_zones(connection, station)
    parsed = parse_cameras(CAMERAS + GATE, known.shapes)
    await owner.execute("update zone set deleted_at = now()")
    with pytest.raises(ImportRefused, match="no zone 'A' any more"):
        async with database.write(system("test")) as connection:
            await import_cameras(connection, station, parsed)
    assert await owner.fetchval("select count(*) from camera") == 0


async def test_an_unknown_station_is_refused(database: Database) -> None:
    with pytest.raises(NotFound):
        await zones(database, NOWHERE, zone("A"))


async def test_the_same_code_at_two_stations_is_two_zones(
    database: Database, owner: asyncpg.Connection
) -> None:
    world = World(database)
    first, second = await world.add_station("Mae Sot"), await world.add_station("Tak")
    await zones(database, first, zone("A"))
    assert counts(await zones(database, second, zone("A", name="Other"))) == (1, 0, 0)
    assert await owner.fetchval("select count(*) from zone where code = 'A'") == 2


async def test_each_import_is_written_into_the_audit_log(
    database: Database, station: UUID, owner: asyncpg.Connection
) -> None:
    await zones(database, station, zone("A"))
    await cameras(database, station, GATE)
    rows = await owner.fetch("select principal, act, subject, detail from audit_entry order by id")
    assert [(row["principal"], row["act"], row["subject"]) for row in rows] == [
        ("system:test", "zones.import", str(station)),
        ("system:test", "cameras.import", str(station)),
    ]
    assert orjson.loads(rows[1]["detail"]) == {"added": 1, "changed": 0, "unchanged": 0}


async def test_the_demonstration_station_is_stored_whole(
    database: Database, station: UUID, owner: asyncpg.Connection
) -> None:
    async with database.write(system("test")) as connection:
        rows = mae_sot.zones()
        await import_zones(connection, station, ParsedZones(rows, (), (), len(rows)))
        seen = mae_sot.cameras()
        await import_cameras(connection, station, ParsedCameras(seen, (), (), len(seen)))
    found = await owner.fetchrow(
        "select (select count(*) from zone) as zones, (select count(*) from community) as communities, "
        "(select count(*) from camera) as cameras, (select count(*) from sos_post) as posts"
    )
    assert tuple(found) == (4, 3, len(seen), len(mae_sot.sos_posts()))
