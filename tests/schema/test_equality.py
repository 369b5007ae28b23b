"""Whatever is asked of a contract, the planner answers what a naive reader of whole tables answers, mistakes included."""

from __future__ import annotations

import copy
import re
from collections import Counter
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patrol.errors import Problem
from schema.context import Context
from schema.door import Door
from schema.partner import partner_door
from schema.phone import phone_door
from schema.planner import RequestErrors
from schema.planner.limits import Limits
from tests.phone import context
from tests.schema.agencies import Agencies
from tests.schema.operations import Made, operations
from tests.schema.reference import LISTS, PartnerReference, Reference
from tests.schema.reference.naive import Naive
from tests.schema.station import NOWHERE, Station
from tests.schema.test_planner import counting

# So that some operations are too costly, and most are not.
MOST = 50_000
LIMITS = Limits(values=MOST)
PHONE, PARTNER = phone_door(limits=LIMITS), partner_door(limits=LIMITS)

ROOTS = ("zones", "cameras", "incidents", "incident", "alerts", "alert", "notices", "tracks", "me", "checkpointKeys")  # fmt: skip
PARTNER_ROOTS = ("zones", "cameras", "incidents", "organisation")

PLACES: dict[str, list[Any]] = {
    "SearchText": ["mot", "A LO", "ตลาด", "ไฟ", "กล้อง", "north", "100%", "a_b", "b\\\\c%", "itle", "Secret", "ลักท"],
    "BoundsInput": [
        {"south": 16.7, "west": 98.5, "north": 16.8, "east": 98.6},
        {"south": 16.713, "west": 98.57, "north": 16.7151, "east": 98.5728},
        {"south": 16.713, "west": 98.571, "north": 16.713, "east": 98.571},
        {"south": -90, "west": -180.0, "north": 90, "east": 180},
    ],
    "NearInput": [
        {"latitude": 16.7151, "longitude": 98.5728, "radiusM": 30},
        {"latitude": 16.713, "longitude": 98.571, "radiusM": 9},
        {"latitude": 16.7, "longitude": 98.5, "radiusM": 12000.5},
    ],
    "PointInput": [{"latitude": 16.71, "longitude": 98.57}, {"latitude": -90, "longitude": 180.0}],
}  # fmt: skip


def known_of(
    reference: Reference | PartnerReference, names: dict[str, tuple[str, ...]]
) -> dict[str, list[Any]]:
    """Values that exist in the data, and some that do not; the cursors of lists by their orders."""
    tables = reference.tables
    times = sorted({row["occurred_at"].isoformat() for row in tables["incident"]})
    cursors = {
        f"after {name} {order}".strip(): reference.cursors(name, order) or ["W10"]
        for name, orders in names.items()
        for order in ("", *orders)
    }
    return {
        "UUID": [row["id"] for row in tables["zone"]] + [NOWHERE],
        "DateTime": [*times, "2026-01-01T07:00:00+07:00"],
        **PLACES,
        **cursors,
    }  # fmt: skip


BOTH_ORDERS = {
    "zones": ("NAME", "UPDATED"),
    "cameras": ("NAME", "UPDATED"),
    "incidents": ("OCCURRED", "UPDATED"),
}


def known_to_phone(station: Station) -> dict[str, list[Any]]:
    """What the phone's operations are made of."""
    tables, world = station.reference.tables, station.world
    names = {**dict.fromkeys((*LISTS, "notices", "snapshots"), ()), **BOTH_ORDERS}
    track = sorted({row["at"].isoformat() for row in tables["track_point"]})
    return {
        **known_of(station.reference, names),
        "id incident": [row["id"] for row in tables["incident"]] + [NOWHERE],
        "id alert": [row["id"] for row in tables["sos_alert"]] + [NOWHERE],
        "officerId tracks": [str(world.kanya), str(world.kanya), str(world.somkid), NOWHERE],
        "since tracks": track[:2],
        "until tracks": [*track[-2:], "2040-01-01T00:00:00Z"],
    }


async def answered(door: Door, asked: Context, made: Made) -> dict[str, Any]:
    """The planner's data, and its errors by code and path."""
    try:
        operation = door.operations.get(made.text)
        answer: dict[str, Any] = orjson.loads(await door.execute(operation, made.variables, asked))
    except RequestErrors as refused:
        answer = {"errors": refused.errors}
    except Problem as problem:
        answer = {"errors": [{"extensions": problem.as_extensions()}]}
    if "errors" in answer:
        answer["errors"] = [
            (one["extensions"]["code"], one.get("path")) for one in answer["errors"]
        ]
    return answer


async def alike(door: Door, asked: Context, reference: Naive, made: Made, *, each: int) -> None:
    """Both answer alike, in no more statements than `each` for every list and root of the text."""
    with counting() as sent:
        answer = await answered(door, asked, made)
    assert answer == reference.answer(made.text, made.variables)
    assert len(sent) <= each * made.lists


def limited(reference: Any) -> Any:
    """The same reference that refuses what is too costly."""
    one = copy.copy(reference)
    one.most = MOST
    return one


async def of_phone(station: Station, data: st.DataObject) -> None:
    """One operation of a phone."""
    made = data.draw(operations(PHONE.schema._schema, known_to_phone(station), ROOTS))
    await alike(PHONE, station.context, limited(station.reference), made, each=1)


