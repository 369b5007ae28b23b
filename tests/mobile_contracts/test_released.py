"""An app that was released is never shut out: what it asks and what it sends stays accepted by every later server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    BreakingChangeType,
    DangerousChangeType,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    build_schema,
    find_breaking_changes,
    find_dangerous_changes,
    parse,
    validate,
)
from uuid_utils.compat import uuid7

from api.trusted import OPERATIONS, operation_id, trusted_operations
from mobile_contracts.reference.outbox import LANE_OF
from patrol.keys import KeySet
from schema.door import Door
from schema.phone import phone_door
from storage.database import Database
from tests.personas import as_officer
from tests.phone import Phone, ask, context
from tests.world import World, now

RELEASED = Path(__file__).parent / "released"
SDL = (RELEASED / "phone.graphql").read_text(encoding="utf-8")
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in RELEASED.glob("operations/*")}

ADDITIONS = frozenset(
    {
        # An app must pass over what it does not know; protocol.md says so.
        DangerousChangeType.VALUE_ADDED_TO_ENUM,
        DangerousChangeType.TYPE_ADDED_TO_UNION,
        DangerousChangeType.IMPLEMENTED_INTERFACE_ADDED,
        DangerousChangeType.OPTIONAL_INPUT_FIELD_ADDED,
        DangerousChangeType.OPTIONAL_ARG_ADDED,
    }
)
"""What graphql calls dangerous and we allow; another default is none of it, because an app may rely on the old one."""

COMPLETE = ("Lane", "MutationOutcome")
"""Enums that get no more values: an outcome that an app does not know would stop its queue, or cost the record."""

ADDED = tuple(f"Enum value {name}." for name in COMPLETE)


@pytest.fixture(scope="module")
def door() -> Door:
    return phone_door()


def broken(before: GraphQLSchema, after: GraphQLSchema) -> list[str]:
    """What an app that was built against `before` cannot do with `after`."""
    found = [one.description for one in find_breaking_changes(before, after)]
    found += [
        one.description
        for one in find_dangerous_changes(before, after)
        if one.type not in ADDITIONS or one.description.startswith(ADDED)
    ]
    for name, kind in before.type_map.items():
        today = after.type_map.get(name)
        both = isinstance(kind, GraphQLInputObjectType) and isinstance(
            today, GraphQLInputObjectType
        )
        if both and today.is_one_of and not kind.is_one_of:
            found.append(f"{name} takes only one of its fields.")
    return found


# What is asked


def test_nothing_of_the_released_contract_was_removed_or_made_stricter(door: Door) -> None:
    assert broken(build_schema(SDL), door.schema._schema) == []


@pytest.mark.parametrize(
    ("was", "becomes", "kind"),
    [
        ("  accuracyM: Float\n", "  accuracyM: Float!\n", BreakingChangeType.FIELD_CHANGED_KIND),
        ("  GAP\n", "  HOLE\n", BreakingChangeType.VALUE_REMOVED_FROM_ENUM),
        (
            "input AddNoteInput {\n",
            "input AddNoteInput {\n  weight: Int!\n",
            BreakingChangeType.REQUIRED_INPUT_FIELD_ADDED,
        ),
        (
            "input AddNoteInput {",
            "input AddNoteInput @oneOf {",
            None,
        ),
        ("  GAP\n", "  GAP\n  MUCH_LATER\n", DangerousChangeType.VALUE_ADDED_TO_ENUM),
        ("verify: Boolean", "verify: Boolean!", BreakingChangeType.ARG_CHANGED_KIND),
        ("first: Int! = 500", "first: Int! = 100", DangerousChangeType.ARG_DEFAULT_VALUE_CHANGE),
    ],
)
def test_what_would_shut_an_app_out_is_noticed(was: str, becomes: str, kind: Any) -> None:
    """The negative control."""
    before = build_schema(SDL)
    after = build_schema(SDL.replace(was, becomes), assume_valid=True)
    assert broken(before, after) != []
    if kind is not None:
        told = [*find_breaking_changes(before, after), *find_dangerous_changes(before, after)]
        assert kind in {one.type for one in told}


def test_what_is_only_added_is_allowed() -> None:
    added = SDL.replace("input AddNoteInput {\n", "input AddNoteInput {\n  weight: Int\n")
    added = added.replace("  LEFT_SCOPE\n", "  LEFT_SCOPE\n  MUCH_LATER\n")
    assert added.count("weight") == added.count("MUCH_LATER") == 1
    assert broken(build_schema(SDL), build_schema(added)) == []


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_a_released_operation_is_still_run(name: str, door: Door) -> None:
    assert validate(door.schema._schema, parse(TEXTS[name])) == []
    door.operations.get(TEXTS[name])
    # In production an app says the id alone.
    assert trusted_operations().get(operation_id(TEXTS[name])) == TEXTS[name], (
        f"copy released/operations/{name}.graphql to operations/earlier/{name}.<number>.graphql"
    )


def test_an_operation_of_another_contract_is_noticed(door: Door) -> None:
    """The negative control."""
    other = TEXTS["Push"].replace("appliedSequence", "lastSequence")
    assert validate(door.schema._schema, parse(other)) != []
    assert operation_id(other) not in trusted_operations()


def test_every_operation_that_is_known_fits_the_contract(door: Door) -> None:
    for path in OPERATIONS.rglob("*.graphql"):
        text = path.read_text(encoding="utf-8")
        assert validate(door.schema._schema, parse(text)) == [], path.name


async def test_a_released_app_pulls_and_its_copy_is_proven(
    door: Door, database: Database, world: World, keys: KeySet
) -> None:
    """It does not know the lists of today, and today's server does not count them against it."""
    here = context(database, await as_officer(world, world.kanya), keys)
    phone = Phone(door, here, text=TEXTS["Pull"])
    await phone.push("RECORDS", phone.report(zoneId=str(world.market)))
    await phone.push("SOS", phone.mutation("SOS", {"raiseAlert": {"id": str(uuid7())}}))
    await phone.pull()
    assert len(phone.rows["incidents"]) == 1
    cursor = phone.cursor
    assert await phone.verify() == []
    # The app is brought up to date: only lists in which it asks for more come anew.
    newer = Phone(door, here, cursor=cursor)
    [page] = await newer.pull()
    assert page["reset"] is None
    assert page["zones"] == page["incidents"] == []


