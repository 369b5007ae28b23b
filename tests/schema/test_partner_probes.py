"""A partner that asks cleverly must learn nothing more, and whatever it asks is in the log."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import asyncpg
import orjson
import pytest
from graphql import GraphQLEnumType, GraphQLObjectType, GraphQLSchema

from api.graphql.doors import DoorEngine
from api.graphql.engine import GraphQLRequest, Outcome
from storage.database import Database
from storage.principal import Role
from storage.vocabulary import DetailLevel
from tests.personas import as_partner
from tests.phone import ask, context
from tests.schema.asked import DOOR, Asked
from tests.world import LATITUDE, LONGITUDE, World, now

HOUR = timedelta(hours=1)


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
        "zones": paging | {"kind", "text", "order"},
        "cameras": paging | {"zoneId", "kind", "text", "within", "near", "order"},
        # Texts and places are compared with what the view shows; see tests/schema/test_finding.py.
        "incidents": paging
        | {
            "zoneId",
            "category",
            "severity",
            "status",
            "since",
            "until",
            "text",
            "within",
            "near",
            "order",
        },
    }


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{ zones(first: 999) { %s } }", "PAGE_SIZE_INVALID"),
        (
            "{ cameras { %s ... on CameraConnection { nodes { distanceM(from: {latitude: 98.5, longitude: 16}) } } } }",
            "VARIABLE_INVALID",
        ),
        ('{ zones(after: "x") { %s } }', "CURSOR_INVALID"),
        ('{ cameras(after: "x") { %s } }', "CURSOR_INVALID"),
        ('{ incidents(after: "x") { %s } }', "CURSOR_INVALID"),
    ],
)
async def test_a_refusal_is_data_and_no_error(text: str, code: str, radio: Asked) -> None:
    answer = await ask(
        DOOR, context(radio.database, radio.principal), text % "... on Refusal { code whatToDo }"
    )
    assert "errors" not in answer
    [refusal] = answer["data"].values()
    assert refusal["code"] == code
    assert refusal["whatToDo"]


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
    return list(
        await owner.fetch("select principal, act, subject, detail from audit_entry order by id")
    )


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
