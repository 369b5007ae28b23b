"""A partner must see exactly what its agreements grant: no row, no detail and no count beyond it, however it asks."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.vocabulary import DetailLevel, SharingSubject
from tests.conftest import LOGIN, address_of, administer
from tests.personas import as_officer, as_partner
from tests.phone import ask, context
from tests.schema.asked import DOOR, INCIDENTS, Asked
from tests.schema.seeds import add_picture
from tests.world import LATITUDE, LONGITUDE, World, now

EVERYTHING = """{
    zones(first: 50) { __typename ... on Refusal { code } ... on ZoneConnection {
        totalCount nodes { id code
            cameras(first: 50) { __typename ... on Refusal { code } ... on CameraConnection {
                totalCount nodes { id detail } pageInfo { hasNextPage } } }
            incidents(first: 50) { __typename ... on Refusal { code } ... on IncidentConnection {
                totalCount edges { node { id detail title } } } } } } }
    cameras(first: 200) { __typename ... on Refusal { code } ... on CameraConnection {
        totalCount nodes { id detail latitude longitude pictureTakenAt picture320 picture960 zone { id } } } }
    incidents(first: 200) { __typename ... on Refusal { code } ... on IncidentConnection {
        totalCount nodes { id detail title description latitude longitude occurredAt zone { id } } } }
}"""


class Places:
    """A database that the tests of this module share: each asks as an organisation of its own."""

    def __init__(
        self,
        world: World,
        database: Database,
        zones: list[UUID],
        rows: dict[str, list[dict[str, Any]]],
    ) -> None:
        self.world = world
        self.database = database
        self.zones = zones
        self.rows = rows


@dataclass(frozen=True)
class Grant:
    """An agreement as a test draws it; zones by their number."""

    zones: frozenset[int]
    subjects: frozenset[SharingSubject]
    detail: DetailLevel
    delay: timedelta
    begins: timedelta
    ends: timedelta | None
    revoked: bool

    @property
    def in_force(self) -> bool:
        nothing = timedelta()
        return (
            not self.revoked
            and self.begins <= nothing
            and (self.ends is None or self.ends > nothing)
        )


HOUR = timedelta(hours=1)
AGES = (timedelta(minutes=1), 3 * HOUR, 50 * HOUR)
# No age is near a delay, so that a slow test changes no answer.
DELAYS = (timedelta(), 2 * HOUR, 48 * HOUR)

GRANTS = st.lists(
    st.builds(
        Grant,
        zones=st.frozensets(st.integers(0, 3)),
        subjects=st.frozensets(st.sampled_from(list(SharingSubject))),
        detail=st.sampled_from(list(DetailLevel)),
        delay=st.sampled_from(DELAYS),
        begins=st.sampled_from([-HOUR, -HOUR, -HOUR, HOUR]),
        ends=st.sampled_from([None, None, HOUR, -HOUR / 2]),
        revoked=st.sampled_from([False, False, False, True]),
    ),
    max_size=4,
)


@pytest.fixture(scope="module")
async def places(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[Places]:
    """Four zones with cameras, pictures and incidents of all ages."""
    name = f"patrol_{secrets.token_hex(6)}"
    await administer(postgres, f"create database {name} template {template}")
    database = await Database.connect(address_of(postgres, name, LOGIN), size=4)
    owner = await asyncpg.connect(address_of(postgres, name))
    try:
        world = await World.make(database)
        inside = await world.add_zone("Gate", parent=world.market)
        gone = await world.add_zone("Gone")
        zones = [world.market, world.temple, inside, gone]
        for zone in zones:
            camera = await world.add_camera(zone, latitude=LATITUDE + 0.00012345)
            await add_picture(world, camera)
            await world.change(
                "update snapshot set taken_at = now() - $2::interval where camera_id = $1",
                camera,
                3 * HOUR,
            )
            await world.add_camera(zone)
            for number, age in enumerate(AGES):
                at = now() - age
                await world.add_incident(
                    zone, title=f"Title {number}", description="Secret", received_at=at, occurred_at=at - HOUR / 2,
                    latitude=LATITUDE + 0.00012345, longitude=LONGITUDE + 0.00054321,
                )  # fmt: skip
            edited = await world.add_incident(zone, title="Before", received_at=now() - 60 * HOUR)
            await world.change("update incident set title = 'After' where id = $1", edited)
            deleted = await world.add_incident(zone, received_at=now() - 60 * HOUR)
            await world.change("update incident set deleted_at = now() where id = $1", deleted)
        await world.change("update zone set deleted_at = now() where id = $1", gone)
        rows = {
            table: [dict(row) for row in await owner.fetch(f"select * from {table}")]
            for table in ("zone", "camera", "incident", "snapshot")
        }
        yield Places(world, database, zones, rows)
    finally:
        await owner.close()
        await database.close()
        await administer(postgres, f"drop database {name} with (force)")


async def add_grant(places: Places, organisation: UUID, grant: Grant) -> UUID:
    """Stores an agreement as drawn."""
    world, at = places.world, now()
    agreement = await world.store(
        "agreement", organisation_id=organisation, subjects=[one.value for one in grant.subjects],
        detail=grant.detail.value, delay_seconds=int(grant.delay.total_seconds()), valid_from=at + grant.begins,
        valid_until=None if grant.ends is None else at + grant.begins + 10 * HOUR if grant.begins > timedelta() else at + grant.ends,
        revoked_at=at if grant.revoked else None,
    )  # fmt: skip
    for number in grant.zones:
        await world.change(
            "insert into agreement_zone values ($1, $2)", agreement, places.zones[number]
        )
    return agreement


# The same as a naive reader of the agreements


def expected(places: Places, grants: list[Grant], at: datetime) -> dict[str, Any]:
    """What a partner must be answered, by the agreements' own words."""

    def of(subject: SharingSubject, zone: UUID) -> list[Grant]:
        number = places.zones.index(zone)
        return [
            one
            for one in grants
            if one.in_force and number in one.zones and subject in one.subjects
        ]

    def standing(table: str) -> list[dict[str, Any]]:
        return [
            row
            for row in places.rows[table]
            if row["deleted_at"] is None and row["scope_id"] in places.zones
        ]

    def refused(subject: SharingSubject) -> bool:
        return not any(one.in_force and one.zones and subject in one.subjects for one in grants)

    zones = [row["id"] for row in standing("zone") if of(SharingSubject.ZONES, row["scope_id"])]
    cameras = {
        row["id"]: camera(
            row, of(SharingSubject.CAMERAS, row["scope_id"]), places.rows["snapshot"], at
        )
        for row in standing("camera")
        if of(SharingSubject.CAMERAS, row["scope_id"])
    }
    incidents = {}
    for row in standing("incident"):
        due = [
            one
            for one in of(SharingSubject.INCIDENTS, row["scope_id"])
            if max(row["received_at"], row["updated_at"]) <= at - one.delay
        ]
        if due:
            incidents[row["id"]] = incident(row, any(one.detail is DetailLevel.FULL for one in due))
    for one in (*cameras.values(), *incidents.values()):
        zone = one.pop("zone_id")
        one["zone"] = {"id": str(zone)} if zone in zones else None
    refusal = {"__typename": "Refusal", "code": "NOT_GRANTED"}
    return {
        "zones": refusal if refused(SharingSubject.ZONES) else zones,
        "cameras": refusal if refused(SharingSubject.CAMERAS) else cameras,
        "incidents": refusal if refused(SharingSubject.INCIDENTS) else incidents,
    }