async def of_partner(agencies: Agencies, data: st.DataObject) -> None:
    """One operation of some partner."""
    agency = data.draw(st.sampled_from(agencies.all))
    known = known_of(agency.reference, BOTH_ORDERS)
    known["UUID"] = [*map(str, agencies.zones), NOWHERE]
    made = data.draw(operations(PARTNER.schema._schema, known, PARTNER_ROOTS))
    asked = context(agencies.world.database, agency.principal)
    # Each list also asks what is granted.
    await alike(PARTNER, asked, limited(agency.reference), made, each=2)


FEW = settings(max_examples=300, suppress_health_check=list(HealthCheck))


@FEW
@given(data=st.data())
async def test_operations_of_phones_are_answered_as_a_naive_reader_answers_them(
    station: Station, data: st.DataObject
) -> None:
    await of_phone(station, data)


@FEW
@given(data=st.data())
async def test_operations_of_partners_are_answered_as_a_naive_reader_of_the_agreements_does(
    agencies: Agencies, data: st.DataObject
) -> None:
    await of_partner(agencies, data)


@pytest.mark.prove
@settings(FEW, max_examples=4_000)
@given(data=st.data())
async def test_thousands_of_operations_of_phones_are_answered_alike(
    station: Station, data: st.DataObject
) -> None:
    await of_phone(station, data)


@pytest.mark.prove
@settings(FEW, max_examples=2_000)
@given(data=st.data())
async def test_thousands_of_operations_of_partners_are_answered_alike(
    agencies: Agencies, data: st.DataObject
) -> None:
    await of_partner(agencies, data)


# What chance makes


FEATURES = {
    "aliases with arguments": r"a\d+: \w+\(",
    "named fragments": r"\.\.\.F\d+",
    "inline fragments": r"\.\.\. on \w+",
    "fragments without a type": r"\.\.\. \{",
    "constant conditions": r"@(skip|include)\(if: (true|false)\)",
    "variable conditions": r"@(skip|include)\(if: \$",
    "conditions with defaults": r"Boolean = (true|false)",
    "null": r": null",
    "variables with defaults": r"\$v\d+: \w+!? = ",
    "variables within lists and objects": r"[\[{][^(){}]*\$v\d+",
    "edges": r"edges",
    "places of pages": r"pageInfo",
    "totals": r"totalCount",
    "type names": r"__typename",
    "introspection": r"__type\(",
    "updates": r"UPDATED",
    "text": r"text: ",
    "boxes": r"within: ",
    "circles": r"near: ",
    "cursors": r"after: ",
    "ages": r"ageSeconds",
    "distances": r"distanceM",
    "JSON": r"boundary",
    "lists of enums": r"(status|category|severity): ",
    "times": r"(since|until): ",
    "three lists deep": r"zones.*(cameras|incidents|posts).*(snapshots|zone)",
}
CODES = {
    "OPERATION_INVALID",
    "VARIABLE_INVALID",
    "OPERATION_TOO_COSTLY",
    "PAGE_SIZE_INVALID",
    "CURSOR_INVALID",
}


def drawn(
    strategy: st.SearchStrategy[Made], reference: Naive, number: int = 400
) -> tuple[list[str], Counter[str]]:
    """Texts as the tests above draw them, and how often each thing is answered."""
    texts: list[str] = []
    told: Counter[str] = Counter()

    @settings(max_examples=number, suppress_health_check=list(HealthCheck), database=None)
    @given(made=strategy)
    def draw(made: Made) -> None:
        texts.append(made.text)
        answer = reference.answer(made.text, made.variables)
        told.update({code for code, _ in answer.get("errors", ())})
        told["rows"] += len(orjson.dumps(answer.get("data"), default=str)) > 200
        told["answers"] += "errors" not in answer

    reference.refusals.clear()
    draw()
    return texts, told + reference.refusals


def test_what_chance_makes_of_the_phones_contract_has_every_feature(station: Station) -> None:
    strategy = operations(PHONE.schema._schema, known_to_phone(station), ROOTS)
    texts, told = drawn(strategy, limited(station.reference), 1_000)
    print(told)
    missing = [name for name, one in FEATURES.items() if not any(re.search(one, t) for t in texts)]
    assert missing == []
    assert set(told) >= CODES
    assert told["answers"] > len(texts) / 2
    assert told["rows"] > len(texts) / 4
    query = PHONE.schema._schema.query_type
    assert query is not None
    for name in ROOTS:
        for argument in query.fields[name].args:
            assert any(re.search(rf"{name}\([^{{]*{argument}: ", text) for text in texts), (name, argument)  # fmt: skip


def test_what_chance_makes_of_the_partners_contract_has_every_feature(agencies: Agencies) -> None:
    told: Counter[str] = Counter()
    texts: list[str] = []
    for agency in agencies.all[:4]:
        known = {**known_of(agency.reference, BOTH_ORDERS), "UUID": [*map(str, agencies.zones)]}
        strategy = operations(PARTNER.schema._schema, known, PARTNER_ROOTS)
        more, counted = drawn(strategy, limited(agency.reference), 250)
        texts += more
        told += counted
    print(told)
    needed = {**FEATURES, "refusals": r"on Refusal", "fragments on unions": r"on \w+Answer"}
    needed.pop("three lists deep")
    missing = [name for name, one in needed.items() if not any(re.search(one, t) for t in texts)]
    assert missing == []
    assert set(told) >= CODES | {"NOT_GRANTED"}
    assert told["rows"] > len(texts) / 8
