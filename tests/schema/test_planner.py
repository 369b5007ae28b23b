"""What the planner answers must be what a naive reader of whole tables answers, in a number of statements fixed by text."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patrol.keys import load
from schema.context import Context
from schema.phone import phone_door
from storage.database import Database
from storage.embedded import EmbeddedPostgres
from storage.principal import Role, system
from tests.conftest import LOGIN, SECRET, address_of, administer
from tests.personas import as_officer
from tests.phone import ask, context
from tests.schema.operations import Made, operations
from tests.schema.reference import LISTS, Reference
from tests.schema.seeds import fill
from tests.world import World

DOOR = phone_door()
ROOTS = ("zones", "cameras", "incidents", "incident", "alerts", "alert", "me")


@dataclass(repr=False)
class Station:
    """A filled station that all tests of this module only read, or add to where they say so."""

    world: World
    context: Context
    owner: asyncpg.Connection
    reference: Reference


@pytest.fixture(scope="module")
async def station(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[Station]:
    """The filled station with Kanya's phone."""
    name = f"patrol_{secrets.token_hex(6)}"
    await administer(postgres, f"create database {name} template {template}")
    database = await Database.connect(address_of(postgres, name, LOGIN), size=4)
    owner = await asyncpg.connect(address_of(postgres, name))
    try:
        world = await World.make(database)
        await fill(world)
        principal = await as_officer(world, world.kanya)
        async with database.write(system("keys"), role=Role.SYSTEM) as connection:
            keys = await load(connection, SECRET)
        async with database.enter(Role.PHONE, principal) as entered:
            scopes = entered.scopes
        reference = await Reference.load(DOOR.schema, owner, world.kanya, scopes)
        yield Station(world, context(database, principal, keys), owner, reference)
    finally:
        await owner.close()
        await database.close()
        await administer(postgres, f"drop database {name} with (force)")


@contextmanager
def counting() -> Iterator[list[str]]:
    """The statements that are sent meanwhile, but for those that enter and end a checkout."""
    sent: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fetch", "fetchrow", "fetchval", "execute"):
            real = getattr(asyncpg.Connection, name)

            def call(self: Any, query: str, *given: Any, real: Any = real, **more: Any) -> Any:
                if not query.startswith(("BEGIN", "COMMIT", "ROLLBACK", "\nwith credential")):
                    sent.append(query)
                return real(self, query, *given, **more)

            patch.setattr(asyncpg.Connection, name, call)
        yield sent


def known_of(station: Station) -> dict[str, list[Any]]:
    """Values that exist in the data, and some that do not."""
    tables = station.reference.tables
    times = sorted({row["occurred_at"].isoformat() for row in tables["incident"]})
    nowhere = "00000000-0000-7000-8000-000000000000"
    return {
        "UUID": [row["id"] for row in tables["zone"]] + [nowhere],
        "id incident": [row["id"] for row in tables["incident"]] + [nowhere],
        "id alert": [row["id"] for row in tables["sos_alert"]] + [nowhere],
        "DateTime": [*times, "2026-01-01T07:00:00+07:00"],
        **{f"after {name}": station.reference.cursors(name) for name in LISTS},
    }


async def same(station: Station, made: Made) -> None:
    """Both answer alike, and the planner sends no more statements than the text names lists and roots."""
    with counting() as sent:
        answer = await ask(DOOR, station.context, made.text, **made.variables)
    assert answer == station.reference.answer(made.text, made.variables)
    assert len(sent) <= made.lists


# The same as the reference


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_generated_operations_are_answered_as_a_naive_reader_answers_them(
    station: Station, data: st.DataObject
) -> None:
    made = data.draw(operations(DOOR.schema._schema, known_of(station), ROOTS))
    await same(station, made)


def test_the_reference_tells_a_wrong_answer(station: Station) -> None:
    """A negative control: with one row less in the tables the reference answers otherwise."""
    text = "{ incidents(first: 200) { totalCount nodes { id } } }"
    whole = station.reference.answer(text, {})
    rows = station.reference.tables["incident"]
    visible = next(row for row in rows if row["deleted_at"] is None)
    rows.remove(visible)
    try:
        assert station.reference.answer(text, {}) != whole
    finally:
        rows.append(visible)


async def test_lists_below_a_related_row_belong_to_that_row(station: Station) -> None:
    text = "{ incidents { nodes { id zone { id cameras { id zone { id cameras(first: 1) { id } } } } } } }"
    made = Made(text, {}, 3)
    await same(station, made)
    answer = await ask(DOOR, station.context, text)
    assert any(one["zone"] and one["zone"]["cameras"] for one in answer["data"]["incidents"]["nodes"])


async def test_nodes_and_edges_of_one_page_do_not_mix(station: Station) -> None:
    text = """{ zones {
        nodes { a: cameras(first: 1) { id } cameras { name } }
        edges { node { cameras(kind: FIXED) { id kind } a: cameras(first: 2) { code } } cursor }
        edges { node { id } } } }"""
    await same(station, Made(text, {}, 5))