def camera(
    row: dict[str, Any], grants: list[Grant], pictures: list[dict[str, Any]], at: datetime
) -> dict[str, Any]:
    full = [one for one in grants if one.detail is DetailLevel.FULL]
    shown = [
        one for one in pictures
        if one["camera_id"] == row["id"] and any(one["taken_at"] <= at - grant.delay for grant in full)
    ]  # fmt: skip
    return {
        "id": str(row["id"]),
        "zone_id": row["zone_id"],
        "detail": "FULL" if full else "COARSE",
        "latitude": row["latitude"] if full else round(row["latitude"], 3),
        "longitude": row["longitude"] if full else round(row["longitude"], 3),
        "pictureTakenAt": told(shown[0]["taken_at"]) if shown else None,
        "picture320": f"signed:derived/{shown[0]['thumb_320_key']}" if shown else None,
        "picture960": f"signed:derived/{shown[0]['thumb_960_key']}" if shown else None,
    }


def incident(row: dict[str, Any], full: bool) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "zone_id": row["zone_id"],
        "detail": "FULL" if full else "COARSE",
        "title": row["title"] if full else None,
        "description": row["description"] if full else None,
        "latitude": row["latitude"] if full else round(row["latitude"], 3),
        "longitude": row["longitude"] if full else round(row["longitude"], 3),
        "occurredAt": told(row["occurred_at"]),
    }


