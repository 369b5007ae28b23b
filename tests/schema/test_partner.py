"""A partner must see exactly what its agreements grant: no row, no detail and no count beyond it, however it asks."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from graphql import GraphQLEnumType, GraphQLObjectType, GraphQLSchema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from api.graphql.doors import DoorEngine
from api.graphql.engine import GraphQLRequest, Outcome
from schema.partner import partner_door
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.principal import Principal, Role
from storage.vocabulary import DetailLevel, SharingSubject
from tests.conftest import LOGIN, address_of, administer
from tests.personas import as_officer, as_partner
from tests.phone import ask, context
from tests.schema.seeds import add_picture
from tests.world import LATITUDE, LONGITUDE, World, now

DOOR = partner_door()

EVERYTHING = """{
    zones(first: 200) { __typename ... on Refusal { code } ... on ZoneConnection {
        totalCount nodes { id code cameras(first: 200) { id detail } } } }
    cameras(first: 200) { __typename ... on Refusal { code } ... on CameraConnection {
        totalCount nodes { id detail latitude longitude pictureTakenAt picture320 picture960 zone { id } } } }
    incidents(first: 200) { __typename ... on Refusal { code } ... on IncidentConnection {
        totalCount nodes { id detail title description latitude longitude occurredAt zone { id } } } }
}"""

INCIDENTS = """query ($zone: UUID, $first: Int! = 50, $after: String, $since: DateTime) {
    incidents(zoneId: $zone, first: $first, after: $after, since: $since) {
        ... on Refusal { code message whatToDo }
        ... on IncidentConnection {
            totalCount nodes { id title description latitude longitude detail } edges { cursor }
            pageInfo { hasNextPage endCursor } } } }"""


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
            if row["received_at"] <= at - one.delay
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


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
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
    seen = wanted["cameras"] if "__typename" not in wanted["cameras"] else {}
    for zone in answer["zones"].get("nodes", ()):
        below = {UUID(row["id"]): row["detail"] for row in zone["cameras"]}
        of_zone = {row["id"] for row in places.rows["camera"] if str(row["zone_id"]) == zone["id"]}
        assert below == {key: row["detail"] for key, row in seen.items() if key in of_zone}


@dataclass(repr=False)
class Asked:
    """The radio's door, with helpers for one list."""

    world: World
    database: Database
    principal: Principal

    async def incidents(self, **variables: Any) -> dict[str, Any]:
        answer = await ask(DOOR, context(self.database, self.principal), INCIDENTS, **variables)
        assert "errors" not in answer, answer
        listed: dict[str, Any] = answer["data"]["incidents"]
        return listed


@pytest.fixture
async def radio(world: World, database: Database) -> Asked:
    """The radio, that was granted all of the market in full."""
    return Asked(world, database, await as_partner(world, world.radio))


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


async def test_a_zone_that_is_not_granted_and_one_that_does_not_exist_are_refused_alike(
    radio: Asked, world: World
) -> None:
    await world.add_incident(world.temple)
    refusals = [await radio.incidents(zone=str(zone)) for zone in (world.temple, uuid7())]
    assert refusals[0] == refusals[1]
    assert refusals[0]["code"] == "NOT_GRANTED"
    assert refusals[0]["whatToDo"]


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


# Asking cleverly


@pytest.fixture
async def agency(world: World, database: Database) -> Asked:
    """An agency with coarse detail of the market, where two incidents lie metres apart."""
    organisation = await world.add_organisation("Agency")
    await world.add_agreement(organisation, [world.market], detail=DetailLevel.COARSE)
    hour_ago = now() - HOUR
    for title, metres in (("A knife", 1e-5), ("A lorry", 9e-5)):
        await world.add_incident(
            world.market,
            title=title,
            occurred_at=hour_ago,
            latitude=LATITUDE + metres,
            longitude=LONGITUDE + metres,
        )
    return Asked(world, database, await as_partner(world, organisation))


async def test_coarse_rows_have_no_text_and_a_rounded_position(agency: Asked) -> None:
    for row in (await agency.incidents())["nodes"]:
        assert (row["title"], row["description"]) == (None, None)
        assert (row["latitude"], row["longitude"]) == (16.713, 98.571)


async def test_a_cursor_holds_the_order_the_time_and_the_id(agency: Asked) -> None:
    page = await agency.incidents()
    for edge, row in zip(page["edges"], page["nodes"], strict=True):
        cursor = edge["cursor"]
        held = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        assert held[0] == "OCCURRED"
        assert held[2] == row["id"]
        assert len(held) == 3
        datetime.fromisoformat(held[1])


async def test_pages_are_in_an_order_that_hidden_columns_do_not_change(
    agency: Asked, world: World
) -> None:
    before = [row["id"] for row in (await agency.incidents())["nodes"]]
    await world.change("update incident set title = 'z' || title, latitude = latitude + 0.0001")
    assert [row["id"] for row in (await agency.incidents())["nodes"]] == before
    assert all(one > two for one, two in pairwise(before))  # the same time: by id


async def test_no_argument_of_a_list_asks_about_a_redacted_column() -> None:
    query = DOOR.schema._schema.query_type
    assert query is not None
    arguments = {name: set(field.args) for name, field in query.fields.items()}
    paging = {"first", "after"}
    assert arguments == {
        "organisation": set(),
        "zones": paging | {"kind"},
        "cameras": paging | {"zoneId", "kind"},
        "incidents": paging | {"zoneId", "category", "severity", "status", "since", "until"},
    }