# What is sent

_PLAIN: dict[str, Callable[[], Any]] = {
    "UUID": lambda: str(uuid7()),
    "String": lambda: "text",
    "Int": lambda: 1,
    "Long": lambda: 1,
    "Float": lambda: 1.5,
    "Boolean": lambda: True,
    "DateTime": lambda: now().isoformat(),
    "PhoneTime": lambda: "2567-02-29T08:15:30+07:00",
    "TrackPoints": lambda: [[now().isoformat(), 16.71, 98.57, 6.5]],
}


def sample(kind: Any, *, whole: bool) -> Any:
    """A value of an input: all that it may have, or only what it must."""
    if isinstance(kind, GraphQLNonNull):
        return sample(kind.of_type, whole=whole)
    if isinstance(kind, GraphQLList):
        return [sample(kind.of_type, whole=whole)]
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    if isinstance(kind, GraphQLInputObjectType):
        return {
            name: sample(field.type, whole=whole)
            for name, field in kind.fields.items()
            if whole or isinstance(field.type, GraphQLNonNull)
        }
    return _PLAIN[kind.name]()


def released_changes() -> Iterator[tuple[str, bool]]:
    change: Any = build_schema(SDL).type_map["ChangeInput"]
    for name in change.fields:
        for whole in (False, True):
            yield name, whole


@pytest.mark.parametrize(("name", "whole"), list(released_changes()))
async def test_a_released_change_is_still_taken(
    name: str, whole: bool, door: Door, database: Database, world: World, keys: KeySet
) -> None:
    """By the text of the released app, with all that its inputs had, and with only what they required."""
    change: Any = build_schema(SDL).type_map["ChangeInput"]
    mutation = {
        "sequence": 1,
        "mutationId": str(uuid7()),
        "capturedAt": now().isoformat(),
        "change": {name: sample(change.fields[name].type, whole=whole)},
    }
    here = context(database, await as_officer(world, world.kanya), keys)
    told = await ask(door, here, TEXTS["Push"], lane=LANE_OF[name], mutations=[mutation])
    assert "errors" not in told, told
    [answer] = told["data"]["push"]["answers"]
    assert answer["outcome"] in ("APPLIED", "REJECTED")
    assert answer["code"] not in ("CHANGE_UNREADABLE", "VARIABLE_INVALID")
    assert "unread" not in answer["detail"]


async def test_a_change_that_never_was_is_noticed(
    door: Door, database: Database, world: World, keys: KeySet
) -> None:
    """The negative control."""
    mutation = {
        "sequence": 1,
        "mutationId": str(uuid7()),
        "capturedAt": now().isoformat(),
        "change": {"addNote": {"id": str(uuid7()), "text": "text"}},
    }
    here = context(database, await as_officer(world, world.kanya), keys)
    told = await ask(door, here, TEXTS["Push"], lane="RECORDS", mutations=[mutation])
    [answer] = told["data"]["push"]["answers"]
    assert answer["code"] == "CHANGE_UNREADABLE"