def told(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(grants=GRANTS)
async def test_what_any_agreements_grant_is_seen_and_nothing_else(
    places: Places, grants: list[Grant]
) -> None:
    organisation = await places.world.add_organisation("Drawn")
    for grant in grants:
        await add_grant(places, organisation, grant)
    principal = await as_partner(places.world, organisation)
    answer = (await ask(DOOR, context(places.database, principal), EVERYTHING))["data"]
    wanted = expected(places, grants, now())
    for name, rows in wanted.items():
        got = answer[name]
        if isinstance(rows, dict) and rows.get("__typename") == "Refusal":
            assert got == rows
            continue
        ids = [str(key) for key in rows]
        assert got["totalCount"] == len(ids)
        assert sorted(row["id"] for row in got["nodes"]) == sorted(ids)
        if isinstance(rows, dict):
            assert {row["id"]: row for row in got["nodes"]} == {
                row["id"]: row for row in rows.values()
            }
    for zone in answer["zones"].get("nodes", ()):
        for name in ("cameras", "incidents"):
            rows_below(places, zone, name, grants, wanted[name])


def rows_below(
    places: Places, zone: dict[str, Any], name: str, grants: list[Grant], seen: dict[str, Any]
) -> None:
    """Below a zone stands what the root shows of it, or the same refusal."""
    subject, number = SharingSubject[name.upper()], places.zones.index(UUID(zone["id"]))
    got = zone[name]
    if not any(one.in_force and number in one.zones and subject in one.subjects for one in grants):
        assert got == {"__typename": "Refusal", "code": "NOT_GRANTED"}
        return
    nodes = got["nodes"] if name == "cameras" else [one["node"] for one in got["edges"]]
    table = places.rows[name.removesuffix("s")]
    of_zone = {row["id"] for row in table if str(row["zone_id"]) == zone["id"]}
    expected_rows = {str(key): row for key, row in seen.items() if key in of_zone}
    assert {row["id"]: row["detail"] for row in nodes} == {
        key: row["detail"] for key, row in expected_rows.items()
    }
    assert got["totalCount"] == len(nodes) == len(expected_rows)


async def test_coarse_now_and_full_later_never_add_up_to_full_now(
    world: World, database: Database
) -> None:
    agency = await world.add_organisation("Agency")
    await world.add_agreement(agency, [world.market], detail=DetailLevel.COARSE)
    await world.add_agreement(agency, [world.market], delay_seconds=3600)
    fresh = await world.add_incident(world.market)
    old = await world.add_incident(world.market, received_at=now() - 2 * HOUR)
    asked = Asked(world, database, await as_partner(world, agency))
    nodes = {row["id"]: row for row in (await asked.incidents())["nodes"]}
    assert (nodes[str(fresh)]["detail"], nodes[str(fresh)]["title"]) == ("COARSE", None)
    assert (nodes[str(old)]["detail"], nodes[str(old)]["title"]) == ("FULL", "Motorcycle stolen")


async def test_a_delay_holds_back_a_later_edit_as_well(world: World, database: Database) -> None:
    agency = await world.add_organisation("Agency")
    await world.add_agreement(agency, [world.market], delay_seconds=3600)
    asked = Asked(world, database, await as_partner(world, agency))
    edited = await world.add_incident(world.market, received_at=now() - 2 * HOUR)
    assert [row["id"] for row in (await asked.incidents())["nodes"]] == [str(edited)]
    await world.change(
        "update incident set title = 'Seen at the temple', latitude = latitude + 0.01 where id = $1",
        edited,
    )
    page = await asked.incidents()
    assert (page["nodes"], page["totalCount"]) == ([], 0)
    await world.add_agreement(agency, [world.market], detail=DetailLevel.COARSE)
    [row] = (await asked.incidents())["nodes"]
    assert (row["detail"], row["title"], row["description"]) == ("COARSE", None, None)


async def test_a_zone_that_is_not_granted_and_one_that_does_not_exist_are_refused_alike(
    radio: Asked, world: World
) -> None:
    await world.add_incident(world.temple)
    refusals = [await radio.incidents(zone=str(zone)) for zone in (world.temple, uuid7())]
    assert refusals[0] == refusals[1]
    assert refusals[0]["code"] == "NOT_GRANTED"
    assert refusals[0]["whatToDo"]


BELOW = """{ zones { ... on ZoneConnection { nodes { id
    cameras { ... on Refusal { code message } ... on CameraConnection { nodes { id } } }
    incidents(first: 0) { ... on Refusal { code } ... on IncidentConnection { totalCount } } } } } }"""


async def test_a_list_below_a_zone_is_refused_as_the_root_is(
    world: World, database: Database
) -> None:
    """One zone is granted with cameras, the other without; a wrong page size is a refusal as well."""
    agency = await world.add_organisation("Agency")
    await world.add_agreement(agency, [world.market, world.temple], subjects=[SharingSubject.ZONES])
    await world.add_agreement(agency, [world.market], subjects=[SharingSubject.CAMERAS])
    asked = Asked(world, database, await as_partner(world, agency))
    answer = await ask(DOOR, context(database, asked.principal), BELOW)
    below = {zone["id"]: zone for zone in answer["data"]["zones"]["nodes"]}
    assert below[str(world.market)]["cameras"] == {"nodes": [{"id": str(world.market_camera)}]}
    assert below[str(world.temple)]["cameras"] == {
        "code": "NOT_GRANTED",
        "message": "No agreement grants cameras of this zone.",
    }
    assert {zone["incidents"]["code"] for zone in below.values()} == {"PAGE_SIZE_INVALID"}


async def test_distances_are_measured_from_what_is_shown(world: World, database: Database) -> None:
    """A partner with coarse detail measures from the rounded place, or three questions would find the true one."""
    agency = await world.add_organisation("Agency")
    await world.add_agreement(agency, [world.market], detail=DetailLevel.COARSE)
    await world.add_incident(world.market, latitude=16.7164, longitude=98.5714)
    text = """{ incidents { ... on IncidentConnection { nodes {
        latitude longitude ageSeconds distanceM(from: {latitude: 16.716, longitude: 98.571}) } } } }"""
    answer = await ask(DOOR, context(database, await as_partner(world, agency)), text)
    [row] = answer["data"]["incidents"]["nodes"]
    assert (row["latitude"], row["longitude"], row["distanceM"]) == (16.716, 98.571, 0)
    assert 0 < row["ageSeconds"] < 600


async def test_a_granted_zone_without_incidents_is_an_empty_page(
    radio: Asked, world: World
) -> None:
    page = await radio.incidents(zone=str(world.market))
    assert (page["nodes"], page["totalCount"]) == ([], 0)


@pytest.mark.parametrize(
    "statement",
    [
        "update agreement set revoked_at = now() where organisation_id = $1",
        "update agreement set valid_until = now() where organisation_id = $1",
        "update agreement set subjects = '{ZONES}' where organisation_id = $1",
        "delete from agreement_zone z using agreement a where a.id = z.agreement_id and a.organisation_id = $1",
    ],
)
async def test_an_agreement_that_ends_ends_at_once(
    statement: str, radio: Asked, world: World
) -> None:
    await world.add_incident(world.market)
    assert (await radio.incidents())["totalCount"] == 1
    await world.change(statement, world.radio)
    assert (await radio.incidents())["code"] == "NOT_GRANTED"


async def test_an_inactive_organisation_is_not_served(radio: Asked, world: World) -> None:
    await world.change("update organisation set active = false where id = $1", world.radio)
    answer = await ask(DOOR, context(radio.database, radio.principal), INCIDENTS)
    assert [one["extensions"]["code"] for one in answer["errors"]] == ["SESSION_REVOKED"]
    assert "data" not in answer


async def test_a_partner_knows_itself_and_its_own_agreements_in_force(
    world: World, database: Database
) -> None:
    await world.add_agreement(await world.add_organisation("Other"), [world.temple])
    ended = await world.add_agreement(world.radio, [world.temple])
    await world.change("update agreement set revoked_at = now() where id = $1", ended)
    text = "{ organisation { id name agreements { id zoneIds subjects detail delaySeconds } } }"
    answer = await ask(DOOR, context(database, await as_partner(world, world.radio)), text)
    [agreement] = answer["data"]["organisation"]["agreements"]
    assert answer["data"]["organisation"]["id"] == str(world.radio)
    assert agreement["id"] == str(world.agreement)
    assert agreement["zoneIds"] == [str(world.market)]


async def test_an_officer_at_the_door_of_partners_is_granted_nothing(
    world: World, database: Database
) -> None:
    asked = Asked(world, database, await as_officer(world, world.kanya))
    assert (await asked.incidents())["code"] == "NOT_GRANTED"