PROBES = {
    "by equality": "select id from partner.incident where latitude = 16.71311",
    "by range": "select id from partner.incident where latitude > 16.71305",
    "by title": "select id from partner.incident where title like 'A %'",
    "by statistics": "select tablename from pg_stats where tablename in ('incident', 'camera', 'zone', 'agreement')",
}


@pytest.mark.parametrize("name", PROBES)
async def test_even_sql_of_its_own_would_find_no_redacted_value(
    name: str, agency: Asked, owner: asyncpg.Connection
) -> None:
    await owner.execute("analyze")
    async with agency.database.read(Role.PARTNER, agency.principal) as entered:
        assert await entered.connection.fetch(
            "select id from partner.incident where latitude = 16.713"
        )
        assert await entered.connection.fetch(PROBES[name]) == []


@pytest.mark.parametrize(
    "statement",
    [
        "select * from incident", "select title from incident", "select ctid from incident", "table zone",
        "select * from access.granted(null, null), incident", "select * from audit_entry", "table api_key",
        "create table t (a int)", "create view v as select 1", "create function f() returns int return 1",
        "update partner.organisation set code = 'x'",
        "delete from partner.incident", "insert into partner.organisation (id) values (gen_random_uuid())",
    ],
)  # fmt: skip
async def test_the_partners_role_reaches_nothing_but_its_views(
    statement: str, agency: Asked
) -> None:
    async with agency.database.enter(Role.PARTNER, agency.principal) as entered:
        transaction = entered.connection.transaction()
        await transaction.start()
        try:
            with pytest.raises(asyncpg.PostgresError) as refused:
                await entered.connection.execute(statement)
        finally:
            await transaction.rollback()
    assert isinstance(
        refused.value,
        asyncpg.InsufficientPrivilegeError | asyncpg.ObjectNotInPrerequisiteStateError,
    )


FORBIDDEN = {
    "rev", "scopeId", "scope", "syncXid", "reportedBy", "reporter", "device", "deviceId", "officer", "officerId",
    "capturedAtRaw", "receivedAt", "timeSuspect", "createdAt", "deletedAt", "stationId", "fieldRevs", "accuracyM",
    "keySha256", "boundaryExact", "sha256", "bucket", "key", "versionId", "raiser", "responder", "state", "original",
}  # fmt: skip


def test_the_contract_has_no_field_that_partners_must_not_know() -> None:
    for kind in types(DOOR.schema._schema):
        assert not FORBIDDEN & set(kind.fields), kind.name


def test_the_contract_changes_nothing_and_has_no_word_of_officers() -> None:
    schema = DOOR.schema._schema
    assert schema.mutation_type is None
    assert schema.subscription_type is None
    names = {name for name in schema.type_map if not name.startswith("__")}
    assert not [
        name
        for name in names
        if any(word in name for word in ("Officer", "Device", "Alert", "Post", "Session"))
    ]
    assert isinstance(schema.type_map["ErrorCode"], GraphQLEnumType)


def types(schema: GraphQLSchema) -> list[GraphQLObjectType]:
    return [
        kind
        for kind in schema.type_map.values()
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__")
    ]


# The log of reads


def engine(asked: Asked) -> DoorEngine:
    return DoorEngine(DOOR, lambda principal: context(asked.database, principal), audited=True)


async def entries(owner: asyncpg.Connection) -> list[Any]:
    return await owner.fetch("select principal, act, subject, detail from audit_entry order by id")


async def test_each_read_leaves_an_entry_in_the_log(
    radio: Asked, owner: asyncpg.Connection
) -> None:
    text = "query Market($zone: UUID) { incidents(zoneId: $zone) { __typename } }"
    variables = {"zone": str(radio.world.market)}
    before = len(await entries(owner))
    for _ in range(2):
        outcome = await engine(radio).execute(
            GraphQLRequest(text, variables=variables), radio.principal, read_only=True
        )
        assert isinstance(outcome, Outcome)
        assert b"IncidentConnection" in outcome.body
    one, two = (await entries(owner))[before:]
    assert one == two
    assert (one["principal"], one["act"], one["subject"]) == (
        f"partner:{radio.world.radio}",
        "partner.read",
        "Market",
    )
    assert orjson.loads(one["detail"])["variables"] == variables


async def test_a_refused_read_is_in_the_log_too(radio: Asked, owner: asyncpg.Connection) -> None:
    text = f'{{ incidents(zoneId: "{radio.world.temple}") {{ ... on Refusal {{ code }} }} }}'
    outcome = await engine(radio).execute(GraphQLRequest(text), radio.principal, read_only=True)
    assert b"NOT_GRANTED" in outcome.body
    assert [row["act"] for row in await entries(owner)][-1:] == ["partner.read"]


async def test_variables_that_the_log_cannot_hold_are_refused_and_no_mistake(
    radio: Asked, owner: asyncpg.Connection
) -> None:
    text = (
        "query ($after: String) { incidents(after: $after) { __typename ... on Refusal { code } } }"
    )
    request = GraphQLRequest(text, variables={"after": "a\0", "more": "\0"})
    outcome = await engine(radio).execute(request, radio.principal, read_only=True)
    assert b"VARIABLE_INVALID" in outcome.body
